package jinja

import (
	"slices"
	"strings"
	"unicode/utf8"
)

// Attributes, items, slices, and going over what has items.

func (x getAttr) eval(r *run, sc *scope) any {
	r.step(1)
	v := x.x.eval(r, sc)
	if u, ok := v.(undefined); ok {
		fail("%s is undefined, it has no %s", u.name, x.name)
	}
	if l, ok := v.(*loop); ok {
		if a, ok := l.attr(x.name); ok {
			return a
		}
	}
	if m := r.method(v, x.name); m != nil {
		return m
	}
	if d, ok := v.(*Dict); ok {
		if w, ok := d.attr(x.name); ok {
			return w
		}
	}
	return undefined{x.name}
}

func (x getItem) eval(r *run, sc *scope) any {
	r.step(1)
	v, key := x.x.eval(r, sc), x.key.eval(r, sc)
	return r.item(v, key)
}

// item is v[key]; undefined if there is none.
func (r *run) item(v, key any) any {
	if u, ok := v.(undefined); ok {
		fail("%s is undefined, it has no items", u.name)
	}
	if d, ok := v.(*Dict); ok {
		if w, ok := d.get(key); ok {
			return w
		}
	}
	if k, ok := key.(Str); ok {
		if m := r.method(v, k.s); m != nil {
			return m
		}
		return undefined{k.s}
	}
	i, ok := key.(int64)
	if !ok {
		return undefined{"the item"}
	}
	switch v := v.(type) {
	case *List:
		if i < 0 {
			i += int64(len(v.Items))
		}
		if i >= 0 && i < int64(len(v.Items)) {
			return v.Items[i]
		}
	case Str:
		n := int64(r.runes(v))
		if i < 0 {
			i += n
		}
		if i >= 0 && i < n {
			return v.sub(byteAt(v.s, int(i)), byteAt(v.s, int(i)+1))
		}
	}
	return undefined{"the item"}
}

// runes counts the characters of s, which costs steps by its length.
func (r *run) runes(s Str) int {
	r.step(len(s.s) / 64)
	return utf8.RuneCountInString(s.s)
}

// byteAt is the place of the i'th character of s.
func byteAt(s string, i int) int {
	at := 0
	for ; i > 0 && at < len(s); i-- {
		_, w := utf8.DecodeRuneInString(s[at:])
		at += w
	}
	return at
}

func (x slice) eval(r *run, sc *scope) any {
	r.step(1)
	v := x.x.eval(r, sc)
	part := func(e expr) (int64, bool) {
		if e == nil {
			return 0, false
		}
		p := e.eval(r, sc)
		if p == nil {
			return 0, false
		}
		return asInt(p, "a slice"), true
	}
	from, hasFrom := part(x.from)
	to, hasTo := part(x.to)
	step, hasStep := part(x.step)
	if !hasStep {
		step = 1
	}
	if step == 0 {
		fail("a slice by 0")
	}
	var n int
	switch v := v.(type) {
	case *List:
		n = len(v.Items)
	case Str:
		n = r.runes(v)
	default:
		fail("cannot slice %s", kind(v))
	}
	lo, hi := sliceEnds(int64(n), from, to, step, hasFrom, hasTo)
	if s, ok := v.(Str); ok && step == 1 {
		if lo >= hi {
			return Str{}
		}
		return s.sub(byteAt(s.s, int(lo)), byteAt(s.s, int(hi)))
	}
	var at []int
	for i := lo; step > 0 && i < hi || step < 0 && i > hi; i += step {
		r.step(1)
		at = append(at, int(i))
	}
	if l, ok := v.(*List); ok {
		items := make([]any, len(at))
		for k, i := range at {
			items[k] = l.Items[i]
		}
		return r.list(items)
	}
	chars := r.chars(v.(Str))
	var parts []Str
	for _, i := range at {
		parts = append(parts, chars[i].(Str))
	}
	return r.concat(parts...)
}

// sliceEnds is PySlice_AdjustIndices.
func sliceEnds(n, from, to, step int64, hasFrom, hasTo bool) (int64, int64) {
	clip := func(i, lo, hi int64) int64 {
		if i < 0 {
			i += n
		}
		return min(max(i, lo), hi)
	}
	if step > 0 {
		lo, hi := int64(0), n
		if hasFrom {
			lo = clip(from, 0, n)
		}
		if hasTo {
			hi = clip(to, 0, n)
		}
		return lo, hi
	}
	lo, hi := n-1, int64(-1)
	if hasFrom {
		lo = clip(from, -1, n-1)
	}
	if hasTo {
		hi = clip(to, -1, n-1)
	}
	return lo, hi
}

// contains is Python's: v in box.
func (r *run) contains(box, v any) bool {
	switch b := box.(type) {
	case Str:
		s := asStr(v, "in")
		r.step((len(b.s) + len(s.s)) / 64)
		return strings.Contains(b.s, s.s)
	case *List:
		for _, x := range b.Items {
			if r.equal(x, v) {
				return true
			}
		}
		return false
	case *Dict:
		_, ok := b.get(v)
		return ok
	case undefined:
		return false
	}
	fail("%s holds nothing", kind(box))
	return false
}

// iterate gives the items of v: of a list, the keys of a mapping, the
// characters of a string.
func (r *run) iterate(v any) []any {
	switch v := v.(type) {
	case *List:
		r.step(len(v.Items))
		return v.Items
	case *Dict:
		r.step(len(v.keys))
		return r.list(slices.Clone(v.keys)).Items
	case Str:
		return r.chars(v)
	case undefined:
		return nil
	}
	fail("cannot go over %s", kind(v))
	return nil
}

func (r *run) chars(s Str) []any {
	r.room(len(s.s), 64)
	var out []any
	for at := 0; at < len(s.s); {
		_, w := utf8.DecodeRuneInString(s.s[at:])
		out = append(out, s.sub(at, at+w))
		at += w
	}
	r.step(len(out))
	return out
}
