package jinja

import (
	"fmt"
	"strings"
	"time"
)

// globals are the functions that every template sees: Jinja2's own, and
// raise_exception and strftime_now of transformers.
var globals = map[string]any{
	"range":           &Func{"range", rangeFunc},
	"namespace":       &Func{"namespace", func(r *run, a args) any { d := dictFunc(r, a); d.namespace = true; return d }},
	"dict":            &Func{"dict", func(r *run, a args) any { return dictFunc(r, a) }},
	"raise_exception": &Func{"raise_exception", raise},
	"strftime_now":    &Func{"strftime_now", func(r *run, a args) any { return Text(strftime(a.text(0, "format", "strftime_now").s, r.date)) }},
	"joiner": &Func{"joiner", func(_ *run, a args) any {
		sep, used := a.or(0, "sep", Text(", ")), false
		return &Func{"joiner", func(*run, args) any {
			if !used {
				used = true
				return Str{}
			}
			return sep
		}}
	}},
}

func raise(r *run, a args) any {
	msg := "raise_exception"
	if len(a.pos) > 0 {
		msg = r.show(a.pos[0]).s
	}
	if len(msg) > 500 {
		msg = msg[:500]
	}
	panic(&Error{Text: strings.ToValidUTF8(msg, ""), Raised: true})
}

func dictFunc(r *run, a args) *Dict {
	d := NewDict()
	dicts := []*Dict{a.kw}
	if len(a.pos) > 0 {
		p, ok := a.pos[0].(*Dict)
		if !ok {
			fail("dict wants a mapping")
		}
		dicts = []*Dict{p, a.kw}
	}
	for _, s := range dicts {
		if s == nil {
			continue
		}
		r.room(len(s.keys), 64)
		for _, k := range s.keys {
			d.set(k, s.at(k))
		}
	}
	return d
}

func rangeFunc(r *run, a args) any {
	var n [3]int64
	if len(a.pos) < 1 || len(a.pos) > 3 {
		fail("range wants 1 to 3 integers")
	}
	for i, v := range a.pos {
		n[i] = asInt(v, "range")
	}
	from, to, step := n[0], n[1], n[2]
	switch len(a.pos) {
	case 1:
		from, to, step = 0, n[0], 1
	case 2:
		step = 1
	}
	if step == 0 {
		fail("range by 0")
	}
	var out []any
	for i := from; step > 0 && i < to || step < 0 && i > to; i += step {
		r.step(1)
		r.grow(32)
		out = append(out, i)
	}
	return &List{Items: out}
}

// strftime writes t as C's strftime in the C locale.
func strftime(format string, t time.Time) string {
	var b strings.Builder
	for i := 0; i < len(format); i++ {
		if format[i] != '%' || i+1 == len(format) {
			b.WriteByte(format[i])
			continue
		}
		i++
		pad := true
		if format[i] == '-' && i+1 < len(format) {
			pad = false
			i++
		}
		num := func(n, w int) {
			if !pad {
				w = 0
			}
			fmt.Fprintf(&b, "%0*d", w, n)
		}
		switch c := format[i]; c {
		case 'Y':
			num(t.Year(), 4)
		case 'y':
			num(t.Year()%100, 2)
		case 'm':
			num(int(t.Month()), 2)
		case 'd':
			num(t.Day(), 2)
		case 'e':
			fmt.Fprintf(&b, "%2d", t.Day())
		case 'H':
			num(t.Hour(), 2)
		case 'I':
			num((t.Hour()+11)%12+1, 2)
		case 'M':
			num(t.Minute(), 2)
		case 'S':
			num(t.Second(), 2)
		case 'j':
			num(t.YearDay(), 3)
		case 'A', 'a', 'B', 'b', 'h', 'p', 'Z', 'z', 'F', 'T', 'D', 'R', 'c', 'x', 'X':
			b.WriteString(t.Format(layouts[c]))
		case 'w':
			num(int(t.Weekday()), 0)
		case 'n':
			b.WriteByte('\n')
		case 't':
			b.WriteByte('\t')
		case '%':
			b.WriteByte('%')
		default:
			b.WriteByte('%')
			b.WriteByte(c)
		}
	}
	return b.String()
}

var layouts = map[byte]string{
	'A': "Monday", 'a': "Mon", 'B': "January", 'b': "Jan", 'h': "Jan", 'p': "PM",
	'Z': "MST", 'z': "-0700", 'F': "2006-01-02", 'T': "15:04:05", 'D': "01/02/06",
	'R': "15:04", 'c': "Mon Jan _2 15:04:05 2006", 'x': "01/02/06", 'X': "15:04:05",
}
