package jinja

import (
	"math"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"
)

// show is what v looks like in the output: Python's str().
func (r *run) show(v any) Str {
	switch v := v.(type) {
	case Str:
		return v
	case undefined:
		return Str{}
	}
	var b builder
	r.repr(&b, v)
	return b.str()
}

// repr writes v as Python's repr() does.
func (r *run) repr(b *builder, v any) {
	r.step(1)
	text := func(s string) {
		r.grow(len(s))
		b.add(Text(s))
	}
	switch v := v.(type) {
	case nil:
		text("None")
	case undefined:
		text("Undefined")
	case bool:
		if v {
			text("True")
		} else {
			text("False")
		}
	case int64:
		text(strconv.FormatInt(v, 10))
	case float64:
		text(floatText(v))
	case Str:
		r.room(4, len(v.s)+2)
		b.add(whole(quote(v.s), v))
	case *List:
		defer r.enter()()
		open, end := "[", "]"
		if v.tuple {
			open, end = "(", ")"
			if len(v.Items) == 1 {
				end = ",)"
			}
		}
		text(open)
		for i, x := range v.Items {
			if i > 0 {
				text(", ")
			}
			r.repr(b, x)
		}
		text(end)
	case *Dict:
		defer r.enter()()
		text("{")
		for i, k := range v.keys {
			if i > 0 {
				text(", ")
			}
			r.repr(b, k)
			text(": ")
			r.repr(b, v.at(k))
		}
		text("}")
	default:
		text("<" + strings.TrimPrefix(kind(v), "a ") + ">")
	}
}

// floatText is Python's repr of a float.
func floatText(f float64) string {
	switch {
	case math.IsInf(f, 1):
		return "inf"
	case math.IsInf(f, -1):
		return "-inf"
	case math.IsNaN(f):
		return "nan"
	}
	if a := math.Abs(f); a != 0 && (a < 1e-4 || a >= 1e16) {
		s := strconv.FormatFloat(f, 'e', -1, 64)
		return s
	}
	s := strconv.FormatFloat(f, 'f', -1, 64)
	if !strings.Contains(s, ".") {
		s += ".0"
	}
	return s
}

// quote is Python's repr of a string.
func quote(s string) string {
	q := '\''
	if strings.Contains(s, "'") && !strings.Contains(s, `"`) {
		q = '"'
	}
	var b strings.Builder
	b.WriteRune(q)
	for i, c := range s {
		switch {
		case c == q || c == '\\':
			b.WriteRune('\\')
			b.WriteRune(c)
		case c == '\n':
			b.WriteString(`\n`)
		case c == '\r':
			b.WriteString(`\r`)
		case c == '\t':
			b.WriteString(`\t`)
		case c == utf8.RuneError && s[i] != 0xef: // a stray byte
			b.WriteByte(s[i])
		case unicode.IsPrint(c):
			b.WriteRune(c)
		case c < 0x100:
			b.WriteString(`\x` + hexText(c, 2))
		case c < 0x10000:
			b.WriteString(`\u` + hexText(c, 4))
		default:
			b.WriteString(`\U` + hexText(c, 8))
		}
	}
	b.WriteRune(q)
	return b.String()
}

func hexText(c rune, n int) string {
	s := strconv.FormatInt(int64(c), 16)
	return strings.Repeat("0", max(0, n-len(s))) + s
}

// percent is Python's format % values, for %s, %d, %i, %f, %.Nf and %%.
func (r *run) percent(format Str, v any) Str {
	vals := []any{v}
	if l, ok := v.(*List); ok && l.tuple {
		vals = l.Items
	}
	var parts []Str
	rest := format
	for {
		i := strings.IndexByte(rest.s, '%')
		if i < 0 {
			break
		}
		parts = append(parts, rest.sub(0, i))
		j := i + 1
		for j < len(rest.s) && (rest.s[j] == '.' || rest.s[j] >= '0' && rest.s[j] <= '9') {
			j++
		}
		if j >= len(rest.s) {
			fail("incomplete format")
		}
		verb, prec := rest.s[j], rest.s[i+1:j]
		rest = rest.sub(j+1, len(rest.s))
		if verb == '%' {
			parts = append(parts, Text("%"))
			continue
		}
		if len(vals) == 0 {
			fail("not enough arguments for format string")
		}
		parts = append(parts, r.verb(verb, prec, vals[0]))
		vals = vals[1:]
	}
	if len(vals) > 0 {
		if _, ok := v.(*Dict); !ok {
			fail("not all arguments converted during string formatting")
		}
	}
	return r.concat(append(parts, rest)...)
}

func (r *run) verb(verb byte, prec string, v any) Str {
	f, isNum := number(v)
	digits, err := strconv.Atoi(strings.TrimPrefix(prec, "."))
	if prec == "" {
		digits, err = 6, nil
	}
	switch {
	case verb == 's' && prec == "":
		return r.show(v)
	case (verb == 'd' || verb == 'i') && isNum && prec == "":
		return Text(strconv.FormatInt(int64(f), 10))
	case verb == 'f' && isNum && err == nil && digits <= 100 && (prec == "" || prec[0] == '.'):
		return Text(strconv.FormatFloat(f, 'f', digits, 64))
	}
	fail("no format %%%s%c for %s", prec, verb, kind(v))
	return Str{}
}
