package mnt

import (
	"context"
	"errors"
	"io/fs"
	"net"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"

	"llama9/ninep"
)

func TestFid(t *testing.T) {
	ctx := t.Context()
	tree := serveTree(t, dir("/", newFile("f", 0666, "text"), dir("sub")), Options{})
	root := tree.Root()

	fid, err := root.Walk(ctx, "f")
	if err != nil {
		t.Fatal(err)
	}
	f, err := fid.Open(ctx, ninep.ORDWR)
	if err != nil {
		t.Fatal(err)
	}
	b := make([]byte, 10)
	if n, err := f.ReadAt(ctx, b, 1); err != nil || string(b[:n]) != "ext" {
		t.Errorf("%q, %v", b[:n], err)
	}
	if _, err := f.ReadAt(ctx, b, -1); !errors.Is(err, ninep.ErrInvalid) {
		t.Errorf("read at -1: %v", err)
	}
	if _, err := f.WriteAt(ctx, b, -1); !errors.Is(err, ninep.ErrInvalid) {
		t.Errorf("write at -1: %v", err)
	}
	if n, err := f.ReadAt(ctx, nil, 0); n != 0 || err != nil {
		t.Errorf("a read of nothing: %d, %v", n, err)
	}
	if n, err := f.WriteAt(ctx, nil, 0); n != 0 || err != nil {
		t.Errorf("a write of nothing: %d, %v", n, err)
	}
	if s, err := f.Stat(ctx); err != nil || s.Qid != f.Qid() {
		t.Errorf("%+v, %v", s, err)
	}
	if err := f.Remove(ctx); err != nil {
		t.Error(err)
	}
	if err := f.Close(ctx); !errors.Is(err, ninep.ErrBadFid) {
		t.Errorf("closed after Remove: %v", err)
	}

	// Open and Create use the fid up when they fail, too.
	sub, err := root.Walk(ctx, "sub")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := sub.Open(ctx, ninep.OWRITE); !errors.Is(err, ninep.ErrIsDir) {
		t.Errorf("a directory opened for writing: %v", err)
	}
	if err := sub.Clunk(ctx); !errors.Is(err, ninep.ErrBadFid) {
		t.Errorf("clunked after a failed Open: %v", err)
	}
	if sub, err = root.Walk(ctx, "sub"); err != nil {
		t.Fatal(err)
	}
	if f, err = sub.Create(ctx, "new", 0666, ninep.OWRITE); err != nil {
		t.Fatal(err)
	}
	if err := f.Close(ctx); err != nil {
		t.Error(err)
	}
	if fid, err = root.Walk(ctx, "sub", "new"); err != nil {
		t.Fatal(err)
	}
	if err := fid.Remove(ctx); err != nil {
		t.Error(err)
	}
	if list, err := tree.ReadDir(ctx, "sub"); len(list) != 0 || err != nil {
		t.Errorf("%v, %v", list, err)
	}

	// What cannot be said is not sent.
	long := strings.Repeat("x", 65536)
	if _, err := root.Walk(ctx, long); !errors.Is(err, ninep.ErrInvalid) {
		t.Errorf("a long name: %v", err)
	}
	if _, err := tree.Open(ctx, long, ninep.OREAD); !errors.Is(err, ninep.ErrInvalid) {
		t.Errorf("a long path: %v", err)
	}
	if _, err := tree.Conn().Attach(ctx, "u", long); !errors.Is(err, ninep.ErrInvalid) {
		t.Errorf("a long aname: %v", err)
	}
	b2 := tree.Batch()
	f = b2.Open("sub", ninep.OWRITE)
	b2.Write(f, make([]byte, 2<<20), 0)
	if err := b2.Do(ctx); !errors.Is(err, ninep.ErrTooBig) {
		t.Errorf("a write larger than a message: %v", err)
	}
	if _, err := tree.Conn().Attach(ctx, "u", "nowhere"); err == nil {
		t.Error("attached to nothing")
	}
	settle(t, tree)
}

func TestDial(t *testing.T) {
	sock := filepath.Join(t.TempDir(), "sock")
	ln, err := net.Listen("unix", sock)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error)
	go func() { done <- (&ninep.Server{FS: dir("/", newFile("f", 0666, "x"))}).Serve(ctx, ln) }()
	defer func() {
		cancel()
		<-done
	}()
	tree, err := Dial(ctx, "unix!"+sock, Options{})
	if err != nil {
		t.Fatal(err)
	}
	if b, err := tree.ReadFile(ctx, "f"); err != nil || string(b) != "x" {
		t.Errorf("%q, %v", b, err)
	}
	if err := tree.Close(); err != nil {
		t.Error(err)
	}
	if _, err := Dial(ctx, "unix!"+sock, Options{Aname: "nowhere"}); err == nil {
		t.Error("dialed a tree that is not there")
	}
	if _, err := Dial(ctx, "unix!"+sock+"x", Options{}); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("dialed no socket: %v", err)
	}
	if _, err := Dial(ctx, "udp!x!y", Options{}); err == nil {
		t.Error("dialed a network that there is not")
	}
}

func TestTrace(t *testing.T) {
	var mu sync.Mutex
	var lines []string
	tree := serveTree(t, dir("/", newFile("f", 0666, "x")), Options{Uname: "glenda", Trace: func(d string, f *ninep.Fcall) {
		mu.Lock()
		defer mu.Unlock()
		lines = append(lines, d+" "+f.String())
	}})
	if err := tree.WriteFile(t.Context(), "f", []byte("hello")); err != nil {
		t.Fatal(err)
	}
	if _, err := tree.ReadFile(t.Context(), "f"); err != nil {
		t.Fatal(err)
	}
	mu.Lock()
	defer mu.Unlock()
	for _, want := range []string{
		"<- Tversion tag 65535 msize 1048600 version '9P2000'",
		"-> Rversion tag 65535 msize 1048600 version '9P2000'",
		"<- Tattach tag 0 fid 0 afid -1 uname glenda aname ''",
		`<- Twrite tag 2 fid 1 offset 0 count 5 "hello"`,
		"-> Rwrite tag 2 count 5",
	} {
		if !slices.Contains(lines, want) {
			t.Errorf("%s is not in\n%s", want, strings.Join(lines, "\n"))
		}
	}
	if !slices.ContainsFunc(lines, func(s string) bool {
		return strings.HasPrefix(s, "-> Rread") && strings.HasSuffix(s, `count 5 "hello"`)
	}) {
		t.Errorf("no Rread in\n%s", strings.Join(lines, "\n"))
	}
}

// A connection that ends while a reply is being read gives the buffer back.
func TestHangupWithinReply(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		tree, s := connect(t, Options{})
		f := openFile(t, tree, s)
		buf := make([]byte, 10)
		done := background(func() error {
			_, err := f.ReadAt(context.Background(), buf, 0)
			return err
		})
		r := s.read()
		s.raw([]byte{21, 0, 0, 0, ninep.Rread, byte(r.Tag), 0, 10, 0, 0, 0, 'x', 'x'})
		synctest.Wait() // the reader is in the midst of it
		if err := tree.Conn().Close(); err != nil {
			t.Error(err)
		}
		if err := <-done; !errors.Is(err, ninep.ErrHangup) {
			t.Errorf("%v", err)
		}
		copy(buf, "mine again") // a race if the reader still has it
	})
}

// A turn that is refused leaves no file open, and says of which session it was.
// It has come to its end when the prompt is free again.
func TestRefusedTurn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		tree, s := connect(t, Options{})
		var turn *Turn
		done := background(func() (err error) {
			turn, err = SayTurn(t.Context(), tree, "7", "temperature hot\n", []byte("hello"))
			return err
		})
		var row []*ninep.Fcall
		for range 6 { // ctl: walk, open, write, clunk; prompt: walk, open
			row = append(row, s.read())
		}
		for i, r := range []string{"Rwalk nwqid 3 0:(1 0 d) 1:(2 0 d) 2:(3 0 )", "Ropen qid (3 0 )", "Rerror ename 'hot: no number'",
			"Rclunk", "Rwalk nwqid 3 0:(1 0 d) 1:(2 0 d) 2:(4 0 )", "Ropen qid (4 0 )"} {
			s.send(reply(row[i], r))
		}
		// Nothing was written to prompt, so that its clunk commits nothing.
		k := s.read()
		if k.Type != ninep.Tclunk || k.Fid != row[4].Newfid {
			t.Errorf("%v came", k)
		}
		synctest.Wait()
		select {
		case err := <-done:
			t.Fatalf("before its end came %v", err)
		default:
		}
		s.send(reply(k, "Rclunk"))
		if err := <-done; err == nil || err.Error() != "hot: no number" || turn.ID != "7" {
			t.Errorf("%+v, %v", turn, err)
		}
	})
}

// Of settings too long for a message nothing is sent, and no fid is taken.
func TestTurnTooLong(t *testing.T) {
	synctest.Test(t, func(t *testing.T) { // which sees a clunk that nobody answers
		tree, _ := connect(t, Options{})
		turn, err := SayTurn(t.Context(), tree, "7", strings.Repeat("#", 10000), []byte("hello"))
		if !errors.Is(err, ninep.ErrTooBig) || turn.ID != "7" {
			t.Errorf("%+v, %v", turn, err)
		}
		if n := live(tree.Conn()); n != 1 {
			t.Errorf("%d fids are in use", n)
		}
	})
}
