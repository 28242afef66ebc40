package mnt

import (
	"context"
	"encoding/binary"
	"errors"
	"time"

	"llama9/ninep"
)

// A call is a message on its way and its reply. The goroutine that makes it
// owns it until start and again once wait has said that it is done; between
// them what is not said to be constant is guarded by Conn.mu.
type call struct {
	c *Conn

	// Constant from start on.
	want   uint8  // the type of a good reply
	tag    uint16 // in frame too
	frame  []byte // the message, without data
	data   []byte // what goes out behind frame: of a Twrite
	fid    *Fid   // that the message names; nil if none
	newfid *Fid   // that a good reply brings to life; nil if none
	names  int    // of a Twalk
	old    *call  // of a Tflush; nil for a probe
	asked  int    // the count of a Tread

	// Set by the reader before the call is done.
	rx  ninep.Fcall
	n   int // bytes read into dst
	err error

	done chan struct{} // gets one value

	dst       []byte // where a Tread's data goes; nil once nobody wants it
	sent      bool   // taken by the writer
	writing   bool   // the writer looks at frame and data
	filling   bool   // the reader writes into dst
	finished  bool   // err or rx is set; done follows when nobody looks any more
	signalled bool
	flushing  bool // a Tflush of it is under way: tag stays in use
	abandoned bool // nobody waits
}

// errFlushed is the end of a call that the server confirmed not to have done,
// or never saw.
var errFlushed = errors.New("flushed")

// newCall encodes tx, but its tag, which start gives.
func (c *Conn) newCall(tx *ninep.Fcall) (*call, error) {
	k, ok := c.pool.Get().(*call)
	if !ok {
		k = &call{c: c, done: make(chan struct{}, 1)}
	}
	var err error
	if k.frame, err = tx.Append(k.frame[:0]); err != nil {
		return nil, ninep.Errorf(ninep.ErrInvalid, "%v", err)
	}
	k.want = tx.Type + 1
	k.tag = tx.Tag
	return k, nil
}

// recycle gives k back to the pool, if its reply has come and nothing else is
// to come: what the connection or a flush has ended, one of the loops may still
// look at.
func (k *call) recycle() {
	if k.err != nil || k.flushing {
		return
	}
	*k = call{c: k.c, frame: k.frame, rx: k.rx, done: k.done}
	k.c.pool.Put(k)
}

// result is what became of a done call.
func (k *call) result() error {
	if k.err != nil {
		return k.err
	}
	if k.rx.Type == ninep.Rerror {
		return remoteError(k.rx.Ename)
	}
	if k.short() {
		return ninep.ErrNotExist
	}
	return nil
}

// short says whether k is a walk that did not get to its end.
func (k *call) short() bool { return k.want == ninep.Rwalk && len(k.rx.Wqid) < k.names }

// kills says whether k ends its fid, whatever the reply. See clunk(5).
func (k *call) kills() bool { return k.want == ninep.Rclunk || k.want == ninep.Rremove }

// do starts k and waits for it.
func (c *Conn) do(ctx context.Context, k *call) error {
	c.start(k)
	if c.wait(ctx, k) {
		return k.result()
	}
	return c.cancelled(ctx, k)
}

// cancelled is the result of a call for which wait returned false: the reply,
// if a good one came all the same.
func (c *Conn) cancelled(ctx context.Context, k *call) error {
	if !c.isAbandoned(k) && k.result() == nil {
		return nil
	}
	return context.Cause(ctx)
}

func (c *Conn) isAbandoned(k *call) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return k.abandoned
}

// start gives the calls tags and hands them to the writer together, so that
// they go out in this order with nothing between them.
func (c *Conn) start(ks ...*call) {
	c.mu.Lock()
	for _, k := range ks {
		c.startLocked(k)
	}
	c.mu.Unlock()
}

func (c *Conn) startLocked(k *call) {
	if k.fid != nil {
		if k.fid.gone {
			k.fid.refs++
			c.finishUnsent(k, ninep.ErrBadFid)
			return
		}
		k.fid.refs++
		k.fid.gone = k.kills()
	}
	if k.newfid != nil {
		k.newfid.refs++
		k.newfid.named = true
	}
	switch {
	case c.err != nil && k.fid != nil:
		c.finishUnsent(k, c.stale)
		return
	case c.err != nil:
		c.finishUnsent(k, c.err)
		return
	case uint64(len(k.frame))+uint64(len(k.data)) > uint64(c.msize):
		c.finishUnsent(k, ninep.ErrTooBig)
		return
	case k.tag == ninep.NoTag:
		c.version = k
	case len(c.free) > 0:
		k.tag = c.free[len(c.free)-1]
		c.free = c.free[:len(c.free)-1]
		c.calls[k.tag] = k
	case len(c.calls) < int(ninep.NoTag):
		k.tag = uint16(len(c.calls))
		c.calls = append(c.calls, k)
	default:
		c.finishUnsent(k, ninep.ErrAgain)
		return
	}
	binary.LittleEndian.PutUint16(k.frame[5:], k.tag)
	c.queue = append(c.queue, k)
	select {
	case c.kick <- struct{}{}:
	default:
	}
}

// wait returns true when all ks are done. When ctx is done before, it flushes
// those that are not, and returns false: then each is done, or abandoned.
func (c *Conn) wait(ctx context.Context, ks ...*call) bool {
	for i, k := range ks {
		select {
		case <-k.done:
		case <-ctx.Done():
			c.cancel(ks[i:])
			return false
		}
	}
	return true
}

// cancel flushes calls, waits for the server to say so, but not too long, and
// abandons what is left. See flush(5).
func (c *Conn) cancel(ks []*call) {
	c.mu.Lock()
	for _, k := range ks {
		switch {
		case k.finished:
		case k.kills() || k.want == ninep.Rflush:
			// A clunk has to get through, or the server keeps the fid.
			k.abandoned = true
		case !k.sent:
			c.finish(k, errFlushed) // the writer leaves it out
		default:
			c.flush(k)
		}
	}
	c.mu.Unlock()
	t := time.NewTimer(c.flushTime)
	defer t.Stop()
	for _, k := range ks {
		if c.isAbandoned(k) {
			continue
		}
		select {
		case <-k.done:
		case <-t.C:
			t.Reset(0) // for the others
			if !c.abandon(k) {
				<-k.done
			}
		}
	}
}

// flush sends a Tflush of k.
func (c *Conn) flush(k *call) {
	f, err := c.newCall(&ninep.Fcall{Type: ninep.Tflush, Oldtag: k.tag})
	if err != nil {
		return // a Tflush can always be encoded
	}
	f.old = k
	f.abandoned = true
	k.flushing = true
	c.startLocked(f)
	if f.finished {
		k.flushing = false // no tag was left for it
	}
}

// abandon leaves k to the reader. It returns false if k is done, or will be
// at once: the connection is given up if it stands in the midst of k's data.
func (c *Conn) abandon(k *call) bool {
	c.mu.Lock()
	if !k.finished && !k.writing && !k.filling {
		k.abandoned = true
		k.dst = nil
		c.mu.Unlock()
		return true
	}
	stuck := !k.signalled
	c.mu.Unlock()
	if stuck {
		c.fail(ninep.Errorf(ninep.ErrProto, "server stopped within a message"))
	}
	return false
}

// finishUnsent ends a call that has no tag.
func (c *Conn) finishUnsent(k *call, err error) {
	k.tag = ninep.NoTag
	c.finish(k, err)
}

// finish ends k, with rx set or for the reason err. Conn.mu is held.
func (c *Conn) finish(k *call, err error) {
	if k.finished {
		return
	}
	k.finished = true
	k.err = err
	if k.tag != ninep.NoTag {
		c.calls[k.tag] = nil
		if !k.flushing {
			c.free = append(c.free, k.tag)
		}
	} else if c.version == k {
		c.version = nil
	}
	if f := k.newfid; f != nil {
		switch {
		case err == nil && k.rx.Type == k.want && !k.short():
			f.alive = true
			if k.abandoned {
				c.clunkLocked(f)
			}
		case err == errFlushed && k.sent:
			// By flush(5) it never happened; a server that thinks
			// otherwise would keep the fid.
			c.clunkLocked(f)
		default:
			f.dead = true
		}
		c.unref(f)
	}
	if f := k.fid; f != nil {
		if k.kills() && k.tag != ninep.NoTag {
			f.dead = true
			f.missed = err == nil && errors.Is(k.result(), ninep.ErrBadFid)
		}
		c.unref(f)
	}
	c.signal(k)
}

// signal tells who waits for k, once neither loop looks at its buffers. After
// it k is no more the connection's.
func (c *Conn) signal(k *call) {
	if k.finished && !k.writing && !k.filling && !k.signalled {
		k.signalled = true
		k.done <- struct{}{}
	}
}

// flushed is called for the reply to a Tflush: nothing about old comes after.
func (c *Conn) flushed(old *call) {
	if old.finished {
		c.free = append(c.free, old.tag)
		return
	}
	old.flushing = false
	c.finish(old, errFlushed)
}
