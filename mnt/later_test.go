package mnt

import (
	"context"
	"errors"
	"testing"

	"llama9/ninep"
)

// A read that is waited for later goes out with the others, and Do returns
// before its answer.
func TestReadLater(t *testing.T) {
	fs, s := connect(t, Options{})
	buf := make([]byte, 100)
	var f *File
	var r *Pending
	begin := func() chan error {
		b := fs.Batch()
		f = b.Open("out", ninep.OREAD)
		r = b.ReadLater(f, buf, 0)
		done := background(func() error { return b.Do(t.Context()) })
		s.want("Twalk tag 0 fid 0 newfid 1 nwname 1 0:out",
			"Topen tag 1 fid 1 mode 0",
			"Tread tag 2 fid 1 offset 0 count 100")
		return done
	}
	done := begin()
	s.send("Rwalk tag 0 nwqid 1 0:(4 0 )", "Ropen tag 1 qid (4 0 ) iounit 0")
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	s.send(`Rread tag 2 "late"`)
	if n, err := r.Wait(t.Context()); err != nil || string(buf[:n]) != "late" {
		t.Errorf("%q, %v", buf[:n], err)
	}

	// One by itself; cancelled, it is flushed.
	r = f.ReadLater(buf, 4)
	s.want("Tread tag 2 fid 1 offset 4 count 100")
	s.send(`Rread tag 2 "more"`)
	if n, err := r.Wait(t.Context()); err != nil || string(buf[:n]) != "more" {
		t.Errorf("%q, %v", buf[:n], err)
	}
	r = f.ReadLater(buf, 8)
	s.want("Tread tag 2 fid 1 offset 8 count 100")
	cancelled := background(func() error { r.Cancel(); return nil })
	s.want("Tflush tag 1 oldtag 2")
	s.send("Rflush tag 1")
	<-cancelled
	gone, cancel := context.WithCancel(t.Context())
	r = f.ReadLater(buf, 8)
	g := s.read()
	if g.Type != ninep.Tread {
		t.Fatalf("sent %v", g)
	}
	waited := background(func() error {
		_, err := r.Wait(gone)
		return err
	})
	cancel()
	g = s.read()
	if g.Type != ninep.Tflush {
		t.Fatalf("sent %v", g)
	}
	s.send(reply(g, "Rflush"))
	if err := <-waited; !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
}

// Where another operation fails, Do takes the read back.
func TestReadLaterFails(t *testing.T) {
	fs, s := connect(t, Options{})
	b := fs.Batch()
	w := b.Open("ctl", ninep.OWRITE)
	b.Write(w, []byte("bad"), 0)
	b.ReadLater(b.Open("out", ninep.OREAD), make([]byte, 10), 0)
	done := background(func() error { return b.Do(t.Context()) })
	s.want("Twalk tag 0 fid 0 newfid 1 nwname 1 0:ctl", "Topen tag 1 fid 1 mode 1", `Twrite tag 2 fid 1 offset 0 "bad"`,
		"Twalk tag 3 fid 0 newfid 2 nwname 1 0:out", "Topen tag 4 fid 2 mode 0", "Tread tag 5 fid 2 offset 0 count 10")
	s.send("Rwalk tag 0 nwqid 1 0:(4 0 )", "Ropen tag 1 qid (4 0 ) iounit 0", "Rerror tag 2 ename bad: unknown",
		"Rwalk tag 3 nwqid 1 0:(5 0 )", "Ropen tag 4 qid (5 0 ) iounit 0")
	f := s.read()
	if f.Type != ninep.Tflush || f.Oldtag != 5 {
		t.Fatalf("sent %v", f)
	}
	s.send(reply(f, "Rflush"))
	if err := <-done; err == nil || err.Error() != "bad: unknown" {
		t.Error(err)
	}
	for range 2 {
		if f := s.read(); f.Type != ninep.Tclunk {
			t.Errorf("sent %v", f)
		}
	}

	// Sequential, it is sent by Wait.
	fs, s = connect(t, Options{Sequential: true})
	buf := make([]byte, 10)
	b = fs.Batch()
	out := b.Open("out", ninep.OREAD)
	r := b.ReadLater(out, buf, 0)
	done = background(func() error { return b.Do(t.Context()) })
	f = s.read()
	s.send(reply(f, "Rwalk nwqid 1 0:(4 0 )"))
	f = s.read()
	s.send(reply(f, "Ropen qid (4 0 ) iounit 0"))
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	var n int
	done = background(func() (err error) {
		n, err = r.Wait(t.Context())
		return err
	})
	if f = s.read(); f.Type != ninep.Tread {
		t.Fatalf("sent %v", f)
	}
	s.send(reply(f, `Rread "x"`))
	if err := <-done; err != nil || string(buf[:n]) != "x" {
		t.Errorf("%q, %v", buf[:n], err)
	}
}
