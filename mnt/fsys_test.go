package mnt

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"
	"time"

	"llama9/ninep"
)

func TestFsys(t *testing.T) {
	ctx := t.Context()
	deep := dir("d0", newFile("bottom", 0666, "here"))
	for i := 1; i < 40; i++ {
		deep = dir(fmt.Sprint("d", i), deep)
	}
	hello := newFile("hello", 0666, "hello, world\n")
	secret := newFile("secret", 0, "x")
	fs := serveTree(t, dir("/", hello, secret, dir("sub", newFile("a b", 0644, "")), deep), Options{})

	b, err := fs.ReadFile(ctx, "/hello")
	if err != nil || string(b) != "hello, world\n" {
		t.Errorf("ReadFile: %q, %v", b, err)
	}
	if _, err := fs.ReadFile(ctx, "nothing"); !errors.Is(err, ninep.ErrNotExist) {
		t.Errorf("ReadFile of nothing: %v", err)
	}
	if _, err := fs.ReadFile(ctx, "sub/nothing/x"); !errors.Is(err, ninep.ErrNotExist) {
		t.Errorf("a walk that got half way: %v", err)
	}
	if _, err := fs.ReadFile(ctx, "secret"); !errors.Is(err, ninep.ErrPermission) {
		t.Errorf("ReadFile without permission: %v", err)
	}

	path := ""
	for i := 39; i >= 0; i-- {
		path += fmt.Sprint("d", i, "/")
	}
	if b, err := fs.ReadFile(ctx, path+"bottom"); err != nil || string(b) != "here" {
		t.Errorf("a path of 41 names: %q, %v", b, err)
	}
	if _, err := fs.ReadFile(ctx, path+"nothing"); !errors.Is(err, ninep.ErrNotExist) {
		t.Errorf("a long path to nothing: %v", err)
	}

	big := strings.Repeat("0123456789abcdef", 3<<16) // 3 MiB, four messages
	for _, text := range []string{"short", "", big} {
		if err := fs.WriteFile(ctx, "hello", []byte(text)); err != nil {
			t.Errorf("WriteFile of %d bytes: %v", len(text), err)
		}
		if b, err := fs.ReadFile(ctx, "hello"); err != nil || string(b) != text {
			t.Errorf("read %d bytes of %d, %v", len(b), len(text), err)
		}
	}

	f, err := fs.Create(ctx, "sub/new", 0666, ninep.ORDWR)
	if err != nil {
		t.Fatal(err)
	}
	rw := f.WithContext(ctx)
	if _, err := io.WriteString(rw, "one two"); err != nil {
		t.Error(err)
	}
	if n, err := f.ReadAt(ctx, make([]byte, 10), 7); n != 0 || err != nil {
		t.Errorf("ReadAt at the end: %d, %v", n, err)
	}
	if _, err := rw.Read(make([]byte, 10)); err != io.EOF {
		t.Errorf("Read at the end: %v", err)
	}
	name := "newer"
	if err := f.Wstat(ctx, ninep.StatChange{Name: &name}); err != nil {
		t.Error(err)
	}
	if err := rw.Close(); err != nil {
		t.Error(err)
	}
	if err := f.Close(ctx); !errors.Is(err, ninep.ErrBadFid) {
		t.Errorf("a second Close: %v", err)
	}
	if _, err := f.ReadAt(ctx, make([]byte, 1), 0); !errors.Is(err, ninep.ErrBadFid) {
		t.Errorf("a read after Close: %v", err)
	}
	if err := fs.Mkdir(ctx, "sub/dir", 0755); err != nil {
		t.Error(err)
	}

	list, err := fs.ReadDir(ctx, "sub")
	var names []string
	for _, s := range list {
		names = append(names, s.Name)
	}
	if got := strings.Join(names, ","); err != nil || got != "a b,newer,dir" {
		t.Errorf("ReadDir: %s, %v", got, err)
	}
	if _, err := fs.ReadDir(ctx, "hello"); !errors.Is(err, ninep.ErrNotDir) {
		t.Errorf("ReadDir of a file: %v", err)
	}
	s, err := fs.Stat(ctx, "sub/newer")
	if err != nil || s.Name != "newer" || s.Length != 7 || s.Mode != 0666 || s.Mtime.Unix() != 2 {
		t.Errorf("Stat: %+v, %v", s, err)
	}
	length := uint64(3)
	if err := fs.Wstat(ctx, "sub/newer", ninep.StatChange{Length: &length}); err != nil {
		t.Error(err)
	}
	if b, err := fs.ReadFile(ctx, "sub/newer"); err != nil || string(b) != "one" {
		t.Errorf("after the Wstat: %q, %v", b, err)
	}
	if err := fs.Remove(ctx, "sub/newer"); err != nil {
		t.Error(err)
	}
	if _, err := fs.Stat(ctx, "sub/newer"); !errors.Is(err, ninep.ErrNotExist) {
		t.Errorf("Stat of what was removed: %v", err)
	}

	fid, err := fs.Walk(ctx, "sub")
	if err != nil {
		t.Fatal(err)
	}
	up, err := fid.Walk(ctx, "..", "hello")
	if err != nil {
		t.Fatal(err)
	}
	if s, err := up.Stat(ctx); err != nil || s.Name != "hello" || s.Qid != up.Qid() {
		t.Errorf("through ..: %+v, %v", s, err)
	}
	if err := errors.Join(up.Clunk(ctx), fid.Clunk(ctx)); err != nil {
		t.Error(err)
	}
	if err := fs.Conn().Probe(ctx); err != nil {
		t.Errorf("Probe: %v", err)
	}
	settle(t, fs)
	if n := hello.open(); n != 0 {
		t.Errorf("hello is open %d times", n)
	}
}

// settle waits until the Tclunks that nobody waited for are answered, and then
// no fid but the root's may be in use.
func settle(t *testing.T, fs *Fsys) {
	t.Helper()
	// A probe is answered at once, also before a clunk that came before it.
	for late := time.Now().Add(time.Minute); live(fs.Conn()) != 1; {
		if err := fs.Conn().Probe(t.Context()); err != nil {
			t.Fatal(err)
		}
		if time.Now().After(late) {
			t.Fatalf("%d fids are in use, want the root's only", live(fs.Conn()))
		}
	}
}

// live is how many fid numbers are not given back.
func live(c *Conn) int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return int(c.nextFid) - len(c.freeFid)
}

func TestSmallMsize(t *testing.T) {
	ctx := t.Context()
	text := strings.Repeat("all work and no play\n", 1000)
	root := dir("/", newFile("play", 0666, text))
	for i := range 50 {
		root.kids = append(root.kids, newFile(fmt.Sprint("file", i), 0444, ""))
	}
	fs := serveTree(t, root, Options{Msize: 256})
	if b, err := fs.ReadFile(ctx, "play"); err != nil || string(b) != text {
		t.Errorf("read %d bytes, %v", len(b), err)
	}
	text = strings.ToUpper(text)
	if err := fs.WriteFile(ctx, "play", []byte(text)); err != nil {
		t.Error(err)
	}
	if b, err := fs.ReadFile(ctx, "play"); err != nil || string(b) != text {
		t.Errorf("read back %d bytes, %v", len(b), err)
	}
	if list, err := fs.ReadDir(ctx, ""); err != nil || len(list) != 51 {
		t.Errorf("%d entries, %v", len(list), err)
	}
	if _, err := fs.ReadFile(ctx, strings.Repeat("x", 300)); !errors.Is(err, ninep.ErrTooBig) {
		t.Errorf("a name longer than msize: %v", err)
	}
	settle(t, fs)
}

func TestCancelBlockedRead(t *testing.T) {
	stream := newFile("stream", 0444, "")
	stream.block = true
	fs := serveTree(t, dir("/", stream, newFile("other", 0444, "x")), Options{})
	ctx, cancel := context.WithCancel(t.Context())
	errs := make(chan error)
	for range 10 {
		go func() {
			f, err := fs.Open(ctx, "stream", ninep.OREAD)
			if err != nil {
				errs <- err
				return
			}
			_, err = f.ReadAt(ctx, make([]byte, 10), 0)
			f.Forget()
			errs <- err
		}()
	}
	for stream.open() < 10 {
		if _, err := fs.ReadFile(t.Context(), "other"); err != nil {
			t.Fatal(err)
		}
	}
	cancel()
	for range 10 {
		if err := <-errs; !errors.Is(err, context.Canceled) {
			t.Errorf("a cancelled read: %v", err)
		}
	}
	if b, err := fs.ReadFile(t.Context(), "other"); err != nil || string(b) != "x" {
		t.Errorf("afterwards: %q, %v", b, err)
	}
	for stream.open() > 0 { // the Tclunks that nobody waited for
		if err := fs.Conn().Probe(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
}

func TestAttachTwice(t *testing.T) {
	ctx := t.Context()
	fs := serveTree(t, dir("/", newFile("f", 0666, "x")), Options{})
	other, err := fs.Conn().Attach(ctx, "glenda", "")
	if err != nil {
		t.Fatal(err)
	}
	if b, err := other.ReadFile(ctx, "f"); err != nil || !bytes.Equal(b, []byte("x")) {
		t.Errorf("%q, %v", b, err)
	}
	if err := other.Close(); err != nil {
		t.Error(err)
	}
	if _, err := other.ReadFile(ctx, "f"); !errors.Is(err, ninep.ErrBadFid) {
		t.Errorf("a closed tree: %v", err)
	}
	if _, err := fs.ReadFile(ctx, "f"); err != nil {
		t.Errorf("the first tree: %v", err)
	}
}
