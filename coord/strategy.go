package coord

import (
	"cmp"
	"slices"
	"time"

	"llama9/styxfs"
)

// The strategies of placement, as ctl names them.
const (
	roundRobin       = "round-robin"
	leastConnections = "least-connections"
	random           = "random"
	weightedRandom   = "weighted-random"
	leastLoaded      = "least-loaded"
)

// Strategies are the ways to pick a node, the default first.
var Strategies = []string{leastLoaded, roundRobin, leastConnections, random, weightedRandom}

// Why a node was picked, as route= shows it.
const (
	bySticky = "sticky"
	byPrefix = "prefix"
)

// beta weighs load against the part of a prompt that a node has seen: at 1 a
// node that has seen all of it is left when it is fuller than the emptiest one
// by all of its slots.
const beta = 1.0

// prefillGuess is the tokens a second of a prefill before a node has shown any.
const prefillGuess = 500

// next gives the first waiting turn that has a place, and counts it there. It
// is called until it gives none.
func (c *cluster) next(now time.Time) (*turn, *node, string) {
	at := now.UnixNano()
	if c.paused || len(c.queue.turns) == 0 || !slices.ContainsFunc(c.rows, func(r row) bool { return r.open(at) }) {
		return nil, nil, ""
	}
	var none []string // models that there is no place for
	for _, t := range c.queue.order(now) {
		if t.model == "" {
			if t.model = c.defaultModel(); t.model == "" {
				continue
			}
		}
		plain := !t.again && c.homes[t.session].node == ""
		if plain && slices.Contains(none, t.model) {
			continue
		}
		n, route := c.pick(t, now)
		if n != nil {
			c.dispatch(n, t, now)
			return t, n, route
		}
		if plain {
			none = append(none, t.model)
		}
	}
	return nil, nil, ""
}

// pick says where t is to run now; nil if it is to wait.
func (c *cluster) pick(t *turn, now time.Time) (*node, string) {
	if n, wait := c.sticky(t, now); n != nil || wait {
		return n, bySticky
	}
	free := c.candidates(t, now)
	if len(free) == 0 {
		return nil, ""
	}
	switch c.strategy {
	case roundRobin:
		next, ok := slices.BinarySearchFunc(c.nodes, c.robin[t.model], func(n *node, name string) int { return cmp.Compare(n.name, name) })
		if ok {
			next++
		}
		n := free[0].n
		for _, r := range free {
			if r.n.at >= next {
				n = r.n
				break
			}
		}
		c.robin[t.model] = n.name
		return n, roundRobin
	case leastConnections:
		best := free[0]
		for _, r := range free[1:] {
			if r.conns < best.conns || r.conns == best.conns && r.served < best.served {
				best = r
			}
		}
		return best.n, leastConnections
	case random:
		return free[c.rand.IntN(len(free))].n, random
	case weightedRandom:
		return weighted(free, c.rand.Float64()), weightedRandom
	}
	return c.leastLoaded(t, free)
}

// weighted picks by weight; at is from 0 up to 1.
func weighted(l []*row, at float64) *node {
	sum := 0.0
	for _, r := range l {
		sum += r.n.weight
	}
	at *= sum
	for _, r := range l {
		if at -= r.n.weight; at < 0 {
			return r.n
		}
	}
	return l[len(l)-1].n
}

// leastLoaded picks the emptiest node, unless one that has seen the beginning
// of the prompt is not much fuller. Ties go to the one that was given less, and
// then by name.
func (c *cluster) leastLoaded(t *turn, free []*row) (*node, string) {
	least := free[0]
	for _, r := range free[1:] {
		if r.relative < least.relative || r.relative == least.relative && r.served < least.served {
			least = r
		}
	}
	best, route, score := least.n, leastLoaded, -beta*least.relative
	if len(t.chain) == 0 {
		return best, route
	}
	if m := best.match(t.chain); m > 0 {
		route, score = byPrefix, score+float64(m)/float64(len(t.chain))
	}
	// Those that have seen most of the prompt are found from its end.
	looked := 0
	for i := len(t.chain) - 1; i >= 0 && looked < 2*mostHolders; i-- {
		part := float64(i+1) / float64(len(t.chain))
		if part <= score {
			break // not even an idle one
		}
		for _, n := range c.index[t.chain[i]] {
			looked++
			if s := part - beta*n.relative(); s > score && among(free, n) {
				best, route, score = n, byPrefix, s
			}
		}
	}
	return best, route
}

// among says whether n is one of the nodes of l, which stand in their order.
func among(l []*row, n *node) bool {
	_, ok := slices.BinarySearchFunc(l, n.at, func(r *row, at int) int { return cmp.Compare(r.n.at, at) })
	return ok
}

// sticky gives the node that has the session's cache. wait says that it is
// worth to wait for it: not longer than what is kept there would take to
// compute elsewhere.
func (c *cluster) sticky(t *turn, now time.Time) (n *node, wait bool) {
	h, ok := c.homes[t.session]
	if !ok || t.again {
		return nil, false
	}
	n = c.node(h.node)
	if n == nil || n.id != h.id || !n.open(now) || n.model(t.model) == nil || h.model.Name != t.model {
		return nil, false
	}
	if n.free() {
		return n, false
	}
	per := n.health.perToken
	if per == 0 {
		per = time.Second / prefillGuess
	}
	return nil, now.Sub(t.since) < per*time.Duration(h.tokens)
}

// fits says whether a context can hold so many tokens. One that is not known
// yet may.
func fits(m *styxfs.Model, tokens int) bool { return m.NCtx <= 0 || m.NCtx > tokens }

// sameVocabulary says whether a's token ids mean to b what they mean to a: it
// is the same file, as far as can be told before it is loaded.
func sameVocabulary(a, b *styxfs.Model) bool {
	if a.Digest != "" && b.Digest != "" {
		return a.Digest == b.Digest
	}
	if a.Arch != "" && b.Arch != "" {
		return a.Arch == b.Arch && a.Parameters == b.Parameters && a.Quantization == b.Quantization
	}
	return a.Name == b.Name
}
