package styxfs

import (
	"strings"
	"testing"

	"llama9/ninep"
)

func TestCtlWriteIsAtomic(t *testing.T) {
	c := serve(t).dial("ann")
	d := c.new()
	before := c.read(d + "/ctl")
	for _, bad := range []struct{ text, word string }{
		{"temperature 0\nbogus 1\n", "bogus"},
		{"temperature 0\ntop_p 2\n", "2"},
		{"temperature 0\ngenerate now\n", "generate"},
		{"temperature 0\nfork 1\n", "1"},
		{"temperature 0\nfork\n", "fork"},
		{"temperature 0\nreset 1\n", "reset"},
		{"temperature 0\ngenerate\n", "generate"}, // there is no conversation
		{"temperature 0\nstop \"x\n", "quotes"},
	} {
		refused(t, c.tryWrite(d+"/ctl", bad.text), ninep.ErrInvalid, bad.word)
		equal(t, "ctl after "+bad.text, c.read(d+"/ctl"), before)
		if e := c.attr(d+"/status", "error"); !strings.Contains(e, bad.word) {
			t.Fatalf("error=%q does not name %s", e, bad.word)
		}
	}
	// The last newline is optional, empty lines are nothing, a good write mends error=.
	c.write(d+"/ctl", "temperature 0\n\n  \nseed 5")
	if l := c.read(d + "/ctl"); !strings.Contains(l, "temperature 0\n") || !strings.Contains(l, "seed 5\n") {
		t.Fatalf("ctl is %q", l)
	}
	equal(t, "error", c.attr(d+"/status", "error"), "")
	equal(t, "seed", c.attr(d+"/status", "seed"), "5")
}

func TestCtlCopies(t *testing.T) {
	c := serve(t).dial("ann")
	a, b := c.new(), c.new()
	c.write(a+"/ctl", "stop one\nstop \"two\\n\"\nlogit_bias 7 -Inf\ntemperature 0.25\ndate 2026-02-03T04:05:06Z\n")
	c.write(b+"/ctl", "stop old\nlogit_bias 1 1\n")
	c.write(b+"/ctl", c.read(a+"/ctl"))
	equal(t, "copy", c.read(b+"/ctl"), c.read(a+"/ctl"))
	if l := c.read(b + "/ctl"); !strings.Contains(l, "stop\nstop one\nstop \"two\\n\"\n") || !strings.Contains(l, "logit_bias\nlogit_bias 7 -Inf\n") {
		t.Fatalf("ctl is %q", l)
	}
}

func TestCtlAnswersWhatWasWritten(t *testing.T) {
	c := serve(t).dial("ann")
	d := c.new()
	f := c.open(d+"/ctl", ninep.ORDWR)
	p := make([]byte, 8192)
	n, err := f.ReadAt(ctx, p, 0) // 9p rdwr reads first
	if err != nil || !strings.HasPrefix(string(p[:n]), "temperature 0.8\n") {
		t.Fatalf("got %q, %v", p[:n], err)
	}
	line := []byte("temperature 0.5\n")
	if _, err := f.WriteAt(ctx, line, 0); err != nil {
		t.Fatal(err)
	}
	off := int64(len(line)) // kernels go on where the write ended
	if n, err = f.ReadAt(ctx, p, off); err != nil || !strings.HasPrefix(string(p[:n]), "temperature 0.5\n") {
		t.Fatalf("got %q, %v", p[:n], err)
	}
	if n, _ = f.ReadAt(ctx, p, off+int64(n)); n != 0 {
		t.Fatalf("got %q behind the answer", p[:n])
	}
	if _, err := f.WriteAt(ctx, []byte("temperature 0.25\n"), 0); err != nil {
		t.Fatal(err)
	}
	if n, err = f.ReadAt(ctx, p, 0); err != nil || !strings.HasPrefix(string(p[:n]), "temperature 0.25\n") {
		t.Fatalf("got %q, %v", p[:n], err)
	}
	// A short count gives whole lines.
	if n, _ = f.ReadAt(ctx, p[:40], 0); p[n-1] != '\n' || n == 40 {
		t.Fatalf("got %q", p[:n])
	}
}

func TestRootFiles(t *testing.T) {
	s := serve(t)
	c := s.dial("ann")
	equal(t, "root", strings.Join(c.names("/"), " "), "ctl model status event metrics infer")
	equal(t, "ctl", c.read("ctl"), "drain\n")
	c.write("ctl", "undrain")
	equal(t, "ctl", c.read("ctl"), "undrain\n")
	refused(t, c.tryWrite("ctl", "undrain\nexplode\n"), ninep.ErrInvalid, "explode")
	equal(t, "error", c.attr("status", "error"), "explode: unknown")
	c.write("ctl", "drain")
	equal(t, "error", c.attr("status", "error"), "")
	for _, a := range []string{"version", "uptime", "state", "slots", "busy", "queue", "sessions", "tokens/s", "id", "start"} {
		if c.attr("status", a) == "" {
			t.Errorf("status has no %s", a)
		}
	}
	equal(t, "version", c.attr("status", "version"), "test")
	models := strings.Split(c.read("model"), "\n")
	equal(t, "models", len(models), 3)
	attrs, err := ParseAttrs(models[1])
	if err != nil || FindAttr(attrs, "name") != "large one" || FindAttr(attrs, "error") != "no memory" {
		t.Fatalf("model: %v, %v", attrs, err)
	}
	c.new()
	if m := c.read("metrics"); !strings.Contains(m, "\nllama9_sessions 1\n") || !strings.Contains(m, "# TYPE llama9_tokens_total counter") {
		t.Fatalf("metrics: %s", m)
	}
	for _, path := range []string{"model", "status", "event", "metrics"} {
		if err := c.tryWrite(path, "x"); err == nil {
			t.Errorf("%s can be written", path)
		}
	}
	for _, path := range []string{"ctl", "model", "infer", "infer/new"} {
		if err := c.Remove(ctx, path); err == nil {
			t.Errorf("%s can be removed", path)
		}
	}
}

func TestStatusHasAllAttributes(t *testing.T) {
	s := serve(t)
	c := s.dial("ann")
	d := c.new()
	names := func() string {
		attrs, err := ParseAttrs(c.read(d + "/status"))
		if err != nil {
			t.Fatal(err)
		}
		var l []string
		for _, a := range attrs {
			l = append(l, a.Name)
		}
		return strings.Join(l, " ")
	}
	before := names()
	for _, a := range strings.Fields("state model node route position seed prompt_tokens cached_tokens tokens started first ended tokens/s error turn reason stop_word prompt_ms predict_ms n_ctx eta") {
		if !strings.Contains(" "+before+" ", " "+a+" ") {
			t.Errorf("status has no %s", a)
		}
	}
	equal(t, "state", c.attr(d+"/status", "state"), "idle")
	c.write(d+"/prompt", "hi")
	turn := s.turn()
	equal(t, "state", c.attr(d+"/status", "state"), "queued")
	turn.Note(Note{Model: "small", Node: "a", Route: "least-loaded", Position: 3, NCtx: 512})
	equal(t, "position", c.attr(d+"/status", "position"), "3")
	turn.Note(Note{Position: -1, PromptTokens: 9, CachedTokens: 4})
	equal(t, "position", c.attr(d+"/status", "position"), "")
	equal(t, "model", c.attr(d+"/status", "model"), "small")
	equal(t, "node", c.attr(d+"/status", "node"), "a")
	turn.State(Loading)
	equal(t, "state", c.attr(d+"/status", "state"), "loading")
	turn.Progress(2, 1, 9)
	equal(t, "state", c.attr(d+"/status", "state"), "prefill")
	if c.attr(d+"/status", "eta") == "" {
		t.Error("no eta in prefill")
	}
	turn.say("a", "b")
	equal(t, "tokens", c.attr(d+"/status", "tokens"), "2")
	equal(t, "names", names(), before)
	turn.end <- ending{o: Outcome{Reason: Stop, StopWord: "a b", PromptTokens: 9, CachedTokens: 4, Tokens: 2}}
	c.read(d + "/out")
	equal(t, "names", names(), before)
	for name, want := range map[string]string{
		"state": "done", "reason": "stop", "stop_word": "a b", "prompt_tokens": "9", "cached_tokens": "4", "tokens": "2",
		"turn": "1", "route": "least-loaded", "n_ctx": "512", "error": "", "eta": "",
	} {
		equal(t, name, c.attr(d+"/status", name), want)
	}
	turn.say("late") // a Backend that goes on after the end changes nothing
	equal(t, "out", c.read(d+"/out"), "ab")
}

func TestSeedIsDrawnAtTheCommit(t *testing.T) {
	s := serve(t)
	c := s.dial("ann")
	d := c.new()
	equal(t, "seed", c.attr(d+"/status", "seed"), "-1")
	seen := map[int64]bool{}
	for range 3 {
		c.write(d+"/prompt", "hi")
		turn := s.turn()
		if turn.Params.Seed < 0 {
			t.Fatalf("seed %d", turn.Params.Seed)
		}
		seen[turn.Params.Seed] = true
		turn.done()
		c.read(d + "/out")
		if got := c.attr(d+"/status", "seed"); got == "-1" {
			t.Fatal("status shows no seed")
		}
	}
	if len(seen) < 2 {
		t.Fatal("every turn drew the same seed")
	}
	if !strings.Contains(c.read(d+"/ctl"), "seed -1\n") {
		t.Fatal("the parameter was changed")
	}
}

func TestPriorityIsTheServersUsers(t *testing.T) {
	s := serve(t)
	ann, boss := s.dial("ann"), s.dial("boss")
	d := ann.new()
	ann.write(d+"/ctl", "priority -5")
	ann.write(d+"/ctl", "priority 0")
	refused(t, ann.tryWrite(d+"/ctl", "priority 1"), ninep.ErrPermission, "priority 1")
	ann.write(d+"/ctl", "priority -5")
	ann.write(d+"/ctl", "priority -1") // back, not above what all have
	refused(t, ann.tryWrite(d+"/ctl", "temperature 0\npriority -3\npriority 2"), ninep.ErrPermission, "priority 2")
	if ctl := ann.read(d + "/ctl"); !strings.Contains(ctl, "priority -1\n") || strings.Contains(ctl, "temperature 0\n") {
		t.Errorf("a part of what was refused holds:\n%s", ctl)
	}
	e := boss.new()
	boss.write(e+"/ctl", "priority 10")
	// A copy of the settings of the server's user takes nothing along.
	refused(t, ann.tryWrite(d+"/ctl", boss.read(e+"/ctl")), ninep.ErrPermission, "priority 10")
	boss.write(e+"/ctl", "priority 3")
	boss.write(e+"/ctl", "priority 7")
}

// What nothing was written to has its offsets from the beginning, also for the
// first read.
func TestFirstReadBehindTheBeginning(t *testing.T) {
	c := serve(t).dial("ann")
	d := c.new()
	c.write(d+"/system", "be short and kind\n")
	for _, path := range []string{"model", d + "/status", d + "/ctl", d + "/system"} {
		want := c.read(path)
		f := c.open(path, ninep.OREAD)
		p := make([]byte, 8192)
		n, err := f.ReadAt(ctx, p, 5)
		if err != nil || string(p[:n]) != want[5:] {
			t.Fatalf("%s from 5 on: got %q, %v, want %q", path, p[:n], err, want[5:])
		}
		if n, err = f.ReadAt(ctx, p, int64(len(want))); n != 0 || err != nil {
			t.Fatalf("%s at its end: got %q, %v", path, p[:n], err)
		}
		if n, err = f.ReadAt(ctx, p, 0); err != nil || string(p[:n]) != want {
			t.Fatalf("%s: got %q, %v, want %q", path, p[:n], err, want)
		}
	}
}
