package mnt

import (
	"bufio"
	"encoding/binary"
	"io"
	"net"
	"runtime"

	"llama9/ninep"
)

// maxSmall bounds the frames that are not an Rread: no other reply holds more
// than one string or stat of 65535 bytes.
const maxSmall = ninep.HeaderSize + 2 + 65535

// joinLimit is up to what size a Twrite's data is copied behind its header;
// larger data goes out from where it is.
const joinLimit = 4 << 10

// readLoop hands every reply to its call, until the connection ends.
func (c *Conn) readLoop() {
	defer c.loops.Done()
	r := bufio.NewReaderSize(c.rwc, readBufferSize)
	var body []byte
	for {
		var err error
		if body, err = c.readReply(r, body); err != nil {
			c.fail(err)
			return
		}
	}
}

// readReply takes one frame. buf is used for its body and given back.
func (c *Conn) readReply(r *bufio.Reader, buf []byte) ([]byte, error) {
	head, err := r.Peek(ninep.HeaderSize)
	if err != nil {
		return buf, err
	}
	size := binary.LittleEndian.Uint32(head)
	typ := head[4]
	tag := binary.LittleEndian.Uint16(head[5:])
	k, msize := c.lookup(tag)
	switch {
	case size < ninep.HeaderSize || size > msize:
		return buf, protocolError("a frame of %d bytes", size)
	case k == nil:
		return buf, protocolError("a reply with tag %d, which is not in use", tag)
	case typ != k.want && typ != ninep.Rerror:
		return buf, protocolError("%s in answer to %s", typeName(typ), typeName(k.want-1))
	case typ == ninep.Rread:
		return buf, c.readData(r, k, size)
	case size > maxSmall:
		return buf, protocolError("a frame of %d bytes", size)
	}
	if uint32(cap(buf)) < size {
		buf = make([]byte, size)
	}
	buf = buf[:size]
	if _, err := io.ReadFull(r, buf); err != nil {
		return buf, err
	}
	if err := k.rx.Decode(buf); err != nil {
		return buf, protocolError("%s: %v", typeName(typ), err)
	}
	switch n := len(k.rx.Wqid); {
	case typ == ninep.Rwalk && (n > k.names || n == 0 && k.names > 0):
		return buf, protocolError("%d qids for %d names", n, k.names)
	case typ == ninep.Rwrite && uint64(k.rx.Count) > uint64(len(k.data)):
		return buf, protocolError("%d of %d bytes written", k.rx.Count, len(k.data))
	case typ == ninep.Rstat:
		k.rx.Stat = append([]byte(nil), k.rx.Stat...) // buf is used again
	}
	if c.trace != nil {
		c.trace("->", &k.rx)
	}
	c.mu.Lock()
	if k.want == ninep.Rflush && k.old != nil {
		c.flushed(k.old)
	}
	c.finish(k, nil)
	c.mu.Unlock()
	return buf, nil
}

// readData takes an Rread, its data straight into the buffer of who asked.
func (c *Conn) readData(r *bufio.Reader, k *call, size uint32) error {
	if size < ninep.RreadSize {
		return protocolError("Rread: too short")
	}
	head, err := r.Peek(ninep.RreadSize)
	if err != nil {
		return err
	}
	n := binary.LittleEndian.Uint32(head[ninep.HeaderSize:])
	switch {
	case uint64(n)+ninep.RreadSize != uint64(size):
		return protocolError("Rread: a count of %d in %d bytes", n, size)
	case uint64(n) > uint64(k.asked):
		return protocolError("Rread: %d bytes where %d were asked for", n, k.asked)
	}
	if _, err := r.Discard(ninep.RreadSize); err != nil {
		return err
	}
	c.mu.Lock()
	dst := k.dst
	k.filling = dst != nil
	c.mu.Unlock()
	if dst == nil { // nobody waits any more
		_, err = r.Discard(int(n))
	} else {
		_, err = io.ReadFull(r, dst[:n])
	}
	if err == nil {
		k.rx.Type = ninep.Rread
		k.n = int(n)
		if c.trace != nil && dst != nil {
			c.trace("->", &ninep.Fcall{Type: ninep.Rread, Tag: k.tag, Data: dst[:n]})
		}
	}
	c.mu.Lock()
	k.filling = false
	if k.finished { // fail was faster
		c.signal(k)
	} else if err == nil {
		c.finish(k, nil)
	}
	c.mu.Unlock()
	return err
}

// lookup gives the call that waits for tag, and how large its reply may be. A
// call that was not sent yet cannot have one; of the others only the reader
// and the end of the connection make an end.
func (c *Conn) lookup(tag uint16) (k *call, msize uint32) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if tag == ninep.NoTag {
		k = c.version
	} else if int(tag) < len(c.calls) {
		k = c.calls[tag]
	}
	if k != nil && !k.sent {
		k = nil
	}
	return k, c.msize
}

// writeLoop sends what is queued, all that is there at a time.
func (c *Conn) writeLoop() {
	defer c.loops.Done()
	var w frameWriter
	var g gathering
	var batch, spare []*call
	for {
		c.mu.Lock()
		batch, c.queue = c.queue, spare[:0]
		for _, k := range batch {
			if !k.finished {
				k.sent, k.writing = true, true
			}
		}
		c.mu.Unlock()
		if len(batch) == 0 {
			spare = batch
			select {
			case <-c.kick:
				c.gather(&g)
				continue
			case <-c.dead:
				return
			}
		}
		for _, k := range batch {
			// Of the queue's calls only this loop sets writing.
			if k.writing {
				c.traceSent(k)
				w.add(k.frame, k.data)
			}
		}
		err := w.flush(c.rwc)
		c.mu.Lock()
		for i, k := range batch {
			if k.writing {
				k.writing = false
				c.signal(k)
			}
			batch[i] = nil
		}
		c.mu.Unlock()
		spare = batch
		if err != nil {
			c.fail(err)
			return
		}
	}
}

// A gathering is what decides whether it is worth it to let other goroutines
// run before a write: they may be about to send something too, as those are
// whose replies came with one read. While that brings nothing it is tried ever
// more rarely, so that a lone call is not held up.
type gathering struct{ skip, vain int }

const mostSkip = 31

// gather lets others add to the queue before it is written.
func (c *Conn) gather(g *gathering) {
	if g.skip > 0 {
		g.skip--
		return
	}
	before := c.queued()
	runtime.Gosched()
	if g.vain = min(2*g.vain+1, mostSkip); c.queued() > before {
		g.vain = 0
	}
	g.skip = g.vain
}

func (c *Conn) queued() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return len(c.queue)
}

func (c *Conn) traceSent(k *call) {
	if c.trace == nil {
		return
	}
	var f ninep.Fcall
	if err := f.Decode(append(k.frame[:len(k.frame):len(k.frame)], k.data...)); err == nil {
		c.trace("<-", &f)
	}
}

// A frameWriter collects frames for one write.
type frameWriter struct {
	small []byte // frames that were copied
	start int    // what of small is not in bufs yet
	bufs  net.Buffers
}

func (w *frameWriter) add(frame, data []byte) {
	w.small = append(w.small, frame...)
	if len(data) <= joinLimit {
		w.small = append(w.small, data...)
		return
	}
	w.cut()
	w.bufs = append(w.bufs, data)
}

// cut moves what was copied to bufs. If small grows later, bufs keeps the old
// array.
func (w *frameWriter) cut() {
	if w.start < len(w.small) {
		w.bufs = append(w.bufs, w.small[w.start:])
		w.start = len(w.small)
	}
}

func (w *frameWriter) flush(to io.Writer) (err error) {
	if len(w.bufs) == 0 {
		_, err = to.Write(w.small)
	} else {
		w.cut()
		all := w.bufs // WriteTo consumes w.bufs
		_, err = w.bufs.WriteTo(to)
		clear(all)
		w.bufs = all[:0]
	}
	w.small, w.start = w.small[:0], 0
	return err
}

// typeName is for errors: the name of a message type, or its number.
func typeName(t uint8) string {
	if n := ninep.TypeName(t); n != "" {
		return n
	}
	return "an unknown message"
}
