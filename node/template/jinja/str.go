package jinja

import (
	"sort"
	"strings"
	"unicode"
)

// A Span says that bytes Start to End of a string came from the outside
// source Src, a number that the caller chose (see Mark).
type Span struct {
	Start, End int
	Src        int
}

// A Str is a string that knows which of its bytes came from outside.
type Str struct {
	s     string
	spans []Span // in order, without overlap, none empty
}

// Text makes a string of the template's own.
func Text(s string) Str { return Str{s: s} }

// Mark makes a string whose bytes all came from outside source src.
func Mark(s string, src int) Str {
	if s == "" {
		return Str{}
	}
	return Str{s, []Span{{0, len(s), src}}}
}

// String is the bare text.
func (a Str) String() string { return a.s }

// Spans are the parts from outside, in order; the caller may not change them.
func (a Str) Spans() []Span { return a.spans }

// sub is a[i:j], in bytes.
func (a Str) sub(i, j int) Str {
	r := Str{s: a.s[i:j]}
	k := sort.Search(len(a.spans), func(k int) bool { return a.spans[k].End > i })
	for ; k < len(a.spans) && a.spans[k].Start < j; k++ {
		p := a.spans[k]
		r.spans = append(r.spans, Span{max(p.Start, i) - i, min(p.End, j) - i, p.Src})
	}
	return r
}

// whole gives s, all of it marked if any of the strings in from is.
func whole(s string, from ...Str) Str {
	for _, f := range from {
		if len(f.spans) > 0 {
			return Mark(s, f.spans[0].Src)
		}
	}
	return Text(s)
}

// trim cuts the characters of cut off the chosen ends; "" means white space.
func (a Str) trim(cut string, left, right bool) Str {
	in := func(r rune) bool { return strings.ContainsRune(cut, r) }
	if cut == "" {
		in = isSpace
	}
	i, j := 0, len(a.s)
	if left {
		i = j - len(strings.TrimLeftFunc(a.s, in))
	}
	if right {
		j = i + len(strings.TrimRightFunc(a.s[i:], in))
	}
	return a.sub(i, j)
}

// isSpace is what Python's str.strip takes for white space.
func isSpace(r rune) bool {
	return unicode.IsSpace(r) || r >= 0x1c && r <= 0x1f
}

// split is Python's str.split with a separator; n < 0 splits everywhere.
func (a Str) split(sep string, n int) []Str {
	var out []Str
	at := 0
	for n != 0 {
		i := strings.Index(a.s[at:], sep)
		if i < 0 {
			break
		}
		out = append(out, a.sub(at, at+i))
		at += i + len(sep)
		n--
	}
	return append(out, a.sub(at, len(a.s)))
}

// rsplit is split from the right.
func (a Str) rsplit(sep string, n int) []Str {
	var out []Str
	end := len(a.s)
	for n != 0 {
		i := strings.LastIndex(a.s[:end], sep)
		if i < 0 {
			break
		}
		out = append([]Str{a.sub(i+len(sep), end)}, out...)
		end = i
		n--
	}
	return append([]Str{a.sub(0, end)}, out...)
}

// fields is Python's str.split without a separator.
func (a Str) fields(n int) []Str {
	var out []Str
	rest := a.trim("", true, false)
	for rest.s != "" {
		i := strings.IndexFunc(rest.s, isSpace)
		if i < 0 || n == 0 {
			out = append(out, rest)
			break
		}
		out = append(out, rest.sub(0, i))
		rest = rest.sub(i, len(rest.s)).trim("", true, false)
		n--
	}
	return out
}

// letters maps a case function over a. Where it keeps the length the marks
// stay; else all of the result is marked if any of a was.
func (a Str) letters(f func(string) string) Str {
	s := f(a.s)
	if len(s) == len(a.s) {
		return Str{s, a.spans}
	}
	return whole(s, a)
}

// A builder joins strings and keeps their marks.
type builder struct {
	b     strings.Builder
	spans []Span
}

func (b *builder) add(a Str) {
	at := b.b.Len()
	b.b.WriteString(a.s)
	for _, p := range a.spans {
		p.Start, p.End = p.Start+at, p.End+at
		if n := len(b.spans); n > 0 && b.spans[n-1].End == p.Start && b.spans[n-1].Src == p.Src {
			b.spans[n-1].End = p.End
			continue
		}
		b.spans = append(b.spans, p)
	}
}

func (b *builder) str() Str { return Str{b.b.String(), b.spans} }

func concat(parts ...Str) Str {
	var b builder
	for _, p := range parts {
		b.add(p)
	}
	return b.str()
}
