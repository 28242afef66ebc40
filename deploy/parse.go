package deploy

import (
	"errors"
	"fmt"
	"os"
	"reflect"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"go.yaml.in/yaml/v4"
)

// Read reads a configuration file. Every fault of it is in the error, with its
// line, its key and what was expected.
func Read(file string) (*Config, error) {
	b, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	return Parse(file, b)
}

// Parse reads the text of a configuration file called name. What it does not
// say is as in Default. It must hold something: an empty file is a mistake.
func Parse(name string, text []byte) (*Config, error) {
	p := &parser{name: name, at: make(lines)}
	c := base()
	c.file, c.at = name, p.at
	var doc yaml.Node
	if err := yaml.Unmarshal(text, &doc); err != nil {
		return nil, p.syntax(text, err)
	}
	if len(doc.Content) == 0 {
		return nil, fmt.Errorf("%s: empty; leave the file out for the defaults, or see llama9 deploy generate-config", name)
	}
	p.value(doc.Content[0], "", reflect.ValueOf(c).Elem(), "")
	if len(p.faults) == 0 {
		c.fill(p)
		c.check(p)
	}
	if err := p.err(); err != nil {
		return nil, err
	}
	return c, nil
}

// lines has the line of each key, by its path.
type lines map[string]int

// find gives the line of a key, or that of what it would be in.
func (l lines) find(path string) int {
	for {
		if n, ok := l[path]; ok || path == "" {
			return n
		}
		path = path[:max(0, strings.LastIndexAny(path, ".["))]
	}
}

// A parser turns a tree of YAML into a Config.
type parser struct {
	name   string
	at     lines
	faults []fault
}

type fault struct {
	line int
	text string
}

func (p *parser) fault(path string, format string, args ...any) {
	p.faultAt(p.at.find(path), path, format, args...)
}

func (p *parser) faultAt(line int, path, format string, args ...any) {
	text := fmt.Sprintf(format, args...)
	if path != "" {
		text = path + ": " + text
	}
	p.faults = append(p.faults, fault{line, text})
}

// mostFaults is how many faults of one file are told.
const mostFaults = 20

func (p *parser) err() error {
	slices.SortStableFunc(p.faults, func(a, b fault) int { return a.line - b.line })
	var errs []error
	for i, f := range p.faults {
		if i == mostFaults {
			errs = append(errs, fmt.Errorf("%s: and %d more", p.name, len(p.faults)-i))
			break
		}
		where := p.name
		if f.line > 0 {
			where += ":" + strconv.Itoa(f.line)
		}
		errs = append(errs, fmt.Errorf("%s: %s", where, f.text))
	}
	return errors.Join(errs...)
}

var yamlLine = regexp.MustCompile(`line (\d+)`)

// syntax says what is wrong with a text that is no YAML. The commonest mistake
// is named as what it is.
func (p *parser) syntax(text []byte, err error) error {
	for i, line := range strings.Split(string(text), "\n") {
		if strings.HasPrefix(strings.TrimLeft(line, " "), "\t") {
			return fmt.Errorf("%s:%d: a tab begins the line; YAML is indented by spaces", p.name, i+1)
		}
	}
	line := 0
	if m := yamlLine.FindStringSubmatch(err.Error()); m != nil {
		line, _ = strconv.Atoi(m[1])
	}
	p.faultAt(line, "", "%s", strings.TrimPrefix(err.Error(), "yaml: "))
	return p.err()
}

var (
	durationType = reflect.TypeFor[time.Duration]()
	sizeType     = reflect.TypeFor[Size]()
)

// value sets v to what n says. tag is that of the field.
func (p *parser) value(n *yaml.Node, path string, v reflect.Value, tag reflect.StructTag) {
	if n.Kind == yaml.AliasNode {
		p.faultAt(n.Line, path, "*%s: aliases are not for this file; write it out", n.Value)
		return
	}
	switch {
	case v.Kind() == reflect.Struct:
		p.structure(n, path, v)
		return
	case v.Kind() == reflect.Slice:
		p.list(n, path, v, tag)
		return
	case v.Kind() == reflect.Map:
		p.mapping(n, path, v)
		return
	}
	if n.Kind != yaml.ScalarNode {
		p.faultAt(n.Line, path, "%s: want %s", kindName(n), want(v.Type(), tag))
		return
	}
	if err := scalar(n, v, tag); err != nil {
		p.faultAt(n.Line, path, "%v", err)
	}
}

func kindName(n *yaml.Node) string {
	switch {
	case n.Kind == yaml.MappingNode:
		return "a table"
	case n.Kind == yaml.SequenceNode:
		return "a list"
	case n.Tag == "!!null":
		return "nothing"
	}
	return strconv.Quote(n.Value)
}

func (p *parser) structure(n *yaml.Node, path string, v reflect.Value) {
	if n.Kind != yaml.MappingNode {
		p.faultAt(n.Line, path, "%s: want a table of %s", kindName(n), strings.Join(keys(v.Type()), ", "))
		return
	}
	p.each(n, path, func(key *yaml.Node, val *yaml.Node, below string) {
		for i := range v.NumField() {
			if f := v.Type().Field(i); f.Tag.Get("yaml") == key.Value {
				p.value(val, below, v.Field(i), f.Tag)
				return
			}
		}
		p.faultAt(key.Line, path, "%s: unknown key; want one of %s", key.Value, strings.Join(keys(v.Type()), ", "))
	})
}

// each calls do for each key of a table, once.
func (p *parser) each(n *yaml.Node, path string, do func(key, val *yaml.Node, below string)) {
	for i := 0; i+1 < len(n.Content); i += 2 {
		key, val := n.Content[i], n.Content[i+1]
		below := key.Value
		if path != "" {
			below = path + "." + below
		}
		if first, ok := p.at[below]; ok {
			p.faultAt(key.Line, path, "%s: twice; it is on line %d already", key.Value, first)
			continue
		}
		p.at[below] = key.Line
		do(key, val, below)
	}
}

func (p *parser) list(n *yaml.Node, path string, v reflect.Value, tag reflect.StructTag) {
	if n.Kind != yaml.SequenceNode {
		p.faultAt(n.Line, path, "%s: want a list, each line beginning with a dash", kindName(n))
		return
	}
	l := reflect.MakeSlice(v.Type(), len(n.Content), len(n.Content))
	for i, e := range n.Content {
		below := fmt.Sprintf("%s[%d]", path, i)
		p.at[below] = e.Line
		item(l.Index(i).Addr().Interface())
		p.value(e, below, l.Index(i), tag)
	}
	v.Set(l)
}

func (p *parser) mapping(n *yaml.Node, path string, v reflect.Value) {
	if n.Kind != yaml.MappingNode {
		p.faultAt(n.Line, path, "%s: want a table of names and texts", kindName(n))
		return
	}
	m := make(map[string]string)
	p.each(n, path, func(key, val *yaml.Node, below string) {
		if val.Kind != yaml.ScalarNode {
			p.faultAt(val.Line, below, "%s: want a text", kindName(val))
			return
		}
		m[key.Value] = val.Value
	})
	v.Set(reflect.ValueOf(m))
}

// keys are those of a table, in the order of the file.
func keys(t reflect.Type) []string {
	var l []string
	for i := range t.NumField() {
		if k := t.Field(i).Tag.Get("yaml"); k != "" {
			l = append(l, k)
		}
	}
	return l
}
