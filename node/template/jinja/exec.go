package jinja

func (r *run) body(b []stmt, sc *scope) flow {
	for _, s := range b {
		r.step(1)
		if f := s.exec(r, sc); f != flowNext {
			return f
		}
	}
	return flowNext
}

func (s data) exec(r *run, _ *scope) flow {
	r.write(Text(s.text))
	return flowNext
}

func (s output) exec(r *run, sc *scope) flow {
	r.line = s.line
	r.write(r.show(s.x.eval(r, sc)))
	return flowNext
}

func (s ifStmt) exec(r *run, sc *scope) flow {
	for i, c := range s.conds {
		r.line = s.line
		if truth(c.eval(r, sc)) {
			return r.body(s.bodies[i], sc)
		}
	}
	return r.body(s.els, sc)
}

func (s forStmt) exec(r *run, sc *scope) flow {
	r.line = s.line
	return s.over(r, sc, s.x.eval(r, sc), 0)
}

// over runs the loop over v; depth is that of a recursive loop.
func (s forStmt) over(r *run, sc *scope, v any, depth int) flow {
	defer r.enter()()
	items := r.iterate(v)
	if s.cond != nil {
		var kept []any
		for _, it := range items {
			in := sc.inner()
			r.assign(s.target, it, in)
			if truth(s.cond.eval(r, in)) {
				kept = append(kept, it)
			}
		}
		items = kept
	}
	if len(items) == 0 {
		return r.body(s.els, sc.inner())
	}
	var last any = undefined{"loop.changed"}
	changed := &Func{"changed", func(r *run, a args) any {
		now := any(&List{Items: a.pos})
		same := r.equal(last, now)
		last = now
		return !same
	}}
	for i, it := range items {
		r.step(1)
		in := sc.inner()
		r.assign(s.target, it, in)
		l := &loop{i: i, n: len(items), items: items, depth: depth, changed: changed}
		if s.recursive {
			l.again = &Func{"loop", func(r *run, a args) any {
				v := a.need(0, "iterable", "loop")
				return r.capture(func() { s.over(r, sc, v, depth+1) })
			}}
		}
		in.vars["loop"] = l
		if r.body(s.body, in) == flowBreak {
			break
		}
	}
	return flowNext
}

// A loop is the variable loop in a for.
type loop struct {
	i, n, depth    int
	items          []any
	again, changed *Func
}

func (l *loop) attr(id string) (any, bool) {
	switch id {
	case "index":
		return int64(l.i + 1), true
	case "index0":
		return int64(l.i), true
	case "revindex":
		return int64(l.n - l.i), true
	case "revindex0":
		return int64(l.n - l.i - 1), true
	case "first":
		return l.i == 0, true
	case "last":
		return l.i == l.n-1, true
	case "length":
		return int64(l.n), true
	case "depth":
		return int64(l.depth + 1), true
	case "depth0":
		return int64(l.depth), true
	case "previtem":
		if l.i == 0 {
			return undefined{"loop.previtem"}, true
		}
		return l.items[l.i-1], true
	case "nextitem":
		if l.i == l.n-1 {
			return undefined{"loop.nextitem"}, true
		}
		return l.items[l.i+1], true
	case "changed":
		return l.changed, true
	case "cycle":
		return &Func{"cycle", func(_ *run, a args) any {
			if len(a.pos) == 0 {
				fail("cycle needs values")
			}
			return a.pos[l.i%len(a.pos)]
		}}, true
	}
	return nil, false
}

func (r *run) assign(t target, v any, sc *scope) {
	switch {
	case t.parts != nil:
		items := r.iterate(v)
		if len(items) != len(t.parts) {
			fail("%d values for %d names", len(items), len(t.parts))
		}
		for i := range items {
			r.assign(t.parts[i], items[i], sc)
		}
	case t.attr != "":
		x, _ := sc.get(t.id)
		d, ok := x.(*Dict)
		if !ok || !d.namespace {
			fail("%s is no namespace", t.id)
		}
		r.grow(len(t.attr) + 32)
		d.set(Text(t.attr), v)
	default:
		sc.vars[t.id] = v
	}
}

func (s setStmt) exec(r *run, sc *scope) flow {
	r.line = s.line
	if s.x != nil {
		r.assign(s.target, s.x.eval(r, sc), sc)
		return flowNext
	}
	var f flow
	v := any(r.capture(func() { f = r.body(s.body, sc.inner()) }))
	r.assign(s.target, r.pipe(s.pipe, v, sc), sc)
	return f
}

func (s filterStmt) exec(r *run, sc *scope) flow {
	r.line = s.line
	var f flow
	v := r.capture(func() { f = r.body(s.body, sc.inner()) })
	r.write(r.show(r.pipe(s.pipe, v, sc)))
	return f
}

func (r *run) pipe(fs []filter, v any, sc *scope) any {
	for _, f := range fs {
		v = f.apply(r, v, sc)
	}
	return v
}

func (s withStmt) exec(r *run, sc *scope) flow {
	r.line = s.line
	in := sc.inner()
	for i, t := range s.targets {
		r.assign(t, s.vals[i].eval(r, sc), in)
	}
	return r.body(s.body, in)
}

func (s group) exec(r *run, sc *scope) flow { return r.body(s.body, sc) }

func (s doStmt) exec(r *run, sc *scope) flow {
	r.line = s.line
	s.x.eval(r, sc)
	return flowNext
}

func (s jump) exec(*run, *scope) flow { return s.f }

func (s macroStmt) exec(_ *run, sc *scope) flow {
	sc.vars[s.name] = macro(s.name, s.params, s.body, sc)
	return flowNext
}

// macro makes the function of a macro or of the body of a call, which sees
// the variables of the place where it was written.
func macro(id string, params []param, body []stmt, sc *scope) *Func {
	return &Func{id, func(r *run, a args) any {
		in := sc.inner()
		if len(a.pos) > len(params) {
			in.vars["varargs"] = &List{Items: a.pos[len(params):], tuple: true}
		}
		for i, p := range params {
			v, ok := a.arg(i, p.name)
			if !ok {
				v = undefined{p.name}
				if p.deflt != nil {
					v = p.deflt.eval(r, in)
				}
			}
			in.vars[p.name] = v
		}
		if a.kw != nil {
			if c, ok := a.kw.attr("caller"); ok {
				in.vars["caller"] = c
			}
		}
		return r.capture(func() { r.body(body, in) })
	}}
}

func (s callStmt) exec(r *run, sc *scope) flow {
	r.line = s.line
	c, ok := s.call.(call)
	if !ok {
		fail("call wants a call")
	}
	fn := c.fn.eval(r, sc)
	a := c.args.eval(r, sc)
	if a.kw == nil {
		a.kw = NewDict()
	}
	a.kw.set(Text("caller"), macro("caller", s.params, s.body, sc))
	r.write(r.show(r.call(fn, a)))
	return flowNext
}
