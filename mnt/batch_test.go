package mnt

import (
	"context"
	"errors"
	"io"
	"strings"
	"testing"
	"testing/synctest"

	"llama9/ninep"
)

// background runs f and gives its error later.
func background(f func() error) chan error {
	c := make(chan error, 1)
	go func() { c <- f() }()
	return c
}

func TestOpenReadIsOneRoundTrip(t *testing.T) {
	fs, s := connect(t, Options{})
	var f *File
	buf := make([]byte, 100)
	var n int
	done := background(func() (err error) {
		f, n, err = fs.OpenRead(t.Context(), "infer/last/out", ninep.OREAD, buf)
		return err
	})
	s.want("Twalk tag 0 fid 0 newfid 1 nwname 3 0:infer 1:last 2:out",
		"Topen tag 1 fid 1 mode 0",
		"Tread tag 2 fid 1 offset 0 count 100")
	s.send("Rwalk tag 0 nwqid 3 0:(2 0 d) 1:(3 0 d) 2:(4 0 )",
		"Ropen tag 1 qid (4 0 ) iounit 50",
		`Rread tag 2 "why not"`)
	if err := <-done; err != nil || string(buf[:n]) != "why not" || f.Qid().Path != 4 || f.IOUnit() != 50 {
		t.Fatalf("%q, qid %v, iounit %d, %v", buf[:n], f.Qid(), f.IOUnit(), err)
	}
	done = background(func() (err error) {
		n, err = f.Read(t.Context(), buf)
		return err
	})
	s.want("Tread tag 2 fid 1 offset 7 count 50")
	s.send("Rread tag 2")
	if err := <-done; err != io.EOF {
		t.Error(err)
	}
	f.Forget()
	s.want("Tclunk tag 2 fid 1")
	s.send("Rclunk tag 2")
}

// Whatever a Batch opened is clunked if something of it fails, and only that.
func TestBatchError(t *testing.T) {
	fs, s := connect(t, Options{})

	// A walk that fails, or gets half way, made no fid.
	for _, reply := range []string{"Rerror tag 0 ename file does not exist", "Rwalk tag 0 nwqid 1 0:(2 0 d)"} {
		done := background(func() error {
			_, err := fs.Open(t.Context(), "a/b", ninep.OREAD)
			return err
		})
		s.want("Twalk tag 0 fid 0 newfid 1 nwname 2 0:a 1:b", "Topen tag 1 fid 1 mode 0")
		s.send(reply, "Rerror tag 1 ename unknown fid")
		if err := <-done; !errors.Is(err, ninep.ErrNotExist) {
			t.Errorf("%s: %v", reply, err)
		}
		if n := live(fs.Conn()); n != 1 {
			t.Errorf("%s: %d fids are in use", reply, n)
		}
		// The tags are free again, last one first: put them in order.
		fs.Conn().mu.Lock()
		fs.Conn().free = []uint16{1, 0}
		fs.Conn().mu.Unlock()
	}

	// An open that fails leaves one.
	done := background(func() error {
		_, err := fs.Open(t.Context(), "a", ninep.OWRITE)
		return err
	})
	s.want("Twalk tag 0 fid 0 newfid 1 nwname 1 0:a", "Topen tag 1 fid 1 mode 1")
	s.send("Rwalk tag 0 nwqid 1 0:(2 0 )", "Rerror tag 1 ename permission denied")
	if err := <-done; !errors.Is(err, ninep.ErrPermission) {
		t.Error(err)
	}
	s.want("Tclunk tag 1 fid 1")
	s.send("Rclunk tag 1")

	// So does a create in a directory that is there.
	done = background(func() error {
		_, err := fs.Create(t.Context(), "a/new", 0666, ninep.OWRITE)
		return err
	})
	f := s.read()
	if f.Type != ninep.Twalk || strings.Join(f.Wname, "/") != "a" {
		t.Errorf("Create walks %v", f)
	}
	g := s.read()
	if g.Type != ninep.Tcreate || g.Name != "new" || g.Fid != f.Newfid {
		t.Errorf("Create sends %v", g)
	}
	s.send(reply(f, "Rwalk nwqid 1 0:(2 0 d)"), reply(g, "Rerror ename file exists"))
	if err := <-done; !errors.Is(err, ninep.ErrExist) {
		t.Error(err)
	}
	if k := s.read(); k.Type != ninep.Tclunk || k.Fid != f.Newfid {
		t.Errorf("after it came %v", k)
	}
}

// reply is line with the tag of f.
func reply(f *ninep.Fcall, line string) string {
	r, err := ninep.ParseFcall(line)
	if err != nil {
		panic(err)
	}
	r.Tag = f.Tag
	return r.Line()
}

// A server that takes up the open before the walk is done says that there is
// no such fid. The Batch is then done again one by one, and so are all others.
func TestServerThatLosesFids(t *testing.T) {
	fs, s := connect(t, Options{})
	done := background(func() error { return fs.WriteFile(t.Context(), "ctl", []byte("go")) })
	var tags []*ninep.Fcall
	for range 4 {
		tags = append(tags, s.read())
	}
	s.send(reply(tags[1], "Rerror ename unknown fid"), reply(tags[2], "Rerror ename unknown fid"),
		reply(tags[0], "Rwalk nwqid 1 0:(5 0 )"), reply(tags[3], "Rclunk"))
	step := func(want string, answer string) {
		t.Helper()
		f := s.read()
		if got := ninep.TypeName(f.Type); got != want {
			t.Fatalf("%s came, want %s", got, want)
		}
		s.send(reply(f, answer))
	}
	for range 2 {
		step("Twalk", "Rwalk nwqid 1 0:(5 0 )")
		step("Topen", "Ropen qid (5 0 )")
		step("Twrite", "Rwrite count 2")
		step("Tclunk", "Rclunk")
		if err := <-done; err != nil {
			t.Error(err)
		}
		done = background(func() error { return fs.WriteFile(t.Context(), "ctl", []byte("on")) })
	}
	// A bad fid where the server did open the file is the file's own error.
	step("Twalk", "Rwalk nwqid 1 0:(5 0 )")
	step("Topen", "Ropen qid (5 0 )")
	step("Twrite", "Rerror ename bad use of fid")
	step("Tclunk", "Rclunk")
	if err := <-done; !errors.Is(err, ninep.ErrBadFid) {
		t.Error(err)
	}
}

// The Tclunk, too, may be taken up before the walk: then it has to come again.
func TestServerThatLosesClunk(t *testing.T) {
	fs, s := connect(t, Options{})
	done := background(func() error {
		_, err := fs.Stat(t.Context(), "f")
		return err
	})
	w, st, k := s.read(), s.read(), s.read()
	s.send(reply(k, "Rerror ename unknown fid"), reply(w, "Rwalk nwqid 1 0:(5 0 )"), reply(st, "Rstat stat (name f)"))
	again := s.read()
	if again.Type != ninep.Tclunk || again.Fid != w.Newfid {
		t.Fatalf("%v came", again)
	}
	s.send(reply(again, "Rerror ename unknown fid")) // and not a third time
	for _, r := range []string{"Rwalk nwqid 1 0:(5 0 )", "Rstat stat (name f)", "Rclunk"} {
		s.send(reply(s.read(), r))
	}
	if err := <-done; err != nil {
		t.Error(err)
	}
	if n := live(fs.Conn()); n != 1 {
		t.Errorf("%d fids are in use", n)
	}
}

func TestShortWrite(t *testing.T) {
	fs, s := connect(t, Options{})
	done := background(func() error { return fs.WriteFile(t.Context(), "f", []byte("hello")) })
	var fs4 []*ninep.Fcall
	for range 4 {
		fs4 = append(fs4, s.read())
	}
	s.send(reply(fs4[0], "Rwalk nwqid 1 0:(5 0 )"), reply(fs4[1], "Ropen qid (5 0 )"),
		reply(fs4[2], "Rwrite count 3"), reply(fs4[3], "Rclunk"))
	if err := <-done; err != io.ErrShortWrite {
		t.Errorf("WriteFile: %v", err)
	}

	f := &File{fid: fs.root}
	done = background(func() error {
		n, err := f.WriteAt(t.Context(), []byte("hello"), 10)
		if n != 4 {
			t.Errorf("WriteAt: %d", n)
		}
		return err
	})
	w := s.read()
	if w.Offset != 10 || string(w.Data) != "hello" {
		t.Errorf("%v", w)
	}
	s.send(reply(w, "Rwrite count 4"))
	w = s.read()
	if w.Offset != 14 || string(w.Data) != "o" {
		t.Errorf("%v", w)
	}
	s.send(reply(w, "Rwrite count 0"))
	if err := <-done; err != io.ErrShortWrite {
		t.Errorf("WriteAt: %v", err)
	}
}

func TestTurnIsThreeRoundTrips(t *testing.T) {
	fs, s := connect(t, Options{})
	var turn *Turn
	done := background(func() (err error) {
		turn, err = StartTurn(t.Context(), fs, "temperature 0\n", []byte("why is the sky blue"))
		return err
	})
	round := func(replies ...string) {
		t.Helper()
		var lines []string
		for _, r := range replies {
			f := s.read()
			if got, want := ninep.TypeName(f.Type)[1:], strings.Fields(r)[0][1:]; got != want && want != "error" {
				t.Fatalf("%v came, want T%s", f, want)
			}
			lines = append(lines, reply(f, r))
		}
		s.send(lines...)
	}
	round("Rwalk nwqid 2 0:(2 0 d) 1:(3 0 )", "Ropen qid (3 0 )", `Rread "17\n"`)
	round("Rwalk nwqid 3 0:(2 0 d) 1:(4 0 d) 2:(5 0 )", "Ropen qid (5 0 )", "Rwrite count 14", "Rclunk", "Rwrite count 19")
	round("Rclunk", "Rwalk nwqid 3 0:(2 0 d) 1:(4 0 d) 2:(6 0 )", "Ropen qid (6 0 )", `Rread "Because"`)
	if err := <-done; err != nil || turn.ID != "17" {
		t.Fatalf("%+v, %v", turn, err)
	}
	var text strings.Builder
	done = background(func() error {
		b := make([]byte, 4)
		for {
			n, err := turn.Read(t.Context(), b)
			text.Write(b[:n])
			if err == io.EOF {
				return nil
			}
			if err != nil {
				return err
			}
		}
	})
	round(`Rread " it"`)
	round(`Rread " is"`)
	round("Rread")
	if err := <-done; err != nil || text.String() != "Because it is" {
		t.Errorf("%q, %v", text.String(), err)
	}
	turn.Close()

	done = background(func() (err error) {
		turn, err = SayTurn(t.Context(), fs, "17", "", []byte("and at night"))
		return err
	})
	round("Rclunk", "Rwalk nwqid 3 0:(2 0 d) 1:(4 0 d) 2:(7 0 )", "Ropen qid (7 0 )", "Rwrite count 12")
	round("Rclunk", "Rwalk nwqid 3 0:(2 0 d) 1:(4 0 d) 2:(6 0 )", "Ropen qid (6 0 )", "Rerror ename 'queue full'")
	if err := <-done; err == nil || err.Error() != "queue full" || turn == nil || turn.ID != "17" {
		t.Errorf("a turn that failed: %+v, %v", turn, err)
	}
}

// A file that is kept stays open when something else fails, and only if it was
// opened.
func TestBatchKeep(t *testing.T) {
	for _, opened := range []bool{true, false} {
		fs, s := connect(t, Options{})
		var b *Batch
		var f *File
		done := background(func() error {
			b = fs.Batch()
			f = b.Open("p", ninep.OWRITE)
			b.Keep(f)
			b.Write(f, []byte("x"), 0)
			b.Open("q", ninep.OWRITE)
			return b.Do(t.Context())
		})
		s.want("Twalk tag 0 fid 0 newfid 1 nwname 1 0:p", "Topen tag 1 fid 1 mode 1", `Twrite tag 2 fid 1 offset 0 "x"`,
			"Twalk tag 3 fid 0 newfid 2 nwname 1 0:q", "Topen tag 4 fid 2 mode 1")
		s.send("Rwalk tag 0 nwqid 1 0:(2 0 )")
		if opened {
			s.send("Ropen tag 1 qid (2 0 ) iounit 0", "Rwrite tag 2 count 1")
		} else {
			s.send("Rerror tag 1 ename Device or resource busy", "Rerror tag 2 ename bad use of fid")
		}
		s.send("Rwalk tag 3 nwqid 1 0:(3 0 )", "Rerror tag 4 ename permission denied")
		if !opened {
			s.want("Tclunk tag 4 fid 1", "Tclunk tag 3 fid 2")
			<-done
			if b.Kept() {
				t.Error("kept what was not opened")
			}
			continue
		}
		s.want("Tclunk tag 4 fid 2")
		if err := <-done; !errors.Is(err, ninep.ErrPermission) || !b.Kept() {
			t.Errorf("%v, kept %v", err, b.Kept())
		}
		f.Forget()
		s.want("Tclunk tag 3 fid 1")
	}
}

// A file of which the server has said nothing in time may be open.
func TestBatchKeepUnknown(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		fs, s := connect(t, Options{})
		ctx, cancel := context.WithCancel(t.Context())
		var b *Batch
		var f *File
		done := background(func() error {
			b = fs.Batch()
			f = b.Open("p", ninep.OWRITE)
			b.Keep(f)
			return b.Do(ctx)
		})
		s.want("Twalk tag 0 fid 0 newfid 1 nwname 1 0:p", "Topen tag 1 fid 1 mode 1")
		cancel()
		s.want("Tflush tag 2 oldtag 0", "Tflush tag 3 oldtag 1")
		if err := <-done; !errors.Is(err, context.Canceled) || !b.Kept() {
			t.Errorf("%v, kept %v", err, b.Kept())
		}
		f.Forget()
		s.want("Tclunk tag 4 fid 1")
	})
}
