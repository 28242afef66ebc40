package coord

import (
	"cmp"
	"math/rand/v2"
	"slices"
	"time"

	"llama9/styxfs"
)

// A cluster is the core of the coordinator: the nodes, the turns that wait, and
// what decides which goes where. It has no clock, no goroutine and no I/O: it
// is told times and events. Coord.mu guards it.
type cluster struct {
	strategy string
	paused   bool
	standard string          // the model of turns that name none, "" is the first known
	expected map[string]bool // models that a node is yet to bring
	nodes    []*node         // by name
	rows     []row           // of nodes
	hosts    map[string][]host
	sum      load // of nodes
	queue    queue
	homes    map[uint64]home // by session
	robin    map[string]string
	index    index
	rand     *rand.Rand
	mounts   int
	ticked   time.Time
	scratch  []*row
}

// A home is where a session's cache is.
type home struct {
	node   string
	id     string // of the node's start
	tokens int    // of prompt and answer
	model  styxfs.Model
}

func newCluster(seed uint64) *cluster {
	return &cluster{
		strategy: leastLoaded,
		expected: make(map[string]bool), hosts: make(map[string][]host), homes: make(map[uint64]home),
		robin: make(map[string]string), index: make(index), rand: rand.New(rand.NewPCG(seed, 0)),
	}
}

// node finds a node by its name; nil if there is none.
func (c *cluster) node(name string) *node {
	i, ok := slices.BinarySearchFunc(c.nodes, name, func(n *node, name string) int { return cmp.Compare(n.name, name) })
	if !ok {
		return nil
	}
	return c.nodes[i]
}

// mount adds n, whose name is free.
func (c *cluster) mount(n *node) {
	c.mounts++
	n.order, n.at = c.mounts, -1
	n.health.jitter = c.rand.Float64()
	i, _ := slices.BinarySearchFunc(c.nodes, n.name, func(n *node, name string) int { return cmp.Compare(n.name, name) })
	c.nodes = slices.Insert(c.nodes, i, n)
	c.rows = slices.Insert(c.rows, i, row{n: n})
	c.renumber()
	c.refresh(n)
}

// unmount takes n out. Its turns are lost with its Place.
func (c *cluster) unmount(n *node) {
	c.index.clear(n)
	c.serves(n, nil)
	n.ready, n.health.state, n.slots = false, dead, 0
	c.refresh(n)
	i := n.at
	c.nodes = slices.Delete(c.nodes, i, i+1)
	c.rows = slices.Delete(c.rows, i, i+1)
	n.at = -1
	c.renumber()
}

// defaultModel is the model of a turn that names none: the one that was set,
// else the first of the node mounted first. "": none is known yet.
func (c *cluster) defaultModel() string {
	if c.standard != "" {
		return c.standard
	}
	var first *node
	for _, n := range c.nodes {
		if len(n.models) > 0 && (first == nil || n.order < first.order) {
			first = n
		}
	}
	if first == nil {
		return ""
	}
	return first.models[0].Name
}

// unknown says whether model is one that no node will have: every node that
// was ever seen lacks it, and it is not expected.
func (c *cluster) unknown(model string) bool {
	if model == "" || len(c.hosts[model]) > 0 || c.expected[model] {
		return false
	}
	return slices.ContainsFunc(c.nodes, func(n *node) bool { return n.seen })
}

// up takes in what a node says over a new connection. It says whether the node
// has started anew: nothing that it knew is there any more.
func (c *cluster) up(n *node, now time.Time, s *Status, models []styxfs.Model) (anew bool) {
	anew = n.id != s.ID
	if anew {
		c.index.clear(n)
	}
	n.seen, n.err = true, ""
	n.health.up(now)
	n.refusals = 0
	c.said(n, s)
	c.serves(n, models)
	return anew
}

// said takes in a node's status.
func (c *cluster) said(n *node, s *Status) {
	n.id, n.start, n.engine, n.below = s.ID, s.Start, s.Engine, s.Below
	n.ready = s.State != "draining" && s.State != "closed"
	n.tell(s.Slots, s.Busy, s.Queue, s.Rate)
	c.refresh(n)
}

// lost is the end of a node's connection.
func (c *cluster) lost(n *node, why string) {
	n.health.lost()
	n.err = why
	n.busy, n.queue, n.rate = 0, 0, 0
	c.refresh(n)
}

// dispatch counts a turn that goes to n, before it goes.
func (c *cluster) dispatch(n *node, t *turn, now time.Time) {
	c.queue.remove(t, true)
	n.inflight++
	n.served++
	t.suspected = t.suspect()
	if t.suspected {
		n.suspects++
	}
	n.health.began(now, n.inflight)
	t.fresh = 0
	t.matched = n.match(t.chain)
	c.index.saw(n, t.chain)
	c.refresh(n)
}

// returned counts a turn that n has no more.
func (c *cluster) returned(n *node, t *turn) {
	n.inflight--
	c.cleared(n, t)
	c.refresh(n)
}

// cleared is the end of a turn's being watched as a suspect.
func (c *cluster) cleared(n *node, t *turn) {
	if t.suspected {
		t.suspected = false
		n.suspects--
		c.refresh(n)
	}
}

// ended takes in how a turn of n has ended by itself.
func (c *cluster) ended(n *node, t *turn, o *styxfs.Outcome, answer string) {
	n.refusals = 0
	c.index.correct(n, t.chain, t.matched, o.PromptTokens, o.CachedTokens)
	chain := t.chain
	if answer != "" {
		chain, _ = chainOf(append(slices.Clip(t.messages), styxfs.Message{Role: "assistant", Content: answer}))
	}
	c.index.saw(n, chain)
	h := home{node: n.name, id: n.id, tokens: o.PromptTokens + o.Tokens}
	if m := n.model(t.model); m != nil {
		h.model = *m
	}
	c.homes[t.session] = h
}

// sessions are forgotten when their trees say so.
func (c *cluster) forget(session uint64) (at string) {
	at = c.homes[session].node
	delete(c.homes, session)
	return at
}

// late is how much after the last one a tick shows that it was the coordinator
// that slept.
const late = time.Second

// tick looks at all deadlines: which nodes are to be probed, and which have
// missed one and lose their turns.
func (c *cluster) tick(now time.Time) (probe, missed []*node) {
	slept := !c.ticked.IsZero() && now.Sub(c.ticked) > late
	c.ticked = now
	watched := 0
	for _, n := range c.nodes {
		h := &n.health
		if slept {
			h.restart(now)
		}
		h.settle()
		if h.state == alive || h.state == halfOpen {
			watched++
			if h.late(now) {
				missed = append(missed, n)
			}
		}
		if h.state == slow && now.Sub(h.reply) > longSilence {
			c.lost(n, "no answer")
		}
		if h.due(now, n.inflight) {
			h.probed = now
			probe = append(probe, n)
		}
	}
	// Where most are late at once, it is likelier the way to all of them: once.
	again := slices.ContainsFunc(missed, func(n *node) bool { return n.health.excused })
	if len(missed) > 2 && 2*len(missed) > watched && !again {
		for _, n := range missed {
			n.health.restart(now)
			n.health.excused = true
		}
		return probe, nil
	}
	for _, n := range missed {
		n.health.miss(now)
	}
	c.refresh(c.nodes...)
	return probe, missed
}
