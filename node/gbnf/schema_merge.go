package gbnf

import (
	"fmt"
	"net/url"
	"slices"
	"strconv"
	"strings"
)

// enum writes const and enum: the values, as far as they are of the type.
func (c *converter) enum(s *object, keys []string, path string) string {
	c.use("space")
	for _, k := range keys {
		if k != "enum" && k != "const" && k != "type" {
			fail(path, "%s beside enum or const is not supported", k)
		}
	}
	values := []any{s.vals["const"]}
	if v, ok := s.vals["enum"]; ok {
		list, ok := v.([]any)
		if !ok {
			fail(path, "enum is a list")
		}
		if s.has("const") {
			list = slices.DeleteFunc(slices.Clone(list), func(v any) bool { return !same(v, s.vals["const"]) })
		}
		values = list
	}
	var alts []string
	for _, v := range values {
		if lit := literal(encode(v)); ofType(v, s.vals["type"]) && !slices.Contains(alts, lit) {
			alts = append(alts, lit)
		}
	}
	if alts == nil {
		fail(path, "no value of enum is left")
	}
	return "(" + strings.Join(alts, " | ") + ") space"
}

// ofType says whether v is of the schema's type t, or of one of them.
func ofType(v, t any) bool {
	switch t := t.(type) {
	case nil:
		return true
	case []any:
		return slices.ContainsFunc(t, func(t any) bool { return ofType(v, t) })
	case string:
		switch v.(type) {
		case nil:
			return t == "null"
		case bool:
			return t == "boolean"
		case string:
			return t == "string"
		case []any:
			return t == "array"
		case *object:
			return t == "object"
		}
		_, isWhole := whole(v)
		return t == "number" || t == "integer" && isWhole
	}
	return false
}

// anyOf writes the alternatives, each with what stands beside them.
func (c *converter) anyOf(s *object, key, path, name string) string {
	list, ok := s.vals[key].([]any)
	if !ok || len(list) == 0 {
		fail(path, "%s is a list of schemas", key)
	}
	base := s.without(key)
	bound := len(c.binding(base, path)) > 0
	var alts []string
	for i, v := range list {
		at := pointer(path, key, strconv.Itoa(i))
		if v == false {
			continue
		}
		if bound {
			v = c.merge(v, base, at)
		}
		if sym := c.item(v, at, fmt.Sprintf("%s-%d", name, i)); !slices.Contains(alts, sym) {
			alts = append(alts, sym)
		}
	}
	if alts == nil {
		fail(path, "%s holds for no value", key)
	}
	return strings.Join(alts, " | ")
}

// allOf merges the parts of s.allOf and what stands beside it.
func (c *converter) allOf(s *object, path string) any {
	list, ok := s.vals["allOf"].([]any)
	if !ok || len(list) == 0 {
		fail(path, "allOf is a list of schemas")
	}
	var all any = s.without("allOf")
	for i, v := range list {
		all = c.merge(all, v, pointer(path, "allOf", strconv.Itoa(i)))
	}
	return all
}

// merge makes the schema of what holds for both a and b. What it cannot
// write as one schema is an error.
func (c *converter) merge(a, b any, path string) any {
	c.depth++
	defer func() { c.depth-- }()
	if c.size++; c.depth > maxDepth || c.size > 100000 {
		fail(path, "nested too deep")
	}
	switch {
	case a == true:
		return b
	case b == true:
		return a
	case a == false || b == false:
		return false
	}
	x, ok1 := a.(*object)
	y, ok2 := b.(*object)
	if !ok1 || !ok2 {
		fail(path, "a schema is an object or a boolean")
	}
	x, y = c.flat(x, path), c.flat(y, path)
	bx, by := c.binding(x, path), c.binding(y, path)
	out := newObject()
	for _, k := range bx {
		out.set(k, x.vals[k])
	}
	tuple := c.mergeTuple(out, x, y, path)
	for _, k := range by {
		v := y.vals[k]
		if tuple && (k == "prefixItems" || k == "items") {
			continue
		}
		if !out.has(k) {
			out.set(k, v)
			continue
		}
		out.set(k, c.mergeKey(k, out.vals[k], v, path))
	}
	// A property that only one side names is bound by the other side's
	// additionalProperties.
	closeOver(c, out, x, y, path)
	closeOver(c, out, y, x, path)
	return out
}

// mergeTuple sets the items of out where x or y has some by their place: what
// x says of each place is merged with what y says of it.
func (c *converter) mergeTuple(out, x, y *object, path string) bool {
	px, rx, _ := c.arrayItems(x, path)
	py, ry, _ := c.arrayItems(y, path)
	if len(px) == 0 && len(py) == 0 {
		return false
	}
	at := func(prefix []any, rest any, i int) any {
		switch {
		case i < len(prefix):
			return prefix[i]
		case rest == nil:
			return true
		}
		return rest
	}
	n := max(len(px), len(py))
	var prefix []any
	for i := range n {
		prefix = append(prefix, c.merge(at(px, rx, i), at(py, ry, i), pointer(path, "prefixItems", strconv.Itoa(i))))
	}
	out.set("prefixItems", prefix)
	if rx != nil || ry != nil {
		out.set("items", c.merge(at(nil, rx, 0), at(nil, ry, 0), pointer(path, "items")))
	}
	return true
}

// flat resolves a $ref and an allOf at the top of o.
func (c *converter) flat(o *object, path string) *object {
	for range maxDepth {
		var v any
		switch {
		case o.has("$ref"):
			target, at := c.resolve(o, path)
			rest := o.without("$ref")
			if v = target; len(c.binding(rest, path)) > 0 {
				v = c.merge(target, rest, at)
			}
		case o.has("allOf"):
			v = c.allOf(o, path)
		default:
			return o
		}
		n, ok := v.(*object)
		if !ok {
			if v == true {
				return newObject()
			}
			fail(path, "false holds for no value")
		}
		o = n
	}
	fail(path, "$ref goes in a circle")
	return nil
}

func closeOver(c *converter, out, x, y *object, path string) {
	more, ok := x.vals["additionalProperties"]
	if !ok || more == true {
		return
	}
	mine, _ := x.vals["properties"].(*object)
	props, _ := out.vals["properties"].(*object)
	if props == nil {
		return
	}
	closed := newObject()
	for _, k := range props.keys {
		if mine != nil && mine.has(k) {
			closed.set(k, props.vals[k])
		} else {
			closed.set(k, c.merge(props.vals[k], more, pointer(path, "properties", k)))
		}
	}
	out.set("properties", closed)
}

func (c *converter) mergeKey(k string, a, b any, path string) any {
	if same(a, b) {
		return a
	}
	switch k {
	case "properties":
		x, ok1 := a.(*object)
		y, ok2 := b.(*object)
		if !ok1 || !ok2 {
			fail(path, "properties is an object")
		}
		out := x.without()
		for _, p := range y.keys {
			if out.has(p) {
				out.set(p, c.merge(out.vals[p], y.vals[p], pointer(path, "properties", p)))
			} else {
				out.set(p, y.vals[p])
			}
		}
		return out
	case "required":
		x, ok1 := a.([]any)
		y, ok2 := b.([]any)
		if ok1 && ok2 {
			return append(slices.Clone(x), y...)
		}
	case "additionalProperties", "items", "unevaluatedProperties":
		return c.merge(a, b, pointer(path, k))
	case "type":
		if t := commonTypes(a, b); len(t) > 0 {
			return t
		}
		fail(path, "no type is left of %s and %s", encode(a), encode(b))
	case "enum":
		x, ok1 := a.([]any)
		y, ok2 := b.([]any)
		if ok1 && ok2 {
			return slices.DeleteFunc(slices.Clone(x), func(v any) bool {
				return !slices.ContainsFunc(y, func(w any) bool { return same(v, w) })
			})
		}
	case "minimum", "exclusiveMinimum", "minLength", "minItems", "maximum", "exclusiveMaximum", "maxLength", "maxItems":
		x, ok1 := whole(a)
		y, ok2 := whole(b)
		if ok1 && ok2 {
			if (x > y) == (strings.HasPrefix(k, "min") || k == "exclusiveMinimum") {
				return a
			}
			return b
		}
	}
	fail(path, "two different %s cannot be merged", k)
	return nil
}

// commonTypes are the types that a and b both name; integer is a number.
func commonTypes(a, b any) []any {
	list := func(v any) []any {
		if l, ok := v.([]any); ok {
			return l
		}
		return []any{v}
	}
	var out []any
	for _, x := range list(a) {
		for _, y := range list(b) {
			switch {
			case x == y || x == "integer" && y == "number":
				out = append(out, x)
			case x == "number" && y == "integer":
				out = append(out, y)
			}
		}
	}
	return out
}

// ref gives the rule of a schema that is but a $ref, written at first use.
func (c *converter) ref(s *object, path string) string {
	id, ok := s.vals["$ref"].(string)
	if !ok {
		fail(path, "$ref is a string")
	}
	if n, ok := c.refs[id]; ok {
		return n
	}
	target, at := c.resolve(s, path)
	n := c.reserve(id[strings.LastIndexByte(id, '/')+1:])
	c.refs[id] = n
	c.bodies[n] = c.visit(target, at, n)
	return n
}

// resolve finds the schema that s.$ref points to, and where it is.
func (c *converter) resolve(s *object, path string) (any, string) {
	id, ok := s.vals["$ref"].(string)
	if !ok {
		fail(path, "$ref is a string")
	}
	ptr, ok := strings.CutPrefix(id, "#")
	if !ok || ptr != "" && ptr[0] != '/' {
		fail(path, "$ref %s: only #/... within the schema is supported", id)
	}
	v := c.doc
	if ptr == "" {
		return v, "#"
	}
	for _, k := range strings.Split(ptr[1:], "/") {
		k, err := url.PathUnescape(k)
		if err != nil {
			fail(path, "$ref %s: %v", id, err)
		}
		k = strings.NewReplacer("~1", "/", "~0", "~").Replace(k)
		switch x := v.(type) {
		case *object:
			v, ok = x.vals[k]
		case []any:
			i, err := strconv.Atoi(k)
			if ok = err == nil && i >= 0 && i < len(x); ok {
				v = x[i]
			}
		default:
			ok = false
		}
		if !ok {
			fail(path, "$ref %s: there is no such place", id)
		}
	}
	return v, id
}
