package jinja

import "fmt"

// Bounds of a template's text.
const (
	maxSource = 1 << 18
	maxNest   = 150 // brackets and blocks in each other
)

// A Template is a parsed template. It does not change; renderings of it may
// run at once.
type Template struct{ body []stmt }

// Parse reads a template. Its errors are *Error.
func Parse(src string) (t *Template, err error) {
	if len(src) > maxSource {
		return nil, &Error{Text: fmt.Sprintf("template of %d bytes, at most %d", len(src), maxSource)}
	}
	p := &parser{}
	defer func() {
		switch x := recover().(type) {
		case nil:
		case *Error:
			if x.Line == 0 {
				x.Line = p.line()
			}
			t, err = nil, x
		default:
			panic(x)
		}
	}()
	p.toks = lex(src)
	body, end := p.body()
	if end != "" {
		fail("unexpected %s", end)
	}
	return &Template{body}, nil
}

type parser struct {
	toks []token
	at   int
	nest int
	loop int // for statements around
}

func (p *parser) line() int {
	if p.at < len(p.toks) {
		return p.toks[p.at].line
	}
	return 0
}

func (p *parser) peek() token { return p.toks[p.at] }

// peekAt looks n tokens ahead; past the end there is only the end.
func (p *parser) peekAt(n int) token { return p.toks[min(p.at+n, len(p.toks)-1)] }

func (p *parser) next() token {
	t := p.toks[p.at]
	if t.kind != tokEOF {
		p.at++
	}
	return t
}

func (p *parser) isOp(s string) bool {
	t := p.peek()
	return t.kind == tokOp && t.text == s
}

func (p *parser) isName(s string) bool {
	t := p.peek()
	return t.kind == tokName && t.text == s
}

func (p *parser) op(s string) bool {
	if p.isOp(s) {
		p.at++
		return true
	}
	return false
}

func (p *parser) word(s string) bool {
	if p.isName(s) {
		p.at++
		return true
	}
	return false
}

func (p *parser) wantOp(s string) {
	if !p.op(s) {
		fail("%s wanted, not %s", s, p.peek().show())
	}
}

func (p *parser) ident() string {
	t := p.next()
	if t.kind != tokName {
		fail("name wanted, not %s", t.show())
	}
	return t.text
}

func (t token) show() string {
	switch t.kind {
	case tokEOF:
		return "the end"
	case tokString:
		return fmt.Sprintf("%q", t.text)
	}
	return t.text
}

func (p *parser) enter() func() {
	p.nest++
	if p.nest > maxNest {
		fail("nested too deep")
	}
	return func() { p.nest-- }
}

// closeTag reads the %} of a statement.
func (p *parser) closeTag() {
	if t := p.next(); t.kind != tokClose {
		fail("unexpected %s", t.show())
	}
}

// body reads statements up to a tag that is no statement's beginning, whose
// name it gives with that name consumed; "" is the end of the template.
func (p *parser) body() (out []stmt, end string) {
	defer p.enter()()
	for {
		t := p.next()
		switch t.kind {
		case tokEOF:
			return out, ""
		case tokData:
			out = append(out, data{t.text})
		case tokOpen:
			if t.text == "{{" {
				x := p.tuple()
				p.closeTag()
				out = append(out, output{x, t.line})
				continue
			}
			word := p.ident()
			s := p.statement(word, t.line)
			if s == nil {
				return out, word
			}
			out = append(out, s)
		default:
			fail("unexpected %s", t.show())
		}
	}
}

// block is body that must end with one of the words in ends.
func (p *parser) block(ends ...string) ([]stmt, string) {
	b, end := p.body()
	for _, e := range ends {
		if end == e {
			return b, end
		}
	}
	if end == "" {
		fail("the template ends where %s is wanted", ends[len(ends)-1])
	}
	fail("unexpected %s, %s wanted", end, ends[len(ends)-1])
	return nil, ""
}
