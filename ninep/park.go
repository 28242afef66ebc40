package ninep

import (
	"context"
	"runtime"
)

// A read of a Notifier that must wait is parked: it has no goroutine, only its
// request. The file wakes it, and so does what cancels it. What was woken runs
// one after the other on one goroutine, the pump, so that what came to many
// files at about the same time, as the tokens of a step do, is answered with
// one write.

// wait lets r, a read that call gave errWait for, wait: parked, or on a
// goroutine of its own. r is listed, and not the caller's any more.
func (c *conn) wait(r *request) {
	if r.open.notifier == nil {
		c.mu.Lock()
		c.spawn(r)
		c.mu.Unlock()
		return
	}
	ready := c.notify(r)
	c.mu.Lock()
	defer c.mu.Unlock()
	r.parked = true
	if ready || r.fault != nil || r.woken || r.ctx.Err() != nil { // the last two came before it was parked
		c.unpark(r)
	}
}

// notify calls the Notifier.
func (c *conn) notify(r *request) (ready bool) {
	defer c.caught(&r.fault)
	return r.open.notifier.Notify(int64(r.offset), r)
}

// forget tells the Notifier that r was woken by something else.
func (c *conn) forget(r *request) {
	defer c.caught(&r.fault)
	r.open.notifier.Forget(r)
}

// Wake is of Waker.
func (r *request) Wake() {
	c := r.ctx.c
	c.mu.Lock()
	defer c.mu.Unlock()
	r.woken = true
	c.unpark(r)
}

// stop cancels r. c.mu is held.
func (c *conn) stop(r *request) {
	r.ctx.cancel(context.Canceled)
	c.unpark(r)
}

// unpark gives r to the pump, if it is parked. c.mu is held.
func (c *conn) unpark(r *request) {
	if !r.parked {
		return
	}
	r.parked = false
	c.ready.push(r)
	if !c.pumping {
		c.pumping = true
		c.running++
		go c.pump()
	}
}

// pump runs what was woken, until there is no more.
func (c *conn) pump() {
	defer c.release()
	c.mu.Lock()
	defer c.mu.Unlock()
	for c.ready.head != nil {
		c.resume(c.ready.pop())
		if c.ready.head == nil {
			c.gather()
		}
		if c.ready.head == nil || c.out.bytes >= flushAt {
			c.flushLocked()
		}
	}
	c.pumping = false
}

// resume runs r, which was parked. c.mu is held, but not while r runs.
func (c *conn) resume(r *request) {
	woken := r.woken
	c.mu.Unlock()
	if !woken {
		c.forget(r)
	}
	r.woken = false // and is not any more, before the next Notify
	err := r.fault
	if err == nil {
		err = c.call(r)
	}
	if err == errWait {
		c.wait(r)
		c.mu.Lock()
		return
	}
	c.mu.Lock()
	run := c.finish(r, err)
	for run.head != nil {
		c.spawn(run.pop())
	}
	r.recycle()
}

// A gathering is what decides whether it is worth it to let other goroutines
// run before a write: they may be about to wake more reads. While that brings
// nothing it is tried ever more rarely, so that a lone stream is not held up.
type gathering struct{ skip, vain int }

const mostSkip = 31

// gather lets others wake reads. c.mu is held, but not meanwhile.
func (c *conn) gather() {
	g := &c.gathering
	switch {
	case len(c.tags) == 0: // nothing more can come
		return
	case g.skip > 0:
		g.skip--
		return
	}
	c.mu.Unlock()
	runtime.Gosched()
	c.mu.Lock()
	if g.vain = min(2*g.vain+1, mostSkip); c.ready.head != nil {
		g.vain = 0
	}
	g.skip = g.vain
}
