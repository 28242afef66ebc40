package jinja

import (
	"slices"
	"strconv"
	"strings"
)

// expr parses an expression; the functions below go down jinja2's levels of
// precedence, from the conditional to the primary.
func (p *parser) expr() expr {
	defer p.enter()()
	x := p.or()
	for p.word("if") {
		c := conditional{x: x, cond: p.or()}
		if p.word("else") {
			c.els = p.expr()
		}
		x = c
	}
	return x
}

// tuple is an expression, or several with commas.
func (p *parser) tuple() expr { return p.tupleOf(p.expr) }

func (p *parser) tupleOf(one func() expr) expr {
	x := one()
	if !p.isOp(",") {
		return x
	}
	l := listLit{items: []expr{x}, tuple: true}
	for p.op(",") {
		t := p.peek()
		if t.kind == tokClose || t.kind == tokOp && (t.text == ")" || t.text == "=") {
			break
		}
		l.items = append(l.items, one())
	}
	return l
}

func (p *parser) or() expr {
	x := p.and()
	for p.word("or") {
		x = binary{"or", x, p.and()}
	}
	return x
}

func (p *parser) and() expr {
	x := p.not()
	for p.word("and") {
		x = binary{"and", x, p.not()}
	}
	return x
}

func (p *parser) not() expr {
	if p.word("not") {
		defer p.enter()()
		return unary{"not", p.not()}
	}
	return p.compare()
}

var comparisons = []string{"==", "!=", "<=", ">=", "<", ">"}

func (p *parser) compare() expr {
	c := comparison{x: p.sum()}
	for {
		t := p.peek()
		switch {
		case t.kind == tokOp && slices.Contains(comparisons, t.text):
			p.at++
			c.ops = append(c.ops, t.text)
		case p.isName("in"):
			p.at++
			c.ops = append(c.ops, "in")
		case p.isName("not") && p.peekAt(1).kind == tokName && p.peekAt(1).text == "in":
			p.at += 2
			c.ops = append(c.ops, "not in")
		default:
			if c.ops == nil {
				return c.x
			}
			return c
		}
		c.rest = append(c.rest, p.sum())
	}
}

// left parses a row of operators of one level, joined from the left.
func (p *parser) left(next func() expr, ops ...string) expr {
	x := next()
	for {
		t := p.peek()
		if t.kind != tokOp || !slices.Contains(ops, t.text) {
			return x
		}
		p.at++
		x = binary{t.text, x, next()}
	}
}

func (p *parser) sum() expr     { return p.left(p.joined, "+", "-") }
func (p *parser) joined() expr  { return p.left(p.product, "~") }
func (p *parser) product() expr { return p.left(p.power, "*", "/", "//", "%") }
func (p *parser) power() expr   { return p.left(func() expr { return p.unary(true) }, "**") }

func (p *parser) unary(filters bool) expr {
	defer p.enter()()
	var x expr
	switch {
	case p.op("-"):
		x = unary{"-", p.unary(false)}
	case p.op("+"):
		x = unary{"+", p.unary(false)}
	default:
		x = p.postfix(p.primary())
	}
	if filters {
		x = p.filters(x)
	}
	return x
}

func (p *parser) primary() expr {
	t := p.next()
	switch t.kind {
	case tokName:
		switch t.text {
		case "true", "True":
			return constant{true}
		case "false", "False":
			return constant{false}
		case "none", "None":
			return constant{nil}
		}
		return name{t.text}
	case tokString:
		s := t.text
		for p.peek().kind == tokString {
			s += p.next().text
		}
		return constant{Text(s)}
	case tokInt:
		n, err := strconv.ParseInt(t.text, 10, 64)
		if err != nil {
			fail("integer %s out of range", t.text)
		}
		return constant{n}
	case tokFloat:
		f, err := strconv.ParseFloat(t.text, 64)
		if err != nil {
			fail("number %s out of range", t.text)
		}
		return constant{f}
	case tokOp:
		switch t.text {
		case "(":
			if p.op(")") {
				return listLit{tuple: true}
			}
			x := p.tuple()
			p.wantOp(")")
			return x
		case "[":
			l := listLit{}
			for !p.op("]") {
				if len(l.items) > 0 {
					p.wantOp(",")
					if p.op("]") {
						break
					}
				}
				l.items = append(l.items, p.expr())
			}
			return l
		case "{":
			d := dictLit{}
			for !p.op("}") {
				if len(d.keys) > 0 {
					p.wantOp(",")
					if p.op("}") {
						break
					}
				}
				d.keys = append(d.keys, p.expr())
				p.wantOp(":")
				d.vals = append(d.vals, p.expr())
			}
			return d
		}
	}
	fail("unexpected %s", t.show())
	return nil
}

// postfix parses .name [item] (call) after x.
func (p *parser) postfix(x expr) expr {
	for {
		switch {
		case p.op("."):
			t := p.next()
			switch t.kind {
			case tokName:
				x = getAttr{x, t.text}
			case tokInt:
				n, err := strconv.ParseInt(t.text, 10, 64)
				if err != nil {
					fail("integer %s out of range", t.text)
				}
				x = getItem{x, constant{n}}
			default:
				fail("name wanted, not %s", t.show())
			}
		case p.op("["):
			x = p.subscript(x)
		case p.isOp("("):
			x = call{x, p.args()}
		default:
			return x
		}
	}
}

func (p *parser) subscript(x expr) expr {
	var part [3]expr
	n := 0
	for !p.op("]") {
		if p.op(":") {
			if n++; n > 2 {
				fail("a slice has three parts")
			}
			continue
		}
		if part[n] != nil {
			fail("unexpected %s", p.peek().show())
		}
		part[n] = p.expr()
	}
	if n > 0 {
		return slice{x, part[0], part[1], part[2]}
	}
	if part[0] == nil {
		fail("empty subscript")
	}
	return getItem{x, part[0]}
}

func (p *parser) args() argList {
	var a argList
	p.wantOp("(")
	for first := true; !p.op(")"); first = false {
		if !first {
			p.wantOp(",")
			if p.op(")") {
				break
			}
		}
		switch {
		case p.op("**"):
			a.star2 = p.expr()
		case p.op("*"):
			a.star = p.expr()
		case p.peek().kind == tokName && p.peekAt(1).kind == tokOp && p.peekAt(1).text == "=":
			id := p.ident()
			p.at++
			a.kw = append(a.kw, kwarg{id, p.expr()})
		default:
			a.pos = append(a.pos, p.expr())
		}
	}
	return a
}

// filters parses |filter, is test, and calls after them.
func (p *parser) filters(x expr) expr {
	for {
		switch {
		case p.op("|"):
			x = p.filterName(x)
		case p.word("is"):
			x = p.test(x)
		case p.isOp("("):
			x = call{x, p.args()}
		default:
			return x
		}
	}
}

func (p *parser) filterName(x expr) filter {
	f := filter{x: x, name: p.dotted()}
	if p.isOp("(") {
		f.args = p.args()
	}
	return f
}

func (p *parser) dotted() string {
	s := []string{p.ident()}
	for p.op(".") {
		s = append(s, p.ident())
	}
	return strings.Join(s, ".")
}

func (p *parser) test(x expr) expr {
	t := test{x: x, not: p.word("not")}
	t.name = p.dotted()
	switch n := p.peek(); {
	case p.isOp("("):
		t.args = p.args()
	case n.kind == tokString, n.kind == tokInt, n.kind == tokFloat, p.isOp("["), p.isOp("{"),
		n.kind == tokName && !slices.Contains([]string{"else", "or", "and", "is", "if", "in", "not", "recursive"}, n.text):
		t.args.pos = []expr{p.postfix(p.primary())}
	}
	return t
}
