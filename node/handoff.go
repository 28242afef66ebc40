package node

import (
	"time"
)

// What the worker asks of the Node. Each takes Node.mu for a moment.

// next gives the worker the waiting turn that it is to begin and where, or the
// sessions to forget first, or nothing.
func (n *Node) next(w *worker) (*turn, choice, []uint64) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if len(w.forget) > 0 {
		f := w.forget
		w.forget = nil
		return nil, choice{}, f
	}
	if len(n.queue.All()) == 0 || w.in.leaving || w.in.busy >= len(w.slots) {
		return nil, choice{}, nil
	}
	for _, t := range n.queue.Order(time.Now()) {
		if t.inst != w.in || t.in == nil {
			continue
		}
		c := choose(w.slots, t.r.Session, t.in.ids, t.in.reuse)
		if c.slot < 0 {
			continue
		}
		n.queue.Remove(t, true)
		t.taken.Store(true)
		w.in.busy++
		w.in.keep()
		n.use(w.in)
		n.settle()
		n.changed()
		return t, c, nil
	}
	return nil, choice{}, nil
}

// mayStop says whether the worker's instance is leaving; the worker, which
// has no turn, then ends.
func (n *Node) mayStop(w *worker) bool {
	n.mu.Lock()
	defer n.mu.Unlock()
	return w.in.leaving
}

// left counts a slot that t left idle. An idle model stays for the keep_alive
// of its last turn, if that has one.
func (n *Node) left(w *worker, t *turn) {
	n.mu.Lock()
	defer n.mu.Unlock()
	w.in.busy--
	n.use(w.in)
	if d := t.r.Params.KeepAlive; d > 0 && w.in.busy == 0 && !w.in.leaving {
		idle := w.in.used
		w.in.expiry = time.AfterFunc(d, func() { n.expire(w.in, idle) })
	}
	n.settle()
	n.changed()
}

// expire unloads in if no turn has come since it became idle, at tick idle.
func (n *Node) expire(in *instance, idle uint64) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if h := n.host(in.name); in.busy == 0 && in.used == idle && h != nil && h.inst == in && !n.closed {
		n.beginLeave(h)
		n.changed()
	}
}

// use makes in the model used last.
func (n *Node) use(in *instance) { in.used = n.queue.Tick() }

// enterStep counts the turns whose rows are about to be decoded; a cancel of
// the last one aborts the Decode. It is false when all are cancelled already.
func (n *Node) enterStep(w *worker) bool {
	n.mu.Lock()
	defer n.mu.Unlock()
	w.live = 0
	for i := range w.slots {
		if s := &w.slots[i]; s.turn != nil && s.rows > 0 && !s.turn.cancelled.Load() {
			s.turn.running = true
			w.live++
		}
	}
	return w.live > 0
}

// leaveStep ends what enterStep began.
func (n *Node) leaveStep(w *worker) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if w.live == 0 {
		w.c.Abort(false)
	}
	for i := range w.slots {
		if s := &w.slots[i]; s.turn != nil {
			s.turn.running = false
		}
	}
}

// stepped counts a step; its tokens were counted as they were picked. In a long
// turn the load stays what it is, and the rate of tokens does not: that is told
// too, from time to time.
func (n *Node) stepped(rows, made int) {
	n.stats.steps.Add(1)
	n.stats.rows.Add(uint64(rows))
	now := time.Now()
	n.mu.Lock()
	defer n.mu.Unlock()
	if made > 0 {
		n.meter.add(now, made)
	}
	if now.Sub(n.told) >= meterTime {
		n.tell(n.shown, now)
	}
}
