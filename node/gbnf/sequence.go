package gbnf

import (
	"math"
	"strings"
	"unicode/utf8"
)

// unbounded is the maximum of a repetition that has none.
const unbounded = math.MaxUint64

// sequence parses items up to what is none and appends them to r.
func (p *parser) sequence(name string, r rule, nested bool) rule {
	last := len(r)      // where the last item begins in r
	weight := uint64(1) // llama.cpp's n_prev_rules of it
	item := func() {
		last, weight = len(r), 1
	}
	for {
		start, before := p.at, len(r)
		switch c := p.peek(0); {
		case c == '"':
			item()
			r = p.literal(r)
		case c == '[':
			item()
			r = p.class(r)
		case c == '<' || c == '!':
			item()
			r = p.tokenRef(r)
		case isWord(c):
			id := p.id(p.name(), start)
			item()
			r = append(r, elem{elemRef, id})
		case c == '(':
			if p.nest++; p.nest > maxNest {
				p.fail("groups nested too deep")
			}
			p.at++
			p.space(true)
			had := len(p.names)
			id := p.fresh(name)
			p.alternates(name, id, true)
			item()
			weight = uint64(len(p.names) - had)
			r = append(r, elem{elemRef, id})
			if p.peek(0) != ')' {
				p.fail(") wanted, not %s", p.found())
			}
			p.at++
			p.nest--
		case c == '.':
			item()
			r = append(r, elem{kind: elemAny})
			p.at++
		case c == '*' || c == '+' || c == '?' || c == '{':
			lo, hi := p.times(nested)
			r, weight = p.repeat(name, r, last, weight, lo, hi, start)
			before = len(r) // repeat has counted
		default:
			return r
		}
		p.count(len(r) - before)
		p.space(nested)
	}
}

// times reads * + ? {m} {m,} {m,n}.
func (p *parser) times(nested bool) (lo, hi uint64) {
	c := p.peek(0)
	p.at++
	switch c {
	case '*':
		return 0, unbounded
	case '+':
		return 1, unbounded
	case '?':
		return 0, 1
	}
	at := p.at - 1
	p.space(nested)
	lo = p.integer()
	hi = lo
	p.space(nested)
	if p.peek(0) == ',' {
		p.at++
		p.space(nested)
		hi = unbounded
		if isDigit(p.peek(0)) {
			hi = p.integer()
			p.space(nested)
		}
	}
	if p.peek(0) != '}' {
		p.fail("} wanted, not %s", p.found())
	}
	p.at++
	// The library takes a maximum over its bound for none, and does not
	// come back from one under the minimum.
	switch {
	case lo > maxRepeat || hi > maxRepeat && hi != unbounded:
		p.failAt(at, "repetition over %d", maxRepeat)
	case hi < lo:
		p.failAt(at, "repetition up to %d, from %d", hi, lo)
	}
	return lo, hi
}

// repeat rewrites the last item of r, r[last:], to be there lo to hi times,
// with rules as handle_repetitions of llama.cpp makes them:
//
//	S{m,n} is S m times, then S'(n-m), where S'(k) ::= S S'(k-1) |
//	S{m,}  is S m times, then S', where S' ::= S S' |
func (p *parser) repeat(name string, r rule, last int, weight, lo, hi uint64, at int) (rule, uint64) {
	if last == len(r) {
		p.failAt(at, "nothing before %c to repeat", p.src[at])
	}
	total := uint64(1)
	if hi != unbounded && hi > 0 {
		total = hi
	} else if lo > 0 {
		total = lo
	}
	if weight*total >= maxRepeat {
		p.failAt(at, "too many repetitions: %d rules repeated %d times, under %d wanted", weight, total, maxRepeat)
	}
	item := append(rule(nil), r[last:]...)
	optional := uint64(1)
	if hi != unbounded {
		optional = hi - lo
	}
	p.count(int(lo+optional)*len(item) + 3*int(optional))
	if lo == 0 {
		r = r[:last]
	}
	for i := uint64(1); i < lo; i++ {
		r = append(r, item...)
	}
	var prev uint32
	for i := uint64(0); i < optional; i++ {
		id := p.fresh(name)
		more := append(rule(nil), item...)
		switch {
		case hi == unbounded:
			more = append(more, elem{elemRef, id})
		case i > 0:
			more = append(more, elem{elemRef, prev})
		}
		p.define(id, append(more, elem{kind: elemAlt}, elem{kind: elemEnd}))
		prev = id
	}
	if optional > 0 {
		r = append(r, elem{elemRef, prev})
	}
	return r, weight * total
}

func (p *parser) literal(r rule) rule {
	p.at++
	for p.peek(0) != '"' {
		r = append(r, elem{elemChar, p.char("a literal")})
	}
	p.at++
	return r
}

func (p *parser) class(r rule) rule {
	p.at++
	kind := elemChar
	if p.peek(0) == '^' {
		kind = elemNot
		p.at++
	}
	for p.peek(0) != ']' {
		lo := p.char("a character class")
		r = append(r, elem{kind, lo})
		kind = elemCharAlt
		if p.peek(0) == '-' && p.peek(1) != ']' {
			p.at++
			r = append(r, elem{elemUpper, p.char("a character class")})
		}
	}
	p.at++
	return r
}

// char reads a character or an escape.
func (p *parser) char(in string) uint32 {
	c := p.peek(0)
	if c == 0 {
		p.fail("the end inside of %s", in)
	}
	if c != '\\' {
		v, w := utf8.DecodeRuneInString(p.src[p.at:])
		p.at += w
		return uint32(v)
	}
	e := p.peek(1)
	switch e {
	case 'x':
		return p.hex(2)
	case 'u':
		return p.hex(4)
	case 'U':
		return p.hex(8)
	case 't', 'r', 'n':
		p.at += 2
		return map[byte]uint32{'t': '\t', 'r': '\r', 'n': '\n'}[e]
	case '\\', '"', '[', ']', '-':
		p.at += 2
		return uint32(e)
	}
	p.fail("unknown escape")
	return 0
}

// hex reads the n digits after \x.
func (p *parser) hex(n int) uint32 {
	v := uint32(0)
	for i := range n {
		d := strings.IndexByte("0123456789abcdef", p.peek(2+i)|0x20)
		if d < 0 || p.peek(2+i) < '0' {
			p.fail("%d hex digits wanted", n)
		}
		v = v<<4 | uint32(d)
	}
	p.at += 2 + n
	return v
}

// tokenRef reads <[12]> <text> and these with ! before them.
func (p *parser) tokenRef(r rule) rule {
	kind := elemToken
	if p.peek(0) == '!' {
		kind = elemNoToken
		p.at++
	}
	start := p.at
	if p.peek(0) != '<' {
		p.fail("< wanted, not %s", p.found())
	}
	if p.peek(1) == '[' {
		p.at += 2
		n := p.integer()
		if n > math.MaxInt32 {
			p.failAt(start, "no token %d", n)
		}
		if p.peek(0) != ']' || p.peek(1) != '>' {
			p.fail("]> wanted, not %s", p.found())
		}
		p.at += 2
		return append(r, elem{kind, uint32(n)})
	}
	i := strings.IndexByte(p.src[start:], '>')
	if i < 0 {
		p.fail("> wanted, not the end")
	}
	text := p.src[start : start+i+1]
	if p.token == nil {
		p.fail("token %q by its text: its number is wanted here, as <[12]>", text)
	}
	id, ok := p.token(text)
	if !ok || id < 0 {
		p.fail("%q is not one token", text)
	}
	p.at += i + 1
	return append(r, elem{kind, uint32(id)})
}
