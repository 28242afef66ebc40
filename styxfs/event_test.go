package styxfs

import (
	"context"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"llama9/ninep"
)

func TestSessionEvents(t *testing.T) {
	s := serve(t)
	c := s.dial("ann")
	d := c.new()
	f := c.open(d+"/event", ninep.OREAD)
	root := c.open("event", ninep.OREAD)
	c.write(d+"/prompt", "hi")
	turn := s.turn()
	turn.State(Prefill)
	turn.Progress(4, 1, 9)
	turn.State(Prefill) // no change
	turn.State(Decode)
	turn.say("x")
	turn.end <- ending{o: Outcome{Reason: EOS, Tokens: 1}}
	c.read(d + "/out")
	c.write(d+"/ctl", "close")
	got, err := readAll(f) // the end of the session is the end of its events
	if err != nil {
		t.Fatal(err)
	}
	var kinds []string
	for line := range strings.Lines(got) {
		_, kind, attrs, err := ParseEvent(line)
		if err != nil {
			t.Fatalf("%q: %v", line, err)
		}
		for _, a := range attrs {
			kind += " " + a.Name + "=" + a.Value
		}
		kinds = append(kinds, kind)
	}
	equal(t, "events", strings.Join(kinds, "|"), "queued turn=1|prefill turn=1|prefill done=4 cached=1 total=9|decode turn=1|done turn=1 reason=eos tokens=1")

	p := make([]byte, 4096)
	n, err := root.Read(ctx, p)
	if err != nil || !strings.Contains(string(p[:n]), " turn session="+strings.TrimPrefix(d, "infer/")+" turn=1 state=done reason=eos") || p[n-1] != '\n' {
		t.Fatalf("got %q, %v", p[:n], err)
	}
	s.fs.Events().Post("model", Attr{"name", "small"}, Attr{"percent", "50"})
	for {
		n, err = root.Read(ctx, p)
		if err != nil {
			t.Fatal(err)
		}
		if strings.HasSuffix(string(p[:n]), " model name=small percent=50\n") {
			break
		}
	}
}

func TestEventsFromTheMomentOfOpen(t *testing.T) {
	e := NewEvents()
	e.Post("early")
	h := e.open(base{})
	if h.Ready(0) {
		t.Fatal("ready with nothing")
	}
	e.Post("one")
	e.Post("two", Attr{"a", "b c"})
	h2 := e.open(base{})
	e.Post("three")
	equal(t, "first", kindsOf(t, h, 4096), "one two three")
	equal(t, "second", kindsOf(t, h2, 4096), "three")
	e.Post("x")
	e.Post("y")
	equal(t, "a line at a time", kindsOf(t, h, 40), "x")
	equal(t, "a line at a time", kindsOf(t, h, 40), "y")
	// A line longer than the count comes in pieces.
	e.Post("long", Attr{"text", strings.Repeat("z", 50)})
	p := make([]byte, 30)
	var all string
	for range 4 {
		n, err := h.ReadAt(ctx, p, 0)
		if err != nil {
			t.Fatal(err)
		}
		all += string(p[:n])
		if p[n-1] == '\n' {
			break
		}
	}
	if _, kind, attrs, err := ParseEvent(all); err != nil || kind != "long" || len(FindAttr(attrs, "text")) != 50 {
		t.Fatalf("got %q, %v", all, err)
	}
	h.Close(ctx)
	h2.Close(ctx)
	e.Post("nobody")
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.ring != nil {
		t.Fatal("a ring without readers")
	}
}

func kindsOf(t *testing.T, h *eventHandle, count int) string {
	t.Helper()
	p := make([]byte, count)
	n, err := h.ReadAt(ctx, p, 7)
	if err != nil {
		t.Fatal(err)
	}
	var kinds []string
	for line := range strings.Lines(string(p[:n])) {
		_, kind, _, err := ParseEvent(line)
		if err != nil {
			t.Fatalf("%q: %v", line, err)
		}
		kinds = append(kinds, kind)
	}
	return strings.Join(kinds, " ")
}

func TestSlowReaderLosesEvents(t *testing.T) {
	e := NewEvents()
	h := e.open(base{})
	for i := range eventRing + 5 {
		e.Post("n" + strconv.Itoa(i)) // never blocks
	}
	p := make([]byte, 80)
	n, _ := h.ReadAt(ctx, p, 0)
	first, rest, _ := strings.Cut(string(p[:n]), "\n")
	if _, kind, attrs, err := ParseEvent(first); err != nil || kind != "lost" || FindAttr(attrs, "n") != "5" {
		t.Fatalf("got %q, %v", first, err)
	}
	if _, kind, _, err := ParseEvent(rest); err != nil || kind != "n5" {
		t.Fatalf("got %q, %v", rest, err)
	}
}

func TestBlockedEventReadIsFlushed(t *testing.T) {
	c := serve(t).dial("ann")
	f := c.open("event", ninep.OREAD)
	short, cancel := context.WithCancel(ctx)
	done := make(chan error)
	go func() { _, err := f.Read(short, make([]byte, 10)); done <- err }()
	cancel()
	if err := <-done; err == nil {
		t.Fatal("no error")
	}
	if err := f.Close(ctx); err != nil {
		t.Fatal(err)
	}
}

func TestEventsEndAtShutdown(t *testing.T) {
	s := serve(t)
	c := s.dial("ann")
	d := c.new()
	c.write(d+"/prompt", "hi")
	turn := s.turn()
	out, ev := c.open(d+"/out", ninep.OREAD), c.open("event", ninep.OREAD)
	e := c.new()
	draft := c.open(e+"/prompt", ninep.OWRITE)
	draft.WriteAt(ctx, []byte("x"), 0)
	waits := c.open(e+"/out", ninep.OREAD)
	done := make(chan error, 3)
	go func() { _, err := readAll(ev); done <- err }()
	go func() { _, err := readAll(waits); done <- err }()
	if err := s.fs.Close(ctx); err != nil {
		t.Fatal(err)
	}
	<-turn.ctx.Done()
	for range 2 {
		if err := <-done; err != nil {
			t.Fatal(err)
		}
	}
	_, err := readAll(out)
	refused(t, err, nil, "shut down")
	if _, err := c.Conn().Attach(ctx, "ann", ""); err == nil {
		t.Fatal("attached to a closed tree")
	}
	if _, err := c.tryRead("infer/new"); err == nil {
		t.Fatal("made a session")
	}
}

// bubble runs f in a bubble of synctest, with a server and a client in it.
func bubble(t *testing.T, f func(t *testing.T, s *server, c *client), set ...func(*Config)) {
	synctest.Test(t, func(t *testing.T) {
		s := serve(t, set...)
		c := s.dial("ann")
		f(t, s, c)
		c.Conn().Close()
	})
}

func TestIdleSessionsAreRemoved(t *testing.T) {
	bubble(t, func(t *testing.T, s *server, c *client) {
		never, once, held, chat := c.new(), c.new(), c.new(), c.new()
		c.write(once+"/prompt", "hi")
		turn := s.turn()
		ev := c.open(held+"/event", ninep.OREAD)
		c.write(chat+"/chat", userLine)
		lives := func(d string) bool { _, err := c.Stat(ctx, d); return err == nil }
		time.Sleep(59 * time.Second)
		for _, d := range []string{never, once, held, chat} {
			equal(t, d, lives(d), true)
		}
		time.Sleep(3 * time.Second)
		equal(t, "never prompted, after 1m", lives(never), false)
		equal(t, "a turn runs", lives(once), true)
		equal(t, "a file is open", lives(held), true)
		equal(t, "it has a conversation", lives(chat), true)
		time.Sleep(2 * time.Hour)
		equal(t, "a turn runs, for long", lives(once), true)
		equal(t, "a file is open, for long", lives(held), true)
		equal(t, "idle for 30m", lives(chat), false)
		turn.done()
		c.read(once + "/out")
		ev.Close(ctx)
		time.Sleep(29 * time.Minute)
		equal(t, "29m after its turn", lives(once), true)
		equal(t, "never prompted, closed", lives(held), false)
		c.read(once + "/status") // a use
		time.Sleep(29 * time.Minute)
		equal(t, "29m after its use", lives(once), true)
		time.Sleep(2 * time.Minute)
		equal(t, "31m after its use", lives(once), false)
		s.b.mu.Lock()
		defer s.b.mu.Unlock()
		equal(t, "forgotten", len(s.b.forgot), 4)
	})
}

func TestTimeout(t *testing.T) {
	bubble(t, func(t *testing.T, s *server, c *client) {
		d := c.new()
		c.write(d+"/ctl", "timeout 5s")
		c.write(d+"/prompt", "hi")
		turn := s.turn() // it counts from the commit, queueing included
		time.Sleep(4 * time.Second)
		turn.say("half")
		if turn.ctx.Err() != nil {
			t.Fatal("too early")
		}
		time.Sleep(2 * time.Second)
		equal(t, "cause", context.Cause(turn.ctx), ErrTimeout)
		got, err := c.tryRead(d + "/out")
		equal(t, "out", got, "half")
		refused(t, err, nil, "timeout")
		equal(t, "state", c.attr(d+"/status", "state"), "failed")
		equal(t, "reason", c.attr(d+"/status", "reason"), "timeout")
		equal(t, "error", c.attr(d+"/status", "error"), "timeout")
		equal(t, "chat", c.read(d+"/chat"), `{"role":"user","content":"hi"}`+"\n")
		c.write(d+"/prompt", "again")
		s.turn().done()
		time.Sleep(time.Minute)
		equal(t, "state", c.attr(d+"/status", "state"), "done")
	})
}

func TestTimesOfATurn(t *testing.T) {
	bubble(t, func(t *testing.T, s *server, c *client) {
		d := c.new()
		equal(t, "started", c.attr(d+"/status", "started"), "")
		c.write(d+"/ctl", "n_predict 11")
		c.write(d+"/prompt", "hi")
		turn := s.turn()
		time.Sleep(time.Second)
		turn.Progress(0, 0, 10)
		time.Sleep(time.Second)
		turn.Progress(5, 0, 10)
		equal(t, "eta of a prefill", c.attr(d+"/status", "eta"), "1s")
		turn.say("a")
		time.Sleep(time.Second)
		turn.say("b")
		time.Sleep(time.Second)
		turn.say("c")
		equal(t, "tokens/s", c.attr(d+"/status", "tokens/s"), "1.00")
		equal(t, "eta", c.attr(d+"/status", "eta"), "8s")
		turn.end <- ending{o: Outcome{Reason: Limit, PromptTime: 1500 * time.Microsecond, PredictTime: 4 * time.Second, Tokens: 3}}
		c.read(d + "/out")
		equal(t, "tokens/s", c.attr(d+"/status", "tokens/s"), "0.50")
		equal(t, "prompt_ms", c.attr(d+"/status", "prompt_ms"), "1.500")
		equal(t, "predict_ms", c.attr(d+"/status", "predict_ms"), "4000.000")
		start, err := time.Parse(time.RFC3339, c.attr(d+"/status", "started"))
		if err != nil {
			t.Fatal(err)
		}
		first, _ := time.Parse(time.RFC3339, c.attr(d+"/status", "first"))
		end, _ := time.Parse(time.RFC3339, c.attr(d+"/status", "ended"))
		equal(t, "first", first.Sub(start), 2*time.Second)
		equal(t, "ended", end.Sub(start), 4*time.Second)
	})
}

// Numbers and qids of a server's next start are others.
func TestBootEpoch(t *testing.T) {
	at := time.Date(2026, 5, 1, 0, 0, 0, 0, time.UTC)
	seen := map[uint64]bool{}
	last := uint64(0)
	for i := range 3 {
		s := serve(t, func(c *Config) {
			c.Now = func() time.Time { return at.Add(time.Duration(i) * time.Second) }
		})
		c := s.dial("ann")
		d := c.new()
		n, err := strconv.ParseUint(strings.TrimPrefix(d, "infer/"), 10, 64)
		if err != nil || n <= last {
			t.Fatalf("session %d after %d, %v", n, last, err)
		}
		last = n
		for _, path := range []string{"/", "ctl", "status", "infer", "infer/new", "infer/last", d, d + "/ctl", d + "/event"} {
			st, err := c.Stat(ctx, path)
			if err != nil || seen[st.Qid.Path] {
				t.Fatalf("start %d: qid of %s was used before, %v", i, path, err)
			}
			seen[st.Qid.Path] = true
		}
	}
}
