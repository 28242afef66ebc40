package coord

import (
	"fmt"
	"testing"
	"time"
)

// A clinic is a script about the health of nodes, in ticks.
type clinic struct{ *script }

func newClinic(t *testing.T) *clinic { return &clinic{newScript(t)} }

// run lets time pass in ticks. alive are the nodes that answer probes at once,
// and whose streams go on; it gives what missed a deadline, and when.
func (c *clinic) run(d time.Duration, alive ...*node) (missed []string) {
	begin := c.now
	for end := c.now.Add(d); c.now.Before(end); {
		c.after(tickEvery)
		for _, n := range c.nodes {
			h := &n.health
			reply, engine := time.Time{}, time.Time{}
			for _, a := range alive {
				if a == n && n.inflight > 0 {
					reply, engine = c.now, c.now
				}
			}
			h.heard(c.now, reply, engine, n.inflight, h.uncached)
		}
		probe, late := c.tick(c.now)
		for _, n := range late {
			missed = append(missed, fmt.Sprintf("%s after %v", n.name, c.now.Sub(begin)))
		}
		for _, n := range probe {
			for _, a := range alive {
				if a == n {
					n.health.answered(c.now)
				}
			}
		}
	}
	return missed
}

func (c *clinic) want(missed []string, want ...string) {
	c.Helper()
	if fmt.Sprint(missed) != fmt.Sprint(want) {
		c.Fatalf("missed: %v, want %v", missed, want)
	}
}

// A node with a turn that says nothing any more is probed, and then left, after
// the floor of deadlines.
func TestFrozen(t *testing.T) {
	c := newClinic(t)
	a, b := c.add("a", 4), c.add("b", 4)
	c.goes(c.ask("u"), "a", "")
	c.want(c.run(10*time.Second, a, b))
	c.want(c.run(20*time.Second, b), "a after 5s")
	if a.state() != "slow" || b.state() != "up" {
		t.Fatalf("a is %s, b is %s", a.state(), b.state())
	}
	u := c.ask("u")
	c.goes(u, "b", "")
	c.want(c.run(time.Minute, b))
	if a.state() != "down" {
		t.Fatalf("after a minute of silence a is %s", a.state())
	}
}

// An idle node that is frozen is found too.
func TestFrozenIdle(t *testing.T) {
	c := newClinic(t)
	a, b := c.add("a", 4), c.add("b", 4)
	c.want(c.run(time.Minute, a, b))
	missed := c.run(12*time.Second, b)
	if len(missed) != 1 || a.state() != "slow" {
		t.Fatalf("missed: %v; a is %s", missed, a.state())
	}
}

// A node that answers probes and makes no tokens is left as well.
func TestStuckEngine(t *testing.T) {
	c := newClinic(t)
	a := c.add("a", 4)
	c.goes(c.ask("u"), "a", "")
	c.run(10*time.Second, a)
	var missed []string
	for range 40 {
		c.after(tickEvery)
		a.health.heard(c.now, c.now, time.Time{}, 1, 0)
		_, late := c.tick(c.now)
		if len(late) > 0 {
			missed = append(missed, "a")
		}
	}
	c.want(missed, "a")
}

// Deadlines come from what the node has shown, and an uncached prompt adds to
// that of the first token.
func TestLimits(t *testing.T) {
	var h health
	if h.limit() != floor {
		t.Errorf("at first %v", h.limit())
	}
	h.uncached = 1000
	if h.limit() != 100*time.Second {
		t.Errorf("of 1000 tokens, nothing learned: %v", h.limit())
	}
	h.learn(10*time.Millisecond, time.Second, 1000)
	if h.limit() != floor {
		t.Errorf("of 1000 tokens that take a second: %v", h.limit())
	}
	h.uncached = 10000
	if h.limit() != 40*time.Second {
		t.Errorf("of 10000 such: %v", h.limit())
	}
	h.uncached = 0
	h.learn(3*time.Second, 0, 0)
	if h.limit() != 12*time.Second {
		t.Errorf("with 3s between tokens: %v", h.limit())
	}
	for range 50 {
		h.learn(10*time.Millisecond, 0, 0)
	}
	if h.limit() != floor {
		t.Errorf("long after: %v", h.limit())
	}
	h.learn(0, time.Hour, 3) // too few to learn of
	if h.perToken != time.Millisecond {
		t.Errorf("a token takes %v", h.perToken)
	}
	h.miss(time.Time{})
	if h.limit() != 2*floor {
		t.Errorf("after a miss: %v", h.limit())
	}
}

// A slow node that answers again is tried with one turn, and takes more when
// that has come to something.
func TestHalfOpen(t *testing.T) {
	c := newClinic(t)
	a, b := c.add("a", 4), c.add("b", 4)
	b.drained = true
	one := c.ask("u")
	c.goes(one, "a", "")
	c.want(c.run(6*time.Second), "a after 5s")
	c.loses(one, false)
	c.waits()
	c.run(6*time.Second, a)
	if a.health.state != halfOpen || a.state() != "slow" {
		t.Fatalf("a is %v", a.health.state)
	}
	two, three := c.ask("u"), c.ask("u")
	c.goes(one, "a", "") // no other node takes turns
	c.waits()
	c.run(time.Second, a)
	if a.state() != "up" {
		t.Fatalf("a is %s, %+v", a.state(), a.health)
	}
	c.goes(two, "a", "")
	c.goes(three, "a", "")
}

// One that fails the trial is left alone for longer, and then given more time.
func TestHalfOpenMisses(t *testing.T) {
	c := newClinic(t)
	a := c.add("a", 4)
	one := c.ask("u")
	c.goes(one, "a", "")
	c.run(6 * time.Second)
	c.loses(one, false)
	c.run(6*time.Second, a)
	c.goes(one, "a", "")
	if d := a.health.limit(); d != 2*floor {
		t.Errorf("the trial has %v", d)
	}
	c.want(c.run(6*time.Second), "a after 4.75s") // of silence 5s: it was heard before the turn
	if a.health.penalty != 2*time.Second {
		t.Errorf("left alone for %v", a.health.penalty)
	}
}

// If the coordinator itself was not run for a while, nobody has missed
// anything.
func TestOwnSleep(t *testing.T) {
	c := newClinic(t)
	a := c.add("a", 4)
	c.goes(c.ask("u"), "a", "")
	c.run(2*time.Second, a)
	c.after(time.Hour)
	if _, missed := c.tick(c.now); len(missed) > 0 {
		t.Fatal("the first tick after a sleep blames the nodes")
	}
	c.want(c.run(10*time.Second), "a after 5s")
}

// Most nodes at once: it is the way to them. Once.
func TestMostMiss(t *testing.T) {
	c := newClinic(t)
	for i := range 5 {
		c.add(fmt.Sprint("n", i), 1)
		c.ask("u")
		c.place()
	}
	l := c.nodes
	c.want(c.run(9*time.Second, l[0]))
	c.want(c.run(4*time.Second, l...))
	missed := c.run(9*time.Second, l[0])
	c.want(missed)
	c.want(c.run(2*time.Second, l[0]), "n1 after 1s", "n2 after 1s", "n3 after 1s", "n4 after 1s")
}

// Two of five are two of five.
func TestFewMiss(t *testing.T) {
	c := newClinic(t)
	for i := range 5 {
		c.add(fmt.Sprint("n", i), 1)
		c.ask("u")
		c.place()
	}
	c.want(c.run(6*time.Second, c.nodes[2:]...), "n0 after 5s", "n1 after 5s")
}

// A new connection of a slow node does not make it a good one.
func TestUpAgain(t *testing.T) {
	c := newClinic(t)
	a := c.add("a", 4)
	c.lost(a, "hung up")
	if a.state() != "down" || a.err != "hung up" {
		t.Fatalf("a is %s", a.state())
	}
	c.upAs(a, "id-a", 4, a.models...)
	if a.state() != "up" || a.err != "" {
		t.Fatalf("a is %s", a.state())
	}
	a.health.miss(c.now)
	a.health.up(c.now)
	if a.state() != "slow" {
		t.Fatalf("a is %s", a.state())
	}
}
