package ninep

import (
	"net"
	"time"
)

const (
	// smallFrame is up to which size frames share a block.
	smallFrame = 1 << 10
	// flushAt is how much is written at once although more answers follow.
	flushAt = 128 << 10
	// holdAt is how much may wait for a slow client before reads wait too.
	holdAt = 4 << 20
)

// An output is what is to be sent to a client. Whoever adds to it calls
// conn.flush soon after; one goroutine at a time writes, and takes along what
// the others have added meanwhile. All is guarded by the connection's mu.
type output struct {
	queue   []*block
	spare   []*block // the slice that queue was before
	bytes   int      // in queue, and in what is being written
	writing bool
	vec     [][]byte // the writer's
	until   time.Time
}

// add takes over b, a whole frame.
func (o *output) add(b *block) {
	o.bytes += len(b.b)
	if len(b.b) <= smallFrame && len(o.queue) > 0 {
		if t := o.queue[len(o.queue)-1]; t.room() >= len(b.b) {
			t.b = append(t.b, b.b...)
			b.free()
			return
		}
	}
	o.queue = append(o.queue, b)
}

// tail gives a block at the end of the queue with room for a small frame. The
// caller appends to it and adds what it appended to bytes.
func (o *output) tail() *block {
	if n := len(o.queue); n > 0 && o.queue[n-1].room() >= smallFrame {
		return o.queue[n-1]
	}
	b := newBlock(4 << 10)
	b.b = b.b[:0]
	o.queue = append(o.queue, b)
	return b
}

// flush sends what waits to be sent, unless another goroutine is doing so.
func (c *conn) flush() {
	c.mu.Lock()
	c.flushLocked()
	c.mu.Unlock()
}

func (c *conn) flushLocked() {
	o := &c.out
	if o.writing {
		return
	}
	for len(o.queue) > 0 && !c.closed {
		o.writing = true
		blocks := o.queue
		o.queue = o.spare[:0]
		c.mu.Unlock()
		n, err := c.write(blocks)
		for i, b := range blocks {
			b.free()
			blocks[i] = nil
		}
		if err != nil {
			c.hangup(err)
		}
		c.mu.Lock()
		o.writing = false
		o.bytes -= n
		if o.spare = blocks[:0]; cap(o.spare) > 64 {
			o.spare = nil // a burst is over
		}
		c.cond.Broadcast()
	}
}

// write sends blocks under a deadline, which is set anew only when half of it
// is gone: setting it costs as much as a small write.
func (c *conn) write(blocks []*block) (n int, err error) {
	o := &c.out
	if c.deadline != nil {
		if now := time.Now(); o.until.Sub(now) < c.srv.limits.Write {
			o.until = now.Add(2 * c.srv.limits.Write)
			c.deadline.SetWriteDeadline(o.until)
		}
	}
	if len(blocks) == 1 {
		_, err = c.rw.Write(blocks[0].b)
		return len(blocks[0].b), err
	}
	o.vec = o.vec[:0]
	for _, b := range blocks {
		n += len(b.b)
		o.vec = append(o.vec, b.b)
	}
	if c.vectored {
		c.bufs = net.Buffers(o.vec)
		_, err = c.bufs.WriteTo(c.rw)
	} else {
		for _, p := range o.vec {
			if _, err = c.rw.Write(p); err != nil {
				break
			}
		}
	}
	clear(o.vec)
	if cap(o.vec) > 64 {
		o.vec = nil
	}
	return n, err
}

// hold waits while too much waits to be sent, so that a client that does not
// read is not read for either.
func (c *conn) hold() {
	c.mu.Lock()
	defer c.mu.Unlock()
	for c.out.bytes > holdAt && !c.closed {
		if !c.out.writing {
			c.flushLocked()
			continue
		}
		c.cond.Wait()
	}
}
