package styxfs

import (
	"errors"
	"strings"
	"testing"

	"llama9/ninep"
)

func TestNewCostsNothingToOpen(t *testing.T) {
	c := serve(t).dial("ann")
	for _, mode := range []ninep.OpenMode{ninep.OREAD, ninep.OWRITE, ninep.ORDWR, ninep.OWRITE | ninep.OTRUNC} {
		f := c.open("infer/new", mode)
		if mode.Writable() {
			if _, err := f.WriteAt(ctx, nil, 0); err != nil { // 9p write with an empty stdin
				t.Fatal(err)
			}
		}
		if err := f.Close(ctx); err != nil {
			t.Fatal(err)
		}
	}
	equal(t, "infer", strings.Join(c.names("infer"), " "), "new")
}

func TestNewReadWrite(t *testing.T) {
	s := serve(t)
	c := s.dial("ann")
	f := c.open("infer/new", ninep.ORDWR)
	if _, err := f.WriteAt(ctx, []byte("hel"), 0); err != nil {
		t.Fatal(err)
	}
	if _, err := f.WriteAt(ctx, []byte("lo\n"), 3); err != nil {
		t.Fatal(err)
	}
	s.noTurn()
	p := make([]byte, 64)
	n, err := f.ReadAt(ctx, p, 6) // the read commits, and answers where the write ended
	if err != nil || n < 2 || p[n-1] != '\n' {
		t.Fatalf("got %q, %v", p[:n], err)
	}
	d := "infer/" + string(p[:n-1])
	turn := s.turn()
	equal(t, "prompt", turn.Messages[0].Content, "hello")
	if m, err := f.ReadAt(ctx, p, 6+int64(n)); m != 0 || err != nil {
		t.Fatalf("got %q, %v behind the answer", p[:m], err)
	}
	turn.done()
	c.read(d + "/out")
	if err := f.Close(ctx); err != nil {
		t.Fatal(err)
	}
	s.noTurn()

	// Read first: the number, then the prompt on the same descriptor.
	f = c.open("infer/new", ninep.ORDWR)
	n, err = f.ReadAt(ctx, p, 0)
	if err != nil {
		t.Fatal(err)
	}
	if m, _ := f.ReadAt(ctx, p, int64(n)); m != 0 {
		t.Fatal("more behind the number")
	}
	d = "infer/" + strings.TrimSpace(string(p[:n]))
	if _, err := f.WriteAt(ctx, []byte("again"), int64(n)); err != nil {
		t.Fatal(err)
	}
	f.Close(ctx)
	turn = s.turn()
	equal(t, "prompt", turn.Messages[0].Content, "again")
	turn.say("yes")
	turn.done()
	equal(t, "out", c.read(d+"/out"), "yes")
}

func TestNewNumbersAreNeverUsedAgain(t *testing.T) {
	c := serve(t).dial("ann")
	a := c.new()
	c.write(a+"/ctl", "close")
	b := c.new()
	if a == b {
		t.Fatal("the number came again")
	}
}

func TestPromptWrites(t *testing.T) {
	for _, c := range []struct {
		writes []string
		want   string
	}{
		{[]string{"hello\n"}, "hello"},
		{[]string{"a\n\n"}, "a\n"},
		{[]string{"a", "b", "c\n"}, "abc"},
		{[]string{"a\n", "b\n"}, "a\nb"},
	} {
		s := serve(t)
		cl := s.dial("ann")
		d := cl.new()
		f := cl.open(d+"/prompt", ninep.OWRITE)
		for i, w := range c.writes {
			// Offsets mean nothing: a shell's >> goes to a length.
			if _, err := f.WriteAt(ctx, []byte(w), int64(1000*(len(c.writes)-i))); err != nil {
				t.Fatal(err)
			}
		}
		s.noTurn()
		f.Close(ctx)
		turn := s.turn()
		equal(t, "prompt", turn.Messages[0].Content, c.want)
		equal(t, "read", cl.read(d+"/prompt"), c.want)
		turn.done()
	}
}

func TestEmptyCommitDoesNothing(t *testing.T) {
	s := serve(t)
	c := s.dial("ann")
	d := c.new()
	c.write(d+"/prompt", "")
	c.write(d+"/prompt", "\n")
	if err := c.Wstat(ctx, d+"/prompt", ninep.StatChange{Length: new(uint64)}); err != nil {
		t.Fatal(err)
	}
	s.noTurn()
	equal(t, "state", c.attr(d+"/status", "state"), "idle")
	equal(t, "turn", c.attr(d+"/status", "turn"), "0")
}

func TestPromptReadCommits(t *testing.T) {
	s := serve(t)
	c := s.dial("ann")
	d := c.new()
	f := c.open(d+"/prompt", ninep.ORDWR)
	p := make([]byte, 64)
	if n, err := f.ReadAt(ctx, p, 0); n != 0 || err != nil { // 9p rdwr reads before it writes
		t.Fatalf("got %q, %v", p[:n], err)
	}
	f.WriteAt(ctx, []byte("hi\n"), 0)
	n, err := f.ReadAt(ctx, p, 0)
	if err != nil || string(p[:n]) != "hi" {
		t.Fatalf("got %q, %v", p[:n], err)
	}
	turn := s.turn()
	if n, _ := f.ReadAt(ctx, p, 2); n != 0 {
		t.Fatal("more behind the answer")
	}
	_, err = f.WriteAt(ctx, []byte("more"), 0)
	refused(t, err, ninep.ErrBusy, "")
	turn.done()
	c.read(d + "/out")
	if _, err := f.WriteAt(ctx, []byte("two"), 0); err != nil {
		t.Fatal(err)
	}
	f.Close(ctx)
	equal(t, "turn", s.turn().Turn, 2)
}

func TestOneWriterAtATime(t *testing.T) {
	s := serve(t)
	c, other := s.dial("ann"), s.dial("ann")
	d := c.new()
	st, err := c.Stat(ctx, d+"/prompt")
	if err != nil || st.Mode&ninep.DMEXCL == 0 || st.Qid.Type&ninep.QTEXCL == 0 {
		t.Fatalf("mode %o, qid %v, %v", st.Mode, st.Qid, err)
	}
	f := c.open(d+"/prompt", ninep.OWRITE)
	_, err = other.Open(ctx, d+"/prompt", ninep.OWRITE)
	refused(t, err, ninep.ErrBusy, "Device or resource busy")
	equal(t, "reading", other.read(d+"/prompt"), "")
	f.Close(ctx)
	f, err = other.Open(ctx, d+"/prompt", ninep.OWRITE)
	if err != nil {
		t.Fatal(err)
	}
	f.Close(ctx)

	// The new that made a session is a writer while it has bytes.
	f = c.open("infer/new", ninep.ORDWR)
	n, _ := f.ReadAt(ctx, make([]byte, 64), 0)
	d = "infer/last"
	g := c.open(d+"/prompt", ninep.OWRITE)
	f.WriteAt(ctx, []byte("hi"), int64(n))
	_, err = g.WriteAt(ctx, []byte("ho"), 0)
	refused(t, err, ninep.ErrBusy, "")
	g.Close(ctx)
	f.Close(ctx)
	equal(t, "prompt", s.turn().Messages[0].Content, "hi")
}

func TestBusyWhileATurnRuns(t *testing.T) {
	s := serve(t)
	c := s.dial("ann")
	d := c.new()
	other := c.new()
	c.write(d+"/chat", `{"role":"user","content":"x"}`)
	c.write(d+"/prompt", "hi")
	turn := s.turn()
	for _, w := range [][2]string{
		{"prompt", "more"}, {"chat", `{"role":"user","content":"y"}` + "\n"}, {"ctl", "generate"}, {"ctl", "reset"},
		{"ctl", "fork " + strings.TrimPrefix(other, "infer/")}, {"ctl", "temperature 0\nreset"},
	} {
		refused(t, c.tryWrite(d+"/"+w[0], w[1]), ninep.ErrBusy, "")
	}
	refused(t, c.Wstat(ctx, d+"/chat", ninep.StatChange{Length: new(uint64)}), ninep.ErrBusy, "")
	if strings.Contains(c.read(d+"/ctl"), "temperature 0\n") {
		t.Fatal("half of a write was obeyed")
	}
	// Parameters and texts set now are for the next turn.
	c.write(d+"/ctl", "temperature 0.125")
	c.write(d+"/system", "be brief")
	equal(t, "temperature", turn.Params.Temperature, 0.8)
	// A copy of a running session is what is finished of it.
	c.write(other+"/ctl", "fork "+strings.TrimPrefix(d, "infer/"))
	equal(t, "fork", c.read(other+"/chat"), `{"role":"user","content":"x"}`+"\n")
	turn.done()
	c.read(d + "/out")
	c.write(d+"/prompt", "again")
	next := s.turn()
	equal(t, "temperature", next.Params.Temperature, 0.125)
	equal(t, "system", next.Messages[0], Message{"system", "be brief"})
	next.done()
}

func TestQueueFull(t *testing.T) {
	s := serve(t)
	c := s.dial("ann")
	d := c.new()
	f := c.open(d+"/prompt", ninep.OWRITE)
	f.WriteAt(ctx, []byte("in time"), 0)
	s.b.setAdmit(errors.New("queue full"))
	// The open reserved no place: the turn is made and fails.
	f.Close(ctx)
	s.turn().fail(ReasonErr, "queue full")
	_, err := c.tryRead(d + "/out")
	refused(t, err, nil, "queue full")
	equal(t, "error", c.attr(d+"/status", "error"), "queue full")
	equal(t, "state", c.attr(d+"/status", "state"), "failed")

	_, err = c.Open(ctx, d+"/prompt", ninep.OWRITE)
	refused(t, err, ninep.ErrAgain, "queue full")
	c.read(d + "/prompt")
	before := len(c.names("infer"))
	refused(t, c.tryWrite("infer/new", "hi"), nil, "queue full")
	equal(t, "sessions", len(c.names("infer")), before)
	refused(t, c.tryWrite(d+"/ctl", "generate"), nil, "queue full")
	s.b.setAdmit(nil)
	c.write(d+"/ctl", "generate") // the failed turn left the user's message
	turn := s.turn()
	equal(t, "again", turn.Messages[len(turn.Messages)-1].Content, "in time")
	turn.done()
}

// A queue that fills up while a prompt is written does not make half of it.
func TestQueueFullInAPrompt(t *testing.T) {
	s := serve(t)
	c := s.dial("ann")
	f := c.open("infer/new", ninep.OWRITE)
	f.WriteAt(ctx, []byte("one "), 0)
	s.b.setAdmit(errors.New("queue full"))
	if _, err := f.WriteAt(ctx, []byte("two"), 4); err != nil {
		t.Fatal(err)
	}
	f.Close(ctx)
	turn := s.turn()
	equal(t, "prompt", turn.Messages[0].Content, "one two")
	turn.done()
}

func TestLongPromptIsRefusedWhole(t *testing.T) {
	s := serve(t, func(c *Config) { c.MaxPrompt = 100_000 })
	c := s.dial("ann")
	d := c.new()
	f := c.open(d+"/prompt", ninep.OWRITE)
	if _, err := f.WriteAt(ctx, make([]byte, 60_000), 0); err != nil {
		t.Fatal(err)
	}
	_, err := f.WriteAt(ctx, make([]byte, 60_000), 0)
	refused(t, err, ninep.ErrTooBig, "100000")
	_, err = f.WriteAt(ctx, []byte("x"), 0)
	refused(t, err, nil, "100000")
	f.Close(ctx)
	s.noTurn()
	if e := c.attr(d+"/status", "error"); !strings.Contains(e, "100000") {
		t.Fatalf("error=%q", e)
	}
	c.write(d+"/prompt", strings.Repeat("x", 100_000))
	equal(t, "length", len(s.turn().Messages[0].Content), 100_000)
}

func TestSixteenMiBPrompt(t *testing.T) {
	s := serve(t)
	c := s.dial("ann")
	d := c.new()
	prompt := strings.Repeat("0123456789abcde\n", 1<<20)
	c.write(d+"/prompt", prompt)
	turn := s.turn()
	equal(t, "whole", turn.Messages[0].Content == prompt[:len(prompt)-1], true)
	turn.done()
	c.read(d + "/out")
	refused(t, c.tryWrite(d+"/prompt", prompt+"x"), ninep.ErrTooBig, "16777216")
	s.noTurn()
}

func TestPromptIsUTF8(t *testing.T) {
	s := serve(t)
	c := s.dial("ann")
	d := c.new()
	f := c.open(d+"/prompt", ninep.OWRITE)
	f.WriteAt(ctx, []byte("\xe2\x82"), 0) // a Twrite may end in a rune
	f.WriteAt(ctx, []byte("\xac"), 2)
	f.Close(ctx)
	turn := s.turn()
	equal(t, "prompt", turn.Messages[0].Content, "€")
	turn.done()
	c.read(d + "/out")
	c.write(d+"/prompt", "\xe2")
	_, err := c.tryRead(d + "/out")
	refused(t, err, nil, "UTF-8")
	equal(t, "reason", c.attr(d+"/status", "reason"), "client")
	s.noTurn()
}

func TestHangupCommitsNothing(t *testing.T) {
	s := serve(t)
	c, watcher := s.dial("ann"), s.dial("ann")
	d := c.new()
	f := c.open(d+"/prompt", ninep.OWRITE)
	f.WriteAt(ctx, []byte("half a thou"), 0)
	out := watcher.open(d+"/out", ninep.OREAD)
	sys := c.open(d+"/system", ninep.OWRITE)
	sys.WriteAt(ctx, []byte("x"), 0)
	c.Conn().Close()
	// Whoever waited for the commit gets the end, and is bound to nothing.
	got, err := readAll(out)
	if got != "" || err != nil {
		t.Fatalf("got %q, %v", got, err)
	}
	s.noTurn()
	watcher.write(d+"/prompt", "whole")
	turn := s.turn()
	equal(t, "messages", len(turn.Messages), 1) // nor is there a system message
	turn.say("ok")
	turn.done()
	got, err = readAll(out)
	if got != "ok" || err != nil {
		t.Fatalf("got %q, %v", got, err)
	}
}
