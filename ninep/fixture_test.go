package ninep

import (
	"context"
	"fmt"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

// A memFS is the tree that the tests serve, and a count of what is open.
//
//	/            drwxrwxrwx
//	  hello      -rw-rw-rw-  "hello, world\n"
//	  big        -r--r--r--  1 MiB of a pattern
//	  secret     -rw-------  glenda's
//	  grouped    -rw-rw----  glenda's, group sys
//	  exec       -rwx--x--x
//	  pipe       -rw-rw-rw-  reads block until something is written
//	  stuck      -rw-rw-rw-  reads block until canceled, without Wait
//	  deaf       -rw-rw-rw-  reads block until released, whatever the context
//	  panic      -rw-rw-rw-  every operation panics
//	  log        -rw-rw-rw-  every write is kept, in order
//	  slow       -rw-rw-rw-  writes block until released
//	  plain      -rw-rw-rw-  cannot be opened, set, removed
//	  link       a symbolic link to dir
//	  closed     dr-xr-xr-x
//	    x
//	  dir        drwxrwxrwx  100 files
//	  hung       drwxrwxrwx  whose reads block until canceled
//	  bell       -rw-rw-rw-  the pipe, as a Notifier; it is not listed
type memFS struct {
	root    *memNode
	bell    *memNode
	handles atomic.Int64 // open now
	opens   atomic.Int64 // ever
	closes  atomic.Int64
	twice   atomic.Int64 // closed more than once, or used after

	deaf    chan struct{}
	slow    chan struct{}
	entered chan string // gets the name of a blocking operation as it begins

	mu    sync.Mutex
	path  uint64
	pipe  []byte
	ended bool
	fault error // read behind the end of the pipe
	wake  chan struct{}
	bells []Waker
	log   []string
	last  *Attach
	cause []error // of each Close's context
}

type memNode struct {
	fs   *memFS
	up   *memNode
	mu   sync.Mutex
	st   Stat
	data []byte
	kids []*memNode
}

// What more a node can do depends on its kind.
type (
	memDir   struct{ *memNode }
	memFile  struct{ *memNode }
	memPlain struct{ *memNode }
	memLink  struct{ memDir }
)

func newMemFS() *memFS {
	f := &memFS{deaf: make(chan struct{}), slow: make(chan struct{}), entered: make(chan string, 1<<15), wake: make(chan struct{})}
	f.root = f.node(nil, "/", DMDIR|0777, "")
	for _, e := range []struct {
		name string
		mode uint32
		data string
	}{
		{"hello", 0666, "hello, world\n"}, {"big", 0444, bigData}, {"secret", 0600, "s"},
		{"grouped", 0660, "g"}, {"exec", 0711, "x"}, {"pipe", 0666, ""}, {"stuck", 0666, ""}, {"deaf", 0666, ""},
		{"panic", 0666, ""}, {"log", 0666, ""}, {"slow", 0666, ""}, {"plain", 0666, ""},
	} {
		f.node(f.root, e.name, e.mode, e.data)
	}
	f.node(f.root, "link", DMSYMLINK|0777, "dir")
	f.node(f.node(f.root, "closed", DMDIR|0555, ""), "x", 0666, "x")
	d := f.node(f.root, "dir", DMDIR|0777, "")
	for i := range 100 {
		f.node(d, fmt.Sprintf("file%02d", i), 0666, "")
	}
	f.node(f.root, "hung", DMDIR|0777, "")
	f.bell = &memNode{fs: f, up: f.root, st: Stat{Qid: Qid{Path: 1 << 32}, Mode: 0666, Name: "bell", Uid: "glenda", Gid: "sys", Muid: "glenda"}}
	return f
}

var bigData = string(pattern(1 << 20))

func pattern(n int) []byte {
	b := make([]byte, n)
	for i := range b {
		b[i] = byte(i ^ i>>8 ^ i>>16)
	}
	return b
}

func (f *memFS) node(up *memNode, name string, mode uint32, data string) *memNode {
	f.mu.Lock()
	f.path++
	n := &memNode{fs: f, up: up, data: []byte(data), st: Stat{
		Qid: Qid{Type: uint8(mode >> 24), Path: f.path}, Mode: mode, Length: uint64(len(data)),
		Name: name, Uid: "glenda", Gid: "sys", Muid: "glenda", Mtime: time.Unix(1e9, 0), Atime: time.Unix(1e9, 0)}}
	f.mu.Unlock()
	if up != nil {
		up.mu.Lock()
		up.kids = append(up.kids, n)
		up.mu.Unlock()
	}
	return n
}

// as is n with the abilities of its kind.
func (n *memNode) as() Node {
	switch {
	case n.st.Mode&DMSYMLINK != 0:
		return memLink{memDir{n}}
	case n.st.Mode&DMDIR != 0:
		return memDir{n}
	case n.st.Name == "plain":
		return memPlain{n}
	}
	return memFile{n}
}

func (f *memFS) Attach(ctx context.Context, a *Attach) (Node, error) {
	f.mu.Lock()
	f.last = a
	f.mu.Unlock()
	if a.User == "nobody" {
		return nil, ErrPermission
	}
	return f.root.as(), nil
}

func (n *memNode) Stat(ctx context.Context) (Stat, error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.st, nil
}

func (l memLink) Readlink(ctx context.Context) (string, error) { return string(l.data), nil }

func (l memLink) Walk(ctx context.Context, name string) (Node, error) {
	return memDir{l.up.kid("dir")}.Walk(ctx, name)
}

func (l memLink) Open(ctx context.Context, mode OpenMode) (Handle, error) {
	return memDir{l.up.kid("dir")}.Open(ctx, mode)
}

func (n *memNode) kid(name string) *memNode {
	n.mu.Lock()
	defer n.mu.Unlock()
	for _, k := range n.kids {
		if k.st.Name == name {
			return k
		}
	}
	return nil
}

func (d memDir) Walk(ctx context.Context, name string) (Node, error) {
	if name == "slowwalk" {
		d.fs.entered <- name
		select {
		case <-d.fs.slow:
			return d, nil
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
	if k := d.kid(name); k != nil {
		return k.as(), nil
	}
	if name == "bell" {
		return d.fs.bell.as(), nil
	}
	return nil, ErrNotExist
}

func (d memDir) Open(ctx context.Context, mode OpenMode) (Handle, error) {
	return d.fs.open(d.memNode), nil
}

func (d memDir) Create(ctx context.Context, name string, perm uint32, mode OpenMode) (Node, Handle, error) {
	if d.kid(name) != nil {
		return nil, nil, ErrExist
	}
	n := d.fs.node(d.memNode, name, perm, "")
	return n.as(), d.fs.open(n), nil
}

func (d memDir) Remove(ctx context.Context) error { return Errorf(ErrExist, "directory is not empty") }

func (n memFile) Open(ctx context.Context, mode OpenMode) (Handle, error) {
	if n.st.Name == "panic" {
		panic("open")
	}
	if mode&OTRUNC != 0 {
		n.mu.Lock()
		n.data, n.st.Length = nil, 0
		n.mu.Unlock()
	}
	h := n.fs.open(n.memNode)
	switch n.st.Name {
	case "pipe":
		return memPipe{h}, nil
	case "bell":
		return memBell{memPipe{h}}, nil
	}
	return h, nil
}

func (n memFile) Remove(ctx context.Context) error {
	n.up.mu.Lock()
	defer n.up.mu.Unlock()
	i := slices.Index(n.up.kids, n.memNode)
	if i < 0 {
		return ErrNotExist
	}
	n.up.kids = slices.Delete(n.up.kids, i, i+1)
	return nil
}

func (n memFile) Wstat(ctx context.Context, c StatChange) error {
	n.mu.Lock()
	defer n.mu.Unlock()
	if c.Length != nil {
		if *c.Length > 1<<20 {
			return ErrTooBig
		}
		n.data = append(n.data, make([]byte, *c.Length)...)[:*c.Length]
		n.st.Length = *c.Length
	}
	if c.Mode != nil {
		n.st.Mode = *c.Mode
	}
	if c.Name != nil {
		n.st.Name = *c.Name
	}
	if c.Mtime != nil {
		n.st.Mtime = *c.Mtime
	}
	return nil
}

// A memHandle is any open file of the tree.
type memHandle struct {
	*memNode
	closed atomic.Bool
}

func (f *memFS) open(n *memNode) *memHandle {
	f.handles.Add(1)
	f.opens.Add(1)
	return &memHandle{memNode: n}
}

func (h *memHandle) Close(ctx context.Context) error {
	if h.closed.Swap(true) {
		h.fs.twice.Add(1)
		return ErrStale
	}
	h.fs.handles.Add(-1)
	h.fs.closes.Add(1)
	h.fs.mu.Lock()
	defer h.fs.mu.Unlock()
	h.fs.cause = append(h.fs.cause, context.Cause(ctx))
	if h.st.Name == "log" {
		h.fs.log = append(h.fs.log, "clunk")
	}
	return nil
}

func (h *memHandle) ReadDir(ctx context.Context) ([]Stat, error) {
	if h.st.Name == "hung" {
		h.fs.entered <- "hung"
		<-ctx.Done()
		return nil, ctx.Err()
	}
	h.mu.Lock()
	kids := slices.Clone(h.kids)
	h.mu.Unlock()
	var all []Stat
	for _, k := range kids {
		s, _ := k.Stat(ctx)
		all = append(all, s)
	}
	return all, nil
}

func (h *memHandle) used() {
	if h.closed.Load() {
		h.fs.twice.Add(1)
	}
}

func (h *memHandle) ReadAt(ctx context.Context, p []byte, off int64) (int, error) {
	h.used()
	switch h.st.Name {
	case "panic":
		panic("read")
	case "stuck":
		h.fs.entered <- "stuck"
		<-ctx.Done()
		h.used()
		return 0, ctx.Err()
	case "deaf":
		h.fs.entered <- "deaf"
		<-h.fs.deaf
		return copy(p, "heard"), nil
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	if off >= int64(len(h.data)) {
		return 0, nil
	}
	return copy(p, h.data[off:]), nil
}

func (h *memHandle) WriteAt(ctx context.Context, p []byte, off int64) (int, error) {
	h.used()
	switch h.st.Name {
	case "slow":
		h.fs.entered <- "slow"
		select {
		case <-h.fs.slow:
		case <-ctx.Done():
			return 0, ctx.Err()
		}
		h.fs.mu.Lock()
		h.fs.log = append(h.fs.log, string(p))
		h.fs.mu.Unlock()
		return len(p), nil
	case "log":
		ctx.Done() // the reader goes on meanwhile
		runtime.Gosched()
		h.fs.mu.Lock()
		h.fs.log = append(h.fs.log, string(p))
		h.fs.mu.Unlock()
		return len(p), nil
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	if off > 1<<20 {
		return 0, ErrTooBig
	}
	if need := int(off) + len(p); need > len(h.data) {
		h.data = append(h.data, make([]byte, need-len(h.data))...)
	}
	h.st.Length = uint64(len(h.data))
	return copy(h.data[off:], p), nil
}

// A memPipe gives every reader all that was ever written, and waits for more.
type memPipe struct{ *memHandle }

func (h memPipe) Ready(off int64) bool {
	h.fs.mu.Lock()
	defer h.fs.mu.Unlock()
	return off < int64(len(h.fs.pipe)) || h.fs.ended
}

func (h memPipe) Wait(ctx context.Context, off int64) error {
	h.fs.entered <- "pipe"
	for !h.Ready(off) {
		h.fs.mu.Lock()
		wake := h.fs.wake
		h.fs.mu.Unlock()
		if h.Ready(off) {
			break
		}
		select {
		case <-wake:
		case <-ctx.Done():
			h.used()
			return ctx.Err()
		}
	}
	return nil
}

func (h memPipe) ReadAt(ctx context.Context, p []byte, off int64) (int, error) {
	h.fs.mu.Lock()
	defer h.fs.mu.Unlock()
	if off >= int64(len(h.fs.pipe)) {
		return 0, h.fs.fault
	}
	return copy(p, h.fs.pipe[off:]), nil
}

func (h memPipe) WriteAt(ctx context.Context, p []byte, off int64) (int, error) {
	h.fs.say(string(p))
	return len(p), nil
}

// A memBell is a memPipe that calls back.
type memBell struct{ memPipe }

func (h memBell) Notify(off int64, w Waker) bool {
	h.used()
	if off == badOffset {
		panic("notify")
	}
	if h.Ready(off) {
		return true
	}
	h.fs.mu.Lock()
	h.fs.bells = append(h.fs.bells, w)
	h.fs.mu.Unlock()
	h.fs.entered <- "bell"
	return h.Ready(off) // it may be woken, too
}

func (h memBell) Forget(w Waker) {
	h.fs.mu.Lock()
	defer h.fs.mu.Unlock()
	h.fs.bells = slices.DeleteFunc(h.fs.bells, func(b Waker) bool { return b == w })
}

// badOffset is where a bell panics.
const badOffset = 1 << 40

// finish ends the pipe.
func (f *memFS) finish(err error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.ended, f.fault = true, err
	f.ring()
}

// ring wakes who waits for the pipe. mu is held.
func (f *memFS) ring() {
	close(f.wake)
	f.wake = make(chan struct{})
	for _, w := range f.bells {
		w.Wake()
	}
	f.bells = nil
}

func (f *memFS) say(s string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.pipe = append(f.pipe, s...)
	f.ring()
}
