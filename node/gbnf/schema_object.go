package gbnf

import (
	"fmt"
	"slices"
	"strings"
)

// object writes an object: its properties in the order of the schema, the
// optional ones there or not, then others if additionalProperties lets them.
//
// The properties before the first required one bring the comma behind them,
// those after it before them. If none is required, there is a rule for each
// property that can be the first.
func (c *converter) object(s *object, path, name string) string {
	more, open := c.additional(s, path, name)
	props := c.properties(s, path, open)
	c.use("space")
	if len(props) == 0 {
		switch {
		case more != "":
			c.use("string")
			return fmt.Sprintf(`"{" space (string ":" space %s ("," space string ":" space %s)*)? "}" space`, more, more)
		case open == nil:
			return c.use("object")
		}
		return `"{" space "}" space`
	}
	kv := make([]string, len(props))
	for i, p := range props {
		at := pointer(path, "properties", p.key)
		if !p.defined {
			at = pointer(path, "required")
		}
		kv[i] = c.define(name+"-"+p.key+"-kv", literal(encode(p.key))+` space ":" space `+c.item(p.schema, at, name+"-"+p.key))
	}
	extra := ""
	if more != "" {
		keys := make([]string, len(props))
		for i, p := range props {
			keys[i] = p.key
		}
		extra = c.define(name+"-more-kv", c.otherKey(keys, name)+` space ":" space `+more)
	}
	var b strings.Builder
	first := slices.IndexFunc(props, func(p property) bool { return p.required })
	if first < 0 {
		b.WriteString(c.noneRequired(kv, extra, name))
	} else {
		for i, p := range props {
			switch {
			case i < first:
				fmt.Fprintf(&b, `(%s "," space)? `, kv[i])
			case i == first:
				b.WriteString(kv[i] + " ")
			case p.required:
				fmt.Fprintf(&b, `"," space %s `, kv[i])
			default:
				fmt.Fprintf(&b, `("," space %s)? `, kv[i])
			}
		}
		if extra != "" {
			fmt.Fprintf(&b, `("," space %s)* `, extra)
		}
	}
	return `"{" space ` + b.String() + `"}" space`
}

// noneRequired writes any choice of kv in order, then any number of extra.
func (c *converter) noneRequired(kv []string, extra, name string) string {
	rest := ""
	if extra != "" {
		rest = c.define(name+"-rest", fmt.Sprintf(`("," space %s)*`, extra))
	}
	alts := []string{}
	if extra != "" {
		alts = append(alts, extra+" "+rest)
	}
	for i := len(kv) - 1; i >= 0; i-- {
		alts = append(alts, strings.TrimSpace(kv[i]+" "+rest))
		if i > 0 {
			rest = c.define(name+"-rest", strings.TrimSpace(fmt.Sprintf(`("," space %s)? %s`, kv[i], rest)))
		}
	}
	slices.Reverse(alts)
	return "(" + strings.Join(alts, " | ") + ")? "
}

type property struct {
	key      string
	schema   any
	required bool
	defined  bool // in properties, not only in required
}

// properties are those of s in order; a property that is required but not
// described comes last and is what additionalProperties says.
func (c *converter) properties(s *object, path string, open any) []property {
	var out []property
	required := map[string]bool{}
	var names []string
	if v, ok := s.vals["required"]; ok {
		list, ok := v.([]any)
		if !ok {
			fail(path, "required is a list of names")
		}
		for _, x := range list {
			k, ok := x.(string)
			if !ok {
				fail(path, "required is a list of names")
			}
			if !required[k] {
				names = append(names, k)
			}
			required[k] = true
		}
	}
	seen := map[string]bool{}
	if v, ok := s.vals["properties"]; ok {
		o, ok := v.(*object)
		if !ok {
			fail(path, "properties is an object")
		}
		for _, k := range o.keys {
			seen[k] = true
			if o.vals[k] == false && !required[k] {
				continue // never there
			}
			out = append(out, property{k, o.vals[k], required[k], true})
		}
	}
	for _, k := range names {
		if !seen[k] {
			if open == false {
				fail(path, "required property %q is not allowed", k)
			}
			schema := open
			if schema == nil {
				schema = true
			}
			out = append(out, property{k, schema, true, false})
		}
	}
	return out
}

// additional gives the symbol of further properties' values, "" for none,
// and the keyword's value, nil if it is not there.
func (c *converter) additional(s *object, path, name string) (string, any) {
	key := "additionalProperties"
	if !s.has(key) {
		key = "unevaluatedProperties"
	}
	v, ok := s.vals[key]
	switch {
	case !ok:
		return "", nil
	case v == false:
		return "", v
	}
	return c.item(v, pointer(path, key), name+"-more"), v
}

// otherKey is a string that is none of keys. Inside of it, as far as it could
// still become one of them, there are no escapes.
func (c *converter) otherKey(keys []string, name string) string {
	c.use("char")
	root := &trie{}
	for _, k := range keys {
		root.add([]rune(k))
	}
	return `"\"" ` + c.define(name+"-more-key", root.other()) + ` "\""`
}

type trie struct {
	next map[rune]*trie
	keys []rune // of next, in order
	end  bool   // one of the words ends here
}

func (t *trie) add(word []rune) {
	for _, r := range word {
		if t.next == nil {
			t.next = map[rune]*trie{}
		}
		if t.next[r] == nil {
			t.next[r] = &trie{}
			t.keys = append(t.keys, r)
		}
		t = t.next[r]
	}
	t.end = true
}

// other writes what can follow here so that the whole is no word of the trie.
func (t *trie) other() string {
	var alts []string
	var not strings.Builder
	for _, r := range t.keys {
		not.WriteString(classRune(r))
		if jsonRune(r) == string(r) { // others are escaped, and left out
			alts = append(alts, literal(string(r))+" "+t.next[r].other())
		}
	}
	alts = append(alts, `[^"\\\x7F\x00-\x1F`+not.String()+`] char*`)
	s := "(" + strings.Join(alts, " | ") + ")"
	if !t.end {
		s += "?"
	}
	return s
}

// pointer adds keys to a JSON pointer.
func pointer(path string, keys ...string) string {
	if path == "" {
		path = "#"
	}
	for _, k := range keys {
		path += "/" + strings.NewReplacer("~", "~0", "/", "~1").Replace(k)
	}
	return path
}
