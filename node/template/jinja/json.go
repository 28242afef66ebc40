package jinja

import (
	"slices"
	"strconv"
	"strings"
)

// A jsonStyle is how json.dumps of Python was asked to write.
type jsonStyle struct {
	indent   string // "": on one line
	item, kv string // separators
	ascii    bool
	sort     bool
}

// toJSON is Python's json.dumps with the options that transformers gives
// templates: separators ", " and ": ", characters as they are.
func (r *run) toJSON(v any, a args) Str {
	st := jsonStyle{item: ", ", kv: ": "}
	if n, ok := a.arg(0, "indent"); ok && n != nil {
		if s, ok := n.(Str); ok {
			st.indent = s.s
		} else {
			st.indent = strings.Repeat(" ", int(min(max(asInt(n, "indent"), 0), 64)))
		}
		st.item = ","
	}
	if s, ok := a.arg(-1, "separators"); ok && s != nil {
		if l, ok := s.(*List); ok && len(l.Items) == 2 {
			st.item, st.kv = asStr(l.Items[0], "separators").s, asStr(l.Items[1], "separators").s
		}
	}
	st.ascii = truth(a.or(-1, "ensure_ascii", false))
	st.sort = truth(a.or(-1, "sort_keys", false))
	var b builder
	r.json(&b, v, st, "\n")
	return b.str()
}

// json writes v; nl is a line's end and the indent of the line after it.
func (r *run) json(b *builder, v any, st jsonStyle, nl string) {
	r.step(1)
	text := func(s string) {
		r.grow(len(s))
		b.add(Text(s))
	}
	in := nl + st.indent
	if st.indent == "" {
		nl, in = "", ""
	}
	switch v := v.(type) {
	case nil:
		text("null")
	case bool:
		text(strconv.FormatBool(v))
	case int64:
		text(strconv.FormatInt(v, 10))
	case float64:
		text(floatText(v))
	case Str:
		r.room(6, len(v.s)+2)
		b.add(whole(jsonText(v.s, st.ascii), v))
	case *List:
		defer r.enter()()
		if len(v.Items) == 0 {
			text("[]")
			return
		}
		text("[" + in)
		for i, x := range v.Items {
			if i > 0 {
				text(st.item + in)
			}
			r.json(b, x, st, in)
		}
		text(nl + "]")
	case *Dict:
		defer r.enter()()
		if len(v.keys) == 0 {
			text("{}")
			return
		}
		keys := v.keys
		if st.sort {
			keys = slices.Clone(keys)
			slices.SortFunc(keys, r.compare)
		}
		text("{" + in)
		for i, k := range keys {
			if i > 0 {
				text(st.item + in)
			}
			r.json(b, r.show(k), st, in)
			text(st.kv)
			r.json(b, v.at(k), st, in)
		}
		text(nl + "}")
	default:
		fail("no JSON for %s", kind(v))
	}
}

func jsonText(s string, ascii bool) string {
	var b strings.Builder
	b.WriteByte('"')
	for _, c := range s {
		switch {
		case c == '"' || c == '\\':
			b.WriteByte('\\')
			b.WriteRune(c)
		case c == '\n':
			b.WriteString(`\n`)
		case c == '\r':
			b.WriteString(`\r`)
		case c == '\t':
			b.WriteString(`\t`)
		case c == '\b':
			b.WriteString(`\b`)
		case c == '\f':
			b.WriteString(`\f`)
		case c < 0x20 || ascii && c > 0x7e && c < 0x10000:
			b.WriteString(`\u` + hexText(c, 4))
		case ascii && c >= 0x10000:
			c -= 0x10000
			b.WriteString(`\u` + hexText(0xd800+c>>10, 4) + `\u` + hexText(0xdc00+c&0x3ff, 4))
		default:
			b.WriteRune(c)
		}
	}
	b.WriteByte('"')
	return b.String()
}
