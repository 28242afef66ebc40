package gbnf

import (
	"fmt"
	"slices"
	"strings"
)

// FromSchema makes a grammar of a JSON schema, as llama.cpp's
// common/json-schema-to-grammar does. Every text of the grammar is valid by
// the schema; not every valid text is in the grammar: properties come in the
// order in which the schema writes them, an object has none but those unless
// additionalProperties is given, a missing type is taken from the keywords
// that are there, numbers have at most 16 digits, and there is little space.
//
// Known are type, properties, required, additionalProperties, items,
// prefixItems, minItems, maxItems, enum, const, anyOf, oneOf (taken as anyOf),
// allOf (merged), $ref within the schema, minLength, maxLength, pattern,
// format (date, time, date-time, uuid), minimum, maximum, exclusiveMinimum,
// exclusiveMaximum (whole numbers), multipleOf 1. Ignored, as they bind
// nothing, are title, description, default, examples, deprecated, readOnly,
// writeOnly, $schema, $id, $comment, $defs, definitions, contentMediaType,
// contentEncoding, discriminator, x-... and other formats. Anything else is
// an error, and so is what can hold for no value.
func FromSchema(schema string) (string, error) {
	v, err := decode(schema)
	if err != nil {
		return "", fmt.Errorf("schema: %w", err)
	}
	c := &converter{doc: v, refs: map[string]string{}, bodies: map[string]string{}}
	text, err := c.convert()
	if err != nil {
		return "", fmt.Errorf("schema: %w", err)
	}
	if err := Check(text); err != nil {
		return "", fmt.Errorf("schema: %w", err)
	}
	return text, nil
}

// A converter writes the rules of one schema.
type converter struct {
	doc    any
	refs   map[string]string // rule by $ref
	bodies map[string]string // by rule
	order  []string
	depth  int
	size   int
}

// A schemaError is where and what.
type schemaError struct{ path, text string }

func (e *schemaError) Error() string { return e.path + ": " + e.text }

// fail ends the conversion; convert recovers it. path is a JSON pointer.
func fail(path, format string, a ...any) {
	if path == "" {
		path = "#"
	}
	panic(&schemaError{path, fmt.Sprintf(format, a...)})
}

func (c *converter) convert() (text string, err error) {
	defer func() {
		switch x := recover().(type) {
		case nil:
		case *schemaError:
			text, err = "", x
		default:
			panic(x)
		}
	}()
	c.refs["#"] = "root"
	c.bodies["root"] = ""
	c.order = append(c.order, "root")
	c.bodies["root"] = c.visit(c.doc, "", "root")
	var b strings.Builder
	for _, n := range c.order {
		fmt.Fprintf(&b, "%s ::= %s\n", n, c.bodies[n])
	}
	return b.String(), nil
}

// define makes a rule with a name like name and gives the name it got.
func (c *converter) define(name, body string) string {
	n := c.reserve(name)
	c.bodies[n] = body
	return n
}

// reserve makes a rule whose body comes later.
func (c *converter) reserve(name string) string {
	name = ruleName(name)
	n := name
	for i := 1; ; i++ {
		_, taken := c.bodies[n]
		if !taken && primitives[n] == "" {
			break
		}
		n = fmt.Sprintf("%s-%d", name, i)
	}
	c.bodies[n] = ""
	c.order = append(c.order, n)
	return n
}

func ruleName(s string) string {
	if len(s) > 60 {
		s = s[len(s)-60:]
	}
	s = strings.Map(func(r rune) rune {
		if r < 0x80 && isWord(byte(r)) {
			return r
		}
		return '-'
	}, s)
	if s = strings.Trim(s, "-"); s == "" {
		return "rule"
	}
	return s
}

// primitives are rules that are written when they are used. A value eats the
// space after it, as in llama.cpp.
var primitives = map[string]string{
	"space":     `| " " | "\n"{1,2} [ \t]{0,20}`,
	"boolean":   `("true" | "false") space`,
	"null":      `"null" space`,
	"digits":    `[0-9]{1,16}`,
	"integral":  `"0" | [1-9] [0-9]{0,15}`,
	"number":    `"-"? integral ("." digits)? ([eE] [-+]? [0-9]{1,2})? space`,
	"integer":   `"-"? integral space`,
	"char":      `[^"\\\x7F\x00-\x1F] | "\\" (["\\bfnrt/] | "u" hex4)`,
	"hex4":      `[0-9a-ce-fA-CE-F] [0-9a-fA-F]{3} | [dD] [0-7] [0-9a-fA-F]{2}`,
	"string":    `"\"" char* "\"" space`,
	"value":     `object | array | string | number | boolean | null`,
	"object":    `"{" space (string ":" space value ("," space string ":" space value)*)? "}" space`,
	"array":     `"[" space (value ("," space value)*)? "]" space`,
	"date":      `[0-9]{4} "-" (("0" [1-9] | "1" [0-2]) "-" ("0" [1-9] | "1" [0-9] | "2" [0-8]) | ("0" [13-9] | "1" [0-2]) "-" ("29" | "30") | ("0" [13578] | "1" [02]) "-31")`,
	"time":      `([01] [0-9] | "2" [0-3]) ":" [0-5] [0-9] ":" [0-5] [0-9] ("." [0-9]{1,9})? ("Z" | [-+] ([01] [0-9] | "2" [0-3]) ":" [0-5] [0-9])`,
	"date-time": `date "T" time`,
	"uuid":      `[0-9a-fA-F]{8} "-" [0-9a-fA-F]{4} "-" [0-9a-fA-F]{4} "-" [0-9a-fA-F]{4} "-" [0-9a-fA-F]{12}`,
}

// use writes the primitive rule name, and those in it, once.
func (c *converter) use(name string) string {
	if _, ok := c.bodies[name]; ok {
		return name
	}
	c.bodies[name] = primitives[name]
	c.order = append(c.order, name)
	for _, w := range strings.FieldsFunc(unquoted(primitives[name]), func(r rune) bool { return r > 0x7f || !isWord(byte(r)) }) {
		if primitives[w] != "" {
			c.use(w)
		}
	}
	return name
}

// unquoted is a rule's body without its literals and classes.
func unquoted(body string) string {
	var b strings.Builder
	for i := 0; i < len(body); i++ {
		end := map[byte]byte{'"': '"', '[': ']'}[body[i]]
		if end == 0 {
			b.WriteByte(body[i])
			continue
		}
		b.WriteByte(' ')
		for i++; body[i] != end; i++ {
			if body[i] == '\\' {
				i++
			}
		}
	}
	return b.String()
}

// visit gives the body of a rule for schema s, which stands at path; name is
// for the rules it needs.
func (c *converter) visit(s any, path, name string) string {
	c.depth++
	defer func() { c.depth-- }()
	if c.depth > maxDepth {
		fail(path, "nested too deep")
	}
	if c.size++; c.size > 100000 {
		fail(path, "schema too big")
	}
	switch s := s.(type) {
	case bool:
		if !s {
			fail(path, "false holds for no value")
		}
		return c.use("value")
	case *object:
		return c.visitObject(s, path, name)
	}
	fail(path, "a schema is an object or a boolean")
	return ""
}

// item is visit as one symbol: a rule of its own unless it is one already.
func (c *converter) item(s any, path, name string) string {
	if o, ok := s.(*object); ok && o.has("$ref") && len(c.binding(o, path)) == 1 {
		return c.ref(o, path)
	}
	body := c.visit(s, path, name)
	if _, ok := c.bodies[body]; ok {
		return body
	}
	return c.define(name, body)
}

func (c *converter) visitObject(s *object, path, name string) string {
	keys := c.binding(s, path)
	if len(keys) == 0 {
		return c.use("value")
	}
	switch {
	case s.has("$ref"):
		if len(keys) == 1 {
			return c.ref(s, path)
		}
		target, at := c.resolve(s, path)
		return c.visit(c.merge(target, s.without("$ref"), at), path, name)
	case s.has("allOf"):
		return c.visit(c.allOf(s, path), path, name)
	case s.has("anyOf"):
		return c.anyOf(s, "anyOf", path, name)
	case s.has("oneOf"):
		return c.anyOf(s, "oneOf", path, name)
	case s.has("const"), s.has("enum"):
		return c.enum(s, keys, path)
	}
	return c.typed(s, keys, path, name)
}

// The keywords that bind, by the type that they are of.
var (
	ofObject = []string{"properties", "required", "additionalProperties", "unevaluatedProperties"}
	ofArray  = []string{"items", "prefixItems", "minItems", "maxItems", "uniqueItems"}
	ofString = []string{"minLength", "maxLength", "pattern", "format"}
	ofNumber = []string{"minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "multipleOf"}
	ofAny    = []string{"type", "$ref", "allOf", "anyOf", "oneOf", "const", "enum"}
	notes    = []string{"title", "description", "default", "example", "examples", "deprecated", "readOnly", "writeOnly",
		"$schema", "$id", "$comment", "$defs", "definitions", "contentMediaType", "contentEncoding", "discriminator"}
)

// binding gives the keywords of s that bind something; unknown ones fail.
func (c *converter) binding(s *object, path string) []string {
	var out []string
	for _, k := range s.keys {
		switch {
		case slices.Contains(notes, k), strings.HasPrefix(k, "x-"):
		case k == "uniqueItems" && s.vals[k] == false:
		case k == "format" && !knownFormat(s.vals[k]):
		case slices.Contains(ofObject, k), slices.Contains(ofArray, k), slices.Contains(ofString, k), slices.Contains(ofNumber, k), slices.Contains(ofAny, k):
			out = append(out, k)
		default:
			fail(path, "keyword %s is not supported", k)
		}
	}
	return out
}

func knownFormat(v any) bool {
	return v == "date" || v == "time" || v == "date-time" || v == "uuid"
}

// typed writes s by its type, or types.
func (c *converter) typed(s *object, keys []string, path, name string) string {
	var types []string
	switch t := s.vals["type"].(type) {
	case string:
		types = []string{t}
	case []any:
		for _, x := range t {
			x, ok := x.(string)
			if !ok {
				fail(path, "type is a name or names")
			}
			types = append(types, x)
		}
	default:
		if s.has("type") {
			fail(path, "type is a name or names")
		}
		types = implied(keys)
	}
	if len(types) == 0 {
		fail(path, "no type holds for no value")
	}
	var alts []string
	for _, t := range types {
		body := c.byType(t, s, path, name)
		if len(types) > 1 && strings.ContainsAny(body, " ") {
			body = c.define(name+"-"+t, body)
		}
		alts = append(alts, body)
	}
	return strings.Join(alts, " | ")
}

// implied are the types that keys speak of.
func implied(keys []string) []string {
	var out []string
	for _, t := range []struct {
		name string
		keys []string
	}{{"object", ofObject}, {"array", ofArray}, {"string", ofString}, {"number", ofNumber}} {
		if slices.ContainsFunc(keys, func(k string) bool { return slices.Contains(t.keys, k) }) {
			out = append(out, t.name)
		}
	}
	return out
}

func (c *converter) byType(t string, s *object, path, name string) string {
	switch t {
	case "object":
		return c.object(s, path, name)
	case "array":
		return c.array(s, path, name)
	case "string":
		return c.string(s, path, name)
	case "integer":
		return c.integer(s, path)
	case "number":
		return c.number(s, path)
	case "boolean", "null":
		return c.use(t)
	}
	fail(path, "unknown type %q", t)
	return ""
}

// literal is a GBNF literal for s.
func literal(s string) string {
	var b strings.Builder
	b.WriteByte('"')
	for _, r := range s {
		switch {
		case r == '"' || r == '\\':
			b.WriteByte('\\')
			b.WriteRune(r)
		case r == '\n':
			b.WriteString(`\n`)
		case r < 0x20 || r == 0x7f:
			fmt.Fprintf(&b, `\x%02X`, r)
		default:
			b.WriteRune(r)
		}
	}
	b.WriteByte('"')
	return b.String()
}

// count reads a bound such as minItems, deflt if it is not there.
func count(s *object, key string, deflt int, path string) int {
	v, ok := s.vals[key]
	if !ok {
		return deflt
	}
	n, ok := whole(v)
	if !ok || n < 0 {
		fail(path, "%s is a count", key)
	}
	if n >= maxRepeat {
		fail(path, "%s %d: a grammar counts to %d", key, n, maxRepeat-1)
	}
	return int(n)
}

// times writes {lo,hi}; hi < 0 is no bound.
func times(lo, hi int) string {
	switch {
	case lo == 0 && hi < 0:
		return "*"
	case lo == 1 && hi < 0:
		return "+"
	case lo == 0 && hi == 1:
		return "?"
	case lo == 1 && hi == 1:
		return ""
	case hi < 0:
		return fmt.Sprintf("{%d,}", lo)
	case lo == hi:
		return fmt.Sprintf("{%d}", lo)
	}
	return fmt.Sprintf("{%d,%d}", lo, hi)
}
