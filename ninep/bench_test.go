package ninep

import (
	"context"
	"encoding/binary"
	"fmt"
	"io"
	"net"
	"testing"
)

// A benchFS is one directory with a small and a large file, as cheap as files
// can be: what is measured is the engine.
type benchFS struct{ small, large []byte }

type (
	benchDir  struct{ fs *benchFS }
	benchFile struct {
		data []byte
		path uint64
	}
)

func (f *benchFS) Attach(context.Context, *Attach) (Node, error) { return benchDir{f}, nil }

func (d benchDir) Stat(context.Context) (Stat, error) {
	return Stat{Qid: Qid{Type: QTDIR, Path: 1}, Mode: DMDIR | 0555, Name: "/", Uid: "u", Gid: "u"}, nil
}

func (d benchDir) Walk(_ context.Context, name string) (Node, error) {
	switch name {
	case "small":
		return &benchFile{d.fs.small, 2}, nil
	case "large":
		return &benchFile{d.fs.large, 3}, nil
	}
	return nil, ErrNotExist
}

func (f *benchFile) Stat(context.Context) (Stat, error) {
	return Stat{Qid: Qid{Path: f.path}, Mode: 0444, Name: "f", Uid: "u", Gid: "u"}, nil
}

func (f *benchFile) Open(context.Context, OpenMode) (Handle, error) { return f, nil }
func (f *benchFile) Close(context.Context) error                    { return nil }
func (f *benchFile) ReadAt(_ context.Context, p []byte, off int64) (int, error) {
	if off >= int64(len(f.data)) {
		return 0, nil
	}
	return copy(p, f.data[off:]), nil
}

// A benchClient sends frames made beforehand and counts what comes back.
type benchClient struct {
	b    *testing.B
	conn net.Conn
	buf  []byte
}

func benchDial(b *testing.B, addr string) *benchClient {
	conn, err := net.Dial("tcp", addr)
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { conn.Close() })
	c := &benchClient{b, conn, make([]byte, 2<<20)}
	for _, line := range []string{"Tversion tag 65535 msize 1048600 version '9P2000'", lineAttach,
		"Twalk tag 1 fid 0 newfid 1 nwname 1 0:small", "Topen tag 1 fid 1 mode 0",
		"Twalk tag 1 fid 0 newfid 2 nwname 1 0:large", "Topen tag 1 fid 2 mode 0"} {
		c.call(frames(b, line))
	}
	return c
}

func (c *benchClient) call(frame []byte) {
	if _, err := c.conn.Write(frame); err != nil {
		c.b.Fatal(err)
	}
	c.recv(1)
}

// recv reads n frames, which is all that there is to read.
func (c *benchClient) recv(n int) {
	have := 0
	for n > 0 {
		m, err := c.conn.Read(c.buf[have:])
		if err != nil {
			c.b.Fatal(err)
		}
		have += m
		b := c.buf[:have]
		for len(b) >= 4 {
			size := int(binary.LittleEndian.Uint32(b))
			if len(b) < size {
				break
			}
			if b[4] == Rerror {
				c.b.Fatalf("%q", b[9:size])
			}
			b = b[size:]
			n--
		}
		have = copy(c.buf, b)
	}
}

func benchServe(b *testing.B) string {
	addr, _ := serve(b, &Server{FS: &benchFS{pattern(100), pattern(1 << 20)}}, "tcp!127.0.0.1!0")
	b.ReportAllocs()
	return addr
}

func BenchmarkSmallRead(b *testing.B) {
	c := benchDial(b, benchServe(b))
	frame := frames(b, "Tread tag 1 fid 1 offset 0 count 4096")
	for b.Loop() {
		c.call(frame)
	}
}

func BenchmarkWalkOpenReadClunk(b *testing.B) {
	for _, conns := range []int{1, 32} {
		b.Run(fmt.Sprint(conns), func(b *testing.B) {
			addr := benchServe(b)
			work := make(chan int)
			done := make(chan int)
			for range conns {
				c := benchDial(b, addr)
				f := [][]byte{frames(b, "Twalk tag 1 fid 0 newfid 9 nwname 1 0:small"),
					frames(b, "Topen tag 1 fid 9 mode 0"), frames(b, "Tread tag 1 fid 9 offset 0 count 4096"),
					frames(b, "Tclunk tag 1 fid 9")}
				go func() {
					for n := range work {
						for range n {
							for _, f := range f {
								c.call(f)
							}
						}
					}
					done <- 1
				}()
			}
			b.ResetTimer()
			for i := 0; i < b.N; i += 10 {
				work <- min(10, b.N-i)
			}
			close(work)
			for range conns {
				<-done
			}
		})
	}
}

func BenchmarkLargeRead(b *testing.B) {
	for _, size := range []int{64 << 10, 1 << 20} {
		for _, depth := range []int{1, 8} {
			b.Run(fmt.Sprintf("%d/%d", size, depth), func(b *testing.B) {
				c := benchDial(b, benchServe(b))
				ask := make([][]byte, depth)
				for i := range ask {
					ask[i] = frames(b, fmt.Sprintf("Tread tag %d fid 2 offset 0 count %d", i, size))
				}
				b.SetBytes(int64(size))
				var head [RreadSize]byte
				buf := make([]byte, size)
				sent := 0
				for ; sent < depth && sent < b.N; sent++ {
					c.conn.Write(ask[sent])
				}
				b.ResetTimer()
				for range b.N {
					if _, err := io.ReadFull(c.conn, head[:]); err != nil {
						b.Fatal(err)
					}
					if head[4] != Rread {
						b.Fatal("no Rread")
					}
					if _, err := io.ReadFull(c.conn, buf); err != nil {
						b.Fatal(err)
					}
					if sent < b.N {
						c.conn.Write(ask[binary.LittleEndian.Uint16(head[5:])])
						sent++
					}
				}
			})
		}
	}
}
