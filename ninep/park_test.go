package ninep

import (
	"context"
	"fmt"
	"net"
	"sync/atomic"
	"testing"
)

// A belled is a connection with the Notifier open as fid 1.
type belled struct {
	*wire
	writes *atomic.Int64 // of the server
}

// A counted is a socket whose writes are counted.
type counted struct {
	net.Conn
	writes *atomic.Int64
}

func (c counted) Write(p []byte) (int, error) {
	c.writes.Add(1)
	return c.Conn.Write(p)
}

func bell(t testing.TB) belled {
	var writes atomic.Int64
	fs := newMemFS()
	ours, theirs := socketPair(t)
	w := belled{newWire(t, ours, fs), &writes}
	go func() { w.done <- (&Server{FS: fs}).ServeConn(context.Background(), counted{theirs, &writes}) }()
	w.start()
	w.do("Twalk tag 1 fid 0 newfid 1 nwname 1 0:bell", "Rwalk tag 1*")
	w.do("Topen tag 1 fid 1 mode 2", "Ropen tag 1*")
	t.Cleanup(func() {
		w.end()
		if n := fs.handles.Load(); n != 0 {
			t.Errorf("%d handles open at the end", n)
		}
		if n := len(w.fs.bells); n != 0 {
			t.Errorf("%d reads are still to be woken", n)
		}
	})
	return w
}

// A parked read is woken, also where it is not its turn yet, and where the
// Notifier was told of it too late.
func TestParked(t *testing.T) {
	w := bell(t)
	w.send("Tread tag 2 fid 1 offset 3 count 10")
	w.entered("bell")
	w.fs.say("abc")
	w.entered("bell") // again
	w.fs.say("def")
	w.want("Rread tag 2 count 3 \"def\"")
	w.do("Tread tag 3 fid 1 offset 1 count 2", "Rread tag 3 count 2 \"bc\"")
	for i := range 1000 {
		n := len("abcdef") + i
		w.send(fmt.Sprintf("Tread tag 4 fid 1 offset %d count 10", n), "Twrite tag 5 fid 1 offset 0 count 1 \"x\"")
		for range 2 {
			if f := w.recv(); f.Type == Rread && string(f.Data) != "x" || f.Type == Rerror {
				t.Fatal(f)
			}
		}
	}
	w.send("Tread tag 6 fid 1 offset 2000 count 10", "Tread tag 7 fid 1 offset 3000 count 10")
	w.fs.finish(ErrIO)
	for range 2 {
		if f := w.recv(); f.Type != Rerror || f.Ename != ErrIO.Text {
			t.Fatal(f)
		}
	}
}

// What was woken together is answered with one write.
func TestParkedWrites(t *testing.T) {
	const n = 40
	w := bell(t)
	for i := range n {
		w.send(fmt.Sprintf("Tread tag %d fid 1 offset 0 count 10", i+2))
		w.entered("bell")
	}
	before := w.writes.Load()
	w.fs.say("x") // and until it has woken all, the first of them waits for it
	for range n {
		if f := w.recv(); string(f.Data) != "x" {
			t.Fatal(f)
		}
	}
	if got := w.writes.Load() - before; got != 1 {
		t.Errorf("%d writes for %d answers", got, n)
	}
}

// Tflush, Tclunk and Tversion end a parked read, with its error before their
// answers.
func TestParkedEnds(t *testing.T) {
	const interrupted = "ename 'Interrupted system call'"
	w := bell(t)
	for range 1000 {
		w.send("Tread tag 2 fid 1 offset 0 count 10", "Tflush tag 3 oldtag 2")
		w.want("Rerror tag 2 " + interrupted)
		w.want("Rflush tag 3")
	}
	w.send("Tread tag 2 fid 1 offset 0 count 10", "Tread tag 3 fid 1 offset 1 count 10")
	w.entered("bell")
	w.send("Tclunk tag 4 fid 1")
	for range 2 {
		if f := w.recv(); f.Type != Rerror || f.Tag == 4 {
			t.Fatal(f)
		}
	}
	w.want("Rclunk tag 4")
	w.do("Twalk tag 1 fid 0 newfid 1 nwname 1 0:bell", "Rwalk tag 1*")
	w.do("Topen tag 1 fid 1 mode 0", "Ropen tag 1*")
	w.send("Tread tag 2 fid 1 offset 0 count 10", lineVersion)
	w.want("Rversion*")
}

// A panic of a Notifier fails the read.
func TestParkedPanic(t *testing.T) {
	w := bell(t)
	w.do(fmt.Sprintf("Tread tag 2 fid 1 offset %d count 10", badOffset), "Rerror tag 2 ename 'i/o error'")
}

// A parked read costs little more than its request.
func TestParkedMemory(t *testing.T) {
	const n = 10000
	w := bell(t)
	before := memory()
	for i := range n {
		w.send(fmt.Sprintf("Tread tag %d fid 1 offset 0 count 65536", i+2))
	}
	for range n {
		w.entered("bell")
	}
	each := (memory() - before) / n
	t.Logf("%d bytes a parked read", each)
	if each > 2<<10 {
		t.Errorf("a parked read holds %d bytes", each)
	}
	w.fs.say("x")
	for range n {
		if f := w.recv(); string(f.Data) != "x" {
			t.Fatal(f)
		}
	}
}
