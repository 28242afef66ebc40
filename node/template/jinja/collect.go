package jinja

import (
	"sort"
	"strconv"
	"strings"
)

// The filters that work on lists.

func first(r *run, v any, _ args) any {
	if s, ok := v.(Str); ok {
		return s.sub(0, byteAt(s.s, 1))
	}
	if items := r.iterate(v); len(items) > 0 {
		return items[0]
	}
	return undefined{"the first item"}
}

func last(r *run, v any, _ args) any {
	if items := r.iterate(v); len(items) > 0 {
		return items[len(items)-1]
	}
	return undefined{"the last item"}
}

func batch(r *run, v any, a args) any {
	n := int(a.int(0, "linecount", 0))
	if n < 1 || n > 1<<20 {
		fail("batch wants a count")
	}
	fill, hasFill := a.arg(1, "fill_with")
	var out []any
	for items := r.iterate(v); len(items) > 0; {
		k := min(n, len(items))
		row := append([]any(nil), items[:k]...)
		if hasFill && fill != nil {
			r.room(n-k, 16)
			for range n - k {
				row = append(row, fill)
			}
		}
		items = items[k:]
		out = append(out, r.list(row))
	}
	return r.list(out)
}

// sliceFilter cuts a list into n lists, the longer ones first.
func sliceFilter(r *run, v any, a args) any {
	n := int(a.int(0, "slices", 0))
	if n < 1 || n > 1<<20 {
		fail("slice wants a count")
	}
	items := r.iterate(v)
	r.room(n, 48)
	var out []any
	for i, at := 0, 0; i < n; i++ {
		k := len(items) / n
		if i < len(items)%n {
			k++
		}
		out = append(out, r.list(append([]any(nil), items[at:at+k]...)))
		at += k
	}
	return r.list(out)
}

func join(r *run, v any, a args) any {
	sep, ok := a.or(0, "d", Str{}).(Str)
	if !ok {
		fail("join wants a string")
	}
	by, hasBy := a.arg(1, "attribute")
	items := r.iterate(v)
	r.room(len(items), 96)
	var parts []Str
	for i, x := range items {
		if i > 0 {
			parts = append(parts, sep)
		}
		if hasBy {
			x = r.path(x, by)
		}
		parts = append(parts, r.show(x))
	}
	return r.concat(parts...)
}

// path follows an attribute such as "function.name" or an index.
func (r *run) path(v, by any) any {
	s, ok := by.(Str)
	if !ok {
		return r.item(v, by)
	}
	for _, id := range strings.Split(s.s, ".") {
		r.step(1)
		if n, err := strconv.ParseInt(id, 10, 32); err == nil {
			v = r.item(v, n)
			continue
		}
		d, ok := v.(*Dict)
		if !ok {
			return undefined{id}
		}
		if v, ok = d.attr(id); !ok {
			return undefined{id}
		}
	}
	return v
}

func mapFilter(r *run, v any, a args) any {
	if !truth(v) {
		return &List{}
	}
	items := r.iterate(v)
	out := make([]any, 0, len(items))
	if by, ok := a.arg(-1, "attribute"); ok {
		deflt, hasDefault := a.arg(-1, "default")
		for _, x := range items {
			y := r.path(x, by)
			if _, ok := y.(undefined); ok && hasDefault {
				y = deflt
			}
			out = append(out, y)
		}
		return r.list(out)
	}
	id := a.text(0, "filter", "map").s
	f, ok := r.lang.filters[id]
	if !ok {
		fail("unknown filter %s", id)
	}
	defer r.enter()()
	for _, x := range items {
		r.step(1)
		out = append(out, f(r, x, args{pos: a.pos[1:], kw: a.kw}))
	}
	return r.list(out)
}

// selectFilter makes select, reject and, by attribute, selectattr, rejectattr.
func selectFilter(want, attr bool) filterFunc {
	return func(r *run, v any, a args) any {
		var by any
		if attr {
			by = a.need(0, "attribute", "selectattr")
			a.pos = a.pos[min(1, len(a.pos)):]
		}
		var test testFunc
		if len(a.pos) > 0 {
			id := asStr(a.pos[0], "select").s
			t, ok := r.lang.tests[id]
			if !ok {
				fail("unknown test %s", id)
			}
			test = t
			a.pos = a.pos[1:]
		}
		if !truth(v) {
			return &List{}
		}
		var out []any
		for _, x := range r.iterate(v) {
			r.step(1)
			y := x
			if attr {
				y = r.path(x, by)
			}
			ok := false
			if test != nil {
				ok = test(r, y, a)
			} else {
				ok = truth(y)
			}
			if ok == want {
				out = append(out, x)
			}
		}
		return r.list(out)
	}
}

func extreme(sign int) filterFunc {
	return func(r *run, v any, a args) any {
		by, hasBy := a.arg(1, "attribute")
		key := func(x any) any {
			if hasBy {
				return r.path(x, by)
			}
			return x
		}
		items := r.iterate(v)
		if len(items) == 0 {
			return undefined{"the extreme of nothing"}
		}
		best := items[0]
		for _, x := range items[1:] {
			if sign*r.order(key(x), key(best), true) > 0 {
				best = x
			}
		}
		return best
	}
}

func reverse(r *run, v any, _ args) any {
	items := append([]any(nil), r.iterate(v)...)
	reverseItems(items)
	if _, ok := v.(Str); ok {
		return join(r, r.list(items), args{})
	}
	return r.list(items)
}

func reverseItems(items []any) {
	for i, j := 0, len(items)-1; i < j; i, j = i+1, j-1 {
		items[i], items[j] = items[j], items[i]
	}
}

func sortFilter(r *run, v any, a args) any {
	items := append([]any(nil), r.iterate(v)...)
	by, hasBy := a.arg(2, "attribute")
	fold := !truth(a.or(1, "case_sensitive", false))
	key := func(x any) any {
		if hasBy && by != nil {
			return r.path(x, by)
		}
		return x
	}
	sign := 1
	if truth(a.or(0, "reverse", false)) {
		sign = -1
	}
	sort.SliceStable(items, func(i, j int) bool {
		return sign*r.order(key(items[i]), key(items[j]), fold) < 0
	})
	return r.list(items)
}

func sum(r *run, v any, a args) any {
	total := a.or(1, "start", int64(0))
	by, hasBy := a.arg(0, "attribute")
	for _, x := range r.iterate(v) {
		if hasBy && by != nil {
			x = r.path(x, by)
		}
		total = arith("+", total, x)
	}
	return total
}

func unique(r *run, v any, a args) any {
	var out, keys []any
	by, hasBy := a.arg(1, "attribute")
items:
	for _, x := range r.iterate(v) {
		k := x
		if hasBy && by != nil {
			k = r.path(x, by)
		}
		for _, seen := range keys {
			if r.same(k, seen) {
				continue items
			}
		}
		keys = append(keys, k)
		out = append(out, x)
	}
	return r.list(out)
}

// same is equality without looking at case.
func (r *run) same(a, b any) bool {
	x, ok1 := a.(Str)
	y, ok2 := b.(Str)
	if ok1 && ok2 {
		r.step(1)
		return strings.EqualFold(x.s, y.s)
	}
	return r.equal(a, b)
}
