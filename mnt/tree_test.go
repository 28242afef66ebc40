package mnt

import (
	"context"
	"net"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"llama9/ninep"
)

// A memFile is a file or directory of the tree that the tests serve.
type memFile struct {
	name  string
	path  uint64
	mode  uint32
	block bool          // reads wait for their context
	waits chan struct{} // if not nil, a read waits for a value first

	mu     sync.Mutex // guards below
	data   []byte
	kids   []*memFile
	parent *memFile
	opens  int
}

var lastPath atomic.Uint64

func newFile(name string, mode uint32, data string) *memFile {
	return &memFile{name: name, path: lastPath.Add(1), mode: mode, data: []byte(data)}
}

func dir(name string, kids ...*memFile) *memFile {
	d := newFile(name, ninep.DMDIR|0777, "")
	for _, k := range kids {
		k.parent = d
	}
	d.kids = kids
	return d
}

func (f *memFile) Attach(context.Context, *ninep.Attach) (ninep.Node, error) { return f, nil }

func (f *memFile) Stat(context.Context) (ninep.Stat, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	s := ninep.Stat{Qid: ninep.Qid{Type: uint8(f.mode >> 24), Path: f.path}, Mode: f.mode,
		Atime: time.Unix(1, 0), Mtime: time.Unix(2, 0), Name: f.name, Uid: "u", Gid: "g", Muid: "m"}
	if f.mode&ninep.DMDIR == 0 {
		s.Length = uint64(len(f.data))
	}
	return s, nil
}

func (f *memFile) Walk(_ context.Context, name string) (ninep.Node, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, k := range f.kids {
		if k.name == name {
			return k, nil
		}
	}
	return nil, ninep.ErrNotExist
}

func (f *memFile) Open(_ context.Context, mode ninep.OpenMode) (ninep.Handle, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if mode&ninep.OTRUNC != 0 {
		f.data = nil
	}
	f.opens++
	return &memHandle{f}, nil
}

func (f *memFile) Create(_ context.Context, name string, perm uint32, mode ninep.OpenMode) (ninep.Node, ninep.Handle, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	k := newFile(name, perm, "")
	k.parent = f
	k.opens++
	f.kids = append(f.kids, k)
	return k, &memHandle{k}, nil
}

func (f *memFile) Remove(context.Context) error {
	p := f.parent
	p.mu.Lock()
	defer p.mu.Unlock()
	for i, k := range p.kids {
		if k == f {
			p.kids = append(p.kids[:i:i], p.kids[i+1:]...)
			return nil
		}
	}
	return ninep.ErrNotExist
}

func (f *memFile) Wstat(_ context.Context, c ninep.StatChange) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if c.Name != nil {
		f.name = *c.Name
	}
	if c.Length != nil {
		f.data = f.data[:*c.Length]
	}
	return nil
}

// open says how many handles of f are not closed.
func (f *memFile) open() int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.opens
}

type memHandle struct{ f *memFile }

func (h *memHandle) Close(context.Context) error {
	h.f.mu.Lock()
	defer h.f.mu.Unlock()
	h.f.opens--
	return nil
}

func (h *memHandle) ReadAt(ctx context.Context, p []byte, off int64) (int, error) {
	if h.f.block {
		<-ctx.Done()
		return 0, ninep.ErrInterrupted
	}
	if h.f.waits != nil {
		select {
		case <-h.f.waits:
		case <-ctx.Done():
			return 0, ninep.ErrInterrupted
		}
	}
	h.f.mu.Lock()
	defer h.f.mu.Unlock()
	if off >= int64(len(h.f.data)) {
		return 0, nil
	}
	return copy(p, h.f.data[off:]), nil
}

func (h *memHandle) WriteAt(_ context.Context, p []byte, off int64) (int, error) {
	h.f.mu.Lock()
	defer h.f.mu.Unlock()
	if need := int(off) + len(p); need > len(h.f.data) {
		h.f.data = append(h.f.data, make([]byte, need-len(h.f.data))...)
	}
	return copy(h.f.data[off:], p), nil
}

func (h *memHandle) ReadDir(ctx context.Context) ([]ninep.Stat, error) {
	h.f.mu.Lock()
	defer h.f.mu.Unlock()
	var list []ninep.Stat
	for _, k := range h.f.kids {
		s, err := k.Stat(ctx)
		if err != nil {
			return nil, err
		}
		list = append(list, s)
	}
	return list, nil
}

// serveTree serves root on a socket, until the test ends, and gives a tree of
// it that Dial has attached to.
func serveTree(t testing.TB, root *memFile, o Options) *Fsys {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error)
	go func() { done <- (&ninep.Server{FS: root}).Serve(ctx, ln) }()
	t.Cleanup(func() {
		cancel()
		<-done
	})
	fs, err := Dial(ctx, ln.Addr().String(), o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := fs.Close(); err != nil {
			t.Error(err)
		}
	})
	return fs
}
