package coord

import (
	"strings"
	"testing"
	"time"

	"llama9/styxfs"
)

func TestRoundRobin(t *testing.T) {
	s := newScript(t)
	s.strategy = roundRobin
	for _, name := range []string{"c", "a", "b"} {
		s.add(name, 3)
	}
	for range 3 {
		for _, want := range []string{"a", "b", "c"} {
			s.goes(s.ask("u"), want, roundRobin)
		}
	}
	s.ask("u")
	s.waits() // all nine slots are taken
}

// A counter is per model: turns of one do not move another's on.
func TestRoundRobinByModel(t *testing.T) {
	s := newScript(t)
	s.strategy = roundRobin
	for _, name := range []string{"a", "b"} {
		s.upAs(s.add(name, 8), "id", 8, styxfs.Model{Name: "m", State: "loaded"}, styxfs.Model{Name: "k", State: "loaded"})
	}
	s.goes(s.ask("u"), "a", "")
	k := s.ask("u")
	k.model = "k"
	s.goes(k, "a", "")
	s.goes(s.ask("u"), "b", "")
}

func TestLeastConnections(t *testing.T) {
	s := newScript(t)
	s.strategy = leastConnections
	s.add("a", 8)
	s.add("b", 8).weight = 2
	first := s.ask("u")
	s.goes(first, "a", leastConnections)
	s.goes(s.ask("u"), "b", "")
	s.goes(s.ask("u"), "b", "") // a has 1 of weight 1, b 1 of weight 2
	s.goes(s.ask("u"), "a", "") // 1 and 2/2: a was served less
	s.done(first, 10, 0)
	s.goes(s.ask("u"), "a", "")
}

func TestWeightedRandom(t *testing.T) {
	a, b := &node{name: "a", weight: 1}, &node{name: "b", weight: 3}
	for at, want := range map[float64]*node{0: a, 0.24: a, 0.26: b, 0.999: b} {
		if got := weighted([]*row{{n: a}, {n: b}}, at); got != want {
			t.Errorf("at %v: %s", at, got.name)
		}
	}
	for _, strategy := range []string{random, weightedRandom} {
		s := newScript(t)
		s.strategy = strategy
		s.add("a", 4000)
		s.add("b", 4000).weight = 3
		n := make(map[string]int)
		for range 2000 {
			s.ask("u")
			_, at, route := s.place()
			n[at]++
			if route != strategy {
				t.Fatalf("route %s", route)
			}
		}
		want := 1000
		if strategy == weightedRandom {
			want = 500
		}
		if d := n["a"] - want; d < -100 || d > 100 {
			t.Errorf("%s: %d of 2000 at a, want about %d", strategy, n["a"], want)
		}
	}
}

// Counts are taken before the dispatch: a burst spreads though no node has
// told a new load.
func TestLeastLoaded(t *testing.T) {
	s := newScript(t)
	s.add("a", 4)
	s.add("b", 4)
	s.add("c", 2)
	at := make(map[string]int)
	for range 10 {
		s.ask("u")
		_, n, route := s.place()
		at[n]++
		if route != leastLoaded {
			t.Fatalf("route %s", route)
		}
		if at["a"] > 2*at["c"]+2 || at["b"] > 2*at["c"]+2 {
			t.Fatalf("uneven: %v", at)
		}
	}
	if at["a"] != 4 || at["b"] != 4 || at["c"] != 2 {
		t.Fatalf("slots are not filled: %v", at)
	}
	s.ask("u")
	s.waits()
	s.node("b").tell(6, 4, 0, 0)
	s.node("c").tell(2, 0, 0, 0) // a lie: two turns of ours are there
	_, n, _ := s.place()
	if n != "b" {
		t.Fatalf("placed at %s", n)
	}
}

// What a node says of work that is not ours counts too.
func TestLeastLoadedForeign(t *testing.T) {
	s := newScript(t)
	s.add("a", 4).tell(4, 3, 0, 0)
	s.add("b", 4).tell(4, 0, 0, 0)
	s.goes(s.ask("u"), "b", "")
	s.goes(s.ask("u"), "b", "")
	s.goes(s.ask("u"), "b", "")
	s.goes(s.ask("u"), "a", "") // both are 3/4 full, and a was served less
	s.node("a").tell(4, 2, 9, 0)
	s.goes(s.ask("u"), "b", "")
	s.ask("u")
	s.waits()
}

// A long prompt goes where its beginning was seen, until that node is fuller
// than the prefix is worth.
func TestPrefix(t *testing.T) {
	s := newScript(t)
	s.add("a", 4)
	s.add("b", 4)
	system := strings.Repeat("Be brief. ", 1000)
	one := s.ask("u", system, "one")
	s.goes(one, "a", leastLoaded)
	s.done(one, 3000, 0)
	for range 4 {
		s.goes(s.ask("u", system, "other"), "a", byPrefix)
	}
	hot := s.ask("u", system, "more")
	s.goes(hot, "b", "") // a is saturated
	s.done(hot, 3000, 0)
	s.goes(s.ask("u", system, "again"), "b", byPrefix)
	// Half of the prompt seen is worth half of the slots.
	half := system[:5000] + strings.Repeat("y", 5000)
	s.node("b").tell(4, 3, 0, 0)
	s.add("c", 4)
	s.goes(s.ask("u", half), "c", leastLoaded)
}

// What came from the cache corrects what was believed.
func TestPrefixCorrected(t *testing.T) {
	s := newScript(t)
	s.add("a", 4)
	s.add("b", 4)
	system := strings.Repeat("Be brief. ", 1000)
	one := s.ask("u", system)
	s.goes(one, "a", "")
	two := s.ask("u", system)
	s.goes(two, "a", byPrefix)
	s.done(one, 3000, 0)
	three := s.ask("u", system)
	s.goes(three, "a", byPrefix)
	s.index.correct(s.node("a"), three.chain, three.matched, 3000, 12)
	s.goes(s.ask("u", system), "b", leastLoaded)
}

// A new start of a node knows nothing.
func TestPrefixOfAnotherStart(t *testing.T) {
	s := newScript(t)
	a := s.add("a", 4)
	s.add("b", 4)
	system := strings.Repeat("Be brief. ", 1000)
	one := s.ask("u", system)
	s.goes(one, "a", "")
	s.done(one, 3000, 0)
	s.lost(a, "hung up")
	s.upAs(a, "another", 4, a.models...)
	if a.match(one.chain) != 0 || len(s.index) != 0 {
		t.Fatal("it is believed to know what it knew")
	}
	s.goes(s.ask("u", system), "b", leastLoaded)
}

// What is remembered is bounded, and what goes first is what was used longest
// ago, a chain's end before its beginning.
func TestPrefixBound(t *testing.T) {
	x, n := make(index), &node{name: "a"}
	chain := func(k int) []uint64 {
		l := make([]uint64, mostBlocks)
		for i := range l {
			l[i] = uint64(k*1000 + i)
		}
		return l
	}
	many := nodeBlocks/mostBlocks + 1
	for k := range many {
		x.saw(n, chain(k))
		x.saw(n, chain(0)) // used again and again
	}
	if len(n.prefixes.blocks) != nodeBlocks || n.prefixes.order.Len() != nodeBlocks || len(x) != nodeBlocks {
		t.Fatalf("%d, %d, %d blocks", len(n.prefixes.blocks), n.prefixes.order.Len(), len(x))
	}
	if n.match(chain(0)) != mostBlocks || n.match(chain(1)) != 0 || n.match(chain(2)) != mostBlocks {
		t.Fatalf("left are %d, %d, %d", n.match(chain(0)), n.match(chain(1)), n.match(chain(2)))
	}
	for i := range 2 * mostHolders {
		x.saw(&node{name: string(rune('A' + i))}, chain(0)[:1])
	}
	if len(x[0]) != mostHolders {
		t.Fatalf("%d holders", len(x[0]))
	}
}

func TestSticky(t *testing.T) {
	s := newScript(t)
	a, b := s.add("a", 1), s.add("b", 1)
	a.health.perToken = time.Millisecond
	one := s.say(7, "u", "hello")
	s.goes(one, "a", leastLoaded)
	s.done(one, 900, 0)
	b.served = 0
	two := s.say(7, "u", "hello", "and")
	s.goes(two, "a", bySticky)
	// Busy, it is waited for, but not longer than a new prefill would take.
	three := s.say(7, "u", "hello", "and", "more")
	s.done(two, 990, 900)
	other := s.ask("u")
	s.queue.remove(three, false)
	s.goes(other, "b", "")
	s.queue.add(three)
	s.goes(three, "a", bySticky)
	four := s.say(7, "u", "again")
	s.done(other, 1, 0)
	s.waits()
	s.after(900 * time.Millisecond)
	s.waits()
	s.after(200 * time.Millisecond)
	s.goes(four, "b", leastLoaded)
	s.done(three, 1000, 0)
	s.done(four, 1000, 0)
	s.goes(s.say(7, "u", "x"), "b", bySticky)
	// A forgotten session goes by strategy.
	if at := s.forget(7); at != "b" {
		t.Fatalf("it was at %q", at)
	}
	s.goes(s.say(7, "u", "x"), "a", leastLoaded)
}

// A turn goes only where its model is or can be: where it is loaded first.
func TestCandidates(t *testing.T) {
	s := newScript(t)
	a, b, c := s.add("a", 4), s.add("b", 1), s.add("c", 4)
	s.upAs(a, "id-a", 4, styxfs.Model{Name: "m", State: "available"})
	s.upAs(c, "id-c", 4, styxfs.Model{Name: "other", State: "loaded"})
	s.goes(s.ask("u"), "b", "")
	s.goes(s.ask("u"), "a", "") // b is full: a loads it
	s.upAs(a, "id-a", 4, styxfs.Model{Name: "m", State: "failed", Error: "x"})
	s.ask("u")
	_, at, _ := s.place()
	if at != "a" { // it is tried again, for there is no other
		t.Fatalf("placed at %q", at)
	}
	b.tell(9, 1, 0, 0)
	for range 3 {
		s.goes(s.ask("u"), "b", "")
	}
	if s.unknown("other") || s.unknown("") || !s.unknown("none") {
		t.Error("unknown models")
	}
	s.expected["none"] = true
	if s.unknown("none") {
		t.Error("a model that is expected is unknown")
	}
	if newScript(t).unknown("none") {
		t.Error("a model is unknown though no node was seen")
	}
}

func TestDrainAndPause(t *testing.T) {
	s := newScript(t)
	a, b := s.add("a", 4), s.add("b", 4)
	one := s.say(7, "u", "x")
	s.goes(one, "a", "")
	s.done(one, 10, 0)
	a.drained = true
	if a.state() != "draining" {
		t.Errorf("state %s", a.state())
	}
	s.goes(s.say(7, "u", "x"), "b", leastLoaded) // the session moves
	a.drained = false
	b.ready = false // drained by itself
	s.goes(s.ask("u"), "a", "")
	s.paused = true
	u := s.ask("u")
	s.waits()
	s.paused = false
	s.goes(u, "a", "")
}

// A node that refuses is left alone until it tells its load, or for a while
// that grows.
func TestRefused(t *testing.T) {
	s := newScript(t)
	a := s.add("a", 4)
	u := s.ask("u")
	a.refuse(s.now)
	s.waits()
	s.after(100 * time.Millisecond)
	s.goes(u, "a", "")
	a.refuse(s.now)
	v := s.ask("u")
	s.after(100 * time.Millisecond)
	s.waits()
	a.tell(4, 1, 0, 0)
	s.goes(v, "a", "")
	for range 100 {
		a.refuse(s.now)
	}
	if d := a.held.Sub(s.now); d != 5*time.Second {
		t.Errorf("held for %v", d)
	}
}

// A node that lies about its load is believed within bounds.
func TestLies(t *testing.T) {
	n := &node{weight: 1}
	n.tell(-5, -1<<40, -3, 0)
	if n.free() || n.load() != 0 {
		t.Error("slots below zero")
	}
	n.tell(1<<40, 1<<50, 1<<50, 0)
	if n.slots != mostSlots || n.load() != 2*mostSlots || n.free() {
		t.Errorf("%d slots, load %d", n.slots, n.load())
	}
}
