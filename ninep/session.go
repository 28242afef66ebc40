package ninep

import (
	"context"
	"fmt"
	"runtime/debug"
)

// version does a Tversion: it ends the session that was, if any, and begins a
// new one. Its answer goes out alone, in one write: Inferno reads it with one
// read. See version(5).
func (c *conn) version(r *request, bad error) error {
	c.mu.Lock()
	c.resets = true
	c.cancelAll()
	for len(c.tags) > 0 {
		c.cond.Wait()
	}
	c.resets = false
	c.mu.Unlock()
	c.clunkAll()
	c.flush()

	d, name := negotiate(r.uname)
	err := bad
	if err == nil && r.msize < MinMsize {
		err = Errorf(ErrInvalid, "msize %d is too small", r.msize)
	}
	c.mu.Lock()
	c.begin()
	c.dialect, c.linux = nil, false
	if c.closed {
		c.cancel(ErrHangup)
		c.mu.Unlock()
		return nil
	}
	if err == nil {
		c.dialect = d
		_, c.linux = d.(p2000L)
		c.msize = min(r.msize, c.srv.msize())
	}
	b := newBlock(0)
	if err != nil {
		if d == nil {
			d = p2000{}
		}
		b.b = d.fail(b.b, r.tag, err)
	} else {
		reply := Fcall{Type: Rversion, Tag: r.tag, Msize: min(r.msize, c.srv.msize()), Version: name}
		b.b, _ = reply.Append(b.b) // the strings are ours
	}
	c.trace("->", b.b)
	c.out.add(b)
	c.flushLocked()
	ready := c.dialect != nil
	c.mu.Unlock()
	r.recycle()
	if ready && c.first != nil {
		c.first.Stop()
		c.first = nil
	}
	return nil
}

// clunkAll closes what is still open, as for a client that hung up: the
// session is canceled, and nothing runs.
func (c *conn) clunkAll() {
	c.mu.Lock()
	fids := c.fids
	c.fids = nil
	c.cancel(ErrHangup)
	c.mu.Unlock()
	for _, f := range fids {
		if f.open != nil {
			if err := c.shut(c.session, f.place, f.open); err != nil {
				c.srv.log().Debug("close at hang-up", "peer", c.peer.addr, "err", err)
			}
		}
	}
}

// shut closes o, and removes the file if it was opened ORCLOSE.
func (c *conn) shut(ctx context.Context, p *place, o *openFile) (err error) {
	defer c.caught(&err)
	if o.locks {
		c.srv.locks.drop(o)
	}
	c.keep(o, nil)
	if o.mode&ORCLOSE != 0 {
		defer func() {
			defer c.caught(&err)
			if rm, ok := p.node.(Remover); ok {
				rm.Remove(context.WithoutCancel(ctx)) // clunk(5) has no error for it
			}
		}()
	}
	return o.handle.Close(ctx)
}

// caught, deferred, makes an error of a panic in a handler.
func (c *conn) caught(err *error) {
	if p := recover(); p != nil {
		c.srv.log().Error("panic in a file server", "panic", fmt.Sprint(p), "stack", string(debug.Stack()))
		*err = errPanic
	}
}

// trace prints a message, if that is asked for.
func (c *conn) trace(way string, frame []byte) {
	if c.srv.Trace == nil {
		return
	}
	d := c.dialect
	if d == nil {
		d = p2000{}
	}
	s := d.print(frame)
	c.srv.traceMu.Lock()
	defer c.srv.traceMu.Unlock()
	fmt.Fprintf(c.srv.Trace, "%s %s\n", way, s)
}
