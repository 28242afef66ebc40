package coord

import (
	"sync/atomic"
	"time"

	"llama9/styxfs"
)

// A node is what the core knows of a mounted node. Coord.mu guards it, but for
// what is set once and the pulse.
type node struct {
	name   string // set once
	addr   string // set once
	order  int    // of the mounts; set once
	source string // what has mounted it: ctl, new (it goes when that file is closed), srv:NAME; set once
	pulse  pulse

	weight  float64
	drained bool

	// What it said last.
	seen   bool // it has answered once
	id     string
	start  time.Time
	engine string
	below  []string
	ready  bool // it takes turns: not drained by itself
	slots  int
	busy   int
	queue  int
	rate   float64
	models []styxfs.Model

	// What is counted here.
	inflight int    // turns that it was given
	suspects int    // of those
	served   uint64 // turns that it was ever given
	held     time.Time
	refusals int // in a row

	health health
	rtt    time.Duration
	err    string // why it is down

	prefixes prefixes
	at       int // among the cluster's nodes; -1: no more
}

// A pulse is when a node last gave a sign of life, in nanoseconds since the
// coordinator's base: streams write it without a lock.
type pulse struct {
	reply  atomic.Int64 // of whatever kind
	engine atomic.Int64 // a token, progress of a prefill
}

// beat notes a sign of life.
func (p *pulse) beat(at time.Duration, engine bool) {
	p.reply.Store(int64(at))
	if engine {
		p.engine.Store(int64(at))
	}
}

// mostSlots bounds what is believed of a node's slots.
const mostSlots = 1 << 16

// tell takes in what a status or a load event says.
func (n *node) tell(slots, busy, queue int, rate float64) {
	n.slots = min(max(slots, 0), mostSlots)
	n.busy = min(max(busy, 0), mostSlots)
	n.queue = min(max(queue, 0), mostSlots)
	n.rate = rate
	n.held = time.Time{}
}

// load is how many turns the node has: what it says, or what it was given from
// here, whichever is more.
func (n *node) load() int { return max(n.busy+n.queue, n.inflight) }

// free says whether a slot is counted free.
func (n *node) free() bool { return n.load() < n.slots }

// relative is the load as a part of what the node is meant to take.
func (n *node) relative() float64 { return float64(n.load()) / (float64(n.slots) * n.weight) }

// open says whether the node may be given a turn at all, its load apart.
func (n *node) open(now time.Time) bool {
	return n.willing() && !now.Before(n.held) && n.health.open(n.inflight)
}

// willing says whether nobody wants it to be left out.
func (n *node) willing() bool { return n.ready && !n.drained }

// model finds a line of its model table, the best one where a coordinator has
// several; nil if it has none of that name.
func (n *node) model(name string) *styxfs.Model {
	var best *styxfs.Model
	for i := range n.models {
		if m := &n.models[i]; m.Name == name && (best == nil || tier(m) < tier(best)) {
			best = m
		}
	}
	return best
}

// tier orders the states of a model: it is not loaded where a slot of one that
// is loaded already will do.
func tier(m *styxfs.Model) int {
	switch m.State {
	case "loaded":
		return 0
	case "loading":
		return 1
	case "failed":
		return 3
	}
	return 2
}

// refuse notes that the node would not take a turn: it is left alone until it
// tells its load, or for a while that grows.
func (n *node) refuse(now time.Time) {
	n.held = now.Add(min(100*time.Millisecond<<min(n.refusals, 6), 5*time.Second))
	n.refusals++
}

// incarnation names a start of a node.
func incarnation(name, id string) string { return name + "/" + id }

func (n *node) incarnation() string { return incarnation(n.name, n.id) }

// state is what node/index and events show.
func (n *node) state() string {
	switch {
	case n.health.state == dead:
		return "down"
	case n.health.state == slow || n.health.state == halfOpen:
		return "slow"
	case !n.willing():
		return "draining"
	}
	return "up"
}
