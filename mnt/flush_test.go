package mnt

import (
	"bytes"
	"context"
	"errors"
	"net"
	"testing"
	"testing/synctest"
	"time"

	"llama9/ninep"
)

// openFile gives a file that the script has agreed to: fid 1, open.
func openFile(t testing.TB, fs *Fsys, s *script) *File {
	t.Helper()
	var f *File
	done := background(func() (err error) {
		f, err = fs.Open(t.Context(), "f", ninep.ORDWR)
		return err
	})
	w, o := s.read(), s.read()
	s.send(reply(w, "Rwalk nwqid 1 0:(2 0 )"), reply(o, "Ropen qid (2 0 )"))
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	return f
}

// flushCase has a read under way whose context is done, and its messages.
type flushCase struct {
	fs     *Fsys
	s      *script
	f      *File
	buf    []byte
	n      int
	done   chan error
	tread  *ninep.Fcall
	tflush *ninep.Fcall
}

func startFlush(t *testing.T, o Options) *flushCase {
	t.Helper()
	fs, s := connect(t, o)
	c := &flushCase{fs: fs, s: s, f: openFile(t, fs, s), buf: bytes.Repeat([]byte("."), 10)}
	ctx, cancel := context.WithCancel(t.Context())
	c.done = background(func() (err error) {
		c.n, err = c.f.ReadAt(ctx, c.buf, 0)
		return err
	})
	c.tread = s.read()
	cancel()
	c.tflush = s.read()
	if c.tflush.Type != ninep.Tflush || c.tflush.Oldtag != c.tread.Tag {
		t.Fatalf("%v came, want a Tflush of tag %d", c.tflush, c.tread.Tag)
	}
	return c
}

// readAgain does a whole read and gives the tag that it had.
func (c *flushCase) readAgain(t *testing.T) uint16 {
	t.Helper()
	done := background(func() error {
		b := make([]byte, 3)
		n, err := c.f.ReadAt(t.Context(), b, 0)
		if string(b[:n]) != "yes" {
			t.Errorf("read %q", b[:n])
		}
		return err
	})
	f := c.s.read()
	c.s.send(reply(f, `Rread "yes"`))
	if err := <-done; err != nil {
		t.Error(err)
	}
	return f.Tag
}

func TestFlush(t *testing.T) {
	patient := Options{FlushTimeout: time.Minute} // the script may be slow
	t.Run("Rflush alone", func(t *testing.T) {
		c := startFlush(t, patient)
		c.s.send(reply(c.tflush, "Rflush"))
		if err := <-c.done; !errors.Is(err, context.Canceled) {
			t.Errorf("%v", err)
		}
		if c.f.fid.c.inUse() != 0 {
			t.Error("tags are in use")
		}
		c.readAgain(t)
	})
	t.Run("an error before Rflush", func(t *testing.T) {
		c := startFlush(t, patient)
		c.s.send(reply(c.tread, "Rerror ename interrupted"))
		if err := <-c.done; !errors.Is(err, context.Canceled) {
			t.Errorf("%v", err)
		}
		c.s.send(reply(c.tflush, "Rflush"))
		c.readAgain(t)
	})
	t.Run("the reply before Rflush", func(t *testing.T) {
		// What the server did counts, and the tag is not used again
		// before the Rflush, which is about it.
		c := startFlush(t, patient)
		c.s.send(reply(c.tread, `Rread "data"`))
		if err := <-c.done; err != nil || string(c.buf[:c.n]) != "data" {
			t.Errorf("%q, %v", c.buf[:c.n], err)
		}
		for range 3 {
			if tag := c.readAgain(t); tag == c.tread.Tag {
				t.Error("the tag is used before Rflush")
			}
		}
		c.s.send(reply(c.tflush, "Rflush"))
		c.readAgain(t) // its reply comes after the Rflush
		if n := c.fs.Conn().inUse(); n != 0 {
			t.Errorf("%d tags are in use", n)
		}
	})
	t.Run("Rerror to the Tflush", func(t *testing.T) {
		c := startFlush(t, patient)
		c.s.send(reply(c.tflush, "Rerror ename no flush here"))
		if err := <-c.done; !errors.Is(err, context.Canceled) {
			t.Errorf("%v", err)
		}
		c.readAgain(t)
	})
	t.Run("a reply after Rflush", func(t *testing.T) {
		c := startFlush(t, patient)
		c.s.send(reply(c.tflush, "Rflush"), reply(c.tread, `Rread "late"`))
		if err := <-c.done; !errors.Is(err, context.Canceled) {
			t.Errorf("%v", err)
		}
		<-c.fs.Conn().Done()
		if err := c.fs.Conn().Err(); !errors.Is(err, ninep.ErrProto) {
			t.Errorf("the connection: %v", err)
		}
	})
}

// inUse is how many tags are not given back.
func (c *Conn) inUse() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return len(c.calls) - len(c.free)
}

// A server that never answers the Tflush costs the caller FlushTimeout; the
// tag is left to it, and what comes late goes nowhere.
func TestFlushNeverAnswered(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		start := time.Now()
		c := startFlush(t, Options{FlushTimeout: 7 * time.Second})
		if err := <-c.done; !errors.Is(err, context.Canceled) {
			t.Errorf("%v", err)
		}
		if d := time.Since(start); d != 7*time.Second {
			t.Errorf("it took %v", d)
		}
		if tag := c.readAgain(t); tag == c.tread.Tag {
			t.Error("the tag is used again")
		}
		c.s.send(reply(c.tread, `Rread "late"`), reply(c.tflush, "Rflush"))
		if string(c.buf) != ".........." {
			t.Errorf("the buffer has %q", c.buf)
		}
		c.readAgain(t)
		if n := c.fs.Conn().inUse(); n != 0 {
			t.Errorf("%d tags are in use", n)
		}
	})
}

// A server that stops in the midst of the reply would write into a buffer
// that its owner has back: there the connection ends.
func TestStuckWithinReply(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := startFlush(t, Options{})
		c.s.raw([]byte{21, 0, 0, 0, ninep.Rread, byte(c.tread.Tag), 0, 10, 0, 0, 0, 'x', 'x'})
		if err := <-c.done; !errors.Is(err, context.Canceled) {
			t.Errorf("%v", err)
		}
		<-c.fs.Conn().Done()
		copy(c.buf, "mine again") // a race if the reader still has it
	})
}

// A server that does not read what is sent costs no more either.
func TestServerThatDoesNotRead(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		fs, s := connect(t, Options{})
		f := openFile(t, fs, s)
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		start := time.Now()
		data := make([]byte, 8000)
		first := background(func() error {
			_, err := f.WriteAt(ctx, data, 0)
			return err
		})
		synctest.Wait() // the writer is stuck with it
		second := background(func() error {
			_, err := f.ReadAt(ctx, make([]byte, 10), 0)
			return err
		})
		if err := <-second; !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("the second call: %v", err)
		}
		if d := time.Since(start); d != time.Second {
			t.Errorf("what was never sent took %v", d)
		}
		if err := <-first; !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("the first call: %v", err)
		}
		if d := time.Since(start); d != time.Second+defaultFlush {
			t.Errorf("what was half sent took %v", d)
		}
		clear(data) // a race if the writer still has it
	})
}

func TestFlushedWalkIsClunked(t *testing.T) {
	fs, s := connect(t, Options{FlushTimeout: time.Minute})
	ctx, cancel := context.WithCancel(t.Context())
	done := background(func() error {
		_, err := fs.Open(ctx, "f", ninep.OREAD)
		return err
	})
	w, o := s.read(), s.read()
	cancel()
	a, b := s.read(), s.read()
	if a.Oldtag != w.Tag || b.Oldtag != o.Tag {
		t.Fatalf("%v and %v came", a, b)
	}
	s.send(reply(a, "Rflush"), reply(b, "Rflush"))
	if err := <-done; !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
	k := s.read()
	if k.Type != ninep.Tclunk || k.Fid != w.Newfid {
		t.Fatalf("%v came, want a Tclunk of fid %d", k, w.Newfid)
	}
	if live(fs.Conn()) != 2 {
		t.Error("the number was given back before the Rclunk")
	}
	s.send(reply(k, "Rerror ename unknown fid"))
	openFile(t, fs, s) // on the same number
	if n := live(fs.Conn()); n != 2 {
		t.Errorf("%d fids are in use", n)
	}
}

// A walk that nobody waits for any more, and that succeeds all the same, has
// made a fid that must not be left with the server.
func TestAbandonedWalkIsClunked(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		fs, s := connect(t, Options{})
		ctx, cancel := context.WithCancel(t.Context())
		done := background(func() error {
			_, err := fs.Walk(ctx, "f")
			return err
		})
		w := s.read()
		cancel()
		fl := s.read()
		if err := <-done; !errors.Is(err, context.Canceled) {
			t.Error(err)
		}
		s.send(reply(w, "Rwalk nwqid 1 0:(2 0 )"), reply(fl, "Rflush"))
		k := s.read()
		if k.Type != ninep.Tclunk || k.Fid != w.Newfid {
			t.Errorf("%v came", k)
		}
	})
}

// A clunk is never flushed: it gets through, and its fid number comes back
// when it is answered, whoever waits.
func TestCancelledClose(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		fs, s := connect(t, Options{})
		f := openFile(t, fs, s)
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		start := time.Now()
		done := background(func() error { return f.Close(ctx) })
		k := s.read()
		if err := <-done; !errors.Is(err, context.DeadlineExceeded) {
			t.Error(err)
		}
		if d := time.Since(start); d != time.Second {
			t.Errorf("it took %v", d)
		}
		if n := live(fs.Conn()); n != 2 {
			t.Errorf("%d fids before the Rclunk", n)
		}
		s.send(reply(k, "Rclunk"))
		synctest.Wait()
		if n := live(fs.Conn()); n != 1 {
			t.Errorf("%d fids after the Rclunk", n)
		}
	})
}

func TestProbe(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		fs, s := connect(t, Options{})
		for _, r := range []string{"Rflush", "Rerror ename what"} {
			done := background(func() error { return fs.Conn().Probe(t.Context()) })
			s.send(reply(s.read(), r))
			if err := <-done; err != nil {
				t.Errorf("%s: %v", r, err)
			}
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		start := time.Now()
		done := background(func() error { return fs.Conn().Probe(ctx) })
		f := s.read()
		if err := <-done; !errors.Is(err, context.DeadlineExceeded) || time.Since(start) != time.Second {
			t.Errorf("a frozen server: %v after %v", err, time.Since(start))
		}
		s.send(reply(f, "Rflush")) // late, and no fault
		done = background(func() error { return fs.Conn().Probe(t.Context()) })
		s.send(reply(s.read(), "Rflush"))
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
}

// A lost connection fails all calls at once, and no goroutine is left: synctest
// sees to that.
func TestHangup(t *testing.T) {
	for _, who := range []string{"server", "client"} {
		synctest.Test(t, func(t *testing.T) {
			fs, s := connect(t, Options{})
			f := openFile(t, fs, s)
			errs := make(chan error)
			const calls = 20
			for range calls {
				go func() {
					_, err := f.ReadAt(context.Background(), make([]byte, 10), 0)
					errs <- err
				}()
				s.read()
			}
			start := time.Now()
			if who == "server" {
				s.conn.Close()
			} else if err := fs.Conn().Close(); err != nil {
				t.Errorf("Close: %v", err)
			}
			for range calls {
				if err := <-errs; !errors.Is(err, ninep.ErrHangup) {
					t.Errorf("%v", err)
				}
			}
			if _, err := fs.ReadFile(t.Context(), "f"); !errors.Is(err, ninep.ErrHangup) {
				t.Errorf("a later call: %v", err)
			}
			if err := f.Close(t.Context()); !errors.Is(err, ninep.ErrHangup) {
				t.Errorf("a later Close: %v", err)
			}
			if time.Since(start) != 0 {
				t.Error("it took time")
			}
			if err := fs.Conn().Err(); errors.Is(err, net.ErrClosed) != (who == "client") {
				t.Errorf("Err: %v", err)
			}
		})
	}
}

func TestNoTagsLeft(t *testing.T) {
	fs, s := connect(t, Options{})
	c := fs.Conn()
	c.mu.Lock()
	calls, free := c.calls, c.free
	c.calls, c.free = make([]*call, ninep.NoTag), nil
	c.mu.Unlock()
	if _, err := fs.Stat(t.Context(), "f"); !errors.Is(err, ninep.ErrAgain) {
		t.Errorf("%v", err)
	}
	c.mu.Lock()
	c.calls, c.free = calls, free
	c.mu.Unlock()
	f := openFile(t, fs, s)
	if f.fid.num != 1 {
		t.Errorf("fid numbers were lost: the next was %d", f.fid.num)
	}
}
