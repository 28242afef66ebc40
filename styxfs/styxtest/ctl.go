package styxtest

import (
	"slices"
	"strings"
	"time"

	"llama9/ninep"
	"llama9/styxfs"
)

// testCtl: a write is obeyed as a whole, or refused with an error that names
// the word.
func testCtl(s *suite) {
	ss := s.dial(userA).session()
	before := ss.get("ctl")
	for _, d := range styxfs.ParamTable() {
		if !strings.Contains("\n"+before, "\n"+d.Name) {
			s.Errorf("ctl does not show %s", d.Name)
		}
	}
	for _, c := range [][2]string{
		{"bogus 1", "bogus"}, {"temperature NaN", "NaN"}, {"temperature", "temperature"}, {"temperature 1 2", "temperature"},
		{"top_p 1.5", "1.5"}, {"top_k many", "many"}, {"seed -2", "-2"}, {"ignore_eos perhaps", "perhaps"},
		{"timeout soon", "soon"}, {"onclose 1", "1"}, {"logit_bias 1 Inf", "Inf"}, {"generate now", "generate"},
		{"stop \"x", "quotes"}, {"temperature 1e400", "1e400"},
	} {
		ss.refuses("ctl", "top_k 7\n"+c[0]+"\ntop_k 8\n", c[1])
		if e := ss.status()["error"]; !strings.Contains(e, c[1]) {
			s.Errorf("%s: error=%q does not name %s", c[0], e, c[1])
		}
	}
	s.same("ctl", ss.get("ctl"), before)
	ss.put("ctl", "top_k 7\n\ntop_p 0.5")
	ss.has("error", "")
	if after := ss.get("ctl"); !strings.Contains(after, "top_k 7\n") || !strings.Contains(after, "top_p 0.5\n") {
		s.Fatalf("ctl is %q", after)
	}
	// Opened read-write it answers.
	f := ss.file("ctl", ninep.ORDWR)
	w := []byte("top_k 9\n")
	if _, err := f.WriteAt(s.ctx, w, 0); err != nil {
		s.Fatal(err)
	}
	p := make([]byte, 8192)
	n, err := f.ReadAt(s.ctx, p, int64(len(w)))
	if err != nil || !strings.Contains(string(p[:n]), "top_k 9\n") {
		s.Fatalf("the answer is %q, %v", p[:n], err)
	}
	if n, _ = f.ReadAt(s.ctx, p[:60], 0); n == 0 || p[n-1] != '\n' {
		s.Fatalf("a short read ends in a line: %q", p[:n])
	}
	f.Close(s.ctx)
}

// testCtlCopies is cat a/ctl > b/ctl.
func testCtlCopies(s *suite) {
	c := s.dial(userA)
	a := c.session("stop one\nstop \"two \\\"x\\\"\\n\"\nlogit_bias 5 -Inf\nlogit_bias 6 0.5\ntemperature 0.25\ntimeout 1m30s\nsamplers top_k temperature\nseed 9")
	b := c.session("stop other\nlogit_bias 1 1")
	b.put("ctl", a.get("ctl"))
	s.same("copy", b.get("ctl"), a.get("ctl"))
	b.put("ctl", "stop\nlogit_bias\n")
	if text := b.get("ctl"); strings.Contains(text, "stop ") || strings.Contains(text, "logit_bias ") {
		s.Fatalf("the lists are not cleared: %q", text)
	}
}

// testCancel ends a turn, whose text stays.
func testCancel(s *suite) {
	ss := s.dial(userA).session(endless)
	ss.put("prompt", s.Prompt)
	out := ss.begun()
	ss.put("ctl", "cancel")
	text, err := ss.rest(out)
	if err == nil || !strings.Contains(err.Error(), "cancel") {
		s.Fatalf("out ends with %v", err)
	}
	again, err := ss.tryRead(ss.dir + "/out")
	if err == nil || again != text || text == "" {
		s.Fatalf("out again: %.60q, %v; before %.60q", again, err, text)
	}
	ss.has("state", "cancelled")
	ss.has("reason", "cancel")
	if chat := ss.get("chat"); chat != line("user", s.Prompt)+line("assistant", text) {
		s.Fatalf("chat is %.200q", chat)
	}
	// Another turn goes on from it, but from its beginning: all that was made
	// until the cancel came may be more than a context takes.
	runes := []rune(text)
	ss.put("chat", line("user", s.Prompt)+line("assistant", string(runes[:min(40, len(runes))])))
	ss.put("ctl", "n_predict 3\nshift off")
	ss.ask("More")
	ss.has("state", "done")
}

// testOnclose: the turn ends with its last reader.
func testOnclose(s *suite) {
	c := s.dial(userA)
	ss := c.session(endless, "onclose cancel")
	ss.put("prompt", s.Prompt)
	a := ss.begun()
	other := s.dial(userA)
	b := (&session{other, ss.dir}).file("token", ninep.OREAD)
	if n, err := b.ReadAt(s.ctx, make([]byte, 64), 0); n == 0 || err != nil {
		s.Fatalf("token: %d, %v", n, err)
	}
	a.Close(s.ctx)
	if st := ss.status()["state"]; st != "decode" {
		s.Fatalf("state=%s with a reader left", st)
	}
	other.Conn().Close()
	for ss.status()["state"] == "decode" {
		if s.ctx.Err() != nil {
			s.Fatal("the turn goes on")
		}
	}
	ss.has("state", "cancelled")
}

// testTimeout: a turn that takes too long fails, and leaves its prompt.
func testTimeout(s *suite) {
	ss := s.dial(userA).session(endless, "timeout 300ms")
	begin := time.Now()
	ss.put("prompt", s.Prompt)
	_, err := ss.tryRead(ss.dir + "/out")
	if err == nil || !strings.Contains(err.Error(), "timeout") {
		s.Fatalf("out ends with %v", err)
	}
	if d := time.Since(begin); d < 300*time.Millisecond {
		s.Fatalf("it took %v only", d)
	}
	ss.has("state", "failed")
	ss.has("reason", "timeout")
	ss.has("error", "timeout")
	s.same("chat", ss.get("chat"), line("user", s.Prompt))
	ss.put("ctl", "n_predict 2\ntimeout 0s\ngenerate")
	ss.get("out")
	ss.has("state", "done")
}

// testStatus: all attributes always, and what they say of an ended turn.
func testStatus(s *suite) {
	ss := s.dial(userA).session("n_predict 5", "ignore_eos on")
	want := strings.Fields("state turn model node route position seed prompt_tokens cached_tokens tokens n_ctx started first ended prompt_ms predict_ms tokens/s eta reason stop_word error")
	for range 2 {
		m := ss.status()
		for _, name := range want {
			if _, ok := m[name]; !ok {
				s.Errorf("no %s in %v", name, m)
			}
		}
		if m["turn"] == "0" {
			ss.ask(s.Prompt)
		}
	}
	m := ss.status()
	var times []time.Time
	for _, name := range []string{"started", "first", "ended"} {
		at, err := time.Parse(time.RFC3339, m[name])
		if err != nil {
			s.Fatalf("%s: %v", name, err)
		}
		times = append(times, at)
	}
	if !slices.IsSortedFunc(times, time.Time.Compare) {
		s.Errorf("started, first, ended: %v", times)
	}
	if ss.number("prompt_tokens") <= 0 || ss.number("tokens") != 5 || m["model"] == "" || m["n_ctx"] == "" {
		s.Errorf("status is %v", m)
	}
}

// testEvents: a line for each change of state, from the moment of open.
func testEvents(s *suite) {
	c, watch := s.dial(userA), s.dial(userA)
	ss := c.session("n_predict 3", "ignore_eos on")
	ev := watch.open(ss.dir+"/event", ninep.OREAD)
	ss.ask(s.Prompt)
	ss.put("ctl", "close")
	text, err := watch.rest(ev) // its end is the session's
	if err != nil {
		s.Fatal(err)
	}
	var kinds []string
	var before time.Time
	for l := range strings.Lines(text) {
		at, kind, attrs, err := styxfs.ParseEvent(l)
		if err != nil || !strings.HasSuffix(l, "\n") || at.Before(before) {
			s.Fatalf("event: %q, %v", l, err)
		}
		before = at
		kinds = append(kinds, kind)
		if kind == "done" && styxfs.FindAttr(attrs, "reason") != "limit" {
			s.Errorf("event: %q", l)
		}
	}
	s.contains("events", kinds, "queued", "decode")
	if kinds[0] != "queued" || kinds[len(kinds)-1] != "done" {
		s.Fatalf("events are %q", kinds)
	}
}
