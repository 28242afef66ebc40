package mnt

import (
	"context"
	"errors"
	"slices"
	"strings"
	"sync"
	"sync/atomic"

	"llama9/ninep"
)

// A Graft shows a server's tree, as one user of it, as part of a tree that is
// served here. It holds no fid there for a file that is not open: names are
// walked again each time, and so a tree that was lost and is there again goes
// on. What a client here flushes is flushed there.
//
// It is a root of 9P2000, also for clients of 9P2000.L: a symbolic link of the
// server is the directory that it leads to.
type Graft struct {
	// Tree gives the tree that lives. leave ends the use of it.
	Tree func(ctx context.Context) (fs *Fsys, leave func(), err error)
	// Open gives the tree in which the file names is opened with mode. shut
	// ends the use of it once the file is closed: hungup, where the client
	// went away without a clunk. What it has written then must not be
	// committed, and there is only one way to tell the server: to hang up
	// too. nil is as Tree, for trees where a clunk commits nothing.
	Open func(ctx context.Context, names []string, mode ninep.OpenMode) (fs *Fsys, shut func(hungup bool), err error)
	// Path gives the qid.path that a file has here.
	Path func(remote uint64) uint64
	// Refuse says why a file may not be reached from here; its names are
	// from the root of the graft, and q is the server's. What is below such a
	// directory cannot be reached either, and no directory shows it. nil
	// refuses nothing.
	Refuse func(names []string, q ninep.Qid) error
}

// Root gives the node of the tree's root.
func (g *Graft) Root() ninep.Node { return &graftNode{g: g} }

func (g *Graft) open(ctx context.Context, names []string, mode ninep.OpenMode) (*Fsys, func(bool), error) {
	if g.Open != nil {
		return g.Open(ctx, names, mode)
	}
	fs, leave, err := g.Tree(ctx)
	return fs, func(bool) { leave() }, err
}

// shown is s, of the server, as it is here.
func (g *Graft) shown(s ninep.Stat) ninep.Stat {
	s.Qid.Path = g.Path(s.Qid.Path)
	return s
}

// A graftNode is a file of a Graft.
type graftNode struct {
	g     *Graft
	names []string
	fresh atomic.Pointer[ninep.Stat] // what the walk to it has seen, for who asks first
}

var (
	_ ninep.Walker  = (*graftNode)(nil)
	_ ninep.Opener  = (*graftNode)(nil)
	_ ninep.Creator = (*graftNode)(nil)
	_ ninep.Remover = (*graftNode)(nil)
	_ ninep.Setter  = (*graftNode)(nil)
)

func (n *graftNode) path() string { return strings.Join(n.names, "/") }

// in calls f with the tree.
func (n *graftNode) in(ctx context.Context, f func(fs *Fsys) error) error {
	fs, leave, err := n.g.Tree(ctx)
	if err != nil {
		return flushed(ctx, err)
	}
	defer leave()
	return flushed(ctx, f(fs))
}

// flushed is err, in the words of 9P where ctx is done.
func flushed(ctx context.Context, err error) error {
	if err != nil && ctx.Err() != nil {
		return ninep.ErrInterrupted
	}
	return err
}

func (n *graftNode) Stat(ctx context.Context) (s ninep.Stat, err error) {
	if fresh := n.fresh.Swap(nil); fresh != nil {
		return *fresh, nil
	}
	err = n.in(ctx, func(fs *Fsys) error {
		s, err = fs.Stat(ctx, n.path())
		return err
	})
	if err == nil && n.g.Refuse != nil {
		err = n.g.Refuse(n.names, s.Qid)
	}
	if err != nil {
		return ninep.Stat{}, err
	}
	return n.g.shown(s), nil
}

func (n *graftNode) Walk(ctx context.Context, name string) (ninep.Node, error) {
	to := &graftNode{g: n.g, names: append(slices.Clip(n.names), name)}
	s, err := to.Stat(ctx)
	if err != nil {
		return nil, err
	}
	to.fresh.Store(&s)
	return to, nil
}

func (n *graftNode) Open(ctx context.Context, mode ninep.OpenMode) (ninep.Handle, error) {
	fs, shut, err := n.g.open(ctx, n.names, mode)
	if err != nil {
		return nil, flushed(ctx, err)
	}
	f, err := fs.Open(ctx, n.path(), mode)
	return n.handle(ctx, f, shut, err)
}

func (n *graftNode) Create(ctx context.Context, name string, perm uint32, mode ninep.OpenMode) (ninep.Node, ninep.Handle, error) {
	made := &graftNode{g: n.g, names: append(slices.Clip(n.names), name)}
	fs, shut, err := n.g.open(ctx, made.names, mode)
	if err != nil {
		return nil, nil, flushed(ctx, err)
	}
	f, err := fs.Create(ctx, made.path(), perm, mode)
	h, err := made.handle(ctx, f, shut, err)
	return made, h, err
}

func (n *graftNode) Remove(ctx context.Context) error {
	return n.in(ctx, func(fs *Fsys) error { return fs.Remove(ctx, n.path()) })
}

func (n *graftNode) Wstat(ctx context.Context, c ninep.StatChange) error {
	return n.in(ctx, func(fs *Fsys) error { return fs.Wstat(ctx, n.path(), c) })
}

// handle gives what an open file is here.
func (n *graftNode) handle(ctx context.Context, f *File, shut func(bool), err error) (ninep.Handle, error) {
	g := n.g
	switch {
	case err != nil:
		shut(false)
		return nil, flushed(ctx, err)
	case f.Qid().Type&ninep.QTDIR != 0:
		return &graftDir{graftOpen{g, f, shut}, n.names}, nil
	}
	return &graftFile{graftOpen: graftOpen{g, f, shut}}, nil
}

// A graftOpen is an open file or directory.
type graftOpen struct {
	g    *Graft
	f    *File
	shut func(hungup bool)
}

func (h *graftOpen) Close(ctx context.Context) error {
	if errors.Is(context.Cause(ctx), ninep.ErrHangup) {
		h.shut(true)
		h.f.Forget() // where the connection serves others too
		return nil
	}
	err := h.f.Close(ctx)
	h.shut(err != nil)
	return flushed(ctx, err)
}

// A graftDir is an open directory. It does not show what is refused.
type graftDir struct {
	graftOpen
	names []string
}

func (h *graftDir) ReadDir(ctx context.Context) ([]ninep.Stat, error) {
	l, err := h.f.ReadDir(ctx)
	if err != nil {
		return nil, flushed(ctx, err)
	}
	if h.g.Refuse != nil {
		l = slices.DeleteFunc(l, func(s ninep.Stat) bool {
			return h.g.Refuse(append(slices.Clip(h.names), s.Name), s.Qid) != nil
		})
	}
	for i := range l {
		l[i] = h.g.shown(l[i])
	}
	return l, nil
}

// A graftFile is an open file. It may be one that blocks: a read that waits
// fetches what comes, and keeps it for the read that follows.
type graftFile struct {
	graftOpen

	mu   sync.Mutex // guards below
	have []fetched
}

// fetched is what a read has brought that was not asked for yet.
type fetched struct {
	off  int64
	data []byte
}

// mostFetched bounds what is kept of reads that were flushed in the moment of
// their answer.
const mostFetched = 8

var (
	_ ninep.Fetcher = (*graftFile)(nil)
	_ ninep.Reader  = (*graftFile)(nil)
	_ ninep.Writer  = (*graftFile)(nil)
)

func (h *graftFile) find(off int64) int {
	return slices.IndexFunc(h.have, func(f fetched) bool { return f.off == off })
}

func (h *graftFile) Ready(off int64) bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.find(off) >= 0
}

// Wait is for engines that don't say how much is asked for.
func (h *graftFile) Wait(ctx context.Context, off int64) error { return h.Fetch(ctx, off, dirBuffer) }

func (h *graftFile) Fetch(ctx context.Context, off int64, count int) error {
	if h.Ready(off) {
		return nil
	}
	buf := make([]byte, min(count, h.f.IOUnit()))
	n, err := h.f.ReadAt(ctx, buf, off)
	if err != nil {
		return flushed(ctx, err)
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	if len(h.have) == mostFetched {
		h.have = h.have[1:]
	}
	h.have = append(h.have, fetched{off, buf[:n]})
	return nil
}

func (h *graftFile) ReadAt(ctx context.Context, p []byte, off int64) (int, error) {
	h.mu.Lock()
	i := h.find(off)
	if i >= 0 {
		f := &h.have[i]
		n := copy(p, f.data)
		if n < len(f.data) {
			f.off, f.data = off+int64(n), f.data[n:]
		} else {
			h.have = slices.Delete(h.have, i, i+1)
		}
		h.mu.Unlock()
		return n, nil
	}
	h.mu.Unlock()
	n, err := h.f.ReadAt(ctx, p, off)
	return n, flushed(ctx, err)
}

func (h *graftFile) WriteAt(ctx context.Context, p []byte, off int64) (int, error) {
	n, err := h.f.WriteAt(ctx, p, off)
	return n, flushed(ctx, err)
}
