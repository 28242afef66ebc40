package jinja

import (
	"fmt"
	"slices"
	"strings"
)

// The values of a template are nil (none), bool, int64, float64, Str, *List,
// *Dict, *Func and undefined. Every other Go type is a bug of this package.

// undefined is what a missing name or item gives; most uses of it fail.
type undefined struct{ name string }

// A List is a Python list or tuple.
type List struct {
	Items []any
	tuple bool
}

// A Dict is a Python dict in the order of insertion. Its keys are strings and
// integers.
type Dict struct {
	keys      []any
	m         map[key]any
	namespace bool // made by namespace(): attributes can be set
}

// A key is a Str or an int64 without its marks.
type key struct {
	s     string
	n     int64
	isInt bool
}

// keyOf gives the key that v is; nothing but Str and int64 is one.
func keyOf(v any) (key, bool) {
	switch v := v.(type) {
	case Str:
		return key{s: v.s}, true
	case int64:
		return key{n: v, isInt: true}, true
	}
	return key{}, false
}

// A Func is something a template can call.
type Func struct {
	name string
	call func(r *run, a args) any
}

type args struct {
	pos []any
	kw  *Dict // nil: none
}

// NewDict makes a Dict from name, value, name, value ...
func NewDict(kv ...any) *Dict {
	d := &Dict{m: map[key]any{}}
	for i := 0; i+1 < len(kv); i += 2 {
		d.set(Text(kv[i].(string)), kv[i+1])
	}
	return d
}

func (d *Dict) set(k, v any) {
	id, ok := keyOf(k)
	if !ok {
		fail("%s cannot be a key", kind(k))
	}
	if _, ok := d.m[id]; !ok {
		d.keys = append(d.keys, k)
	}
	d.m[id] = v
}

// get gives the value at k; without one, false.
func (d *Dict) get(k any) (any, bool) {
	id, ok := keyOf(k)
	if !ok {
		return nil, false
	}
	v, ok := d.m[id]
	return v, ok
}

// at is get for a key that is there.
func (d *Dict) at(k any) any { v, _ := d.get(k); return v }

// attr is get for the text of a key.
func (d *Dict) attr(id string) (any, bool) { v, ok := d.m[key{s: id}]; return v, ok }

func (d *Dict) delete(k any) {
	id, _ := keyOf(k)
	delete(d.m, id)
	d.keys = slices.DeleteFunc(slices.Clone(d.keys), func(x any) bool { y, _ := keyOf(x); return y == id })
}

// arg gives the positional argument i or the keyword argument name.
func (a args) arg(i int, name string) (any, bool) {
	if i >= 0 && i < len(a.pos) {
		return a.pos[i], true
	}
	if a.kw != nil {
		if v, ok := a.kw.attr(name); ok {
			return v, true
		}
	}
	return nil, false
}

func (a args) or(i int, name string, deflt any) any {
	if v, ok := a.arg(i, name); ok {
		return v
	}
	return deflt
}

func (a args) need(i int, name, of string) any {
	v, ok := a.arg(i, name)
	if !ok {
		fail("%s needs an argument %s", of, name)
	}
	return v
}

func (a args) text(i int, name, of string) Str { return asStr(a.need(i, name, of), of) }

func (a args) int(i int, name string, deflt int64) int64 {
	v, ok := a.arg(i, name)
	if !ok || v == nil {
		return deflt
	}
	return asInt(v, name)
}

// An Error is what is wrong with a template or its rendering.
type Error struct {
	Line   int // 0: unknown
	Text   string
	Raised bool // the template itself called raise_exception
	Spent  bool // one of the Limits was reached
}

func (e *Error) Error() string {
	if e.Line > 0 {
		return fmt.Sprintf("line %d: %s", e.Line, e.Text)
	}
	return e.Text
}

// fail ends the parse or the rendering; Parse and Render recover it.
func fail(format string, a ...any) {
	panic(&Error{Text: fmt.Sprintf(format, a...)})
}

func asStr(v any, of string) Str {
	s, ok := v.(Str)
	if !ok {
		fail("%s wants a string, not %s", of, kind(v))
	}
	return s
}

func asInt(v any, of string) int64 {
	switch v := v.(type) {
	case int64:
		return v
	case bool:
		if v {
			return 1
		}
		return 0
	}
	fail("%s wants an integer, not %s", of, kind(v))
	return 0
}

func kind(v any) string {
	switch v := v.(type) {
	case nil:
		return "None"
	case undefined:
		return "undefined " + v.name
	case bool:
		return "a boolean"
	case int64:
		return "an integer"
	case float64:
		return "a number"
	case Str:
		return "a string"
	case *List:
		return "a list"
	case *Dict:
		return "a mapping"
	case *Func:
		return "a function"
	}
	return fmt.Sprintf("a %T", v)
}

func truth(v any) bool {
	switch v := v.(type) {
	case nil, undefined:
		return false
	case bool:
		return v
	case int64:
		return v != 0
	case float64:
		return v != 0
	case Str:
		return v.s != ""
	case *List:
		return len(v.Items) > 0
	case *Dict:
		return len(v.keys) > 0 || v.namespace
	}
	return true
}

// number gives v as a float and says whether it is a number at all; a
// boolean counts as one, as in Python.
func number(v any) (float64, bool) {
	switch v := v.(type) {
	case bool:
		if v {
			return 1, true
		}
		return 0, true
	case int64:
		return float64(v), true
	case float64:
		return v, true
	}
	return 0, false
}

func (r *run) equal(a, b any) bool {
	r.step(1)
	switch x := a.(type) {
	case nil:
		return b == nil
	case undefined:
		_, ok := b.(undefined)
		return ok
	case Str:
		y, ok := b.(Str)
		return ok && x.s == y.s
	case *List:
		y, ok := b.(*List)
		if !ok || len(x.Items) != len(y.Items) {
			return false
		}
		defer r.enter()()
		for i := range x.Items {
			if !r.equal(x.Items[i], y.Items[i]) {
				return false
			}
		}
		return true
	case *Dict:
		y, ok := b.(*Dict)
		if !ok || len(x.keys) != len(y.keys) {
			return false
		}
		defer r.enter()()
		for k, v := range x.m {
			if w, ok := y.m[k]; !ok || !r.equal(v, w) {
				return false
			}
		}
		return true
	case *Func:
		y, ok := b.(*Func)
		return ok && x == y
	}
	x, ok1 := number(a)
	y, ok2 := number(b)
	return ok1 && ok2 && x == y
}

// compare orders numbers, strings and lists, as Python's < does.
func (r *run) compare(a, b any) int {
	r.step(1)
	if x, ok := a.(Str); ok {
		if y, ok := b.(Str); ok {
			return strings.Compare(x.s, y.s)
		}
	}
	if x, ok := a.(*List); ok {
		if y, ok := b.(*List); ok {
			defer r.enter()()
			for i := 0; i < len(x.Items) && i < len(y.Items); i++ {
				if c := r.compare(x.Items[i], y.Items[i]); c != 0 {
					return c
				}
			}
			return len(x.Items) - len(y.Items)
		}
	}
	x, ok1 := number(a)
	y, ok2 := number(b)
	if !ok1 || !ok2 {
		fail("cannot order %s and %s", kind(a), kind(b))
	}
	switch {
	case x < y:
		return -1
	case x > y:
		return 1
	}
	return 0
}

// spent ends a rendering that reached one of its limits.
func spent(text string) { panic(&Error{Text: text, Spent: true}) }
