package jinja

// statement parses the statement that begins with word; nil if it is the end
// or the middle of another one.
func (p *parser) statement(word string, line int) stmt {
	switch word {
	case "if":
		return p.ifStmt(line)
	case "for":
		return p.forStmt(line)
	case "set":
		return p.setStmt(line)
	case "macro":
		id := p.ident()
		m := macroStmt{name: id, params: p.params()}
		p.closeTag()
		m.body = p.inner("endmacro")
		return m
	case "call":
		c := callStmt{line: line}
		if p.isOp("(") {
			c.params = p.params()
		}
		c.call = p.expr()
		p.closeTag()
		c.body = p.inner("endcall")
		return c
	case "filter":
		f := filterStmt{line: line, pipe: []filter{p.filterName(nil)}}
		for p.op("|") {
			f.pipe = append(f.pipe, p.filterName(nil))
		}
		p.closeTag()
		f.body = p.inner("endfilter")
		return f
	case "with":
		w := withStmt{line: line}
		for p.peek().kind != tokClose {
			if len(w.vals) > 0 {
				p.wantOp(",")
			}
			w.targets = append(w.targets, p.target())
			p.wantOp("=")
			w.vals = append(w.vals, p.expr())
		}
		p.closeTag()
		w.body = p.inner("endwith")
		return w
	case "generation":
		p.closeTag()
		return group{p.inner("endgeneration")}
	case "do":
		x := p.tuple()
		p.closeTag()
		return doStmt{x, line}
	case "break", "continue":
		if p.loop == 0 {
			fail("%s outside of a loop", word)
		}
		p.closeTag()
		if word == "break" {
			return jump{flowBreak}
		}
		return jump{flowContinue}
	case "elif", "else", "endif", "endfor", "endset", "endmacro", "endcall", "endfilter", "endwith", "endgeneration":
		return nil
	case "include", "import", "from", "extends":
		fail("%s: a template may not read another", word)
	}
	fail("unknown statement %s", word)
	return nil
}

// inner is a body that breaks and continues of loops around cannot reach.
func (p *parser) inner(end string) []stmt {
	was := p.loop
	if end == "endmacro" || end == "endcall" {
		p.loop = 0
	}
	b, _ := p.block(end)
	p.closeTag()
	p.loop = was
	return b
}

func (p *parser) ifStmt(line int) stmt {
	s := ifStmt{line: line}
	for {
		s.conds = append(s.conds, p.tuple())
		p.closeTag()
		b, end := p.block("elif", "else", "endif")
		s.bodies = append(s.bodies, b)
		switch end {
		case "else":
			p.closeTag()
			s.els, _ = p.block("endif")
			fallthrough
		case "endif":
			p.closeTag()
			return s
		}
	}
}

func (p *parser) forStmt(line int) stmt {
	s := forStmt{line: line, target: p.targets()}
	if !p.word("in") {
		fail("in wanted, not %s", p.peek().show())
	}
	// The if of the loop must not be taken for that of a conditional.
	s.x = p.tupleOf(p.or)
	if p.word("if") {
		s.cond = p.expr()
	}
	s.recursive = p.word("recursive")
	p.closeTag()
	p.loop++
	b, end := p.block("else", "endfor")
	p.loop--
	s.body = b
	if end == "else" {
		p.closeTag()
		s.els, _ = p.block("endfor")
	}
	p.closeTag()
	return s
}

func (p *parser) setStmt(line int) stmt {
	s := setStmt{line: line, target: p.targets()}
	if p.op("=") {
		s.x = p.tuple()
		p.closeTag()
		return s
	}
	for p.op("|") {
		s.pipe = append(s.pipe, p.filterName(nil))
	}
	p.closeTag()
	s.body = p.inner("endset")
	return s
}

// targets reads a, b, c.
func (p *parser) targets() target {
	t := p.target()
	if !p.isOp(",") {
		return t
	}
	all := target{parts: []target{t}}
	for p.op(",") {
		if p.peek().kind != tokName && !p.isOp("(") {
			break
		}
		all.parts = append(all.parts, p.target())
	}
	return all
}

func (p *parser) target() target {
	if p.op("(") {
		defer p.enter()()
		t := p.targets()
		p.wantOp(")")
		return t
	}
	t := target{id: p.ident()}
	if p.op(".") {
		t.attr = p.ident()
	}
	return t
}

// params reads the parameters of a macro.
func (p *parser) params() []param {
	p.wantOp("(")
	var out []param
	for !p.op(")") {
		if len(out) > 0 {
			p.wantOp(",")
			if p.op(")") {
				break
			}
		}
		a := param{name: p.ident()}
		if p.op("=") {
			a.deflt = p.expr()
		}
		out = append(out, a)
	}
	return out
}
