package gbnf

import (
	"encoding/binary"
	"maps"
	"slices"
)

// Bounds of what a grammar may cost for a token.
const (
	costChars = 16    // of a token
	costWays  = 10000 // to read it
	costWork  = 400_000
	maxCosts  = 1000 // that a Matcher remembers
	maxKnown  = 64   // ways of one of these
)

// costly finds a rule that llama.cpp would be too long about. For each token
// of the vocabulary it follows every way to read it (reject_candidates in
// llama-grammar.cpp), and ways that have come together again it follows each
// on its own: for "a"* "a"* "a"*, which can end each star anywhere, they grow
// with a power of the token's length, and for ("a" | "a")* they double with
// every character. From each rule on, this takes the character that most ways
// can take, again and again, and counts them. It does not look everywhere, it
// looks where hand-written grammars and generated ones go wrong.
func (g *Grammar) costly() (rule int, found bool) {
	work := costWork
	for i := range g.rules {
		m := g.from(uint32(i))
		work -= len(m.nodes)
		if m.cost(&work) > costWays {
			return i, true
		}
		if work <= 0 {
			break
		}
	}
	return 0, false
}

// Cost is the number of ways to read the most ambiguous text that was found
// to continue here, of as many characters as a long token has. It grows with
// what llama.cpp's next step will take; Check refuses a grammar over 10000.
func (m *Matcher) Cost() int {
	work := costWork
	if len(m.cur) > maxKnown {
		return m.cost(&work)
	}
	// A grammar comes back to the same places, as within a string.
	key := make([]byte, 0, 64)
	for _, s := range m.cur {
		key = binary.LittleEndian.AppendUint32(key, uint32(s))
	}
	if c, ok := m.costs[string(key)]; ok {
		return c
	}
	if m.costs == nil || len(m.costs) >= maxCosts {
		m.costs = map[string]int{}
	}
	c := m.cost(&work)
	m.costs[string(key)] = c
	return c
}

// cost takes what it does off work and ends when that is spent.
func (m *Matcher) cost(work *int) int {
	ways := map[int32]int{} // by stack
	for _, s := range m.cur {
		ways[s] = 1
	}
	worst := 0
	for range costChars {
		stacks := slices.Sorted(maps.Keys(ways))
		c, ok := m.popular(stacks, ways, work)
		if !ok {
			break
		}
		next, total, steps := map[int32]int{}, 0, 0
		for _, s := range stacks {
			end, ok := m.takes(s, c)
			if !ok {
				continue
			}
			st := m.step()
			m.expand(m.follow(m.nodes[s], end), st)
			if steps += len(st.seen); steps > 4*costWays {
				return costWays + 1 // too long about one character already
			}
			for _, t := range st.out {
				next[t] = min(next[t]+ways[s], costWays+1)
				total += ways[s]
			}
		}
		// The first character may have many ways, each of another text to
		// come; what counts is how they grow.
		worst = max(worst, total/max(len(m.cur), 1))
		if *work -= steps; worst > costWays || *work <= 0 {
			break
		}
		ways = next
	}
	return worst
}

// takes says whether stack s takes c next, and where in its rule that ends.
func (m *Matcher) takes(s int32, c uint32) (end int32, ok bool) {
	if s == none {
		return 0, false
	}
	p := m.nodes[s]
	return m.g.rules[p.rule].match(p.at, c)
}

// popular is the character that most ways can take now.
func (m *Matcher) popular(stacks []int32, ways map[int32]int, work *int) (best uint32, ok bool) {
	chars := m.firsts(stacks)
	*work -= len(chars) * len(stacks) / 16
	most := 0
	for _, c := range chars {
		n := 0
		for _, s := range stacks {
			if _, ok := m.takes(s, c); ok {
				n += ways[s]
			}
		}
		if n > most {
			best, most = c, n
		}
	}
	return best, most > 0
}

// firsts are characters to try: where most ways overlap, some class of one of
// them begins, or has just ended.
func (m *Matcher) firsts(stacks []int32) []uint32 {
	var chars []uint32
	for _, s := range stacks {
		if s == none {
			continue
		}
		p := m.nodes[s]
		r := m.g.rules[p.rule]
		for at := p.at; at == p.at || r[at].kind == elemCharAlt || r[at].kind == elemUpper; at++ {
			switch r[at].kind {
			case elemAny, elemToken, elemNoToken:
				chars = append(chars, 'a')
			case elemNot:
				chars = append(chars, 'a', r[at].val+1)
			default:
				chars = append(chars, r[at].val, r[at].val+1)
			}
		}
		if len(chars) > 100 {
			break
		}
	}
	slices.Sort(chars)
	return slices.Compact(chars)
}
