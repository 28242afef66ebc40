package styxtest

import (
	"context"
	"errors"
	"io"
	"strings"
	"sync"
	"time"

	"llama9/mnt"
	"llama9/ninep"
	"llama9/styxfs"
)

// testAnswer is echo to new, cat of last/out.
func testAnswer(s *suite) {
	c := s.dial(userA)
	f := c.open("infer/new", ninep.OWRITE|ninep.OTRUNC)
	if _, err := f.WriteAt(s.ctx, []byte("a\n"), 0); err != nil {
		s.Fatal(err)
	}
	last := &session{c, "infer/last"}
	if err := f.Close(s.ctx); err != nil {
		s.Fatal(err)
	}
	last.put("ctl", "cancel")
	last.tryRead("infer/last/out")
	last.put("ctl", "close")

	ss := c.session("n_predict 12", "ignore_eos on")
	out := ss.ask(s.Prompt)
	if out == "" {
		s.Fatal("no answer")
	}
	s.same("out again", ss.get("out"), out)
	ss.has("state", "done")
	ss.has("reason", "limit")
	ss.has("error", "")
	ss.has("tokens", "12")
	s.same("prompt", ss.get("prompt"), s.Prompt)
	var chat []byte
	chat = styxfs.AppendMessage(chat, &styxfs.Message{Role: "user", Content: s.Prompt})
	chat = styxfs.AppendMessage(chat, &styxfs.Message{Role: "assistant", Content: out})
	s.same("chat", ss.get("chat"), string(chat))
}

// testPrompt: any number of writes make one prompt.
func testPrompt(s *suite) {
	ss := s.dial(userA).session("n_predict 1")
	f := ss.file("prompt", ninep.ORDWR)
	for i, w := range []string{"Once ", "upon", " a time\n", "\n"} {
		if _, err := f.WriteAt(s.ctx, []byte(w), int64(100*i)); err != nil {
			s.Fatal(err)
		}
	}
	ss.has("turn", "0")
	p := make([]byte, 64)
	n, err := f.ReadAt(s.ctx, p, 0) // a read commits
	if err != nil {
		s.Fatal(err)
	}
	s.same("as committed", string(p[:n]), "Once upon a time\n")
	ss.get("out")
	f.Close(s.ctx)
	ss.has("turn", "1")

	f = ss.file("prompt", ninep.OWRITE)
	if _, err := ss.Open(s.ctx, ss.dir+"/prompt", ninep.OWRITE); !errors.Is(err, ninep.ErrBusy) {
		s.Fatalf("a second writer: %v", err)
	}
	f.Close(s.ctx)
	ss.ask("More")
	ss.has("turn", "2")
}

// testNothing: an empty commit does nothing.
func testNothing(s *suite) {
	ss := s.dial(userA).session()
	ss.put("prompt", "")
	ss.put("prompt", "\n")
	ss.has("turn", "0")
	ss.has("state", "idle")
	s.same("out", ss.get("out"), "")
	s.same("token", ss.get("token"), "")
	s.same("chat", ss.get("chat"), "")
	ss.refuses("ctl", "generate", "generate")
	ss.put("ctl", "cancel")
}

// testBusy: what is refused while a turn runs, and what is not.
func testBusy(s *suite) {
	c := s.dial(userA)
	ss, other := c.session(endless), c.session()
	ss.put("prompt", s.Prompt)
	ss.begun()
	for _, w := range [][2]string{
		{"prompt", "x"}, {"chat", `{"role":"user","content":"x"}` + "\n"}, {"ctl", "generate"}, {"ctl", "reset"},
		{"ctl", "fork " + strings.TrimPrefix(other.dir, "infer/")}, {"ctl", "temperature 0.125\nreset"},
	} {
		if err := ss.tryWrite(ss.dir+"/"+w[0], w[1]); !errors.Is(err, ninep.ErrBusy) {
			s.Errorf("%q to %s: %v", w[1], w[0], err)
		}
	}
	if strings.Contains(ss.get("ctl"), "temperature 0.125\n") {
		s.Error("half of a write was obeyed")
	}
	ss.put("ctl", "temperature 0.25") // for the next turn
	ss.put("system", "x")
	ss.put("ctl", "cancel")
}

// testHangup: a connection that is lost before the clunk commits nothing.
func testHangup(s *suite) {
	c, watch := s.dial(userA), s.dial(userA)
	ss := c.session("n_predict 4")
	f := ss.file("prompt", ninep.OWRITE)
	f.WriteAt(s.ctx, []byte("half a "), 0)
	sys := ss.file("system", ninep.OWRITE)
	sys.WriteAt(s.ctx, []byte("x"), 0)
	out := watch.open(ss.dir+"/out", ninep.OREAD)
	c.Conn().Close()
	text, err := watch.rest(out)
	if text != "" || err != nil {
		s.Fatalf("the answer to nothing: %q, %v", text, err)
	}
	left := &session{watch, ss.dir}
	// The prompt can be written again once the server has seen the end.
	for {
		g, err := watch.Open(s.ctx, ss.dir+"/prompt", ninep.OWRITE)
		if err == nil {
			g.Close(s.ctx)
			break
		}
		if s.ctx.Err() != nil {
			s.Fatal(err)
		}
	}
	left.has("turn", "0")
	s.same("system", left.get("system"), "")
}

// testReaders: any number of readers, each at its own offset.
func testReaders(s *suite) {
	c := s.dial(userA)
	ss := c.session("n_predict 40", "ignore_eos on")
	early := ss.file("out", ninep.OREAD)
	if text, err := c.rest(early); text != "" || err != nil {
		s.Fatalf("out with no turn: %q, %v", text, err)
	}
	f := ss.file("prompt", ninep.OWRITE)
	f.WriteAt(s.ctx, []byte(s.Prompt), 0)
	var wg sync.WaitGroup
	texts := make([]string, 5)
	for i := range texts {
		cl := s.dial(userA)
		out := cl.open(ss.dir+"/out", ninep.OREAD)
		wg.Go(func() {
			// Small counts, so that runes would be cut if they could be.
			p := make([]byte, 4+i)
			var all []byte
			for {
				n, err := out.ReadAt(s.ctx, p, int64(len(all)))
				if n == 0 {
					if err != nil && err != io.EOF {
						s.Errorf("reader %d: %v", i, err)
					}
					break
				}
				if text := string(p[:n]); strings.ToValidUTF8(text, "") != text {
					s.Errorf("reader %d: %q is cut in a rune", i, text)
				}
				all = append(all, p[:n]...)
			}
			texts[i] = string(all)
		})
	}
	f.Close(s.ctx)
	wg.Wait()
	want := ss.get("out")
	for _, text := range texts {
		s.same("reader", text, want)
	}
	text, _ := c.rest(early) // its first read with a turn binds it
	s.same("the early one", text, want)
	p := make([]byte, 16)
	if n, err := early.ReadAt(s.ctx, p, int64(len(want))+7); n != 0 || err != nil && err != io.EOF {
		s.Fatalf("beyond the end: %d, %v", n, err)
	}
}

// testToken: the texts of the lines sum to out.
func testToken(s *suite) {
	ss := s.dial(userA).session("n_predict 10", "ignore_eos on", "n_probs 3")
	out := ss.ask(s.Prompt)
	var sum strings.Builder
	n := 0
	for line := range strings.Lines(ss.get("token")) {
		w, err := styxfs.Fields(line)
		if err != nil || len(w) < 3 || len(w)%3 != 0 {
			s.Fatalf("token: %q, %v", line, err)
		}
		if w[1] == "-" || len(w) != 3*4 {
			s.Fatalf("no probabilities with n_probs 3: %q", line)
		}
		sum.WriteString(w[2])
		n++
	}
	s.same("sum", sum.String(), out)
	if n != 10 {
		s.Fatalf("%d lines for 10 tokens", n)
	}
	ss.put("ctl", "n_probs 0")
	ss.ask(s.Prompt)
	if w, _ := styxfs.Fields(ss.get("token")); len(w) < 3 || w[1] != "-" {
		s.Fatalf("a probability that costs: %q", w)
	}
}

// testSeed: a fixed seed gives the same answer again, and a drawn one is shown.
func testSeed(s *suite) {
	c := s.dial(userA)
	set := []string{"n_predict 16", "ignore_eos on", "temperature 1.5", "cache_prompt off"}
	a := c.session(set...)
	text := a.ask(s.Prompt)
	seed := a.status()["seed"]
	if seed == "" || seed == "-1" {
		s.Fatalf("seed=%q", seed)
	}
	b := c.session(append(set, "seed "+seed)...)
	again := b.ask(s.Prompt)
	b.has("seed", seed)
	if s.Deterministic {
		s.same("with the drawn seed", again, text)
	}
	if !strings.Contains(a.get("ctl"), "seed -1\n") {
		s.Fatal("the draw changed the parameter")
	}
}

// testStop: a stop string ends an answer and is no part of it.
func testStop(s *suite) {
	if !s.Deterministic {
		s.Skip("needs the same answer twice")
	}
	c := s.dial(userA)
	set := []string{"n_predict 24", "ignore_eos on", "seed 7", "cache_prompt off"}
	text := c.session(set...).ask(s.Prompt)
	runes := []rune(text)
	stop := string(runes[len(runes)/2 : len(runes)/2+3])
	ss := c.session(append(set, "stop "+styxfs.Quote(stop), "stop "+styxfs.Quote("never\x01said"))...)
	got := ss.ask(s.Prompt)
	s.same("up to "+stop, got, text[:strings.Index(text, stop)])
	ss.has("reason", "stop")
	ss.has("stop_word", stop)
	var sum strings.Builder
	for line := range strings.Lines(ss.get("token")) {
		if w, err := styxfs.Fields(line); err == nil && len(w) >= 3 {
			sum.WriteString(w[2])
		}
	}
	s.same("the texts of token", sum.String(), got)
}

// testPrefix: ids written to token are what the answer begins with.
func testPrefix(s *suite) {
	c := s.dial(userA)
	set := []string{"n_predict 20", "ignore_eos on", "seed 11", "cache_prompt off"}
	a := c.session(set...)
	text := a.ask(s.Prompt)
	var ids, first string
	n := 0
	for line := range strings.Lines(a.get("token")) {
		w, err := styxfs.Fields(line)
		if err != nil || len(w) < 3 {
			s.Fatalf("token: %q, %v", line, err)
		}
		if n < 8 {
			ids += w[0] + " "
			first += w[2]
		}
		n++
	}
	b := c.session(set...)
	b.refuses("token", "1 x 2", "x")
	b.refuses("token", "-1", "-1")
	b.put("token", ids+"\n")
	rest := b.ask(s.Prompt)
	b.has("tokens", "20")
	if s.Exact {
		s.same("the answer goes on", first+rest, text)
	}
	if chat := b.get("chat"); !strings.Contains(chat, string(styxfs.AppendMessage(nil, &styxfs.Message{Role: "assistant", Content: first + rest}))) {
		s.Fatalf("the prefix is no part of the message: %s", chat)
	}
	lines := strings.Count(b.get("token"), "\n")
	if lines != n-8 {
		s.Fatalf("%d lines of token after a prefix of 8, of %d", lines, n)
	}
}

// testFlush: a read that is given up, or a reader that goes, leaves the turn.
func testFlush(s *suite) {
	c, other := s.dial(userA), s.dial(userA)
	ss := c.session(endless)
	ev := other.open(ss.dir+"/event", ninep.OREAD)
	short, cancel := context.WithTimeout(s.ctx, 20*time.Millisecond)
	defer cancel()
	if _, err := ev.Read(short, make([]byte, 10)); err == nil {
		s.Fatal("an event out of nothing")
	}
	if _, err := other.Stat(s.ctx, ss.dir); err != nil {
		s.Fatalf("after a flush: %v", err)
	}
	ss.put("prompt", s.Prompt)
	ss.begun().Close(s.ctx)
	other.Conn().Close()
	if st := ss.status()["state"]; st != "decode" {
		s.Fatalf("state=%s", st)
	}
	ss.put("ctl", "cancel")
}

// testMany: many sessions at once.
func testMany(s *suite) {
	const many = 12
	var wg sync.WaitGroup
	texts := make([]string, many)
	var clients []*session
	for range many {
		clients = append(clients, s.dial(userA).session("n_predict 24", "ignore_eos on", "seed 3"))
	}
	for i, ss := range clients {
		wg.Go(func() {
			t, err := mnt.SayTurn(s.ctx, ss.Fsys, strings.TrimPrefix(ss.dir, "infer/"), "", []byte(s.Prompt))
			if err != nil {
				s.Errorf("%d: %v", i, err)
				return
			}
			defer t.Close()
			var all []byte
			p := make([]byte, 512)
			for {
				n, err := t.Read(s.ctx, p)
				all = append(all, p[:n]...)
				if err == io.EOF {
					break
				}
				if err != nil {
					s.Errorf("%d: %v", i, err)
					return
				}
			}
			texts[i] = string(all)
		})
	}
	wg.Wait()
	for i, ss := range clients {
		ss.has("tokens", "24")
		s.same("out", ss.get("out"), texts[i])
		if s.Exact {
			s.same("among others", texts[i], texts[0])
		}
	}
}
