package styxfs

import (
	"testing"

	"llama9/ninep"
)

func TestEchoAndCat(t *testing.T) {
	s := serve(t)
	c := s.dial("ann")
	c.write("infer/new", "why is the sky blue\n")
	turn := s.turn()
	equal(t, "messages", len(turn.Messages), 1)
	equal(t, "message", turn.Messages[0], Message{"user", "why is the sky blue"})
	out := c.open("infer/last/out", ninep.OREAD)
	turn.say("Because", " it is.")
	p := make([]byte, 100)
	n, err := out.Read(ctx, p)
	if err != nil {
		t.Fatal(err)
	}
	equal(t, "first read", string(p[:n]), "Because it is.")
	equal(t, "state", c.attr("infer/last/status", "state"), "decode")
	turn.done()
	rest, err := readAll(out)
	if rest != "" || err != nil {
		t.Fatalf("at the end: %q, %v", rest, err)
	}
	equal(t, "again", c.read("infer/last/out"), "Because it is.")
	equal(t, "state", c.attr("infer/last/status", "state"), "done")
	equal(t, "chat", c.read("infer/last/chat"), `{"role":"user","content":"why is the sky blue"}
{"role":"assistant","content":"Because it is."}
`)
	equal(t, "token", c.read("infer/last/token"), "100 - \"Because\"\n101 - \" it is.\"\n")
}
