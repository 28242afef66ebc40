package peers

import (
	"context"
	"fmt"
	"io"
	"log"
	"net"
	"os"
	"sync"
	"sync/atomic"
	"testing"

	"9fans.net/go/plan9"
	"9fans.net/go/plan9/srv9p"
	"github.com/knusbaum/go9p"
	"github.com/knusbaum/go9p/fs"
	"github.com/knusbaum/go9p/proto"

	"llama9/ninep"
)

// The tree that all servers serve to all clients:
//
//	hello  "hello, world\n", 0666
//	empty  "", 0666
//	dir/   0777, of manyFiles files
//	stream 0444: a read blocks until the server's release is closed
const (
	helloText = "hello, world\n"
	manyFiles = 200
)

func manyName(i int) string { return fmt.Sprintf("a file with a long name %03d", i) }

// A peer serves the tree.
type peer struct {
	dial    func(t testing.TB) net.Conn
	release func() // lets reads of stream end
	reading func() int
}

// gate holds reads back.
type gate struct {
	once    sync.Once
	open    chan struct{}
	waiting atomic.Int32
}

func newGate() *gate { return &gate{open: make(chan struct{})} }

func (g *gate) release() { g.once.Do(func() { close(g.open) }) }
func (g *gate) reading() int {
	return int(g.waiting.Load())
}

// wait waits for the gate or ctx.
func (g *gate) wait(ctx context.Context) error {
	g.waiting.Add(1)
	defer g.waiting.Add(-1)
	select {
	case <-g.open:
		return nil
	case <-ctx.Done():
		return ninep.ErrInterrupted
	}
}

const streamText = "at last\n"

// A ramNode is a file or directory of the tree on our server.
type ramNode struct {
	st   ninep.Stat
	gate *gate

	mu     sync.Mutex // guards below
	data   []byte
	kids   []*ramNode
	parent *ramNode
}

var ramPath atomic.Uint64

func ram(name string, mode uint32, data string, kids ...*ramNode) *ramNode {
	n := &ramNode{data: []byte(data), kids: kids, st: ninep.Stat{
		Qid: ninep.Qid{Type: uint8(mode >> 24), Path: ramPath.Add(1)}, Mode: mode, Name: name,
		Uid: "none", Gid: "none", Muid: "none"}}
	for _, k := range kids {
		k.parent = n
	}
	return n
}

func ramTree(g *gate) *ramNode {
	var files []*ramNode
	for i := range manyFiles {
		files = append(files, ram(manyName(i), 0666, ""))
	}
	stream := ram("stream", 0444, streamText)
	stream.gate = g
	return ram("/", ninep.DMDIR|0777, "", ram("hello", 0666, helloText), ram("empty", 0666, ""),
		ram("dir", ninep.DMDIR|0777, "", files...), stream)
}

func (n *ramNode) Attach(context.Context, *ninep.Attach) (ninep.Node, error) { return n, nil }

func (n *ramNode) Stat(context.Context) (ninep.Stat, error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	s := n.st
	if n.st.Mode&ninep.DMDIR == 0 && n.gate == nil {
		s.Length = uint64(len(n.data))
	}
	return s, nil
}

func (n *ramNode) Walk(_ context.Context, name string) (ninep.Node, error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	for _, k := range n.kids {
		if k.st.Name == name {
			return k, nil
		}
	}
	return nil, ninep.ErrNotExist
}

func (n *ramNode) Open(_ context.Context, mode ninep.OpenMode) (ninep.Handle, error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if mode&ninep.OTRUNC != 0 {
		n.data = nil
	}
	return n, nil
}

func (n *ramNode) Create(_ context.Context, name string, perm uint32, _ ninep.OpenMode) (ninep.Node, ninep.Handle, error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	for _, k := range n.kids {
		if k.st.Name == name {
			return nil, nil, ninep.ErrExist
		}
	}
	k := ram(name, perm, "")
	k.parent = n
	n.kids = append(n.kids, k)
	return k, k, nil
}

func (n *ramNode) Remove(context.Context) error {
	p := n.parent
	p.mu.Lock()
	defer p.mu.Unlock()
	for i, k := range p.kids {
		if k == n {
			p.kids = append(p.kids[:i:i], p.kids[i+1:]...)
			return nil
		}
	}
	return ninep.ErrNotExist
}

func (n *ramNode) Wstat(_ context.Context, c ninep.StatChange) error {
	n.mu.Lock()
	defer n.mu.Unlock()
	if c.Length != nil {
		n.data = n.data[:*c.Length]
	}
	return nil
}

func (n *ramNode) Close(context.Context) error { return nil }

func (n *ramNode) ReadAt(ctx context.Context, p []byte, off int64) (int, error) {
	if n.gate != nil {
		if err := n.gate.wait(ctx); err != nil {
			return 0, err
		}
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	return copy(p, n.data[min(off, int64(len(n.data))):]), nil
}

func (n *ramNode) WriteAt(_ context.Context, p []byte, off int64) (int, error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.data = writeInto(n.data, p, int(off))
	return len(p), nil
}

func writeInto(data, p []byte, off int) []byte {
	if need := off + len(p); need > len(data) {
		data = append(data, make([]byte, need-len(data))...)
	}
	copy(data[off:], p)
	return data
}

func (n *ramNode) ReadDir(ctx context.Context) ([]ninep.Stat, error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	var list []ninep.Stat
	for _, k := range n.kids {
		s, err := k.Stat(ctx)
		if err != nil {
			return nil, err
		}
		list = append(list, s)
	}
	return list, nil
}

// ourServer is ninep.Server over a socket.
func ourServer(t testing.TB) peer {
	g := newGate()
	ln := listen(t)
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error)
	go func() { done <- (&ninep.Server{FS: ramTree(g)}).Serve(ctx, ln) }()
	t.Cleanup(func() {
		g.release()
		cancel()
		<-done
	})
	return peer{dialer(ln), g.release, g.reading}
}

// go9pServer is go9p's fs over a socket. Its blocked reads hold a worker of a
// hundred each, and a Tflush does not end them.
func go9pServer(t testing.TB) peer {
	g := newGate()
	tree, root := fs.NewFS("none", "none", 0777, fs.IgnorePermissions(),
		fs.WithCreateFile(func(tree *fs.FS, dir fs.Dir, user, name string, perm uint32, _ uint8) (fs.File, error) {
			f := fs.NewStaticFile(tree.NewStat(name, user, user, perm), nil)
			return f, dir.(*fs.StaticDir).AddChild(f)
		}), fs.WithRemoveFile(fs.RMFile))
	add := func(d *fs.StaticDir, n fs.FSNode) {
		if err := d.AddChild(n); err != nil {
			t.Fatal(err)
		}
	}
	add(root, fs.NewStaticFile(tree.NewStat("hello", "none", "none", 0666), []byte(helloText)))
	add(root, fs.NewStaticFile(tree.NewStat("empty", "none", "none", 0666), nil))
	dir := fs.NewStaticDir(tree.NewStat("dir", "none", "none", proto.DMDIR|0777))
	add(root, dir)
	for i := range manyFiles {
		add(dir, fs.NewStaticFile(tree.NewStat(manyName(i), "none", "none", 0666), nil))
	}
	add(root, &go9pStream{fs.NewStaticFile(tree.NewStat("stream", "none", "none", 0444), []byte(streamText)), g})
	// A Server a connection: one for all counts its connections in a race.
	dial := serveConns(t, func(c net.Conn) { go9p.ServeReadWriter(bufioReader(c), c, tree.Server()) })
	t.Cleanup(g.release) // before its connections are waited for
	return peer{dial, g.release, g.reading}
}

type go9pStream struct {
	*fs.StaticFile
	gate *gate
}

func (s *go9pStream) Read(fid, off, count uint64) ([]byte, error) {
	if err := s.gate.wait(context.Background()); err != nil {
		return nil, err
	}
	return s.StaticFile.Read(fid, off, count)
}

// srv9pServer is 9fans.net/go/plan9/srv9p over a socket. It takes up each
// message in a goroutine of its own, so that nothing may be pipelined to it.
func srv9pServer(t testing.TB) peer {
	g := newGate()
	dial := serveConns(t, func(c net.Conn) { newSrv9p(t, g).Serve(c, c) })
	t.Cleanup(g.release)
	return peer{dial, g.release, g.reading}
}

type srv9pFile struct {
	mu   sync.Mutex
	data []byte
	gate *gate
}

func newSrv9p(t testing.TB, g *gate) *srv9p.Server {
	tree := srv9p.NewTree("none", "none", plan9.DMDIR|0777, nil)
	add := func(d *srv9p.File, name string, perm plan9.Perm, f *srv9pFile) *srv9p.File {
		k, err := d.Create(name, "none", perm, f)
		if err != nil {
			t.Error(err)
		}
		return k
	}
	hello := add(tree.Root, "hello", 0666, &srv9pFile{data: []byte(helloText)})
	hello.Stat.Length = uint64(len(helloText))
	add(tree.Root, "empty", 0666, &srv9pFile{})
	dir := add(tree.Root, "dir", plan9.DMDIR|0777, nil)
	for i := range manyFiles {
		add(dir, manyName(i), 0666, &srv9pFile{})
	}
	add(tree.Root, "stream", 0444, &srv9pFile{data: []byte(streamText), gate: g})
	of := func(fid *srv9p.Fid) *srv9pFile { return fid.File().Aux.(*srv9pFile) }
	return &srv9p.Server{
		Tree:  tree,
		Msize: mib,
		Open: func(_ context.Context, fid *srv9p.Fid, mode uint8) error {
			if mode&plan9.OTRUNC != 0 {
				f := of(fid)
				f.mu.Lock()
				defer f.mu.Unlock()
				f.data = nil
			}
			return nil
		},
		Create: func(_ context.Context, fid *srv9p.Fid, name string, perm plan9.Perm, _ uint8) (plan9.Qid, error) {
			f, err := fid.File().Create(name, "none", perm, &srv9pFile{})
			if err != nil {
				return plan9.Qid{}, err
			}
			fid.SetFile(f)
			return f.Stat.Qid, nil
		},
		Read: func(ctx context.Context, fid *srv9p.Fid, p []byte, off int64) (int, error) {
			f := of(fid)
			if f.gate != nil {
				if err := f.gate.wait(ctx); err != nil {
					return 0, err
				}
			}
			f.mu.Lock()
			defer f.mu.Unlock()
			return fid.ReadBytes(p, off, f.data)
		},
		Write: func(_ context.Context, fid *srv9p.Fid, p []byte, off int64) (int, error) {
			f := of(fid)
			f.mu.Lock()
			defer f.mu.Unlock()
			f.data = writeInto(f.data, p, int(off))
			return len(p), nil
		},
		Wstat: func(_ context.Context, fid *srv9p.Fid, d *plan9.Dir) error {
			f := of(fid)
			f.mu.Lock()
			defer f.mu.Unlock()
			if d.Length != ^uint64(0) {
				f.data = f.data[:d.Length]
			}
			return nil
		},
	}
}

func listen(t testing.TB) net.Listener {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	return ln
}

func dialer(ln net.Listener) func(testing.TB) net.Conn {
	return func(t testing.TB) net.Conn {
		t.Helper()
		c, err := net.Dial("tcp", ln.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { c.Close() })
		return c
	}
}

// serveConns gives every connection to serve, and waits at the test's end.
func serveConns(t testing.TB, serve func(net.Conn)) func(testing.TB) net.Conn {
	ln := listen(t)
	var wait sync.WaitGroup
	wait.Go(func() {
		for {
			c, err := ln.Accept()
			if err != nil {
				return
			}
			wait.Go(func() {
				defer c.Close()
				serve(c)
			})
		}
	})
	t.Cleanup(func() {
		ln.Close()
		wait.Wait()
	})
	return dialer(ln)
}

// The libraries log every hang-up as an error.
func TestMain(m *testing.M) {
	log.SetOutput(io.Discard)
	os.Exit(m.Run())
}
