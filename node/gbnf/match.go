package gbnf

import "unicode/utf8"

// A Matcher runs a grammar over a text as it grows. It knows no vocabulary:
// where a grammar names a token, no text goes on, only AcceptToken.
//
// It holds, as llama.cpp does, every way in which the text so far can be read
// as a stack of the places where the grammar goes on. Stacks share their
// lower ends: a stack is the number of its top place in nodes.
type Matcher struct {
	g     *Grammar
	nodes []place
	ids   map[place]int32
	cur   []int32        // the stacks; none is the empty one
	over  bool           // more ways than maxWays
	part  []byte         // of a character whose rest has not come
	costs map[string]int // what Cost said, by cur
}

// A place is an element of a rule with the stack below it.
type place struct {
	rule, at int32
	up       int32 // none: nothing below
}

const none = -1

// Match says whether text as a whole is in the grammar.
func (g *Grammar) Match(text string) bool {
	m := g.Matcher()
	return m.Accept(text) && m.Done()
}

// Matcher begins with the empty text.
func (g *Grammar) Matcher() *Matcher { return g.from(g.root) }

// from begins at a rule.
func (g *Grammar) from(rule uint32) *Matcher {
	m := &Matcher{g: g, ids: map[place]int32{}}
	st := m.step()
	for _, s := range m.alternates(nil, int32(rule), none) {
		m.expand(s, st)
	}
	m.cur = st.out
	return m
}

// Accept takes the bytes of text, which can end inside of a character. If the
// grammar refuses them it gives false and m is as it was.
func (m *Matcher) Accept(text string) bool {
	cur, part := m.cur, m.part
	if !m.try(text) {
		m.cur, m.part = cur, part
		return false
	}
	m.compact()
	return true
}

// AcceptToken takes a token with its text: where the grammar names tokens it
// goes by id, elsewhere by text, as llama_grammar_accept_token does.
func (m *Matcher) AcceptToken(id int32, text string) bool {
	cur, part := m.cur, m.part
	var chars []int32
	named := m.step()
	for _, s := range cur {
		if s == none {
			continue
		}
		p := m.nodes[s]
		switch e := m.g.rules[p.rule][p.at]; e.kind {
		case elemToken, elemNoToken:
			if (e.val == uint32(id)) == (e.kind == elemToken) {
				m.expand(m.follow(p, p.at+1), named)
			}
		default:
			chars = append(chars, s)
		}
	}
	over := m.over
	m.cur = chars
	if m.tryAs(text, looseRune) {
		for _, s := range m.cur {
			if !named.seen[s] {
				named.out = append(named.out, s)
			}
		}
	} else {
		m.part = nil
	}
	if over || m.over || len(named.out) == 0 {
		m.cur, m.part = cur, part
		return false
	}
	m.cur = named.out
	m.compact()
	return true
}

// Can says whether Accept would take text.
func (m *Matcher) Can(text string) bool {
	cur, part := m.cur, m.part
	ok := m.try(text)
	m.cur, m.part = cur, part
	return ok
}

func (m *Matcher) try(text string) bool { return m.tryAs(text, utf8Rune) }

func (m *Matcher) tryAs(text string, decode func([]byte) (r rune, width int)) bool {
	b := append(append([]byte(nil), m.part...), text...)
	for {
		r, w := decode(b)
		switch {
		case w == 0:
			m.part = b
			return true
		case w < 0 || !m.next(r):
			return false
		}
		b = b[w:]
	}
}

// utf8Rune decodes the first character of b, whose width is 0 where it is not
// whole and -1 where it is none.
func utf8Rune(b []byte) (r rune, width int) {
	if !utf8.FullRune(b) {
		return 0, 0
	}
	r, w := utf8.DecodeRune(b)
	if r == utf8.RuneError && w == 1 {
		return 0, -1
	}
	return r, w
}

// looseRune is utf8Rune as decode_utf8 of llama-grammar.cpp: characters that
// are written longer than they need be, and those that Unicode has not, pass.
func looseRune(b []byte) (r rune, width int) {
	if len(b) == 0 {
		return 0, 0
	}
	n := [16]int{1, 1, 1, 1, 1, 1, 1, 1, 0, 0, 0, 0, 2, 2, 3, 4}[b[0]>>4]
	if n == 0 {
		return 0, -1
	}
	if r = rune(b[0]); n > 1 {
		r &= 1<<(7-n) - 1
	}
	for i := 1; i < n; i++ {
		switch {
		case i >= len(b):
			return 0, 0
		case b[i]>>6 != 2:
			return 0, -1
		}
		r = r<<6 | rune(b[i]&0x3f)
	}
	return r, n
}

// Done says whether the text can end here.
func (m *Matcher) Done() bool {
	if len(m.part) > 0 {
		return false
	}
	for _, s := range m.cur {
		if s == none {
			return true
		}
	}
	return false
}

// Ways is the number of ways to read the text so far; llama.cpp's time and
// memory go by it. Accept refuses what would bring it over 10000.
func (m *Matcher) Ways() int { return len(m.cur) }

// A step collects the stacks after a character.
type step struct {
	seen map[int32]bool
	out  []int32
}

func (m *Matcher) step() *step {
	m.over = false
	return &step{seen: map[int32]bool{}}
}

// next moves every stack over r.
func (m *Matcher) next(r rune) bool {
	st := m.step()
	for _, s := range m.cur {
		if s == none {
			continue
		}
		p := m.nodes[s]
		if n, ok := m.g.rules[p.rule].match(p.at, uint32(r)); ok {
			m.expand(m.follow(p, n), st)
		}
	}
	if m.over || len(st.out) == 0 {
		return false
	}
	m.cur = st.out
	return true
}

// match says whether the characters at r[at] take c, and where they end.
func (r rule) match(at int32, c uint32) (next int32, ok bool) {
	not := false
	switch r[at].kind {
	case elemAny:
		return at + 1, true
	case elemNot:
		not = true
	case elemChar:
	default:
		return 0, false
	}
	hit := false
	for first := true; first || r[at].kind == elemCharAlt; first = false {
		lo, hi := r[at].val, r[at].val
		at++
		if r[at].kind == elemUpper {
			hi = r[at].val
			at++
		}
		hit = hit || lo <= c && c <= hi
	}
	return at, hit != not
}

// follow is the stack after the element of p that ends before at.
func (m *Matcher) follow(p place, at int32) int32 {
	if k := m.g.rules[p.rule][at].kind; k == elemEnd || k == elemAlt {
		return p.up
	}
	return m.id(place{p.rule, at, p.up})
}

func (m *Matcher) id(p place) int32 {
	id, ok := m.ids[p]
	if !ok {
		id = int32(len(m.nodes))
		m.nodes = append(m.nodes, p)
		m.ids[p] = id
	}
	return id
}

// expand goes from stack s on to the places where a character is wanted.
func (m *Matcher) expand(s int32, st *step) {
	todo := []int32{s}
	for len(todo) > 0 {
		s := todo[len(todo)-1]
		todo = todo[:len(todo)-1]
		if st.seen[s] {
			continue
		}
		if len(st.seen) > 10*maxWays || len(st.out) > maxWays {
			m.over = true
			return
		}
		st.seen[s] = true
		if s == none {
			st.out = append(st.out, s)
			continue
		}
		p := m.nodes[s]
		e := m.g.rules[p.rule][p.at]
		if e.kind != elemRef {
			st.out = append(st.out, s)
			continue
		}
		todo = m.alternates(todo, int32(e.val), m.follow(p, p.at+1))
	}
}

// alternates adds a stack for each alternate of rule r on top of up.
func (m *Matcher) alternates(todo []int32, r, up int32) []int32 {
	start := int32(0)
	for i, e := range m.g.rules[r] {
		if e.kind != elemAlt && e.kind != elemEnd {
			continue
		}
		if start == int32(i) {
			todo = append(todo, up)
		} else {
			todo = append(todo, m.id(place{r, start, up}))
		}
		start = int32(i) + 1
	}
	return todo
}

// compact forgets the places that no stack stands on any more.
func (m *Matcher) compact() {
	if len(m.nodes) < 1<<16 {
		return
	}
	old := m.nodes
	m.nodes, m.ids, m.costs = nil, map[place]int32{}, nil
	moved := map[int32]int32{none: none}
	for i, s := range m.cur {
		var path []int32
		for ; s != none; s = old[s].up {
			if _, ok := moved[s]; ok {
				break
			}
			path = append(path, s)
		}
		for k := len(path) - 1; k >= 0; k-- {
			p := old[path[k]]
			p.up = moved[p.up]
			moved[path[k]] = m.id(p)
		}
		m.cur[i] = moved[m.cur[i]]
	}
}
