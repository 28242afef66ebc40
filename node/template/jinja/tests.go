package jinja

import "strings"

type testFunc func(r *run, v any, a args) bool

// tests are what may follow "is".
var tests = map[string]testFunc{
	"defined":   func(_ *run, v any, _ args) bool { return !isUndefined(v) },
	"undefined": func(_ *run, v any, _ args) bool { return isUndefined(v) },
	"none":      func(_ *run, v any, _ args) bool { return v == nil },
	"boolean":   func(_ *run, v any, _ args) bool { return v == true || v == false },
	"true":      func(_ *run, v any, _ args) bool { return v == true },
	"false":     func(_ *run, v any, _ args) bool { return v == false },
	"integer":   func(_ *run, v any, _ args) bool { _, ok := v.(int64); return ok },
	"float":     func(_ *run, v any, _ args) bool { _, ok := v.(float64); return ok },
	"number":    func(_ *run, v any, _ args) bool { _, ok := number(v); return ok },
	"string":    func(_ *run, v any, _ args) bool { _, ok := v.(Str); return ok },
	"mapping":   func(_ *run, v any, _ args) bool { _, ok := v.(*Dict); return ok },
	"iterable":  func(_ *run, v any, _ args) bool { return isSequence(v) || isUndefined(v) },
	"sequence":  func(_ *run, v any, _ args) bool { return isSequence(v) || isUndefined(v) },
	"callable":  func(_ *run, v any, _ args) bool { _, ok := v.(*Func); return ok },
	"odd":       func(_ *run, v any, _ args) bool { return asInt(v, "odd")%2 != 0 },
	"even":      func(_ *run, v any, _ args) bool { return asInt(v, "even")%2 == 0 },
	"divisibleby": func(_ *run, v any, a args) bool {
		n := asInt(a.need(0, "num", "divisibleby"), "divisibleby")
		if n == 0 {
			fail("division by zero")
		}
		return asInt(v, "divisibleby")%n == 0
	},
	"lower": func(r *run, v any, _ args) bool { s := r.show(v).s; return s == strings.ToLower(s) },
	"upper": func(r *run, v any, _ args) bool { s := r.show(v).s; return s == strings.ToUpper(s) },
	"in":    func(r *run, v any, a args) bool { return r.contains(a.need(0, "seq", "in"), v) },
	"sameas": func(r *run, v any, a args) bool {
		w := a.need(0, "other", "sameas")
		switch v.(type) {
		case nil, bool:
			return v == w
		}
		return r.equal(v, w)
	},
	"filter": func(r *run, v any, _ args) bool { s, ok := v.(Str); return ok && r.lang.filters[s.s] != nil },
	"test":   func(r *run, v any, _ args) bool { s, ok := v.(Str); return ok && r.lang.tests[s.s] != nil },

	"eq": than("=="), "equalto": than("=="), "==": than("=="),
	"ne": than("!="), "!=": than("!="),
	"lt": than("<"), "lessthan": than("<"), "<": than("<"),
	"le": than("<="), "<=": than("<="),
	"gt": than(">"), "greaterthan": than(">"), ">": than(">"),
	"ge": than(">="), ">=": than(">="),
}

func than(op string) testFunc {
	return func(r *run, v any, a args) bool {
		return r.holds(op, v, a.need(0, "other", op))
	}
}

func isUndefined(v any) bool { _, ok := v.(undefined); return ok }

func isSequence(v any) bool {
	switch v.(type) {
	case Str, *List, *Dict:
		return true
	}
	return false
}
