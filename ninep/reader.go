package ninep

import (
	"bytes"
	"errors"
	"io"
)

// firstSize bounds a Tversion.
const firstSize = 8192

// errWait is what call returns to the reader for a read that must wait.
var errWait = errors.New("would wait")

// read is the reader's loop. It returns when the connection is over, or when
// another goroutine has become the reader and its own last request is over.
func (c *conn) read() {
	defer c.release()
	for lost := false; !lost; {
		if !c.in.ready() {
			c.flush()
		}
		limit := c.msize
		if c.dialect == nil {
			limit = firstSize
		}
		frame, blk, err := c.in.next(limit)
		if err == nil {
			r := requests.Get().(*request)
			r.frame = blk
			lost, err = c.take(frame, r)
		}
		if err != nil {
			c.flush()
			c.hangup(c.reason(err))
			return
		}
	}
}

// reason makes of what ended the reader what ends the connection: nil if the
// client just went.
func (c *conn) reason(err error) error {
	if err == io.EOF {
		return nil
	}
	if err == errSize && c.dialect == nil && bytes.HasPrefix(c.in.blk.b[c.in.r:c.in.w], []byte("0001")) {
		return errInferno // its first message is "0001\n1"
	}
	return err
}

// take does the reader's part of a request: the tag and the fids, in order of
// arrival. It also runs the request if it can run now; lost then says whether
// the role of the reader went to another goroutine meanwhile. An error ends
// the connection.
func (c *conn) take(frame []byte, r *request) (lost bool, err error) {
	c.trace("<-", frame)
	bad := c.decode(frame, r)
	if bad == ErrFrame || bad == errVersion {
		return false, bad
	}
	if r.op == opVersion {
		return false, c.version(r, bad)
	}
	c.mu.Lock()
	if c.closed {
		c.mu.Unlock()
		return false, io.EOF
	}
	if _, ok := c.tags[r.tag]; ok {
		c.mu.Unlock()
		return false, errTag
	}
	r.ctx.c, r.ctx.session = c, c.session
	now := false
	if bad == nil {
		if r.op == opFlush {
			c.flushTag(r)
			c.mu.Unlock()
			return false, nil
		}
		now, bad = c.admit(r)
	}
	if bad != nil {
		c.reply(r, bad)
		c.mu.Unlock()
		r.recycle()
		return false, nil
	}
	if !now {
		r.own()
		c.list(r)
		c.mu.Unlock()
		return false, nil
	}
	turn := c.role.Load() + 1
	r.ctx.turn = turn
	c.cur = r
	c.role.Store(turn)
	c.mu.Unlock()
	return c.serve(r, turn), nil
}

// decode fills in r. The first message must be a Tversion, and a Tversion is
// the same in all dialects.
func (c *conn) decode(frame []byte, r *request) error {
	d := c.dialect
	if frame[4] == Tversion {
		d = p2000{}
	} else if d == nil {
		return errVersion
	}
	return d.decode(frame, r)
}

// serve runs r on the reader's goroutine.
func (c *conn) serve(r *request, turn uint64) (lost bool) {
	c.arm()
	err := c.call(r)
	if err == errWait {
		if c.role.CompareAndSwap(turn, turn+1) {
			r.ctx.turn = 0
			c.mu.Lock()
			c.cur = nil
			c.list(r)
			c.mu.Unlock()
			c.wait(r)
			return false
		}
		r.ctx.turn = 0
		if err = c.call(r); err == errWait {
			c.wait(r)
			return true
		}
	}
	c.mu.Lock()
	run := c.finish(r, err)
	for run.head != nil {
		c.spawn(run.pop())
	}
	lost = !c.role.CompareAndSwap(turn, turn+1)
	if lost || c.out.bytes >= flushAt {
		c.flushLocked()
	}
	c.mu.Unlock()
	r.recycle()
	return lost
}

// list enters r among what is under way. c.mu is held.
func (c *conn) list(r *request) {
	c.tags[r.tag] = r
	r.listed = true
	c.data += len(r.data)
}

// spawn runs r on a goroutine of its own. c.mu is held.
func (c *conn) spawn(r *request) {
	c.running++
	go c.work(r)
}

// work runs r, and then what waited for it.
func (c *conn) work(r *request) {
	defer c.release()
	for r != nil {
		err := c.call(r)
		if err == errWait {
			c.wait(r)
			return
		}
		c.mu.Lock()
		run := c.finish(r, err)
		var next *request
		if run.head != nil {
			next = run.pop()
		}
		for run.head != nil {
			c.spawn(run.pop())
		}
		c.flushLocked()
		c.mu.Unlock()
		r.recycle()
		r = next
	}
}

// takeover makes a new goroutine the reader, if the request of turn still
// keeps the present one.
func (c *conn) takeover(turn uint64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.running == 0 || c.closed || !c.role.CompareAndSwap(turn, turn+1) {
		return
	}
	if r := c.cur; r != nil {
		c.cur = nil
		c.list(r)
	}
	c.running++
	go func() {
		c.in.leave()
		c.read()
	}()
}

// arm sets the watch, unless it is set: at most once in watchTime.
func (c *conn) arm() {
	if c.watched.Load() || !c.watched.CompareAndSwap(false, true) {
		return
	}
	c.seen.Store(c.role.Load())
	c.watch.Reset(watchTime)
}

// look is what the watch does: if the reader is still in the request that it
// was in when the watch was set, it has been there too long.
func (c *conn) look() {
	if role := c.role.Load(); role&1 == 1 && role == c.seen.Load() {
		c.takeover(role)
	}
	c.watched.Store(false)
	if c.role.Load()&1 == 1 {
		c.arm()
	}
}

// admit finds r's fids, and says whether r can run now. c.mu is held.
func (c *conn) admit(r *request) (now bool, err error) {
	ends := r.op == opClunk || r.op == opRemove
	if !ends && len(c.tags) >= c.srv.limits.Requests || c.data+len(r.data) > c.srv.limits.Data {
		return false, ErrAgain
	}
	switch r.op {
	case opAuth:
		return true, nil
	case opAttach:
		r.newFid, err = c.newFid(r.num)
		return err == nil, err
	}
	f := c.fids[r.num]
	if f == nil {
		return false, ErrBadFid
	}
	if r.op == opRefuse && c.fids[r.second] == nil {
		return false, ErrBadFid
	}
	r.fid = f
	if r.op == opWalk && r.newNum != r.num {
		if r.newFid, err = c.newFid(r.newNum); err != nil {
			return false, err
		}
	}
	if ends {
		delete(c.fids, r.num)
		f.endDir()
	}
	if f.start(r) {
		r.wait = c.out.bytes > holdAt
		return true, nil
	}
	if !r.started {
		f.queue.push(r)
	}
	return false, nil
}

// newFid reserves a fid for the request that makes it. c.mu is held.
func (c *conn) newFid(num uint32) (*fid, error) {
	if num == NoFid {
		return nil, ErrBadFid
	}
	if c.fids[num] != nil {
		return nil, errFidInUse
	}
	if len(c.fids) >= c.srv.limits.Fids {
		return nil, ErrTooMany
	}
	f := &fid{num: num, busy: true}
	c.fids[num] = f
	return f, nil
}

// finish ends r with err: what it did to its fids, its answer, its tag. It
// gives what can run now. c.mu is held.
func (c *conn) finish(r *request, err error) (run line) {
	if nf := r.newFid; nf != nil {
		if err == nil && r.at != nil {
			nf.who, nf.place = r.who, r.at
		} else {
			nf.gone = true
			if c.fids[nf.num] == nf {
				delete(c.fids, nf.num)
			}
		}
		nf.busy = false
		nf.pump(&run)
	} else if f := r.fid; f != nil && err == nil {
		if r.at != nil {
			f.place = r.at
		}
		if r.opens != nil {
			f.open = r.opens
		}
	}
	if r.started {
		r.fid.end(r, &run)
	}
	c.reply(r, err)
	return run
}

// reply answers r, forgets its tag, and answers the Tflushes that wait for it:
// all at once, so that nothing of r follows an Rflush. c.mu is held. See
// flush(5).
func (c *conn) reply(r *request, err error) {
	if r.listed {
		delete(c.tags, r.tag)
		c.data -= len(r.data)
	}
	if c.cur == r {
		c.cur = nil
	}
	if !r.mute && !c.closed {
		c.send(r, err)
	} else {
		r.reply.free()
		r.reply = nil
	}
	for _, f := range r.flushes {
		c.reply(f, nil)
		f.recycle()
	}
	r.flushes = r.flushes[:0]
	if c.resets {
		c.cond.Broadcast()
	}
}

// send puts the answer to r into the output. c.mu is held.
func (c *conn) send(r *request, err error) {
	if b := r.reply; b != nil {
		r.reply = nil
		if err == nil {
			c.trace("->", b.b)
			c.out.add(b)
			return
		}
		b.free()
	}
	t := c.out.tail()
	n := len(t.b)
	b := t.b
	if err == nil {
		b, err = c.dialect.answer(b, r)
		if err == nil && len(b)-n >= int(c.msize) {
			err = errMsize
		}
	}
	if err != nil {
		b = c.dialect.fail(b[:n], r.tag, err)
	}
	t.b = b
	c.out.bytes += len(b) - n
	c.trace("->", b[n:])
}

// flushTag does a Tflush. c.mu is held. See flush(5).
func (c *conn) flushTag(r *request) {
	old := c.tags[r.oldTag]
	if old == nil {
		c.reply(r, nil)
		r.recycle()
		return
	}
	c.list(r)
	old.flushes = append(old.flushes, r)
	if old.op == opFlush {
		return
	}
	c.stop(old)
	if old.op == opClunk || old.op == opRemove || old.started || old.fid == nil || !old.fid.queue.remove(old) {
		return
	}
	run := c.finish(old, ErrInterrupted)
	for run.head != nil {
		c.spawn(run.pop())
	}
	old.recycle()
}
