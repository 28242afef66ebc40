package styxfs

import (
	"strings"
	"testing"

	"llama9/mnt"
	"llama9/ninep"
)

// Digits that never end are no id, and are not kept.
func TestEndlessID(t *testing.T) {
	c := serve(t).dial("ann")
	f := c.open(c.new()+"/token", ninep.OWRITE)
	if _, err := f.WriteAt(ctx, []byte("00000005 0"), 0); err != nil {
		t.Fatal(err)
	}
	_, err := f.WriteAt(ctx, []byte(strings.Repeat("0", 1000)), 0)
	refused(t, err, nil, "token: 0000")
}

// Prompts, answers that are continued and several writers at once do not take
// a conversation beyond its bound, nor a text.
func TestBoundsHoldTogether(t *testing.T) {
	s := serve(t, func(c *Config) { c.MaxChat, c.MaxText = 1000, 10 })
	c := s.dial("ann")
	d := c.new()
	c.write(d+"/prompt", strings.Repeat("x", 600))
	s.turn().fail(Client, "too long")
	c.tryRead(d + "/out")
	refused(t, c.tryWrite(d+"/prompt", strings.Repeat("y", 600)), nil, "chat longer than 1000 bytes")
	s.noTurn()

	c.write(d+"/ctl", "generate")
	turn := s.turn()
	turn.say(strings.Repeat("z", 600))
	turn.done()
	c.read(d + "/out")
	refused(t, c.tryWrite(d+"/ctl", "generate"), nil, "chat longer than 1000 bytes")

	c.write(d+"/ctl", "reset")
	line := []byte(`{"role":"user","content":"` + strings.Repeat("x", 600) + "\"}\n")
	write := func(f *mnt.File, p []byte) *mnt.File {
		if _, err := f.WriteAt(ctx, p, 0); err != nil {
			t.Fatal(err)
		}
		return f
	}
	f, g := c.open(d+"/chat", ninep.OWRITE), c.open(d+"/chat", ninep.OWRITE)
	write(f, line).Close(ctx)
	want := c.read(d + "/chat")
	write(c.open(d+"/system", ninep.OWRITE), []byte("012345")).Close(ctx)
	h, i := c.open(d+"/system", ninep.OWRITE), c.open(d+"/system", ninep.OWRITE)
	write(h, []byte("6"))
	write(i, []byte("789a"))
	h.Close(ctx)
	i.Close(ctx)
	equal(t, "error", c.attr(d+"/status", "error"), "system longer than 10 bytes")
	equal(t, "system", c.read(d+"/system"), "0123456")
	_, err := g.WriteAt(ctx, line, 0)
	refused(t, err, nil, "chat longer than 1000 bytes")
	g.Close(ctx)
	equal(t, "chat", c.read(d+"/chat"), want)
}

// Of two that write a conversation at once the second is dropped whole if both
// are too much.
func TestChatOfTwoWriters(t *testing.T) {
	s := serve(t, func(c *Config) { c.MaxChat = 1000 })
	c := s.dial("ann")
	d := c.new()
	line := []byte(`{"role":"user","content":"` + strings.Repeat("x", 600) + "\"}\n")
	f, g := c.open(d+"/chat", ninep.OWRITE), c.open(d+"/chat", ninep.OWRITE)
	for _, w := range []*mnt.File{f, g} {
		if _, err := w.WriteAt(ctx, line, 0); err != nil {
			t.Fatal(err)
		}
	}
	f.Close(ctx)
	g.Close(ctx)
	equal(t, "chat", c.read(d+"/chat"), string(line))
	equal(t, "error", c.attr(d+"/status", "error"), "chat longer than 1000 bytes")
	c.write(d+"/ctl", "generate")
	_, err := c.tryRead(d + "/out")
	refused(t, err, nil, "chat longer")
}

// All sessions together hold no more than their bound, however it is spread,
// and what goes makes room.
func TestBytesOfAllSessions(t *testing.T) {
	s := serve(t, func(c *Config) { c.MaxBytes = 1000 })
	ann, bob := s.dial("ann"), s.dial("bob")
	a, b := ann.new(), bob.new()
	ann.write(a+"/prompt", strings.Repeat("x", 500))
	turn := s.turn()
	line := `{"role":"user","content":"` + strings.Repeat("x", 600) + "\"}\n"
	for name, text := range map[string]string{
		"prompt": strings.Repeat("y", 600), "system": strings.Repeat("y", 600), "grammar": strings.Repeat("y", 600),
		"chat": line, "token": strings.Repeat("1 ", 300),
	} {
		refused(t, bob.tryWrite(b+"/"+name, text), nil, "all sessions hold more than 1000 bytes")
	}
	s.noTurn()
	for _, name := range []string{"prompt", "system", "grammar", "chat", "token"} {
		equal(t, name, bob.read(b+"/"+name), "")
	}
	turn.say(strings.Repeat("z", 2000)) // it runs, and so it may
	turn.done()
	equal(t, "out", len(ann.read(a+"/out")), 2000)
	refused(t, bob.tryWrite(b+"/system", "y"), nil, "all sessions hold")
	ann.write(a+"/ctl", "close")

	f := bob.open(b+"/system", ninep.OWRITE)
	if _, err := f.WriteAt(ctx, []byte(strings.Repeat("s", 900)), 0); err != nil {
		t.Fatal(err)
	}
	refused(t, ann.tryWrite(ann.new()+"/system", strings.Repeat("y", 200)), nil, "all sessions hold")
	f.Close(ctx)
	equal(t, "system", len(bob.read(b+"/system")), 900)
	bob.write(b+"/ctl", "close")
	for _, n := range ann.names("infer") {
		if n != "new" && n != "last" {
			ann.write("infer/"+n+"/ctl", "close")
		}
	}
	equal(t, "bytes held by no session", s.fs.held.Load(), 0)
}

// What open files hold is bounded by their number.
func TestWritersBound(t *testing.T) {
	c := serve(t).dial("ann")
	d := c.new()
	names := []string{"system", "grammar", "schema", "chat", "token"}
	var last *mnt.File
	for i := range maxWriters {
		last = c.open(d+"/"+names[i%len(names)], ninep.OWRITE)
	}
	for _, name := range names {
		_, err := c.Open(ctx, d+"/"+name, ninep.OWRITE)
		refused(t, err, ninep.ErrTooMany, "")
		c.open(d+"/"+name, ninep.OREAD).Close(ctx)
	}
	last.Close(ctx)
	c.open(d+"/system", ninep.OWRITE).Close(ctx)
}
