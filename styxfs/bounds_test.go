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
