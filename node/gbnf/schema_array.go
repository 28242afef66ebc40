package gbnf

import (
	"fmt"
	"strings"
)

// array writes an array: the prefix items, all of them, then items as many as
// minItems and maxItems let.
func (c *converter) array(s *object, path, name string) string {
	if s.has("uniqueItems") {
		fail(path, "uniqueItems is not supported")
	}
	c.use("space")
	lo, hi := count(s, "minItems", 0, path), count(s, "maxItems", -1, path)
	if hi >= 0 && hi < lo {
		fail(path, "maxItems %d is under minItems %d", hi, lo)
	}
	prefix, rest, at := c.arrayItems(s, path)
	var items []string
	for i, p := range prefix {
		if i == hi {
			break
		}
		if p == false && i >= lo {
			rest = false // the array ends before it
			break
		}
		items = append(items, c.item(p, pointer(path, "prefixItems", fmt.Sprint(i)), fmt.Sprintf("%s-%d", name, i)))
	}
	more := "" // the symbol of the items after the prefix
	n := len(items)
	switch {
	case rest == false || hi >= 0 && n >= hi:
		if n < lo {
			fail(path, "minItems %d of %d items", lo, n)
		}
	case rest == nil && len(prefix) > 0:
		if n < lo { // items of any kind, no more than are wanted
			more, hi = c.use("value"), lo
		}
	case rest == nil:
		more = c.use("value")
	default:
		more = c.item(rest, at, name+"-item")
	}
	body := strings.Join(items, ` "," space `)
	if more != "" {
		next := fmt.Sprintf(`("," space %s)`, more)
		lo = max(lo-n, 0)
		if hi >= 0 {
			hi -= n
		}
		switch {
		case n > 0:
			body += " " + next + times(lo, hi)
		case hi == 1:
			body = more + times(lo, 1)
		case lo == 0:
			body = fmt.Sprintf("(%s %s)?", more, next+times(0, less(hi)))
		default:
			body = more + " " + next + times(lo-1, less(hi))
		}
	}
	if body != "" {
		body += " "
	}
	return `"[" space ` + body + `"]" space`
}

// arrayItems gives the schemas of the first items and of the others, nil if
// nothing is said of them, and where the latter stands.
func (c *converter) arrayItems(s *object, path string) (prefix []any, rest any, at string) {
	list := func(v any, key string) []any {
		l, ok := v.([]any)
		if !ok {
			fail(path, "%s is a list of schemas", key)
		}
		return l
	}
	if v, ok := s.vals["prefixItems"]; ok {
		prefix = list(v, "prefixItems")
	}
	v, ok := s.vals["items"]
	switch l := v.(type) {
	case []any: // as before draft 2020-12
		if prefix == nil {
			return l, nil, ""
		}
		fail(path, "items beside prefixItems is a schema")
	}
	if !ok {
		return prefix, nil, ""
	}
	return prefix, v, pointer(path, "items")
}

// less is one less than a maximum; -1 stays none.
func less(hi int) int {
	if hi < 0 {
		return hi
	}
	return hi - 1
}
