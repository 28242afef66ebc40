package gbnf

import (
	"fmt"
	"math"
	"strings"
	"unicode/utf8"
)

// Bounds. llama.cpp has maxRepeat; the others keep its recursion, its memory
// and its time in bounds, far above what grammars need.
const (
	maxText   = 1 << 20
	maxNest   = 200     // groups in each other: the library's parser recurses
	maxElems  = 1 << 19 // after repetitions are written out
	maxRepeat = 2000    // MAX_REPETITION_THRESHOLD of llama-grammar.cpp
)

// A parser follows llama_grammar_parser line by line, so that both take the
// same texts and build the same rules.
type parser struct {
	src   string
	at    int
	token func(string) (int32, bool)

	ids      map[string]uint32
	names    []string
	rules    []rule
	firstUse []int // by rule: where it was first named, for errors
	nest     int
	elems    int
}

func (p *parser) parse() (g *Grammar, err error) {
	defer func() {
		switch x := recover().(type) {
		case nil:
		case *Error:
			g, err = nil, x
		default:
			panic(x)
		}
	}()
	switch i := strings.IndexByte(p.src, 0); {
	case len(p.src) > maxText:
		return nil, &Error{Text: fmt.Sprintf("%d bytes, at most %d", len(p.src), maxText)}
	case i >= 0:
		p.failAt(i, "a zero byte")
	case !utf8.ValidString(p.src):
		p.failAt(invalidAt(p.src), "not UTF-8")
	}
	p.space(true)
	for p.at < len(p.src) {
		p.rule()
	}
	if len(p.rules) == 0 {
		return nil, &Error{Text: "no rules"}
	}
	for id := range p.names {
		if id >= len(p.rules) || p.rules[id] == nil {
			p.failAt(p.firstUse[id], "rule %s is not defined", p.names[id])
		}
	}
	root, ok := p.ids["root"]
	if !ok {
		return nil, &Error{Text: "no rule root"}
	}
	return &Grammar{rules: p.rules, names: p.names, root: root}, nil
}

func invalidAt(s string) int {
	for i, r := range s {
		if r == utf8.RuneError {
			if _, w := utf8.DecodeRuneInString(s[i:]); w == 1 {
				return i
			}
		}
	}
	return 0
}

// failAt ends the parse; parse recovers it.
func (p *parser) failAt(at int, format string, a ...any) {
	at = min(at, len(p.src))
	before := p.src[:at]
	bol := strings.LastIndexByte(before, '\n') + 1
	panic(&Error{
		Line: strings.Count(before, "\n") + 1,
		Col:  utf8.RuneCountInString(before[bol:]) + 1,
		Text: fmt.Sprintf(format, a...),
	})
}

func (p *parser) fail(format string, a ...any) { p.failAt(p.at, format, a...) }

// peek is the byte n after the next, 0 past the end.
func (p *parser) peek(n int) byte {
	if p.at+n < len(p.src) {
		return p.src[p.at+n]
	}
	return 0
}

// found names what stands at the place of an error.
func (p *parser) found() string {
	if p.at >= len(p.src) {
		return "the end"
	}
	r, _ := utf8.DecodeRuneInString(p.src[p.at:])
	return fmt.Sprintf("%q", r)
}

func (p *parser) space(newlines bool) {
	for {
		switch c := p.peek(0); {
		case c == ' ' || c == '\t' || newlines && (c == '\r' || c == '\n'):
			p.at++
		case c == '#':
			for c := p.peek(0); c != 0 && c != '\r' && c != '\n'; c = p.peek(0) {
				p.at++
			}
		default:
			return
		}
	}
}

func isDigit(c byte) bool { return '0' <= c && c <= '9' }

func isWord(c byte) bool {
	return 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || c == '-' || isDigit(c)
}

func (p *parser) name() string {
	start := p.at
	for isWord(p.peek(0)) {
		p.at++
	}
	if p.at == start {
		p.fail("name wanted, not %s", p.found())
	}
	return p.src[start:p.at]
}

// integer reads a number; one too big for 64 bits is refused by the library.
func (p *parser) integer() uint64 {
	start, n := p.at, uint64(0)
	for isDigit(p.peek(0)) {
		d := uint64(p.peek(0) - '0')
		if n > (math.MaxUint64-d)/10 {
			p.failAt(start, "number too big")
		}
		n = n*10 + d
		p.at++
	}
	if p.at == start {
		p.fail("number wanted, not %s", p.found())
	}
	return n
}

// id gives the number of a rule's name, a new one if it is new.
func (p *parser) id(name string, at int) uint32 {
	if id, ok := p.ids[name]; ok {
		return id
	}
	id := uint32(len(p.names))
	p.ids[name] = id
	p.names = append(p.names, name)
	p.firstUse = append(p.firstUse, at)
	return id
}

// fresh makes the rule of a group or a repetition in the rule base.
func (p *parser) fresh(base string) uint32 {
	return p.id(fmt.Sprintf("%s_%d", base, len(p.names)), p.at)
}

func (p *parser) define(id uint32, r rule) {
	for len(p.rules) <= int(id) {
		p.rules = append(p.rules, nil)
	}
	p.rules[id] = r
}

// count adds n elements to the total.
func (p *parser) count(n int) {
	if p.elems += n; p.elems > maxElems {
		p.fail("grammar too big: over %d elements when repetitions are written out", maxElems)
	}
}

func (p *parser) rule() {
	at := p.at
	name := p.name()
	p.space(false)
	id := p.id(name, at)
	if !strings.HasPrefix(p.src[p.at:], "::=") {
		p.fail("::= wanted, not %s", p.found())
	}
	p.at += 3
	p.space(true)
	p.alternates(name, id, false)
	switch {
	case p.at >= len(p.src):
	case strings.HasPrefix(p.src[p.at:], "\r\n"):
		p.at += 2
	case p.peek(0) == '\r' || p.peek(0) == '\n':
		p.at++
	default:
		p.fail("unexpected %s", p.found())
	}
	p.space(true)
}

func (p *parser) alternates(name string, id uint32, nested bool) {
	r := p.sequence(name, rule{}, nested)
	for p.peek(0) == '|' {
		r = append(r, elem{kind: elemAlt})
		p.at++
		p.space(true)
		r = p.sequence(name, r, nested)
	}
	p.count(1)
	p.define(id, append(r, elem{kind: elemEnd}))
}
