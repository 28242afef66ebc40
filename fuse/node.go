//go:build linux

package fuse

import (
	"context"
	"sync"

	gofuse "github.com/hanwen/go-fuse/v2/fuse"

	"llama9/mnt"
	"llama9/ninep"
)

// A node is a file that the kernel knows by a number. A directory holds a fid,
// so that it stays the same one while it is somebody's working directory; a
// file is found from its directory each time.
type node struct {
	id   uint64
	qid  ninep.Qid
	tree *mnt.Fsys // of a directory: what is below it

	// Guarded by nodes.mu.
	kernel uint64 // how often the kernel was told id and has not forgotten
	uses   int    // requests under way, open files and entries that are in it
	parent *node  // where it was found last; nil for the root
	name   string
}

// A nodes is the table of what the kernel knows. A qid is in it once.
type nodes struct {
	mu    sync.Mutex // guards below
	last  uint64
	byID  map[uint64]*node
	byQid map[key]*node
}

// A key is what makes files the same: see intro(5).
type key struct {
	path uint64
	dir  bool
}

func keyOf(q ninep.Qid) key { return key{q.Path, isDir(q)} }

func newNodes(fs *mnt.Fsys) *nodes {
	t := &nodes{last: gofuse.FUSE_ROOT_ID}
	t.begin(fs)
	return t
}

// begin makes fs all that is known. What the kernel knows beside is stale from
// then on, and its names are looked up anew.
func (t *nodes) begin(fs *mnt.Fsys) {
	root := &node{id: gofuse.FUSE_ROOT_ID, qid: fs.Root().Qid(), tree: fs, kernel: 1}
	t.mu.Lock()
	defer t.mu.Unlock()
	t.byID, t.byQid = map[uint64]*node{root.id: root}, map[key]*node{keyOf(root.qid): root}
}

// use gives the node of a request; done ends its use.
func (t *nodes) use(id uint64) *node {
	t.mu.Lock()
	defer t.mu.Unlock()
	n := t.byID[id]
	if n != nil {
		n.uses++
	}
	return n
}

func (t *nodes) done(n *node) {
	t.mu.Lock()
	gone := t.unuse(n, nil)
	t.mu.Unlock()
	drop(gone)
}

// unuse ends a use, and adds to gone what nothing refers to any more.
func (t *nodes) unuse(n *node, gone []*node) []*node {
	n.uses--
	return t.check(n, gone)
}

func (t *nodes) check(n *node, gone []*node) []*node {
	for n != nil && n.uses == 0 && n.kernel == 0 && t.byID[n.id] == n {
		delete(t.byID, n.id)
		delete(t.byQid, keyOf(n.qid))
		gone = append(gone, n)
		if n = n.parent; n != nil {
			n.uses--
		}
	}
	return gone
}

// drop gives back the fids of directories.
func drop(gone []*node) {
	for _, n := range gone {
		if n.tree != nil {
			n.tree.Close()
		}
	}
}

// forget is the kernel's: it no longer knows the node that it was told count
// times.
func (t *nodes) forget(id, count uint64) {
	t.mu.Lock()
	var gone []*node
	if n := t.byID[id]; n != nil {
		n.kernel -= min(n.kernel, count)
		gone = t.check(n, gone)
	}
	t.mu.Unlock()
	drop(gone)
}

// found tells the kernel of the file name in dir. f is its fid, which becomes
// that of a new directory, or is given back.
func (t *nodes) found(dir *node, name string, q ninep.Qid, f *mnt.File) *node {
	t.mu.Lock()
	n := t.byQid[keyOf(q)]
	if n == nil {
		t.last++
		n = &node{id: t.last, qid: q}
		if isDir(q) {
			n.tree, f = f.Tree(), nil
		}
		t.byID[n.id], t.byQid[keyOf(q)] = n, n
	}
	n.kernel++
	var gone []*node
	if old := n.parent; n.id != gofuse.FUSE_ROOT_ID {
		n.name = name
		if old != dir {
			n.parent = dir
			dir.uses++
			if old != nil {
				gone = t.unuse(old, gone)
			}
		}
	}
	t.mu.Unlock()
	if f != nil {
		f.Forget()
	}
	drop(gone)
	return n
}

// place gives a tree and a path in it at which n is. It holds until done is
// called for dir.
func (t *nodes) place(n *node) (dir *node, path string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	dir = n
	if n.tree == nil {
		dir, path = n.parent, n.name
	}
	dir.uses++
	return dir, path
}

// stat describes n as the server does now.
func (f *fileSystem) stat(ctx context.Context, n *node) (ninep.Stat, error) {
	if n.tree != nil {
		return n.tree.Root().Stat(ctx)
	}
	dir, name := f.nodes.place(n)
	defer f.nodes.done(dir)
	s, err := dir.tree.Stat(ctx, name)
	if err == nil && keyOf(s.Qid) != keyOf(n.qid) {
		err = ninep.ErrStale // the kernel then looks the name up again
	}
	return s, err
}

// end gives back all fids: the kernel is gone.
func (t *nodes) end() {
	t.mu.Lock()
	var gone []*node
	for _, n := range t.byID {
		if n.id != gofuse.FUSE_ROOT_ID { // whose fid is the caller's
			gone = append(gone, n)
		}
	}
	t.byID, t.byQid = nil, nil
	t.mu.Unlock()
	drop(gone)
}
