package peers

import (
	"bytes"
	"context"
	"errors"
	"flag"
	"log"
	"net"
	"path/filepath"
	"sync"
	"testing"

	"9fans.net/go/plan9"
	"9fans.net/go/plan9/srv9p"
	"github.com/hugelgupf/p9/fsimpl/staticfs"
	"github.com/hugelgupf/p9/p9"
	"github.com/knusbaum/go9p"
	"github.com/knusbaum/go9p/fs"

	"llama9/ninep"
)

var transport = flag.String("transport", "unix", "what the benchmarks run over: unix or tcp")

// A contender is a server of one file, "data", in one dialect.
type contender struct {
	name  string
	wire  wire
	msize int                              // the most it takes
	serve func(data []byte) func(net.Conn) // serves one connection until it ends
}

// mib is the largest message of the benchmarks.
const mib = 1 << 20

func contenders() []contender {
	return []contender{
		{"ours", plain, mib, serveNinep},
		{"go9p", plain, 64 << 10, serveGo9p}, // proto.MaxMsgLen
		{"p9.L", dotL, mib, serveP9},
		{"srv9p", plain, mib, serveSrv9p},
	}
}

// memFile is a file in memory, and memDir the directory that has it.
type memFile struct{ data []byte }

func (f *memFile) Stat(context.Context) (ninep.Stat, error) {
	return ninep.Stat{Qid: ninep.Qid{Path: 2}, Mode: 0444, Length: uint64(len(f.data)),
		Name: "data", Uid: "none", Gid: "none", Muid: "none"}, nil
}
func (f *memFile) Open(context.Context, ninep.OpenMode) (ninep.Handle, error) { return f, nil }
func (f *memFile) Close(context.Context) error                                { return nil }
func (f *memFile) ReadAt(_ context.Context, p []byte, off int64) (int, error) {
	if off >= int64(len(f.data)) {
		return 0, nil
	}
	return copy(p, f.data[off:]), nil
}

type memDir struct{ files map[string]ninep.Node }

func (d *memDir) Stat(context.Context) (ninep.Stat, error) {
	return ninep.Stat{Qid: ninep.Qid{Type: ninep.QTDIR, Path: 1}, Mode: ninep.DMDIR | 0555,
		Name: "/", Uid: "none", Gid: "none", Muid: "none"}, nil
}
func (d *memDir) Walk(_ context.Context, name string) (ninep.Node, error) {
	if f, ok := d.files[name]; ok {
		return f, nil
	}
	return nil, ninep.ErrNotExist
}
func (d *memDir) Attach(context.Context, *ninep.Attach) (ninep.Node, error) { return d, nil }

func serveGo9p(data []byte) func(net.Conn) {
	// Its own Serve puts a bufio.Reader in front, so that is its fair use.
	tree, root := fs.NewFS("none", "none", 0555)
	root.AddChild(fs.NewStaticFile(tree.NewStat("data", "none", "none", 0444), data))
	srv := tree.Server()
	log.SetOutput(discard{}) // it logs every hang-up as an error
	return func(c net.Conn) { go9p.ServeReadWriter(bufioReader(c), c, srv) }
}

func serveP9(data []byte) func(net.Conn) {
	tree, err := staticfs.New(staticfs.WithFile("data", string(data)))
	if err != nil {
		panic(err)
	}
	srv := p9.NewServer(tree)
	return func(c net.Conn) { srv.Handle(c, c) }
}

func serveSrv9p(data []byte) func(net.Conn) {
	tree := srv9p.NewTree("none", "none", plan9.DMDIR|0555, nil)
	if _, err := tree.Root.Create("data", "none", 0444, nil); err != nil {
		panic(err)
	}
	srv := &srv9p.Server{
		Tree:  tree,
		Msize: mib,
		Read: func(_ context.Context, _ *srv9p.Fid, p []byte, off int64) (int, error) {
			if off >= int64(len(data)) {
				return 0, nil
			}
			return copy(p, data[off:]), nil
		},
	}
	return func(c net.Conn) { srv.Serve(c, c) }
}

// A served is a contender that listens.
type served struct {
	contender
	addr net.Addr
}

// start serves data by c until tb ends.
func start(tb testing.TB, c contender, data []byte) served {
	addr := "127.0.0.1:0"
	if *transport == "unix" {
		addr = filepath.Join(tb.TempDir(), "sock")
	}
	l, err := net.Listen(*transport, addr)
	if err != nil {
		tb.Fatal(err)
	}
	var wait sync.WaitGroup
	var mu sync.Mutex
	conns := map[net.Conn]bool{}
	serve := c.serve(data)
	wait.Go(func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				if !errors.Is(err, net.ErrClosed) {
					tb.Error(err)
				}
				return
			}
			mu.Lock()
			conns[conn] = true
			mu.Unlock()
			wait.Go(func() {
				serve(conn)
				conn.Close()
			})
		}
	})
	tb.Cleanup(func() {
		l.Close()
		mu.Lock()
		for conn := range conns {
			conn.Close()
		}
		mu.Unlock()
		wait.Wait()
	})
	return served{c, l.Addr()}
}

// dial gives an attached client of s.
func (s served) dial(tb testing.TB) *rawClient {
	conn, err := net.Dial(s.addr.Network(), s.addr.String())
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { conn.Close() })
	c, err := newRawClient(conn, s.wire, s.msize)
	if err != nil {
		tb.Fatalf("%s: %v", s.name, err)
	}
	return c
}

// opened gives a client of s with fid 1 open on data.
func (s served) opened(tb testing.TB) *rawClient {
	c := s.dial(tb)
	for _, t := range [][]byte{walkFrame(0, 1, "data"), s.wire.open(1)} {
		if err := c.rpc(t); err != nil {
			tb.Fatalf("%s: %v", s.name, err)
		}
	}
	return c
}

// content is what the served file holds.
func content() []byte { return bytes.Repeat([]byte("0123456789abcdef"), mib/16) }

// TestContenders reads the file whole from each, so that the benchmarks
// compare servers that do the same.
func TestContenders(t *testing.T) {
	data := content()
	for _, c := range contenders() {
		t.Run(c.name, func(t *testing.T) {
			cl := start(t, c, data).opened(t)
			count := c.msize - 24
			if err := cl.rpc(readFrame(0, 1, count)); err != nil {
				t.Fatal(err)
			}
			body := cl.buf[cl.r-count : cl.r]
			if !bytes.Equal(body, data[:count]) {
				t.Errorf("read of %d bytes gave others", count)
			}
			if err := cl.rpc(clunkFrame(1)); err != nil {
				t.Error(err)
			}
		})
	}
}
