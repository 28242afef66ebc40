package coord

import (
	"context"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"llama9/styxfs"
)

// A load is what the root event load tells: that of all nodes together.
type load struct{ slots, busy, queue int }

// loadNow is the load of all nodes, and of the queue here. mu is held.
func (c *Coord) loadNow() load {
	l := c.cluster.sum
	l.queue += len(c.cluster.queue.All())
	return l
}

// rate is the tokens a second of all nodes. mu is held.
func (c *Coord) rate() (sum float64) {
	for _, n := range c.cluster.nodes {
		sum += n.rate
	}
	return sum
}

// tellLoad posts the load if it has changed. mu is held.
func (c *Coord) tellLoad() {
	l := c.loadNow()
	if l == c.told {
		return
	}
	c.tell(l, c.rate(), time.Now())
}

// rateTime is how often a rate of tokens that changes alone is told, at most.
const rateTime = 5 * time.Second

// tellRate posts the load where it is what was told, and the rate is not. mu is
// held.
func (c *Coord) tellRate(now time.Time) {
	if now.Sub(c.toldAt) < rateTime {
		return
	}
	if r := c.rate(); rateText(r) != rateText(c.toldRate) {
		c.tell(c.told, r, now)
	}
}

func (c *Coord) tell(l load, rate float64, now time.Time) {
	c.told, c.toldRate, c.toldAt = l, rate, now
	c.post("load", loadAttrs(l, rate)...)
}

func rateText(r float64) string { return strconv.FormatFloat(r, 'f', 1, 64) }

func loadAttrs(l load, rate float64) []styxfs.Attr {
	return []styxfs.Attr{
		{Name: "slots", Value: strconv.Itoa(l.slots)},
		{Name: "busy", Value: strconv.Itoa(l.busy)},
		{Name: "queue", Value: strconv.Itoa(l.queue)},
		{Name: "tokens/s", Value: rateText(rate)},
	}
}

// Status is the root status: state slots busy queue tokens/s, and below: the
// IDs of all that is mounted. See styxfs.Backend.
func (c *Coord) Status() []styxfs.Attr {
	c.mu.Lock()
	defer c.mu.Unlock()
	state := "ready"
	switch {
	case c.closed:
		state = "closed"
	case c.cluster.paused:
		state = "paused"
	}
	up := 0
	var below []string
	for _, n := range c.cluster.nodes {
		if n.health.state != dead {
			up++
			below = append(append(below, n.id), n.below...)
		}
	}
	slices.Sort(below)
	return append(append([]styxfs.Attr{{Name: "state", Value: state}}, loadAttrs(c.loadNow(), c.rate())...),
		styxfs.Attr{Name: "nodes", Value: strconv.Itoa(len(c.cluster.nodes))},
		styxfs.Attr{Name: "up", Value: strconv.Itoa(up)},
		styxfs.Attr{Name: "below", Value: strings.Join(slices.Compact(below), ",")})
}

// Models is the union of the nodes' model tables, a line for each model and
// node, the default model first. See styxfs.Backend.
func (c *Coord) Models(context.Context) []styxfs.Model {
	c.mu.Lock()
	defer c.mu.Unlock()
	var first, rest []styxfs.Model
	standard := c.cluster.defaultModel()
	for _, n := range c.cluster.nodes {
		if n.health.state == dead {
			continue
		}
		for _, m := range n.models {
			m.Node = strings.TrimSuffix(n.name+"/"+m.Node, "/")
			if m.Name == standard {
				first = append(first, m)
			} else {
				rest = append(rest, m)
			}
		}
	}
	return append(first, rest...)
}

// stats are counted since the Coord began.
type stats struct {
	lost, missed atomic.Uint64

	mu    sync.Mutex // guards below
	turns map[styxfs.Reason]uint64
}

func (s *stats) ended(r styxfs.Reason) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.turns == nil {
		s.turns = make(map[styxfs.Reason]uint64)
	}
	s.turns[r]++
}

var _ prometheus.Collector = (*Coord)(nil)

var (
	descTurns   = prometheus.NewDesc("llama9_coord_turns_total", "Turns that ended, by reason.", []string{"reason"}, nil)
	descLost    = prometheus.NewDesc("llama9_coord_lost_total", "Times that a turn lost its node.", nil, nil)
	descMissed  = prometheus.NewDesc("llama9_coord_missed_total", "Deadlines that nodes missed.", nil, nil)
	descQueue   = prometheus.NewDesc("llama9_coord_queue", "Turns that wait at the coordinator.", nil, nil)
	descUp      = prometheus.NewDesc("llama9_coord_node_up", "Whether a node takes turns.", []string{"node"}, nil)
	descSlots   = prometheus.NewDesc("llama9_coord_node_slots", "Slots of a node.", []string{"node"}, nil)
	descLoad    = prometheus.NewDesc("llama9_coord_node_load", "Turns that a node has.", []string{"node"}, nil)
	descServed  = prometheus.NewDesc("llama9_coord_node_served_total", "Turns that a node was given.", []string{"node"}, nil)
	descRTT     = prometheus.NewDesc("llama9_coord_node_rtt_seconds", "Time of the last probe of a node.", []string{"node"}, nil)
	descMembers = prometheus.NewDesc("llama9_coord_nodes", "Nodes that are mounted.", nil, nil)
)

// Describe implements prometheus.Collector.
func (c *Coord) Describe(d chan<- *prometheus.Desc) {
	for _, x := range []*prometheus.Desc{descTurns, descLost, descMissed, descQueue, descUp, descSlots, descLoad, descServed, descRTT, descMembers} {
		d <- x
	}
}

// Collect implements prometheus.Collector.
func (c *Coord) Collect(out chan<- prometheus.Metric) {
	count := func(d *prometheus.Desc, v uint64, labels ...string) {
		out <- prometheus.MustNewConstMetric(d, prometheus.CounterValue, float64(v), labels...)
	}
	gauge := func(d *prometheus.Desc, v float64, labels ...string) {
		out <- prometheus.MustNewConstMetric(d, prometheus.GaugeValue, v, labels...)
	}
	c.stat.mu.Lock()
	for r, v := range c.stat.turns {
		count(descTurns, v, string(r))
	}
	c.stat.mu.Unlock()
	count(descLost, c.stat.lost.Load())
	count(descMissed, c.stat.missed.Load())
	c.mu.Lock()
	defer c.mu.Unlock()
	gauge(descQueue, float64(len(c.cluster.queue.All())))
	gauge(descMembers, float64(len(c.cluster.nodes)))
	for _, n := range c.cluster.nodes {
		up := 0.0
		if n.state() == "up" {
			up = 1
		}
		gauge(descUp, up, n.name)
		gauge(descSlots, float64(n.slots), n.name)
		gauge(descLoad, float64(n.load()), n.name)
		count(descServed, n.served, n.name)
		gauge(descRTT, n.rtt.Seconds(), n.name)
	}
}
