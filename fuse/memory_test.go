//go:build linux

package fuse

import (
	"context"
	"strings"
	"sync"
	"testing"
	"time"

	"llama9/ninep"
)

// A memFile is a file or directory that can be made, changed and removed: what
// no file of a node can.
type memFile struct {
	tree *memTree
	up   *memFile
	stat ninep.Stat
	data []byte
	kids []*memFile
}

// A memTree serves memFiles, all under one lock.
type memTree struct {
	mu   sync.Mutex
	last uint64
	root *memFile
}

func newMemTree() *memTree {
	t := &memTree{}
	t.root = t.make(nil, "/", ninep.DMDIR|0o755)
	return t
}

func (t *memTree) make(up *memFile, name string, mode uint32) *memFile {
	t.last++
	f := &memFile{tree: t, up: up, stat: ninep.Stat{Name: name, Mode: mode, Uid: "root", Gid: "daemon", Muid: "root",
		Qid: ninep.Qid{Type: uint8(mode >> 24), Path: t.last}, Atime: time.Unix(1, 0), Mtime: time.Unix(2, 0)}}
	if up != nil {
		up.kids = append(up.kids, f)
	}
	return f
}

func (t *memTree) Attach(context.Context, *ninep.Attach) (ninep.Node, error) { return t.root, nil }

func (f *memFile) Stat(context.Context) (ninep.Stat, error) {
	f.tree.mu.Lock()
	defer f.tree.mu.Unlock()
	s := f.stat
	s.Length = uint64(len(f.data))
	return s, nil
}

func (f *memFile) Walk(_ context.Context, name string) (ninep.Node, error) {
	f.tree.mu.Lock()
	defer f.tree.mu.Unlock()
	for _, k := range f.kids {
		if k.stat.Name == name {
			return k, nil
		}
	}
	return nil, ninep.ErrNotExist
}

func (f *memFile) Open(_ context.Context, m ninep.OpenMode) (ninep.Handle, error) {
	f.tree.mu.Lock()
	defer f.tree.mu.Unlock()
	if m&ninep.OTRUNC != 0 {
		f.data = nil
	}
	return memHandle{f}, nil
}

func (f *memFile) Create(ctx context.Context, name string, perm uint32, m ninep.OpenMode) (ninep.Node, ninep.Handle, error) {
	if _, err := f.Walk(ctx, name); err == nil {
		return nil, nil, ninep.ErrExist
	}
	f.tree.mu.Lock()
	defer f.tree.mu.Unlock()
	k := f.tree.make(f, name, perm)
	return k, memHandle{k}, nil
}

func (f *memFile) Remove(context.Context) error {
	f.tree.mu.Lock()
	defer f.tree.mu.Unlock()
	if len(f.kids) > 0 {
		return &ninep.Error{Text: "directory not empty", Errno: 39}
	}
	for i, k := range f.up.kids {
		if k == f {
			f.up.kids = append(f.up.kids[:i:i], f.up.kids[i+1:]...)
			return nil
		}
	}
	return ninep.ErrNotExist
}

func (f *memFile) Wstat(ctx context.Context, c ninep.StatChange) error {
	f.tree.mu.Lock()
	defer f.tree.mu.Unlock()
	if c.Name != nil {
		f.stat.Name = *c.Name
	}
	if c.Mode != nil {
		f.stat.Mode = *c.Mode
	}
	if c.Mtime != nil {
		f.stat.Mtime = *c.Mtime
	}
	if c.Length != nil {
		b := make([]byte, *c.Length)
		copy(b, f.data)
		f.data = b
	}
	return nil
}

type memHandle struct{ f *memFile }

func (h memHandle) Close(context.Context) error { return nil }

func (h memHandle) ReadAt(_ context.Context, p []byte, off int64) (int, error) {
	h.f.tree.mu.Lock()
	defer h.f.tree.mu.Unlock()
	if off >= int64(len(h.f.data)) {
		return 0, nil
	}
	return copy(p, h.f.data[off:]), nil
}

func (h memHandle) WriteAt(_ context.Context, p []byte, off int64) (int, error) {
	h.f.tree.mu.Lock()
	defer h.f.tree.mu.Unlock()
	if n := int(off) + len(p); n > len(h.f.data) {
		h.f.data = append(h.f.data, make([]byte, n-len(h.f.data))...)
	}
	return copy(h.f.data[off:], p), nil
}

func (h memHandle) ReadDir(ctx context.Context) (l []ninep.Stat, err error) {
	h.f.tree.mu.Lock()
	kids := h.f.kids
	h.f.tree.mu.Unlock()
	for _, k := range kids {
		s, _ := k.Stat(ctx)
		l = append(l, s)
	}
	return l, nil
}

// TestFiles: what a mount of any 9P server should do.
func TestFiles(t *testing.T) {
	w := mountFS(t, newMemTree())
	w.sh("cd $n; printf hello > a; printf ' world' >> a; mkdir -p d/e; chmod 640 a")
	same(t, "stat", w.sh("cd $n; cat a; stat -c ' %s %a %U %G %X %Y' a; ls d; stat -c %a d"), "hello world 11 640 root daemon 1 2\ne\n755\n")
	same(t, "truncate", w.sh("cd $n; truncate -s 4 a; cat a; wc -c < a; truncate -s 6 a; wc -c < a; : > a; wc -c < a"), "hell4\n6\n0\n")
	same(t, "touch", w.sh("cd $n; touch -d @12345 a; stat -c %Y a; [ a -ot d ] || touch b; ls"), "12345\na\nb\nd\n")
	same(t, "mv", w.sh("cd $n; printf x > a; mv a c; cat c; mv c d/; ls . d; mv -n b d/b; find . | sort"), "x.:\nb\nd\n\nd:\nc\ne\n.\n./d\n./d/b\n./d/c\n./d/e\n")
	w.fails("rmdir $n/d", "not empty")
	w.fails("cd $n; ln d/b x", "not permitted")
	w.fails("cd $n; mkfifo x", "not permitted")
	w.fails("cd $n; set -C; echo x > d/b", "cannot overwrite")
	w.fails("cd $n; mkdir d", "File exists")
	same(t, "rm -r", w.sh("cd $n; rm -r d; ls -a"), ".\n..\n")
	same(t, "a file removed while it is open", w.sh("cd $n; echo x > f; exec 3<f; rm f; cat <&3; [ ! -e f ]"), "x\n")
	sums := strings.Fields(w.sh("cd $n; head -c 5000000 /dev/urandom | tee big | cksum | cut -d' ' -f1; for f in big copy; do [ $f = big ] || cp big copy; cksum < $f; dd if=$f bs=4M status=none | cksum; dd if=$f bs=1000 status=none | cksum; done | cut -d' ' -f1"))
	for _, s := range sums {
		same(t, "cksum", s, sums[0])
	}
	w.sh(`cd $n; mkdir many; for i in $(seq 500); do : > many/$i; done; [ $(ls many | wc -l) = 500 ]; rm -r many; [ $(ls | wc -l) = 2 ]`)
	// A file in the place of another: what is open stays, a name is the new one.
	same(t, "replaced", w.sh("cd $n; echo 1 > f; exec 3<f; rm f; echo 2 > f; cat <&3; cat f"), "1\n2\n")
}

func TestOpenMode(t *testing.T) {
	for flags, want := range map[uint32]ninep.OpenMode{
		0: ninep.OREAD, 1: ninep.OWRITE, 2: ninep.ORDWR, 0o1001: ninep.OWRITE | ninep.OTRUNC, 0o102001: ninep.OWRITE,
		0o1002: ninep.ORDWR | ninep.OTRUNC, 0o100000: ninep.OREAD,
	} {
		if got := openMode(flags); got != want {
			t.Errorf("flags %o: %v, want %v", flags, got, want)
		}
	}
}
