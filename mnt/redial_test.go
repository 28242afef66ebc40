package mnt

import (
	"context"
	"errors"
	"io"
	"net"
	"path/filepath"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"llama9/ninep"
)

// A comeback is a server that can go and come back at its address: a socket's
// path, which nobody else takes meanwhile, as may be with a port.
type comeback struct {
	t    *testing.T
	root *memFile
	addr string
	stop func()
}

func newComeback(t *testing.T, root *memFile) *comeback {
	c := &comeback{t: t, root: root, addr: filepath.Join(t.TempDir(), "s")}
	c.start()
	t.Cleanup(func() { c.stop() })
	return c
}

func (c *comeback) start() {
	c.t.Helper()
	ln, err := net.Listen("unix", c.addr)
	if err != nil {
		c.t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error)
	go func() { done <- (&ninep.Server{FS: c.root}).Serve(ctx, ln) }()
	c.stop = func() {
		cancel()
		<-done
		c.stop = func() {}
	}
}

// serve runs r until the end of the test.
func (r *Redial) serve(t *testing.T) {
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error)
	go func() { done <- r.Serve(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-done; !errors.Is(err, context.Canceled) {
			t.Error(err)
		}
	})
}

// tell gives a Down for c, which holds nobody up when it is full.
func tell(c chan error) func(error) {
	return func(err error) {
		select {
		case c <- err:
		default:
		}
	}
}

func TestRedial(t *testing.T) {
	srv := newComeback(t, dir("/", newFile("f", 0666, "hello")))
	downs := make(chan error, 1000)
	ups := 0
	r := &Redial{
		Addr: "unix!" + srv.addr, Backoff: Backoff{Min: time.Millisecond, Max: 5 * time.Millisecond},
		Dial: time.Minute,
		Up:   func(context.Context, *Fsys) error { ups++; return nil },
		Down: tell(downs),
	}
	r.serve(t)
	fs, err := r.Tree(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	f, err := fs.Open(t.Context(), "f", ninep.ORDWR)
	if err != nil {
		t.Fatal(err)
	}
	if again, err := r.Tree(t.Context()); again != fs || err != nil {
		t.Errorf("another tree, %v", err)
	}

	srv.stop()
	if err := <-downs; !errors.Is(err, ninep.ErrHangup) {
		t.Errorf("lost by %v", err)
	}
	// And attempts that fail: the first ones may still meet a server that goes.
	var op *net.OpError
	for op == nil {
		if err := <-downs; err == nil {
			t.Fatal("an attempt without a server succeeded")
		} else {
			errors.As(err, &op)
		}
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := r.Tree(ctx); !errors.Is(err, context.Canceled) {
		t.Error(err)
	} else if !errors.As(err, &op) {
		t.Errorf("%v does not tell what the last attempt failed of", err)
	}

	srv.start()
	fs, err = r.Tree(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if b, err := fs.ReadFile(t.Context(), "f"); err != nil || string(b) != "hello" {
		t.Errorf("%q, %v", b, err)
	}
	if ups != 2 {
		t.Errorf("Up was called %d times", ups)
	}
	// The file of the first connection is not one of the second.
	for _, tt := range []struct {
		what string
		call func() error
	}{
		{"read", func() error { _, err := f.ReadAt(t.Context(), make([]byte, 5), 0); return err }},
		{"write", func() error { _, err := f.WriteAt(t.Context(), []byte("x"), 0); return err }},
		{"stat", func() error { _, err := f.Stat(t.Context()); return err }},
		{"close", func() error { return f.Close(t.Context()) }},
	} {
		if err := tt.call(); !errors.Is(err, ninep.ErrStale) || !errors.Is(err, ninep.ErrHangup) {
			t.Errorf("%s: %v", tt.what, err)
		}
	}
}

// A server that Up does not want is left, and asked again later.
func TestRedialWrongServer(t *testing.T) {
	srv := newComeback(t, dir("/"))
	wrong := errors.New("the wrong one")
	var calls atomic.Int32
	downs := make(chan error, 1000)
	r := &Redial{
		Addr: "unix!" + srv.addr, Backoff: Backoff{Min: time.Millisecond, Max: time.Millisecond},
		Up: func(context.Context, *Fsys) error {
			if calls.Add(1) < 3 {
				return wrong
			}
			return nil
		},
		Down: tell(downs),
	}
	r.serve(t)
	if _, err := r.Tree(t.Context()); err != nil {
		t.Fatal(err)
	}
	if calls.Load() != 3 {
		t.Errorf("%d calls of Up", calls.Load())
	}
	for range 2 {
		if err := <-downs; err != wrong {
			t.Error(err)
		}
	}
}

// Watch gives up a connection whose server does not answer, and only that.
func TestWatch(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		fs, s := connect(t, Options{})
		c := fs.Conn()
		done := background(func() error {
			c.Watch(t.Context(), time.Minute, time.Second)
			return c.Err()
		})
		begun := time.Now()
		for range 5 { // a server that answers late, but in time
			f := s.read()
			if f.Type != ninep.Tflush || f.Oldtag != ninep.NoTag {
				t.Fatalf("%v", f)
			}
			time.Sleep(900 * time.Millisecond)
			s.send(reply(f, "Rflush"))
		}
		if d := time.Since(begun); d < 5*45*time.Second || d > 5*76*time.Second {
			t.Errorf("5 probes in %v", d)
		}
		s.read()
		err := <-done
		if !errors.Is(err, ninep.ErrHangup) || err.Error() != "hung up: no answer in 1s" {
			t.Error(err)
		}
		go io.Copy(io.Discard, s.conn)
		if _, err := fs.Stat(t.Context(), "f"); !errors.Is(err, ninep.ErrStale) {
			t.Error(err)
		}
	})
}

// A server that takes the connection and says nothing costs no more than Dial.
func TestRedialSilence(t *testing.T) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	downs := make(chan error, 1000)
	r := &Redial{Addr: ln.Addr().String(), Dial: 10 * time.Millisecond, Down: func(err error) { downs <- err }}
	r.serve(t)
	if err := <-downs; err == nil || err.Error() != "no answer in 10ms" {
		t.Error(err)
	}
}
