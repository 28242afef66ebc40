//go:build linux

package fuse

import (
	"context"
	"errors"
	"strings"
	"sync"
	"time"

	gofuse "github.com/hanwen/go-fuse/v2/fuse"
	"golang.org/x/sys/unix"

	"llama9/mnt"
	"llama9/ninep"
)

// A fileSystem answers the kernel. What it does not answer is ENOSYS, which
// is the right word for extended attributes, locks (the kernel keeps its own),
// links and flush: a close of one of several descriptors says nothing here.
type fileSystem struct {
	gofuse.RawFileSystem
	nodes *nodes
	ids   ids
	files files
}

func newFileSystem(fs *mnt.Fsys, uname string) *fileSystem {
	return &fileSystem{
		RawFileSystem: gofuse.NewDefaultRawFileSystem(),
		nodes:         newNodes(fs),
		ids:           ids{uname: uname},
		files:         files{open: make(map[uint64]*file), commits: make(map[*file]chan struct{})},
	}
}

func (f *fileSystem) String() string { return "llama9" }

// requests makes the context of a request, which the kernel can interrupt.
func request(cancel <-chan struct{}) context.Context { return &gofuse.Context{Cancel: cancel} }

// good says whether a name can be one of 9P.
func good(name string) bool {
	return name != "" && name != "." && name != ".." && !strings.Contains(name, "/") && len(name) < 1<<16
}

func (f *fileSystem) Lookup(cancel <-chan struct{}, h *gofuse.InHeader, name string, out *gofuse.EntryOut) gofuse.Status {
	ctx := request(cancel)
	dir := f.nodes.use(h.NodeId)
	if dir == nil {
		return gofuse.Status(unix.ESTALE)
	}
	defer f.nodes.done(dir)
	if err := f.files.settle(ctx); err != nil {
		return status(err)
	}
	return status(f.lookup(ctx, dir, name, out))
}

// lookup finds a name and tells the kernel.
func (f *fileSystem) lookup(ctx context.Context, dir *node, name string, out *gofuse.EntryOut) error {
	switch {
	case dir.tree == nil:
		return ninep.ErrNotDir
	case !good(name):
		return ninep.ErrInvalid
	}
	b := dir.tree.Batch()
	file := b.Walk(name)
	r := b.Stat(file)
	if err := b.Do(ctx); err != nil {
		return err
	}
	f.entry(dir, name, &r.Stat, file, out)
	return nil
}

// entry is the answer that tells the kernel of a file. Its validity is none.
func (f *fileSystem) entry(dir *node, name string, s *ninep.Stat, file *mnt.File, out *gofuse.EntryOut) {
	*out = gofuse.EntryOut{NodeId: f.nodes.found(dir, name, s.Qid, file).id}
	f.attr(s, &out.Attr)
}

func (f *fileSystem) Forget(id, count uint64) { f.nodes.forget(id, count) }

func (f *fileSystem) GetAttr(cancel <-chan struct{}, in *gofuse.GetAttrIn, out *gofuse.AttrOut) gofuse.Status {
	ctx := request(cancel)
	if err := f.files.settle(ctx); err != nil {
		return status(err)
	}
	s, err := f.describe(ctx, in.NodeId, in.Fh(), in.Flags()&gofuse.FUSE_GETATTR_FH != 0)
	if err == nil {
		f.attr(&s, &out.Attr)
	}
	return status(err)
}

// describe gives the stat of an open file, or of a node.
func (f *fileSystem) describe(ctx context.Context, id, fh uint64, open bool) (ninep.Stat, error) {
	if open {
		if h := f.files.get(fh); h != nil {
			return h.File.Stat(ctx)
		}
	}
	n := f.nodes.use(id)
	if n == nil {
		return ninep.Stat{}, ninep.ErrStale
	}
	defer f.nodes.done(n)
	s, err := f.stat(ctx, n)
	if errors.Is(err, ninep.ErrNotExist) || errors.Is(err, ninep.ErrStale) {
		// Its name is gone. fstat(2) does not say which descriptor it asks
		// of, but one that is open can tell.
		if h := f.files.of(n); h != nil {
			return h.File.Stat(ctx)
		}
	}
	return s, err
}

// Access answers access(2) and chdir(2). The server has the last word at the
// open; here only what it would refuse to everyone that we could be is
// refused: we do not know its groups.
func (f *fileSystem) Access(cancel <-chan struct{}, in *gofuse.AccessIn) gofuse.Status {
	s, err := f.describe(request(cancel), in.NodeId, 0, false)
	if err != nil {
		return status(err)
	}
	m := s.Mode | s.Mode>>3
	if s.Uid == f.ids.uname {
		m |= s.Mode >> 6
	}
	if want := in.Mask & 7; m&want != want {
		return gofuse.EACCES
	}
	return gofuse.OK
}

// StatFs has nothing to count, as in 9P2000.L.
func (f *fileSystem) StatFs(cancel <-chan struct{}, in *gofuse.InHeader, out *gofuse.StatfsOut) gofuse.Status {
	if _, err := f.describe(request(cancel), in.NodeId, 0, false); err != nil {
		return status(err)
	}
	*out = gofuse.StatfsOut{Bsize: 4096, Frsize: 4096, NameLen: 255}
	return gofuse.OK
}

// A files is the table of what is open.
type files struct {
	mu      sync.Mutex // guards below
	last    uint64
	open    map[uint64]*file
	commits map[*file]chan struct{} // closes under way of what was written
}

// A file is an open file or directory.
type file struct {
	*mnt.File
	node *node

	mu      sync.Mutex // guards below
	wrote   bool
	entries []ninep.Stat // of a directory, since it was last read at 0
}

// closeTime bounds how long the close of what was written waits for the
// server's answer. The message gets there all the same.
const closeTime = 10 * time.Second

func (t *files) add(f *file) (fh uint64) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.last++
	t.open[t.last] = f
	return t.last
}

func (t *files) get(fh uint64) *file {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.open[fh]
}

// of gives some open file of n.
func (t *files) of(n *node) *file {
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, f := range t.open {
		if f.node == n {
			return f
		}
	}
	return nil
}

// release closes a file. close(2) does not wait for it, but the kernel sends
// it before close returns: what comes after it waits, by settle, for what the
// close of a written file does.
func (t *files) release(fh uint64) *file {
	t.mu.Lock()
	f := t.open[fh]
	delete(t.open, fh)
	if f == nil {
		t.mu.Unlock()
		return nil
	}
	f.mu.Lock()
	wrote := f.wrote
	f.mu.Unlock()
	if !wrote {
		t.mu.Unlock()
		f.Forget()
		return f
	}
	done := make(chan struct{})
	t.commits[f] = done
	t.mu.Unlock()
	ctx, cancel := context.WithTimeout(context.Background(), closeTime)
	defer cancel()
	f.Close(ctx) // its error is one that close(2) could not return
	t.mu.Lock()
	delete(t.commits, f)
	t.mu.Unlock()
	close(done)
	return f
}

// settle waits for the closes that began before.
func (t *files) settle(ctx context.Context) error {
	t.mu.Lock()
	var wait []chan struct{}
	for _, c := range t.commits {
		wait = append(wait, c)
	}
	t.mu.Unlock()
	for _, c := range wait {
		select {
		case <-c:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	return nil
}

// end closes all: the kernel is gone.
func (t *files) end() {
	t.mu.Lock()
	open := t.open
	t.open = make(map[uint64]*file)
	t.mu.Unlock()
	for _, f := range open {
		f.Forget()
	}
}
