package tests

import (
	"fmt"
	"strings"
	"testing"
	"unicode/utf8"

	"llama9/mnt"
)

// TestKillReal: nodes with the demo model are killed at three points of an
// answer: the bytes that were served stay, and the rest goes on from them. It
// need not be what the node would have made: how often it is, is told.
func TestKillReal(t *testing.T) {
	lib := library(t)
	const tokens = 400
	flags := []string{"--llama-lib", lib, "-t", "1"}
	_, fs, _ := serve(t, flags...)
	alone := func(set, prompt string) string {
		turn, err := mnt.StartTurn(t.Context(), fs, set, []byte(prompt))
		if err != nil {
			t.Fatal(err)
		}
		defer turn.Close()
		return readFile(t, fs, "infer/"+turn.ID+"/out")
	}
	c := newCluster(t, "a b", flags...)
	equal, all := 0, 0
	for i, at := range []int{2, 25, 60} {
		set := settings(i, tokens)
		want := alone(set, question(i))
		var dir, got, s string
		for tries := 0; ; tries++ {
			dir = c.session(set)
			writeFile(t, c.fs, dir+"/prompt", question(i))
			c.tokens(dir, at)
			name := attr(t, readFile(t, c.fs, dir+"/status"), "node")
			c.kill(name)
			got = readFile(t, c.fs, dir+"/out")
			s = readFile(t, c.fs, dir+"/status")
			c.start(name, flags...)
			c.state(name, "up")
			// It is done in some tenths of a second, and may be before the kill.
			if attr(t, s, "node") != name || tries == 20 {
				break
			}
		}
		if attr(t, s, "state") != "done" || attr(t, s, "tokens") != fmt.Sprint(tokens) || !strings.Contains(s, ",continued") {
			t.Errorf("status %s", s)
		}
		same := 0
		for same < min(len(got), len(want)) && got[same] == want[same] {
			same++
		}
		if !utf8.ValidString(got) || same < at {
			t.Errorf("killed at token %d: only %d bytes are those of a run without a fault:\n%q\n%q", at, same, got, want)
		}
		var sum strings.Builder
		lines := 0
		for line := range strings.Lines(readFile(t, c.fs, dir+"/token")) {
			lines++
			sum.WriteString(textOf(t, line))
		}
		if sum.String() != got || lines != tokens {
			t.Errorf("token has %d lines, and the texts\n%q, out is\n%q", lines, sum.String(), got)
		}
		all++
		if got == want {
			equal++
		}
	}
	t.Logf("%d of %d answers are those of a run without a fault", equal, all)
}
