package mnt

import (
	"context"
	"errors"
	"net"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/hugelgupf/p9/p9"

	"llama9/ninep"
)

// A front is a server of a graft of another.
type front struct {
	back  *Fsys
	graft *Graft
	addr  string

	mu   sync.Mutex // guards below
	shut []bool     // how each open file has ended
}

func (f *front) Attach(context.Context, *ninep.Attach) (ninep.Node, error) {
	return f.graft.Root(), nil
}

func (f *front) ends() []bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	return slices.Clone(f.shut)
}

// serveGraft serves root, and a graft of it that back is the tree of.
func serveGraft(t *testing.T, root *memFile) (*front, *Fsys) {
	t.Helper()
	f := &front{back: serveTree(t, root, Options{})}
	next := uint64(1000)
	paths := &Paths{New: func() uint64 { next++; return next }}
	f.graft = &Graft{
		Tree: func(context.Context) (*Fsys, func(), error) { return f.back, func() {}, nil },
		Open: func(context.Context, []string, ninep.OpenMode) (*Fsys, func(bool), error) {
			return f.back, func(hungup bool) {
				f.mu.Lock()
				defer f.mu.Unlock()
				f.shut = append(f.shut, hungup)
			}, nil
		},
		Path: func(remote uint64) uint64 { return paths.Path("start", remote) },
		Refuse: func(names []string, q ninep.Qid) error {
			if slices.Equal(names, []string{"secret"}) {
				return ninep.ErrPermission
			}
			return nil
		},
	}
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	f.addr = ln.Addr().String()
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error)
	go func() { done <- (&ninep.Server{FS: f}).Serve(ctx, ln) }()
	t.Cleanup(func() {
		cancel()
		<-done
	})
	fs, err := Dial(t.Context(), f.addr, Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { fs.Close() })
	return f, fs
}

func TestGraft(t *testing.T) {
	long := strings.Repeat("0123456789", 30000)
	root := dir("/", newFile("a", 0666, long), dir("d", newFile("b", 0444, "in d"), dir("e")), dir("secret", newFile("s", 0666, "")))
	_, fs := serveGraft(t, root)
	ctx := t.Context()
	is := func(what string, err, want error) {
		t.Helper()
		if !errors.Is(err, want) || err == nil != (want == nil) {
			t.Errorf("%s: %v, want %v", what, err, want)
		}
	}

	b, err := fs.ReadFile(ctx, "a")
	if is("read", err, nil); string(b) != long {
		t.Errorf("read %d bytes, want %d", len(b), len(long))
	}
	f, err := fs.Open(ctx, "a", ninep.ORDWR)
	is("open", err, nil)
	buf := make([]byte, 4)
	n, err := f.ReadAt(ctx, buf, 12345)
	if is("read at", err, nil); string(buf[:n]) != "5678" {
		t.Errorf("read %q", buf[:n])
	}
	_, err = f.WriteAt(ctx, []byte("wxyz"), 12346)
	is("write at", err, nil)
	n, err = f.ReadAt(ctx, buf, 12345)
	if is("read at", err, nil); string(buf[:n]) != "5wxy" {
		t.Errorf("read %q", buf[:n])
	}
	is("close", f.Close(ctx), nil)

	want, err := fs.Stat(ctx, "d/b")
	is("stat", err, nil)
	l, err := fs.ReadDir(ctx, "d")
	is("list", err, nil)
	if len(l) != 2 || l[0].Name != "b" || l[0] != want || l[1].Name != "e" || l[0].Length != 4 || l[0].Mode != 0444 || l[0].Uid != "u" {
		t.Errorf("list: %+v, stat %+v", l, want)
	}
	if want.Qid.Path < 1000 {
		t.Errorf("qid path %d is the server's own", want.Qid.Path)
	}
	again, err := fs.Stat(ctx, "d/b")
	if is("stat", err, nil); again.Qid != want.Qid {
		t.Errorf("qid %v, before %v", again.Qid, want.Qid)
	}

	// Errors have their text.
	_, err = fs.Stat(ctx, "d/none")
	is("none", err, ninep.ErrNotExist)
	_, err = fs.Open(ctx, "d/b", ninep.OWRITE)
	is("read-only", err, ninep.ErrPermission)
	_, err = fs.Open(ctx, "d", ninep.OWRITE)
	is("a directory", err, ninep.ErrIsDir)
	_, err = fs.Open(ctx, "a/b", ninep.OREAD)
	is("below a file", err, ninep.ErrNotExist)
	_, err = fs.ReadFile(ctx, "secret/s")
	is("refused", err, ninep.ErrPermission)
	_, err = fs.ReadFile(ctx, "d/../secret")
	is("refused, and half a walk", err, ninep.ErrNotExist)

	// What changes the tree.
	f, err = fs.Create(ctx, "d/new", 0666, ninep.OWRITE)
	is("create", err, nil)
	_, err = f.WriteAt(ctx, []byte("made"), 0)
	is("write", err, nil)
	is("close", f.Close(ctx), nil)
	b, err = fs.ReadFile(ctx, "d/new")
	if is("read", err, nil); string(b) != "made" {
		t.Errorf("read %q", b)
	}
	zero := uint64(0)
	is("wstat", fs.Wstat(ctx, "d/new", ninep.StatChange{Length: &zero}), nil)
	s, err := fs.Stat(ctx, "d/new")
	if is("stat", err, nil); s.Length != 0 {
		t.Errorf("length %d", s.Length)
	}
	is("mkdir", fs.Mkdir(ctx, "d/dir", 0777), nil)
	is("remove", fs.Remove(ctx, "d/new"), nil)
	_, err = fs.Stat(ctx, "d/new")
	is("removed", err, ninep.ErrNotExist)
}

// A Tflush here is a Tflush there, and a hang-up here ends the reads there and
// is told.
func TestGraftFlush(t *testing.T) {
	blocks := newFile("blocks", 0666, "")
	blocks.block = true
	g, fs := serveGraft(t, dir("/", blocks))
	f, err := fs.Open(t.Context(), "blocks", ninep.ORDWR)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	done := background(func() error {
		_, err := f.ReadAt(ctx, make([]byte, 10), 0)
		return err
	})
	// Reads of the graft that wait do not hold each other up, nor writes.
	if _, err := f.WriteAt(t.Context(), []byte("x"), 0); err != nil {
		t.Error(err)
	}
	for late := time.Now().Add(time.Minute); g.back.Conn().inUse() == 0; time.Sleep(time.Millisecond) {
		if time.Now().After(late) {
			t.Fatal("the read does not reach the server")
		}
	}
	cancel()
	if err := <-done; !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
	for late := time.Now().Add(time.Minute); g.back.Conn().inUse() != 0; time.Sleep(time.Millisecond) {
		if time.Now().After(late) {
			t.Fatal("the read goes on on the server")
		}
	}
	if n := blocks.open(); n != 1 {
		t.Errorf("%d open", n)
	}
	go f.ReadAt(t.Context(), make([]byte, 10), 0)
	for late := time.Now().Add(time.Minute); g.back.Conn().inUse() == 0; time.Sleep(time.Millisecond) {
		if time.Now().After(late) {
			t.Fatal("the read does not reach the server")
		}
	}
	fs.Conn().Close()
	for late := time.Now().Add(time.Minute); blocks.open() != 0; time.Sleep(time.Millisecond) {
		if time.Now().After(late) {
			t.Fatal("the file stays open on the server")
		}
	}
	if got := g.ends(); !slices.Equal(got, []bool{true}) {
		t.Errorf("ends: %v", got)
	}
}

// A stream reaches a client of 9P2000.L, whose kernels ask for the rest of
// what a read(2) has not filled: they get 0 bytes, once.
func TestGraftLinux(t *testing.T) {
	stream := newStream()
	root := dir("/")
	root.kids = append(root.kids, stream.memFile)
	g, _ := serveGraft(t, root)
	conn, err := net.Dial("tcp", g.addr)
	if err != nil {
		t.Fatal(err)
	}
	c, err := p9.NewClient(conn)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	r, err := c.Attach("")
	if err != nil {
		t.Fatal(err)
	}
	_, f, err := r.Walk([]string{"stream"})
	if err != nil {
		t.Fatal(err)
	}
	if _, _, err := f.Open(p9.ReadOnly); err != nil {
		t.Fatal(err)
	}
	buf := make([]byte, 100)
	for _, s := range []string{"one", "two"} {
		stream.add(s)
		n, err := f.ReadAt(buf, stream.at)
		if err != nil || string(buf[:n]) != s {
			t.Fatalf("%q, %v", buf[:n], err)
		}
		stream.at += int64(n)
		if n, err = f.ReadAt(buf[n:], stream.at); n != 0 {
			t.Fatalf("the rest: %d, %v", n, err)
		}
	}
}

// A streamFile grows, and its readers wait for that.
type streamFile struct {
	*memFile
	at int64 // the test's

	grown chan struct{}
}

func newStream() *streamFile {
	s := &streamFile{memFile: newFile("stream", 0444, ""), grown: make(chan struct{}, 10)}
	s.memFile.waits = s.grown
	return s
}

func (s *streamFile) add(text string) {
	s.mu.Lock()
	s.data = append(s.data, text...)
	s.mu.Unlock()
	s.grown <- struct{}{}
}
