package peers

import (
	"encoding/binary"
	"fmt"
	"io"
	"net"
)

// A rawClient drives a server with frames made beforehand, so that what it
// costs is the same whichever server answers: a write, a read, a look at the
// header. It allocates nothing after dial.
type rawClient struct {
	conn io.ReadWriteCloser
	buf  []byte
	r, w int // what of buf is read and not yet taken
}

// The numbers of the messages, and what the two dialects call an open.
const (
	tVersion = 100
	tAttach  = 104
	tWalk    = 110
	tOpen    = 112
	tRead    = 116
	tClunk   = 120
	tLopen   = 12
	noTag    = 0xffff
	noFid    = 0xffffffff
)

// frame makes a message of type t: numbers are of their Go width, a string is
// s[2].
func frame(t byte, tag uint16, fields ...any) []byte {
	b := []byte{0, 0, 0, 0, t, byte(tag), byte(tag >> 8)}
	for _, f := range fields {
		switch f := f.(type) {
		case string:
			b = binary.LittleEndian.AppendUint16(b, uint16(len(f)))
			b = append(b, f...)
		case byte:
			b = append(b, f)
		case uint16:
			b = binary.LittleEndian.AppendUint16(b, f)
		case uint32:
			b = binary.LittleEndian.AppendUint32(b, f)
		case uint64:
			b = binary.LittleEndian.AppendUint64(b, f)
		default:
			panic(fmt.Sprintf("no field of type %T", f))
		}
	}
	binary.LittleEndian.PutUint32(b, uint32(len(b)))
	return b
}

// A wire has the frames of a dialect.
type wire struct {
	version string
	attach  []byte
	open    func(fid uint32) []byte
}

var (
	plain = wire{"9P2000", frame(tAttach, 0, uint32(0), uint32(noFid), "none", ""),
		func(fid uint32) []byte { return frame(tOpen, 0, fid, byte(0)) }}
	dotL = wire{"9P2000.L", frame(tAttach, 0, uint32(0), uint32(noFid), "none", "", uint32(noFid)),
		func(fid uint32) []byte { return frame(tLopen, 0, fid, uint32(0)) }}
)

func walkFrame(fid, newfid uint32, name string) []byte {
	return frame(tWalk, 0, fid, newfid, uint16(1), name)
}

func readFrame(tag uint16, fid uint32, count int) []byte {
	return frame(tRead, tag, fid, uint64(0), uint32(count))
}

func clunkFrame(fid uint32) []byte { return frame(tClunk, 0, fid) }

// newRawClient attaches fid 0 to the root over conn.
func newRawClient(conn net.Conn, w wire, msize int) (*rawClient, error) {
	c := &rawClient{conn: conn, buf: make([]byte, msize)}
	if err := c.rpc(frame(tVersion, noTag, uint32(msize), w.version)); err != nil {
		return nil, err
	}
	if err := c.rpc(w.attach); err != nil {
		return nil, err
	}
	return c, nil
}

// rpc sends a request and takes its reply, which must be the good one.
func (c *rawClient) rpc(t []byte) error {
	if _, err := c.conn.Write(t); err != nil {
		return err
	}
	typ, _, body, err := c.recv()
	if err == nil && typ != t[4]+1 {
		err = fmt.Errorf("message %d answered by %d %q", t[4], typ, body)
	}
	return err
}

// recv takes the next reply. body holds until the next recv.
func (c *rawClient) recv() (typ byte, tag uint16, body []byte, err error) {
	for {
		have := c.buf[c.r:c.w]
		if len(have) >= 4 {
			size := int(binary.LittleEndian.Uint32(have))
			if size < 7 || size > len(c.buf) {
				return 0, 0, nil, fmt.Errorf("reply of %d bytes", size)
			}
			if len(have) >= size {
				c.r += size
				return have[4], binary.LittleEndian.Uint16(have[5:]), have[7:size], nil
			}
			if c.r+size > len(c.buf) {
				c.w = copy(c.buf, have)
				c.r = 0
			}
		} else if c.r > 0 {
			c.w = copy(c.buf, have)
			c.r = 0
		}
		n, err := c.conn.Read(c.buf[c.w:])
		if n == 0 && err != nil {
			return 0, 0, nil, err
		}
		c.w += n
	}
}

// pipeline has depth reads under way until n are answered, each of want bytes.
func (c *rawClient) pipeline(reads [][]byte, n, want int) error {
	sent, all := 0, []byte(nil)
	if len(reads) == 1 { // the same, without a copy of the frames
		for range n {
			if err := c.rpc(reads[0]); err != nil {
				return err
			}
		}
		return nil
	}
	for ; sent < min(n, len(reads)); sent++ {
		all = append(all, reads[sent]...)
	}
	if _, err := c.conn.Write(all); err != nil {
		return err
	}
	for range n {
		typ, tag, body, err := c.recv()
		if err != nil {
			return err
		}
		if typ != tRead+1 || len(body) != 4+want {
			return fmt.Errorf("read answered by message %d of %d bytes", typ, len(body))
		}
		if sent < n {
			sent++
			if _, err := c.conn.Write(reads[tag]); err != nil {
				return err
			}
		}
	}
	return nil
}
