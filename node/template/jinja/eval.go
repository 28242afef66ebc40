package jinja

import "math"

func (x constant) eval(r *run, _ *scope) any {
	r.step(1)
	return x.v
}

func (x name) eval(r *run, sc *scope) any {
	r.step(1)
	if v, ok := sc.get(x.id); ok {
		return v
	}
	return undefined{x.id}
}

func (x listLit) eval(r *run, sc *scope) any {
	l := r.list(make([]any, len(x.items)))
	l.tuple = x.tuple
	for i := range x.items {
		l.Items[i] = x.items[i].eval(r, sc)
	}
	return l
}

func (x dictLit) eval(r *run, sc *scope) any {
	r.grow(64 * len(x.keys))
	d := NewDict()
	for i := range x.keys {
		k := x.keys[i].eval(r, sc)
		d.set(k, x.vals[i].eval(r, sc))
	}
	return d
}

func (x conditional) eval(r *run, sc *scope) any {
	if truth(x.cond.eval(r, sc)) {
		return x.x.eval(r, sc)
	}
	if x.els == nil {
		return undefined{"the else of an if"}
	}
	return x.els.eval(r, sc)
}

func (a argList) eval(r *run, sc *scope) args {
	var out args
	for _, x := range a.pos {
		out.pos = append(out.pos, x.eval(r, sc))
	}
	if a.star != nil {
		out.pos = append(out.pos, r.iterate(a.star.eval(r, sc))...)
	}
	if a.kw != nil || a.star2 != nil {
		out.kw = NewDict()
		for _, k := range a.kw {
			out.kw.set(Text(k.name), k.x.eval(r, sc))
		}
	}
	if a.star2 != nil {
		d, ok := a.star2.eval(r, sc).(*Dict)
		if !ok {
			fail("** wants a mapping")
		}
		r.step(len(d.keys))
		for _, k := range d.keys {
			out.kw.set(k, d.at(k))
		}
	}
	return out
}

func (x call) eval(r *run, sc *scope) any {
	r.step(1)
	fn := x.fn.eval(r, sc)
	return r.call(fn, x.args.eval(r, sc))
}

func (r *run) call(fn any, a args) any {
	defer r.enter()()
	switch fn := fn.(type) {
	case *Func:
		return fn.call(r, a)
	case *loop:
		if fn.again != nil {
			return fn.again.call(r, a)
		}
	case undefined:
		fail("%s is undefined, it cannot be called", fn.name)
	}
	fail("%s cannot be called", kind(fn))
	return nil
}

func (x filter) eval(r *run, sc *scope) any { return x.apply(r, x.x.eval(r, sc), sc) }

func (x filter) apply(r *run, v any, sc *scope) any {
	r.step(1)
	f, ok := r.lang.filters[x.name]
	if !ok {
		fail("unknown filter %s", x.name)
	}
	return f(r, v, x.args.eval(r, sc))
}

func (x test) eval(r *run, sc *scope) any {
	r.step(1)
	f, ok := r.lang.tests[x.name]
	if !ok {
		fail("unknown test %s", x.name)
	}
	return f(r, x.x.eval(r, sc), x.args.eval(r, sc)) != x.not
}

func (x unary) eval(r *run, sc *scope) any {
	r.step(1)
	v := x.x.eval(r, sc)
	if x.op == "not" {
		return !truth(v)
	}
	switch n := v.(type) {
	case int64:
		if x.op == "-" {
			return -n
		}
		return n
	case float64:
		if x.op == "-" {
			return -n
		}
		return n
	case bool:
		return unary{x.op, constant{asInt(n, "")}}.eval(r, sc)
	}
	fail("%s has no sign", kind(v))
	return nil
}

func (x comparison) eval(r *run, sc *scope) any {
	l := x.x.eval(r, sc)
	for i, op := range x.ops {
		v := x.rest[i].eval(r, sc)
		if !r.holds(op, l, v) {
			return false
		}
		l = v
	}
	return true
}

// holds says whether a op b.
func (r *run) holds(op string, a, b any) bool {
	switch op {
	case "==":
		return r.equal(a, b)
	case "!=":
		return !r.equal(a, b)
	case "in":
		return r.contains(b, a)
	case "not in":
		return !r.contains(b, a)
	}
	c := r.compare(a, b)
	return op == "<" && c < 0 || op == "<=" && c <= 0 || op == ">" && c > 0 || op == ">=" && c >= 0
}

func (x binary) eval(r *run, sc *scope) any {
	r.step(1)
	l := x.l.eval(r, sc)
	switch x.op {
	case "and":
		if !truth(l) {
			return l
		}
		return x.r.eval(r, sc)
	case "or":
		if truth(l) {
			return l
		}
		return x.r.eval(r, sc)
	}
	v := x.r.eval(r, sc)
	switch x.op {
	case "~":
		return r.concat(r.show(l), r.show(v))
	case "+":
		if a, ok := l.(Str); ok {
			if b, ok := v.(Str); ok {
				return r.concat(a, b)
			}
		}
		if a, ok := l.(*List); ok {
			if b, ok := v.(*List); ok {
				r.room(1, 16*(len(a.Items)+len(b.Items)))
				return &List{append(append([]any(nil), a.Items...), b.Items...), a.tuple && b.tuple}
			}
		}
	case "*":
		if a, ok := v.(Str); ok {
			l, v = a, l
		}
		if a, ok := l.(Str); ok {
			n := int(max(0, min(asInt(v, "*"), math.MaxInt32)))
			r.room(n, len(a.s)+24*len(a.spans)+1)
			var b builder
			for range n {
				b.add(a)
			}
			return b.str()
		}
	case "%":
		if a, ok := l.(Str); ok {
			return r.percent(a, v)
		}
	}
	return arith(x.op, l, v)
}

// arith works on numbers as Python does: / gives a float, // and % round
// down, and integers stay integers while they fit.
func arith(op string, l, v any) any {
	if b, ok := l.(bool); ok {
		l = asInt(b, op)
	}
	if b, ok := v.(bool); ok {
		v = asInt(b, op)
	}
	a, ok1 := number(l)
	b, ok2 := number(v)
	if !ok1 || !ok2 {
		fail("%s does not work on %s and %s", op, kind(l), kind(v))
	}
	if (op == "/" || op == "//" || op == "%") && b == 0 {
		fail("division by zero")
	}
	_, int1 := l.(int64)
	j, int2 := v.(int64)
	var f float64
	switch op {
	case "+":
		f = a + b
	case "-":
		f = a - b
	case "*":
		f = a * b
	case "/":
		return a / b
	case "//":
		f = math.Floor(a / b)
	case "%":
		f = a - b*math.Floor(a/b)
	case "**":
		f = math.Pow(a, b)
		int2 = int2 && j >= 0
	}
	if !int1 || !int2 {
		return f
	}
	if math.Abs(f) >= 1<<53 || math.Abs(a) >= 1<<53 || math.Abs(b) >= 1<<53 {
		fail("%s of integers out of range", op)
	}
	return int64(f)
}
