package tests

import (
	"strconv"
	"strings"
	"testing"

	"llama9/mnt"
)

// TestKillAtEachToken: kill -9 of a node at each of the first 50 tokens of 20
// concurrent streams, greedy and seeded: every client sees byte for byte the
// text of a run without a fault.
func TestKillAtEachToken(t *testing.T) {
	const streams, tokens = 20, 70
	flags := []string{"--engine", "fake", "-m", "fake:words,step=2ms", "--alias", "words", "-np", "16"}
	want := unbroken(t, streams, tokens, flags...)
	c := newCluster(t, "a b c", flags...)
	step := 1
	if testing.Short() || len(buildFlags) > 0 {
		step = 7
	}
	for k := 0; k < 50; k += step {
		var all []*answer
		for i := range streams {
			all = append(all, c.begin(settings(i, tokens), question(i)))
		}
		victim := all[k%streams]
		c.tokens(victim.dir, k+1)
		at := victim.node()
		c.kill(at)
		for i, s := range all {
			if got := s.wait(); got != want[i] {
				t.Fatalf("killed %s at token %d: stream %d is\n%q, want\n%q", at, k, i, got, want[i])
			}
		}
		c.start(at, flags...)
		c.state(at, "up")
	}
	c.quiet(0)
	if m := readFile(t, c.fs, "metrics"); strings.Contains(m, "llama9_coord_lost_total 0\n") {
		t.Error("no turn has lost its node")
	}
}

// TestPoison: a prompt that ends the process of its node, among 20 streams.
func TestPoison(t *testing.T) {
	const streams, tokens = 20, 60
	flags := []string{"--engine", "fake", "-m", "fake:words,step=2ms,exit=arsenic", "--alias", "words", "-np", "16"}
	want := unbroken(t, streams, tokens, flags...)
	c := newCluster(t, "a b c", flags...)
	var all []*answer
	for i := range streams {
		all = append(all, c.begin(settings(i, tokens), question(i)))
	}
	dir := c.session(settings(1, tokens))
	writeFile(t, c.fs, dir+"/prompt", "arsenic and old lace")
	_, err := c.fs.ReadFile(t.Context(), dir+"/out")
	if err == nil || !strings.Contains(err.Error(), "killed 2 nodes: ") {
		t.Errorf("the poison: %v", err)
	}
	for i, s := range all {
		if got := s.wait(); got != want[i] {
			t.Errorf("stream %d is\n%q, want\n%q", i, got, want[i])
		}
	}
	dead := func() (n int) {
		for _, p := range c.nodes {
			select {
			case <-p.Ended:
				n++
			default:
			}
		}
		return n
	}
	until(t, "two nodes have died", func() bool { return dead() >= 2 })
	for name := range c.nodes {
		until(t, name+" has no turns left", func() bool { return c.attr(name, "inflight") == "0" })
	}
	if n := dead(); n != 2 {
		t.Errorf("%d nodes died", n)
	}
}

// TestAllGone: all nodes are gone, then one is back: what waits runs, and so
// does what had been begun.
func TestAllGone(t *testing.T) {
	const streams, tokens = 6, 40
	flags := words("10ms", "-np", "4")
	want := unbroken(t, streams, tokens, words("0")...)
	c := newNodes(t)
	c.start("a", words("100ms", "-np", "4")...)
	c.start("b", flags...)
	c.coordinate()
	writeFile(t, c.fs, "ctl", "drain b\n")
	var all []*answer
	for i := range streams / 2 {
		all = append(all, c.begin(settings(i, tokens), question(i)))
	}
	c.tokens(all[0].dir, 5)
	c.kill("a")
	c.kill("b") // it has nothing: twice at a death, a turn would be held to be the cause
	c.state("a", "down")
	c.state("b", "down")
	until(t, "those that were begun wait", func() bool { return attr(t, readFile(t, c.fs, "status"), "queue") == strconv.Itoa(len(all)) })
	var waiting []string
	for i := streams / 2; i < streams; i++ {
		dir := c.session(settings(i, tokens))
		writeFile(t, c.fs, dir+"/prompt", question(i))
		until(t, "it is queued", func() bool { // the next is behind it then
			return attr(t, readFile(t, c.fs, "status"), "queue") == strconv.Itoa(len(all)+len(waiting)+1)
		})
		waiting = append(waiting, dir)
	}
	writeFile(t, c.fs, "ctl", "undrain b\n")
	before := 0
	for _, dir := range waiting {
		var place int
		until(t, "it is queued", func() bool {
			s := readFile(t, c.fs, dir+"/status")
			var err error
			place, err = strconv.Atoi(attr(t, s, "position"))
			return attr(t, s, "state") == "queued" && err == nil
		})
		if before > 0 && place != before+1 {
			t.Errorf("position %d after %d", place, before)
		}
		before = place
	}
	c.start("b", flags...)
	for i, s := range all {
		if got := s.wait(); got != want[i] {
			t.Errorf("stream %d is\n%q, want\n%q", i, got, want[i])
		}
	}
	for i, dir := range waiting {
		if got := readFile(t, c.fs, dir+"/out"); got != want[i+streams/2] {
			t.Errorf("the one that waited, %d, is\n%q, want\n%q", i, got, want[i+streams/2])
		}
	}
}

// TestDrainUnderLoad: nothing is lost, and the drained node gets nothing new.
func TestDrainUnderLoad(t *testing.T) {
	const streams, tokens = 24, 60
	flags := []string{"--engine", "fake", "-m", "fake:words,step=2ms", "--alias", "words", "-np", "8"}
	want := unbroken(t, streams, tokens, flags...)
	c := newCluster(t, "a b", flags...)
	var all []*answer
	for i := range streams {
		all = append(all, c.begin(settings(i, tokens), question(i)))
		if i == streams/2 {
			writeFile(t, c.fs, "ctl", "drain a\n")
		}
	}
	served := c.attr("a", "served")
	for i, s := range all {
		if got := s.wait(); got != want[i] {
			t.Errorf("stream %d is\n%q, want\n%q", i, got, want[i])
		}
	}
	if now := c.attr("a", "served"); served == "0" || now != served {
		t.Errorf("a has served %s, and then %s", served, now)
	}
	c.state("a", "draining")
	c.quiet(0)
}

// TestOtherModel: a node is started anew with another model: what it had begun
// goes on where the model is, and turns of the new one go there.
func TestOtherModel(t *testing.T) {
	const tokens = 80
	want := unbroken(t, 1, tokens, words("0")...)
	c := newNodes(t)
	c.start("a", words("50ms")...)
	c.start("b", words("5ms")...)
	c.coordinate()
	writeFile(t, c.fs, "ctl", "drain b\n")
	s := c.begin(settings(0, tokens), question(0))
	c.tokens(s.dir, 10)
	c.kill("a")
	c.start("a", "--engine", "fake", "-m", "fake:other", "--alias", "other")
	until(t, "a has the other model", func() bool { return strings.Contains(readFile(t, c.fs, "model"), "name=other ") })
	c.state("a", "up")
	until(t, "it waits, for there is no other node", func() bool { return attr(t, readFile(t, c.fs, s.dir+"/status"), "state") == "queued" })
	writeFile(t, c.fs, "ctl", "undrain b\n")
	if got := s.wait(); got != want[0] {
		t.Errorf("got %q, want %q", got, want[0])
	}
	turn, err := mnt.StartTurn(t.Context(), c.fs, "model other\nn_predict 5\n", []byte("x"))
	if err != nil {
		t.Fatal(err)
	}
	readFile(t, c.fs, "infer/"+turn.ID+"/out")
	if n := attr(t, readFile(t, c.fs, "infer/"+turn.ID+"/status"), "node"); n != "a" {
		t.Errorf("the other model ran at %s", n)
	}
	dir := c.session("model none\n")
	writeFile(t, c.fs, dir+"/prompt", "x")
	if _, err := c.fs.ReadFile(t.Context(), dir+"/out"); err == nil || !strings.Contains(err.Error(), "model none: unknown") {
		t.Errorf("a model that no node has: %v", err)
	}
}
