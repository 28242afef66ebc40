package coord

import (
	"context"
	"errors"
	"math/rand/v2"
	"slices"
	"strconv"
	"time"

	"llama9/styxfs"
)

// A member is a mounted node with what speaks to it.
type member struct {
	n     *node // set once
	place Place // set once
	ctx   context.Context
	stop  context.CancelCauseFunc

	probe  chan struct{} // of size 1: a probe is due
	models chan struct{} // of size 1: the model table has changed

	// Coord.mu guards below.
	tries map[*try]bool // under way, or given up and not back yet
	told  string        // the state that the last event told
}

// backoff is how long a node that is down is left alone, at first and at most.
const (
	leastBackoff = 100 * time.Millisecond
	mostBackoff  = 5 * time.Second
)

var errLoop = errors.New("loop: it is, or has mounted, this coordinator")

// mount adds a node. mu is held, and its name is free.
func (c *Coord) mount(n *node, p Place) *member {
	m := &member{n: n, place: p, probe: make(chan struct{}, 1), models: make(chan struct{}, 1), tries: make(map[*try]bool)}
	m.ctx, m.stop = context.WithCancelCause(c.ctx)
	c.cluster.mount(n)
	c.members[n.name] = m
	c.shown(m)
	c.work.Go(func() {
		defer p.Close()
		c.follow(m)
	})
	return m
}

// unmount takes m out: its turns go on elsewhere. mu is held.
func (c *Coord) unmount(m *member) {
	delete(c.members, m.n.name)
	c.cluster.unmount(m.n)
	m.close()
	c.dir.forget(m.n)
	c.post("node", styxfs.Attr{Name: "name", Value: m.n.name}, styxfs.Attr{Name: "addr", Value: m.n.addr},
		styxfs.Attr{Name: "state", Value: "unmounted"}, styxfs.Attr{Name: "error", Value: ""})
	c.settle(time.Now())
}

// close ends the use of the node. Coord.mu is held.
func (m *member) close() {
	m.stop(errGone)
	for y := range m.tries {
		y.giveUp(errGone)
	}
}

func (m *member) kick() {
	select {
	case m.probe <- struct{}{}:
	default:
	}
}

// follow keeps a connection to the node until it is unmounted.
func (c *Coord) follow(m *member) {
	wait := leastBackoff
	for {
		err := c.attend(m)
		if m.ctx.Err() != nil {
			return
		}
		if c.down(m, err) {
			wait = leastBackoff
		}
		select {
		case <-time.After(wait/2 + rand.N(wait)):
		case <-m.ctx.Done():
			return
		}
		wait = min(2*wait, mostBackoff)
	}
}

// attend connects to the node and takes in what it says, until it is lost.
func (c *Coord) attend(m *member) error {
	ctx, cancel := context.WithCancel(m.ctx)
	defer cancel()
	s, rtt, err := m.ask(ctx)
	if err != nil {
		return err
	}
	if err := c.loops(&s); err != nil {
		return err
	}
	models := m.place.Models(ctx)
	c.mu.Lock()
	now := time.Now()
	m.n.rtt = rtt
	c.cluster.up(m.n, now, &s, models)
	c.shown(m)
	c.settle(now)
	c.mu.Unlock()

	for {
		begun := time.Now()
		if err := c.listen(ctx, m); err != nil {
			return err
		}
		// Its events have ended. That can be a connection, or all of it.
		if time.Since(begun) < time.Second {
			return errors.New("hung up")
		}
		if err := c.reprobe(ctx, m); err != nil {
			return err
		}
		m.changed()
	}
}

// listen takes in a node's events, until they end; nil then. An error says that
// the node is lost.
func (c *Coord) listen(ctx context.Context, m *member) error {
	ctx, cancel := context.WithCancel(ctx)
	ended := make(chan struct{})
	c.work.Go(func() {
		defer close(ended)
		// What has changed since attend asked, and before the file was
		// open, no event tells. What has ended it, a probe shows.
		look := func() {
			m.kick()
			m.changed()
		}
		m.place.Events(ctx, look, func(line string) { c.event(m, line) })
	})
	defer func() {
		cancel()
		<-ended
	}()
	for {
		select {
		case <-m.probe:
			if err := c.reprobe(ctx, m); err != nil {
				return err
			}
		case <-m.models:
			if l := m.place.Models(ctx); l != nil {
				c.mu.Lock()
				c.cluster.serves(m.n, l)
				c.settle(time.Now())
				c.mu.Unlock()
			}
		case <-ended:
			return nil
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}

// changed has the model table read again.
func (m *member) changed() {
	select {
	case m.models <- struct{}{}:
	default:
	}
}

// errSilent is a probe that was not answered in time.
var errSilent = errors.New("no answer")

// probeTime is how long a probe waits: a little less than a deadline, and than
// a Place may take to find a node lost.
const probeTime = floor - floor/10

// ask reads the node's status.
func (m *member) ask(ctx context.Context) (Status, time.Duration, error) {
	probe, cancel := context.WithTimeout(ctx, probeTime)
	defer cancel()
	begun := time.Now()
	s, err := m.place.Probe(probe)
	if err != nil && probe.Err() != nil && ctx.Err() == nil {
		err = errSilent
	}
	return s, time.Since(begun), err
}

// reprobe asks for a sign of life. That none comes in time is for the deadlines
// to judge.
func (c *Coord) reprobe(ctx context.Context, m *member) error {
	s, rtt, err := m.ask(ctx)
	silent := err == errSilent
	if err != nil && !silent {
		return err
	}
	if err := c.loops(&s); err != nil {
		return err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	now := time.Now()
	if m.n.health.state == dead {
		return errSilent
	}
	if silent {
		return nil
	}
	if s.ID != m.n.id {
		return errors.New("started anew")
	}
	if s.State == "closed" {
		return errors.New("shuts down")
	}
	m.n.rtt = rtt
	c.cluster.said(m.n, &s)
	m.n.health.answered(now)
	c.shown(m)
	c.settle(now, m.n)
	return nil
}

// loops says whether a node is this coordinator, or has it below.
func (c *Coord) loops(s *Status) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.id != "" && (s.ID == c.id || slices.Contains(s.Below, c.id)) {
		return errLoop
	}
	return nil
}

// down takes in that a node was lost, and says whether it had been there. What
// it was doing is done elsewhere.
func (c *Coord) down(m *member, err error) (was bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.members[m.n.name] != m {
		return false
	}
	was = m.n.health.state != dead
	if m.n.health.state != dead || m.n.err == "" {
		c.log.Info("node down", "node", m.n.name, "addr", m.n.addr, "why", err)
	}
	c.cluster.lost(m.n, err.Error())
	for y := range m.tries {
		y.giveUp(ErrLost)
	}
	c.shown(m)
	c.settle(time.Now())
	return was
}

// gone says whether a start of a node is over: it does not answer, or another
// one does.
func (c *Coord) gone(m *member, id string) bool {
	ctx, cancel := context.WithTimeout(m.ctx, 2*time.Second)
	defer cancel()
	s, err := m.place.Probe(ctx)
	return err != nil || s.ID != id
}

// event takes in a line of a node's root event. Each is a sign of life.
func (c *Coord) event(m *member, line string) {
	m.n.pulse.beat(time.Since(c.base), false)
	_, kind, attrs, err := styxfs.ParseEvent(line)
	if err != nil {
		return // what a later version says
	}
	switch kind {
	case "load":
		slots, e1 := strconv.Atoi(styxfs.FindAttr(attrs, "slots"))
		busy, e2 := strconv.Atoi(styxfs.FindAttr(attrs, "busy"))
		queue, e3 := strconv.Atoi(styxfs.FindAttr(attrs, "queue"))
		rate, e4 := strconv.ParseFloat(styxfs.FindAttr(attrs, "tokens/s"), 64)
		if errors.Join(e1, e2, e3, e4) != nil {
			return
		}
		c.mu.Lock()
		m.n.tell(slots, busy, queue, rate)
		c.settle(time.Now(), m.n)
		c.mu.Unlock()
	case "model":
		m.changed()
		if c.cfg.Event != nil {
			c.cfg.Event(kind, append(slices.DeleteFunc(attrs, func(a styxfs.Attr) bool { return a.Name == "node" }), styxfs.Attr{Name: "node", Value: m.n.name})...)
		}
	case "lost":
		m.kick()
		m.changed()
	}
}

// shown tells of a node's state if it is another than was told. mu is held.
func (c *Coord) shown(m *member) {
	s := m.n.state()
	if s == m.told {
		return
	}
	m.told = s
	c.post("node", styxfs.Attr{Name: "name", Value: m.n.name}, styxfs.Attr{Name: "addr", Value: m.n.addr},
		styxfs.Attr{Name: "state", Value: s}, styxfs.Attr{Name: "error", Value: m.n.err})
}

func (c *Coord) post(kind string, attrs ...styxfs.Attr) {
	if c.cfg.Event != nil {
		c.cfg.Event(kind, attrs...)
	}
}
