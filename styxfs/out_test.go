package styxfs

import (
	"context"
	"errors"
	"io"
	"strings"
	"testing"
	"time"

	"llama9/mnt"
	"llama9/ninep"
)

func TestOutReadersHaveTheirOwnOffsets(t *testing.T) {
	s := serve(t)
	c := s.dial("ann")
	d := c.new()
	c.write(d+"/prompt", "hi")
	turn := s.turn()
	turn.say("one ", "two ")
	a, b := c.open(d+"/out", ninep.OREAD), s.dial("ann").open(d+"/out", ninep.OREAD)
	p := make([]byte, 64)
	if n, err := a.ReadAt(ctx, p, 4); string(p[:n]) != "two " || err != nil {
		t.Fatalf("got %q, %v", p[:n], err)
	}
	if n, err := b.ReadAt(ctx, p[:3], 0); string(p[:n]) != "one" || err != nil {
		t.Fatalf("got %q, %v", p[:n], err)
	}
	got := make(chan string)
	go func() {
		n, _ := a.ReadAt(ctx, make([]byte, 64), 8)
		got <- strings.Repeat("x", n)
	}()
	turn.say("three")
	equal(t, "a blocked read", <-got, "xxxxx")
	turn.done()
	if n, err := b.ReadAt(ctx, p, 13); n != 0 || err != nil && err != io.EOF {
		t.Fatalf("at the end: %d, %v", n, err)
	}
	if n, _ := b.ReadAt(ctx, p, 99); n != 0 {
		t.Fatal("bytes beyond the end")
	}
	equal(t, "later", c.read(d+"/out"), "one two three")
}

func TestOutOfFailedTurns(t *testing.T) {
	for _, c := range []struct {
		name   string
		end    func(c *client, d string, turn *fakeTurn)
		text   string
		state  string
		reason string
		error  string
		chat   int // messages after it
	}{
		{"failed", func(c *client, d string, turn *fakeTurn) { turn.fail(ReasonErr, "decode failed") }, "decode failed", "failed", "error", "decode failed", 1},
		{"client", func(c *client, d string, turn *fakeTurn) { turn.fail(Client, "prompt too long") }, "prompt too long", "failed", "client", "prompt too long", 1},
		{"panic", func(c *client, d string, turn *fakeTurn) { turn.fail("", "panic") }, "internal error", "failed", "error", "internal error: as the test wants", 1},
		{"no error", func(c *client, d string, turn *fakeTurn) { turn.end <- ending{o: Outcome{Reason: ReasonErr}} }, "failed", "failed", "error", "failed: error", 1},
		{"cancel", func(c *client, d string, turn *fakeTurn) { c.write(d+"/ctl", "cancel") }, "cancelled", "cancelled", "cancel", "", 2},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := serve(t)
			cl := s.dial("ann")
			d := cl.new()
			cl.write(d+"/prompt", "hi")
			turn := s.turn()
			turn.say("so ", "far")
			out := cl.open(d+"/out", ninep.OREAD)
			c.end(cl, d, turn)
			got, err := readAll(out)
			equal(t, "out", got, "so far")
			refused(t, err, nil, c.text)
			got, err = cl.tryRead(d + "/out")
			equal(t, "out again", got, "so far")
			refused(t, err, nil, c.text)
			equal(t, "state", cl.attr(d+"/status", "state"), c.state)
			equal(t, "reason", cl.attr(d+"/status", "reason"), c.reason)
			equal(t, "error", cl.attr(d+"/status", "error"), c.error)
			equal(t, "messages", strings.Count(cl.read(d+"/chat"), "\n"), c.chat)
			cl.write(d+"/ctl", "generate")
			s.turn().done()
		})
	}
}

func TestCancelBeforeAnythingWasMade(t *testing.T) {
	s := serve(t)
	c := s.dial("ann")
	d := c.new()
	c.write(d+"/ctl", "cancel") // no turn: nothing to do
	c.write(d+"/prompt", "hi")
	s.turn()
	c.write(d+"/ctl", "cancel")
	c.tryRead(d + "/out")
	equal(t, "chat", c.read(d+"/chat"), `{"role":"user","content":"hi"}`+"\n")
}

func TestOutBinding(t *testing.T) {
	s := serve(t)
	c := s.dial("ann")
	d := c.new()
	early := c.open(d+"/out", ninep.OREAD)
	if got, err := readAll(early); got != "" || err != nil { // no turn yet
		t.Fatalf("got %q, %v", got, err)
	}
	// A prompt that is open with bytes in it counts as the turn being written.
	f := c.open(d+"/prompt", ninep.OWRITE)
	f.WriteAt(ctx, []byte("one"), 0)
	waits := c.open(d+"/out", ninep.OREAD)
	got := make(chan string)
	go func() {
		s, _ := readAll(waits)
		got <- s
	}()
	f.Close(ctx)
	turn := s.turn()
	turn.say("first")
	turn.done()
	equal(t, "the one that waited", <-got, "first")
	// An open out stays with its turn; a new one gets the last.
	c.write(d+"/prompt", "two")
	turn = s.turn()
	later := c.open(d+"/out", ninep.OREAD)
	turn.say("second")
	turn.done()
	equal(t, "turn", c.attr(d+"/status", "turn"), "2")
	p := make([]byte, 64)
	n, _ := waits.ReadAt(ctx, p, 0)
	equal(t, "bound", string(p[:n]), "first")
	got2, _ := readAll(later)
	equal(t, "the second", got2, "second")
	// The unbound one is bound by its next read.
	n, _ = early.ReadAt(ctx, p, 0)
	equal(t, "unbound", string(p[:n]), "second")
	// One that waited for a commit that came to nothing is not bound.
	f = c.open(d+"/prompt", ninep.OWRITE)
	f.WriteAt(ctx, []byte("\n"), 0)
	waits = c.open(d+"/out", ninep.OREAD)
	go func() {
		s, _ := readAll(waits)
		got <- s
	}()
	f.Close(ctx)
	if s := <-got; s != "" && s != "second" { // the read came before the clunk, or after
		t.Fatalf("got %q", s)
	}
}

// A whole commit that came to nothing, with the read surely before it.
func TestOutOfNothing(t *testing.T) {
	s := serve(t)
	c := s.dial("ann")
	d := c.new()
	f := c.open(d+"/prompt", ninep.OWRITE)
	f.WriteAt(ctx, []byte("\n"), 0)
	out := c.open(d+"/out", ninep.OREAD)
	short, cancel := context.WithCancel(ctx)
	done := make(chan error)
	go func() {
		_, err := out.ReadAt(short, make([]byte, 8), 0)
		done <- err
	}()
	cancel() // flushed: the handle is bound, or was never asked
	if err := <-done; err == nil {
		t.Fatal("a read of nothing returned")
	}
	go func() {
		_, err := out.ReadAt(ctx, make([]byte, 8), 0)
		done <- err
	}()
	f.Close(ctx)
	if err := <-done; err != nil && err != io.EOF {
		t.Fatal(err)
	}
	c.write(d+"/prompt", "one")
	turn := s.turn()
	turn.say("first")
	turn.done()
	got, err := readAll(out)
	if got != "first" || err != nil {
		t.Fatalf("got %q, %v", got, err)
	}
}

func TestFlushAndHangupLeaveTheTurn(t *testing.T) {
	s := serve(t)
	c, other := s.dial("ann"), s.dial("ann")
	d := c.new()
	c.write(d+"/prompt", "hi")
	turn := s.turn()
	out := other.open(d+"/out", ninep.OREAD)
	short, cancel := context.WithTimeout(ctx, time.Millisecond)
	defer cancel()
	if _, err := out.ReadAt(short, make([]byte, 8), 0); !errors.Is(err, context.DeadlineExceeded) {
		t.Fatalf("got %v", err)
	}
	other.Conn().Close()
	turn.say("still here")
	turn.done()
	equal(t, "out", c.read(d+"/out"), "still here")
}

func TestOncloseCancel(t *testing.T) {
	for _, file := range []string{"out", "token"} {
		s := serve(t)
		c := s.dial("ann")
		d := c.new()
		before := c.open(d+"/"+file, ninep.OREAD)
		c.write(d+"/ctl", "onclose cancel")
		c.write(d+"/prompt", "hi")
		turn := s.turn()
		before.Close(ctx) // it was open before the turn began
		a, b := c.open(d+"/"+file, ninep.OREAD), s.dial("ann")
		bf := b.open(d+"/out", ninep.OREAD)
		a.Close(ctx)
		turn.say("on")
		p := make([]byte, 8)
		if n, err := bf.ReadAt(ctx, p, 0); err != nil || string(p[:n]) != "on" {
			t.Fatalf("got %q, %v", p[:n], err)
		}
		b.Conn().Close() // the last one's connection is lost
		<-turn.ctx.Done()
		if err := context.Cause(turn.ctx); err != ErrCancelled {
			t.Fatalf("cause %v", err)
		}
		c.tryRead(d + "/out")
		equal(t, "state", c.attr(d+"/status", "state"), "cancelled")
	}
}

func TestOncloseKeep(t *testing.T) {
	s := serve(t)
	c := s.dial("ann")
	d := c.new()
	c.write(d+"/prompt", "hi")
	turn := s.turn()
	c.open(d+"/out", ninep.OREAD).Close(ctx)
	if turn.ctx.Err() != nil {
		t.Fatal("the turn was cancelled")
	}
	turn.done()
}

func TestStreamsShowLengthZero(t *testing.T) {
	s := serve(t)
	c := s.dial("ann")
	d := c.new()
	c.write(d+"/system", "be brief\n")
	c.write(d+"/prompt", "hi")
	turn := s.turn()
	turn.say("text")
	l, err := c.ReadDir(ctx, d)
	if err != nil {
		t.Fatal(err)
	}
	for _, st := range l {
		want := uint64(0)
		if st.Name == "system" {
			want = 9
		}
		equal(t, "length of "+st.Name, st.Length, want)
		equal(t, "version of "+st.Name, st.Qid.Vers, 0)
		again, err := c.Stat(ctx, d+"/"+st.Name)
		if err != nil || again.Qid != st.Qid || again.Mode != st.Mode {
			t.Fatalf("%s: %v %v, %v", st.Name, again, st, err)
		}
	}
	turn.done()
}

func TestRunesAreNotCut(t *testing.T) {
	s := serve(t)
	c := s.dial("ann")
	d := c.new()
	c.write(d+"/prompt", "hi")
	turn := s.turn()
	turn.say("a€", "b€")
	turn.done()
	f := c.open(d+"/out", ninep.OREAD)
	p := make([]byte, 3)
	var pieces []string
	for {
		n, err := f.Read(ctx, p)
		if err == io.EOF {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		pieces = append(pieces, string(p[:n]))
	}
	equal(t, "pieces", strings.Join(pieces, "|"), "a|€|b|€")
}

func TestTokenLines(t *testing.T) {
	s := serve(t)
	c := s.dial("ann")
	d := c.new()
	c.write(d+"/prompt", "hi")
	turn := s.turn()
	turn.Token(Token{ID: 5, Text: "a b\n", HasProb: true, LogProb: -0.5, Top: []Alt{{5, -0.5, "a b\n"}, {6, -1.25, "\xe2"}}})
	turn.Token(Token{ID: 7, Text: "c"})
	f := c.open(d+"/token", ninep.OREAD)
	p := make([]byte, 50)
	n, err := f.Read(ctx, p)
	if err != nil || string(p[:n]) != `5 -0.5 "a b\n" 5 -0.5 "a b\n" 6 -1.25 "\xe2"`+"\n" {
		t.Fatalf("got %q, %v", p[:n], err)
	}
	turn.done()
	rest, err := readAll(f)
	if rest != "7 - \"c\"\n" || err != nil {
		t.Fatalf("got %q, %v", rest, err)
	}
	// The texts of the lines sum to out.
	var sum string
	for line := range strings.Lines(c.read(d + "/token")) {
		w, err := Fields(line)
		if err != nil || len(w) < 3 {
			t.Fatalf("%q: %v", line, err)
		}
		sum += w[2]
	}
	equal(t, "sum", sum, c.read(d+"/out"))
}

// A slow reader holds nobody: the Backend's calls return while no client reads.
func TestNoReaderHoldsTheTurn(t *testing.T) {
	s := serve(t)
	c := s.dial("ann")
	d := c.new()
	c.write(d+"/prompt", "hi")
	turn := s.turn()
	var files []*mnt.File
	for range 20 {
		files = append(files, c.open(d+"/out", ninep.OREAD), c.open(d+"/event", ninep.OREAD))
	}
	for range 20_000 {
		turn.say("word ")
		turn.Progress(1, 0, 2)
	}
	turn.done()
	equal(t, "out", len(c.read(d+"/out")), 100_000)
	for _, f := range files {
		f.Close(ctx)
	}
}

func TestAnswerBound(t *testing.T) {
	s := serve(t, func(c *Config) { c.MaxChat = 1000 })
	c := s.dial("ann")
	d := c.new()
	c.write(d+"/prompt", "hi")
	turn := s.turn()
	turn.say(strings.Repeat("x", 1001))
	<-turn.ctx.Done()
	_, err := c.tryRead(d + "/out")
	refused(t, err, nil, "1000 bytes")
	equal(t, "state", c.attr(d+"/status", "state"), "failed")
}

// Alternatives, and tokens without text, do not make token grow for ever.
func TestTokenBound(t *testing.T) {
	s := serve(t, func(c *Config) { c.MaxChat = 1000 })
	c := s.dial("ann")
	d := c.new()
	c.write(d+"/prompt", "hi")
	turn := s.turn()
	for range 2000 {
		turn.say("")
	}
	<-turn.ctx.Done()
	_, err := c.tryRead(d + "/out")
	refused(t, err, nil, "token longer than 8000 bytes")
}

// A Backend that does not end its turn holds Close no longer than its context.
func TestCloseDoesNotHang(t *testing.T) {
	b := &deafBackend{newFake(), make(chan struct{})}
	f, err := New(Config{Backend: b})
	if err != nil {
		t.Fatal(err)
	}
	s, err := f.create(attachTo(t, f, "ann"))
	if err != nil {
		t.Fatal(err)
	}
	d := draft{s: s, file: "prompt"}
	if err := d.write([]byte("hi")); err != nil {
		t.Fatal(err)
	}
	d.commit()
	<-b.turns
	over, cancel := context.WithCancel(ctx)
	cancel()
	if err := f.Close(over); !errors.Is(err, context.Canceled) {
		t.Fatalf("got %v", err)
	}
	close(b.end)
	if err := f.Close(ctx); err != nil {
		t.Fatal(err)
	}
}

type deafBackend struct {
	*fakeBackend
	end chan struct{}
}

func (b *deafBackend) Generate(ctx context.Context, r *Request, sink Sink) (Outcome, error) {
	b.turns <- &fakeTurn{Request: r}
	<-b.end
	return Outcome{}, nil
}
