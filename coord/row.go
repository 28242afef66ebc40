package coord

import (
	"cmp"
	"slices"
	"time"

	"llama9/styxfs"
)

// A row is what a pick looks at of a node. Rows stand beside each other, so
// that to look at a thousand takes microseconds; refresh keeps them true.
type row struct {
	n        *node
	relative float64 // load
	conns    float64 // turns from here, by weight
	served   uint64
	held     int64 // no turn before, in Unix nanoseconds; 0: now
	free     bool  // it takes turns, and a slot is counted free
	suspect  bool  // it has a turn that is one
	shown    load  // its part of the sum
}

// A host is a node that has a model.
type host struct {
	at   int // its row
	tier int
	m    *styxfs.Model
}

// refresh makes the rows of nodes say what the nodes are now.
func (c *cluster) refresh(nodes ...*node) {
	for _, n := range nodes {
		if n.at < 0 {
			continue
		}
		r := &c.rows[n.at]
		r.relative, r.conns, r.served = n.relative(), float64(n.inflight)/n.weight, n.served
		r.free = n.free() && n.willing() && n.health.open(n.inflight)
		r.suspect = n.suspects > 0
		if r.held = 0; !n.held.IsZero() {
			r.held = n.held.UnixNano()
		}
		l := n.part()
		c.sum.slots += l.slots - r.shown.slots
		c.sum.busy += l.busy - r.shown.busy
		c.sum.queue += l.queue - r.shown.queue
		r.shown = l
	}
}

// open says whether a turn may go there now.
func (r *row) open(now int64) bool { return r.free && (r.held == 0 || now >= r.held) }

// part is what n adds to the load of all.
func (n *node) part() load {
	if n.health.state == dead {
		return load{}
	}
	has := n.load()
	l := load{slots: n.slots, busy: min(has, n.slots), queue: max(has-n.slots, 0)}
	if !n.willing() || n.health.state == slow {
		l.slots = l.busy // what runs there still
	}
	return l
}

// renumber says where the nodes stand, after one came or went.
func (c *cluster) renumber() {
	moved := make(map[int]int, len(c.nodes))
	for i, n := range c.nodes {
		moved[n.at] = i
	}
	for _, l := range c.hosts {
		for i := range l {
			l[i].at = moved[l[i].at]
		}
	}
	for i, n := range c.nodes {
		n.at = i
	}
}

// serves takes in a node's model table.
func (c *cluster) serves(n *node, models []styxfs.Model) {
	for _, m := range n.models {
		l := slices.DeleteFunc(c.hosts[m.Name], func(h host) bool { return h.at == n.at })
		if len(l) == 0 {
			delete(c.hosts, m.Name)
		} else {
			c.hosts[m.Name] = l
		}
	}
	n.models = models
	for i := range models {
		name := models[i].Name
		l := c.hosts[name]
		at, there := slices.BinarySearchFunc(l, n.at, func(h host, at int) int { return cmp.Compare(h.at, at) })
		if there {
			continue // a line of another node below
		}
		m := n.model(name)
		c.hosts[name] = slices.Insert(l, at, host{n.at, tier(m), m})
	}
}

// candidates are the rows of the nodes with a free slot that t may run on, by
// name: of those that have its model ready, if there are such, else of those
// that have to load it. The slice is the cluster's.
func (c *cluster) candidates(t *turn, now time.Time) []*row {
	hosts := c.hosts[t.model]
	at := now.UnixNano()
	may := c.restrict(t, hosts)
	free, least := c.scratch[:0], 4
	for i := range hosts {
		h := &hosts[i]
		r := &c.rows[h.at]
		if h.tier > least || !r.open(at) || may != nil && !may(r, h.m) {
			continue
		}
		if h.tier < least {
			free, least = free[:0], h.tier
		}
		free = append(free, r)
	}
	c.scratch = free
	return free
}

// restrict gives what a turn that has lost a node wants of the next one; nil:
// nothing.
func (c *cluster) restrict(t *turn, hosts []host) func(r *row, m *styxfs.Model) bool {
	if !t.again {
		return nil
	}
	some := func(f func(n *node, m *styxfs.Model) bool) bool {
		return slices.ContainsFunc(hosts, func(h host) bool {
			n := c.rows[h.at].n
			return n.willing() && n.health.state != dead && f(n, h.m)
		})
	}
	fresh := func(n *node, _ *styxfs.Model) bool { return !t.tried[n.incarnation()] }
	twice := !some(fresh)
	same := func(n *node, m *styxfs.Model) bool { return sameVocabulary(t.vocab, m) && (twice || fresh(n, m)) }
	own := t.vocab != nil && some(same)
	room := t.need > 0 && some(func(n *node, m *styxfs.Model) bool { return fits(m, t.need) && (!own || same(n, m)) })
	suspect := t.suspect()
	return func(r *row, m *styxfs.Model) bool {
		return !(suspect && r.suspect) && (twice || fresh(r.n, m)) && (!own || sameVocabulary(t.vocab, m)) && (!room || fits(m, t.need))
	}
}
