package styxfs

import (
	"strings"
	"testing"

	"llama9/ninep"
)

const (
	userLine = `{"role":"user","content":"a <b> & \"c\""}` + "\n"
	botLine  = `{"role":"assistant","content":"The answer"}` + "\n"
)

func TestChat(t *testing.T) {
	s := serve(t)
	c := s.dial("ann")
	d := c.new()
	c.write(d+"/chat", userLine+"\n"+botLine)
	equal(t, "chat", c.read(d+"/chat"), userLine+botLine)
	// Opened without OTRUNC it is appended to.
	f := c.open(d+"/chat", ninep.OWRITE)
	f.WriteAt(ctx, []byte(`{"role":"user",`), 0)
	f.WriteAt(ctx, []byte(`"content":"more"}`), 0) // without a newline it counts if it is whole
	equal(t, "before the clunk", c.read(d+"/chat"), userLine+botLine)
	f.Close(ctx)
	equal(t, "chat", c.read(d+"/chat"), userLine+botLine+`{"role":"user","content":"more"}`+"\n")
	c.write(d+"/ctl", "generate")
	turn := s.turn()
	equal(t, "messages", len(turn.Messages), 3)
	turn.say("Yes")
	turn.done()
	c.read(d + "/out")
	if l := c.read(d + "/chat"); !strings.HasSuffix(l, `"more"}`+"\n"+`{"role":"assistant","content":"Yes"}`+"\n") {
		t.Fatalf("chat is %q", l)
	}
	c.write(d+"/ctl", "reset")
	equal(t, "after reset", c.read(d+"/chat"), "")
	s.b.mu.Lock()
	equal(t, "forgotten", len(s.b.forgot), 1)
	s.b.mu.Unlock()
	c.write(d+"/chat", userLine)
	c.write(d+"/chat", "") // OTRUNC and nothing
	equal(t, "emptied", c.read(d+"/chat"), "")
}

func TestContinueAnAnswer(t *testing.T) {
	s := serve(t)
	c := s.dial("ann")
	d := c.new()
	c.write(d+"/chat", userLine+botLine)
	c.write(d+"/ctl", "generate")
	turn := s.turn()
	equal(t, "last", turn.Messages[1], Message{"assistant", "The answer"})
	turn.say(" is", " no")
	turn.done()
	equal(t, "out", c.read(d+"/out"), " is no")
	equal(t, "chat", c.read(d+"/chat"), userLine+`{"role":"assistant","content":"The answer is no"}`+"\n")
	// A prompt goes on after it.
	c.write(d+"/prompt", "why")
	turn = s.turn()
	equal(t, "messages", len(turn.Messages), 3)
	turn.fail(ReasonErr, "x")
	c.tryRead(d + "/out")
	equal(t, "messages", strings.Count(c.read(d+"/chat"), "\n"), 3)
}

func TestChatLinesAreChecked(t *testing.T) {
	for _, c := range []struct{ line, word string }{
		{`{"role":"user"}`, "content"},
		{`{"content":"x"}`, "role"},
		{`{"role":"king","content":"x"}`, "king"},
		{`{"role":"user","content":7}`, "content"},
		{`{"role":"user","content":"x","name":"y"}`, "name"},
		{`{"role":"user","content":"x"} {}`, "after"},
		{`hello`, "hello"},
		{`["user"]`, "user"},
		{`{"role":"user","content":"x"`, "whole"},
		{`null`, "role"},
	} {
		cl := serve(t).dial("ann")
		d := cl.new()
		f := cl.open(d+"/chat", ninep.OWRITE)
		if _, err := f.WriteAt(ctx, []byte(userLine), 0); err != nil {
			t.Fatal(err)
		}
		_, err := f.WriteAt(ctx, []byte(botLine+c.line+"\n"), 0)
		refused(t, err, ninep.ErrInvalid, c.word)
		if e := cl.attr(d+"/status", "error"); !strings.Contains(e, c.word) {
			t.Fatalf("error=%q does not name %s", e, c.word)
		}
		f.Close(ctx)
		equal(t, "chat", cl.read(d+"/chat"), userLine) // all of the bad Twrite was refused
	}
}

// A refused line takes along its beginning, which came in a Twrite before, and
// nothing else: the descriptor goes on.
func TestRefusedLineGoesWhole(t *testing.T) {
	c := serve(t).dial("ann")
	d := c.new()
	f := c.open(d+"/chat", ninep.OWRITE)
	for _, w := range []struct {
		text string
		bad  bool
	}{
		{`{"role":"king",`, false},
		{`"content":"x"}` + "\n", true},
		{userLine + botLine[:9], false},
		{botLine[9:] + "hello\n", true}, // the second line is at fault: the first is sent again
		{botLine[9:], false},
	} {
		if _, err := f.WriteAt(ctx, []byte(w.text), 0); (err != nil) != w.bad {
			t.Fatalf("writing %q: %v", w.text, err)
		}
	}
	f.Close(ctx)
	equal(t, "chat", c.read(d+"/chat"), userLine+botLine)
}

func TestBrokenLastLineFailsTheNextTurn(t *testing.T) {
	s := serve(t)
	c := s.dial("ann")
	d := c.new()
	c.write(d+"/chat", userLine+`{"role":"user","cont`)
	if e := c.attr(d+"/status", "error"); !strings.Contains(e, "not whole") {
		t.Fatalf("error=%q", e)
	}
	c.write(d+"/ctl", "generate")
	_, err := c.tryRead(d + "/out")
	refused(t, err, nil, "not whole")
	s.noTurn()
	equal(t, "chat", c.read(d+"/chat"), userLine)
	c.write(d+"/ctl", "generate") // once
	s.turn().done()
	c.read(d + "/out")
	// A good write of the file mends it.
	f := c.open(d+"/chat", ninep.OWRITE)
	f.WriteAt(ctx, []byte("{"), 0)
	f.Close(ctx)
	f = c.open(d+"/chat", ninep.OWRITE)
	f.WriteAt(ctx, []byte(userLine), 0)
	f.Close(ctx)
	equal(t, "error", c.attr(d+"/status", "error"), "")
	c.write(d+"/ctl", "generate")
	s.turn().done()
}

func TestChatBound(t *testing.T) {
	c := serve(t, func(c *Config) { c.MaxChat = 10_000 }).dial("ann")
	d := c.new()
	c.write(d+"/chat", userLine)
	line := `{"role":"user","content":"` + strings.Repeat("x", 6000) + "\"}\n"
	f := c.open(d+"/chat", ninep.OWRITE)
	if _, err := f.WriteAt(ctx, []byte(line), 0); err != nil {
		t.Fatal(err)
	}
	_, err := f.WriteAt(ctx, []byte(line), 0)
	refused(t, err, nil, "10000")
	f.Close(ctx)
	equal(t, "chat", c.read(d+"/chat"), userLine) // never half
}

// The next command of a shell can arrive before the clunk of the one before.
func TestCommitTakesInWhatIsOpen(t *testing.T) {
	s := serve(t)
	c := s.dial("ann")
	d := c.new()
	sys := c.open(d+"/system", ninep.OWRITE|ninep.OTRUNC)
	sys.WriteAt(ctx, []byte("be brief\n"), 0)
	chat := c.open(d+"/chat", ninep.OWRITE|ninep.OTRUNC)
	chat.WriteAt(ctx, []byte(strings.TrimSuffix(userLine, "\n")), 0)
	gram := c.open(d+"/grammar", ninep.OWRITE|ninep.OTRUNC)
	gram.WriteAt(ctx, []byte("root ::= x"), 0)
	tok := c.open(d+"/token", ninep.OWRITE|ninep.OTRUNC)
	tok.WriteAt(ctx, []byte("1 2 3"), 0)
	c.write(d+"/ctl", "generate")
	turn := s.turn()
	equal(t, "messages", len(turn.Messages), 2)
	equal(t, "system", turn.Messages[0], Message{"system", "be brief"})
	equal(t, "grammar", turn.Grammar, "root ::= x")
	equal(t, "prefix", len(turn.Prefix), 3)
	turn.done()
	c.read(d + "/out")
	chatNow := c.read(d + "/chat")
	sys.Close(ctx)
	chat.Close(ctx)
	gram.Close(ctx)
	tok.Close(ctx)
	equal(t, "chat", c.read(d+"/chat"), chatNow) // the late clunks change nothing
	equal(t, "system", c.read(d+"/system"), "be brief\n")
	c.write(d+"/prompt", "next")
	turn = s.turn()
	equal(t, "prefix", len(turn.Prefix), 0)
	equal(t, "grammar", turn.Grammar, "root ::= x")
	turn.done()
}

func TestTexts(t *testing.T) {
	s := serve(t)
	c := s.dial("ann")
	d := c.new()
	for _, name := range []string{"system", "grammar", "schema"} {
		path := d + "/" + name
		c.write(path, "one\n")
		equal(t, name, c.read(path), "one\n")
		f := c.open(path, ninep.OWRITE)
		f.WriteAt(ctx, []byte("two"), 0)
		f.WriteAt(ctx, []byte(" three\n"), 77)
		equal(t, name+" before the clunk", c.read(path), "one\n")
		f.Close(ctx)
		equal(t, name+" appended", c.read(path), "one\ntwo three\n")
		f = c.open(path, ninep.ORDWR|ninep.OTRUNC)
		f.WriteAt(ctx, []byte("four"), 0)
		p := make([]byte, 64)
		n, err := f.ReadAt(ctx, p, 0)
		if err != nil || string(p[:n]) != "four" {
			t.Fatalf("%s: got %q, %v", name, p[:n], err)
		}
		equal(t, name+" read on the same descriptor", c.read(path), "four")
		f.WriteAt(ctx, []byte(" five"), 0)
		f.Close(ctx)
		equal(t, name, c.read(path), "four five")
		if err := c.Wstat(ctx, path, ninep.StatChange{Length: new(uint64)}); err != nil {
			t.Fatal(err)
		}
		equal(t, name+" emptied", c.read(path), "")
		// As Linux redirects: open, length 0, write, clunk.
		c.write(path, "old")
		f = c.open(path, ninep.OWRITE)
		if err := c.Wstat(ctx, path, ninep.StatChange{Length: new(uint64)}); err != nil {
			t.Fatal(err)
		}
		f.WriteAt(ctx, []byte("new"), 0)
		f.Close(ctx)
		equal(t, name+" redirected", c.read(path), "new")
		if err := c.Wstat(ctx, path, ninep.StatChange{Length: ptr(uint64(2))}); err == nil {
			t.Fatalf("%s: length 2 is taken", name)
		}
		c.write(path, "")
	}
	c.write(d+"/system", "one newline\n\n")
	c.write(d+"/prompt", "hi")
	turn := s.turn()
	equal(t, "system", turn.Messages[0].Content, "one newline\n")
	turn.done()
}

func ptr[T any](v T) *T { return &v }

func TestBadGrammarFailsTurns(t *testing.T) {
	s := serve(t)
	c := s.dial("ann")
	d := c.new()
	c.write(d+"/grammar", "bad")
	equal(t, "error", c.attr(d+"/status", "error"), "grammar: line 1: bad")
	for range 2 {
		c.write(d+"/prompt", "hi")
		_, err := c.tryRead(d + "/out")
		refused(t, err, nil, "grammar: line 1: bad")
		equal(t, "error", c.attr(d+"/status", "error"), "grammar: line 1: bad")
	}
	s.noTurn()
	c.write(d+"/grammar", "panic")
	equal(t, "error", c.attr(d+"/status", "error"), "grammar: internal error: as the test wants")
	c.write(d+"/grammar", "root ::= good")
	equal(t, "error", c.attr(d+"/status", "error"), "")
	c.write(d+"/schema", `{"bad":1}`)
	equal(t, "error", c.attr(d+"/status", "error"), "schema: bad")
	c.write(d+"/schema", `{"type":"object"}`)
	c.write(d+"/prompt", "hi")
	_, err := c.tryRead(d + "/out")
	refused(t, err, nil, "both")
	c.write(d+"/grammar", "")
	c.write(d+"/prompt", "hi")
	turn := s.turn()
	equal(t, "schema", turn.Schema, `{"type":"object"}`)
	equal(t, "grammar", turn.Grammar, "")
	turn.done()
}

func TestTextBound(t *testing.T) {
	c := serve(t, func(c *Config) { c.MaxText = 10 }).dial("ann")
	d := c.new()
	c.write(d+"/system", "0123456789")
	f := c.open(d+"/system", ninep.OWRITE)
	_, err := f.WriteAt(ctx, []byte("x"), 0)
	refused(t, err, nil, "10 bytes")
	f.Close(ctx)
	f = c.open(d+"/system", ninep.OWRITE|ninep.OTRUNC)
	if _, err := f.WriteAt(ctx, []byte("01234567"), 0); err != nil {
		t.Fatal(err)
	}
	_, err = f.WriteAt(ctx, []byte("xyz"), 0)
	refused(t, err, nil, "10 bytes")
	f.Close(ctx)
	equal(t, "system", c.read(d+"/system"), "0123456789")
}

func TestPrefix(t *testing.T) {
	s := serve(t)
	s.b.vocab = 1000
	c := s.dial("ann")
	d := c.new()
	f := c.open(d+"/token", ninep.OWRITE)
	f.WriteAt(ctx, []byte("1 22 3"), 0)
	f.WriteAt(ctx, []byte("3\n44"), 0) // a number may be cut between two Twrites
	for _, bad := range []string{" x", " -1", " 1000", " 1.5", "4444"} {
		_, err := f.WriteAt(ctx, []byte(bad), 0)
		refused(t, err, nil, "token")
	}
	f.Close(ctx)
	c.write(d+"/prompt", "hi")
	turn := s.turn()
	if got := turn.Prefix; len(got) != 4 || got[2] != 33 || got[3] != 44 {
		t.Fatalf("prefix %v", got)
	}
	equal(t, "tokens", c.attr(d+"/status", "tokens"), "4")
	turn.Note(Note{PrefixText: "Well, "})
	turn.say("yes")
	// Written in a turn they are for the next one.
	c.write(d+"/token", "5\n")
	turn.end <- ending{o: Outcome{Reason: EOS, Tokens: 5}}
	equal(t, "out begins after the prefix", c.read(d+"/out"), "yes")
	equal(t, "tokens", c.attr(d+"/status", "tokens"), "5")
	if l := c.read(d + "/chat"); !strings.Contains(l, `"Well, yes"`) {
		t.Fatalf("chat is %q", l)
	}
	// A new open for writing replaces them.
	c.write(d+"/token", "6 7\n")
	c.write(d+"/prompt", "again")
	turn = s.turn()
	if got := turn.Prefix; len(got) != 2 || got[0] != 6 {
		t.Fatalf("prefix %v", got)
	}
	turn.done()
	c.read(d + "/out")
	c.write(d+"/prompt", "again") // they hold for one turn
	turn = s.turn()
	equal(t, "prefix", len(turn.Prefix), 0)
	turn.done()
}

func TestFork(t *testing.T) {
	s := serve(t)
	c := s.dial("ann")
	a, b := c.new(), c.new()
	c.write(a+"/ctl", "temperature 0.5\nstop x\n")
	c.write(a+"/system", "be brief")
	c.write(a+"/chat", userLine+botLine)
	c.write(b+"/chat", userLine)
	c.write(b+"/ctl", "fork "+strings.TrimPrefix(a, "infer/")+"\ntop_k 3\ngenerate")
	turn := s.turn()
	equal(t, "messages", len(turn.Messages), 3)
	equal(t, "temperature", turn.Params.Temperature, 0.5)
	equal(t, "top_k", turn.Params.TopK, 3)
	turn.say(" x")
	turn.done()
	c.read(b + "/out")
	equal(t, "the other's chat", c.read(a+"/chat"), userLine+botLine)
	s.b.mu.Lock()
	equal(t, "forked", len(s.b.forked), 1)
	s.b.mu.Unlock()
	refused(t, c.tryWrite(b+"/ctl", "fork 999999"), ninep.ErrNotExist, "999999")
}

// A length of 0 empties at once, and what open files hold goes with it.
func TestEmptyWhileOpen(t *testing.T) {
	s := serve(t)
	c := s.dial("ann")
	d := c.new()
	c.write(d+"/chat", userLine)
	c.write(d+"/token", "5")
	chat, tok := c.open(d+"/chat", ninep.OWRITE), c.open(d+"/token", ninep.ORDWR)
	chat.WriteAt(ctx, []byte(botLine+`{"ro`), 0)
	tok.WriteAt(ctx, []byte("6 7 8"), 0)
	for _, name := range []string{"chat", "token"} {
		if err := c.Wstat(ctx, d+"/"+name, ninep.StatChange{Length: new(uint64)}); err != nil {
			t.Fatal(err)
		}
	}
	equal(t, "chat", c.read(d+"/chat"), "")
	chat.WriteAt(ctx, []byte(userLine), 0)
	tok.WriteAt(ctx, []byte("9"), 0)
	chat.Close(ctx)
	tok.Close(ctx)
	equal(t, "chat", c.read(d+"/chat"), userLine)
	c.write(d+"/ctl", "generate")
	turn := s.turn()
	if len(turn.Prefix) != 1 || turn.Prefix[0] != 9 {
		t.Fatalf("prefix %v", turn.Prefix)
	}
	turn.done()
	c.read(d + "/out")
	// OTRUNC needs no write to be asked for.
	c.open(d+"/chat", ninep.OREAD|ninep.OTRUNC).Close(ctx)
	equal(t, "chat", c.read(d+"/chat"), "")
}

// token, open for both, is the answer and the next turn's prefix.
func TestTokenReadWrite(t *testing.T) {
	s := serve(t)
	c := s.dial("ann")
	d := c.new()
	f := c.open(d+"/token", ninep.ORDWR)
	f.WriteAt(ctx, []byte("3 4\n"), 0)
	c.write(d+"/prompt", "hi")
	turn := s.turn()
	equal(t, "prefix", len(turn.Prefix), 2)
	turn.say("x")
	p := make([]byte, 64)
	n, err := f.ReadAt(ctx, p, 0)
	if err != nil || string(p[:n]) != "100 - \"x\"\n" {
		t.Fatalf("got %q, %v", p[:n], err)
	}
	turn.done()
	if err := f.Close(ctx); err != nil {
		t.Fatal(err)
	}
}

// A read takes in what was written before it on the same descriptor, also one
// that goes on where the last one ended.
func TestTextsReadOnAfterAWrite(t *testing.T) {
	c := serve(t).dial("ann")
	d := c.new()
	line := `{"role":"user","content":"one"}` + "\n"
	for name, text := range map[string]string{"system": "one\n", "chat": line} {
		c.write(d+"/"+name, text)
		f := c.open(d+"/"+name, ninep.ORDWR)
		p := make([]byte, 8192)
		if n, err := f.ReadAt(ctx, p, 0); err != nil || string(p[:n]) != text {
			t.Fatalf("%s: got %q, %v", name, p[:n], err)
		}
		off := int64(len(text))
		if _, err := f.WriteAt(ctx, []byte(text), off); err != nil {
			t.Fatal(err)
		}
		if n, err := f.ReadAt(ctx, p, off); err != nil || string(p[:n]) != text {
			t.Fatalf("%s behind what was there: got %q, %v", name, p[:n], err)
		}
	}
}
