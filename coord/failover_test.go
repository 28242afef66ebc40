package coord

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"llama9/styxfs"
)

// A turn that has lost its node goes before all that wait, and not to where it
// was.
func TestFailoverFirst(t *testing.T) {
	s := newScript(t)
	s.add("a", 1)
	s.add("b", 1)
	one, two := s.ask("u"), s.ask("u")
	s.goes(one, "a", "")
	s.goes(two, "b", "")
	if err := s.loses(one, false); err != nil {
		t.Fatal(err)
	}
	s.waits() // a is free, but has lost it
	urgent := s.ask("v")
	urgent.priority = 10
	s.node("a").drained = true
	s.done(two, 1, 0)
	s.goes(one, "b", "")
	s.node("a").drained = false
	s.goes(urgent, "a", "")
}

// Where no other node is left, one that has come back is tried again.
func TestFailoverAlone(t *testing.T) {
	s := newScript(t)
	a := s.add("a", 1)
	one := s.ask("u")
	s.goes(one, "a", "")
	if err := s.loses(one, false); err != nil {
		t.Fatal(err)
	}
	s.lost(a, "hung up")
	s.waits()
	s.upAs(a, "id-a", 1, a.models...)
	s.goes(one, "a", "")
	s.loses(one, true)
	s.upAs(a, "another start", 1, a.models...)
	s.goes(one, "a", "")
	err := s.loses(one, true)
	if err == nil || !strings.Contains(err.Error(), "killed") {
		t.Fatalf("the third time: %v", err)
	}
}

func TestThreeNodesLost(t *testing.T) {
	s := newScript(t)
	for _, name := range []string{"a", "b", "c", "d"} {
		s.add(name, 1)
	}
	one := s.ask("u")
	for i, at := range []string{"a", "b", "c"} {
		s.goes(one, at, "")
		err := s.loses(one, false)
		if i < 2 && err != nil || i == 2 && (err == nil || err.Error() != "lost 3 nodes: a, b, c") {
			t.Fatalf("loss %d: %v", i, err)
		}
	}
}

func TestStrict(t *testing.T) {
	one := newTurn(&styxfs.Request{}, nil, time.Time{})
	if err := one.loss(&node{name: "a"}, "", true, true); err == nil || err.Error() != "node a lost" {
		t.Fatal(err)
	}
}

// A prompt that ends the process of its node: of 20 turns at once only that
// one fails, and two nodes die at most.
func TestPoison(t *testing.T) {
	s := newScript(t)
	nodes := map[string]*node{}
	for _, name := range []string{"a", "b", "c"} {
		nodes[name] = s.add(name, 32)
	}
	s.node("b").drained, s.node("c").drained = true, true
	poison := (*turn)(nil)
	for i := range 20 {
		u := s.ask("u", fmt.Sprint(i))
		s.goes(u, "a", "")
		if i == 11 {
			poison = u
		}
	}
	s.node("b").drained, s.node("c").drained = false, false
	deaths, failed, done := 0, 0, 0
	kill := func(n *node) {
		deaths++
		s.lost(n, "hung up")
		for u, at := range s.where {
			if at != n {
				continue
			}
			if err := s.loses(u, true); err != nil {
				failed++
				if u != poison || !strings.HasPrefix(err.Error(), "killed 2 nodes: ") {
					t.Fatalf("the wrong one fails: %v", err)
				}
			}
		}
		s.upAs(n, fmt.Sprint("start", deaths), 32, n.models...)
	}
	kill(nodes["a"])
	for done+failed < 20 {
		for {
			if u, _, _ := s.place(); u == nil {
				break
			}
		}
		for name, n := range nodes {
			if n.suspects > 1 {
				t.Fatalf("%s has %d suspects", name, n.suspects)
			}
		}
		if n := s.where[poison]; n != nil {
			kill(n)
			continue
		}
		for u, n := range s.where { // all others make their proof, and end
			u.fresh = proof
			s.cleared(n, u)
			s.done(u, 1, 0)
			done++
		}
	}
	if deaths > 2 || done != 19 || failed != 1 {
		t.Fatalf("%d deaths, %d done, %d failed", deaths, done, failed)
	}
	for _, n := range nodes {
		if n.inflight != 0 || n.suspects != 0 {
			t.Errorf("%s: %d turns, %d suspects are left", n.name, n.inflight, n.suspects)
		}
	}
}

// A turn goes on with its tokens where they mean the same, else with its text.
func TestRequest(t *testing.T) {
	model := func(digest, build string, exact bool) *styxfs.Model {
		return &styxfs.Model{Name: "m", Arch: "x", Digest: digest, Build: build, Exact: exact}
	}
	r := &styxfs.Request{Prefix: []int32{1, 2}, Messages: []styxfs.Message{{Role: "user", Content: "q"}}}
	r.Params.NPredict = 10
	fresh := newTurn(r, nil, time.Time{})
	fresh.model = "m"
	if got, note, err := fresh.request(model("d", "1", true)); err != nil || note != "" || len(got.Prefix) != 2 || got.Params.Model != "m" {
		t.Fatalf("a new one: %v %q %v", got, note, err)
	}
	made := func() *turn {
		u := newTurn(r, nil, time.Time{})
		u.ids = append(u.ids, 3, 4)
		u.prefixText, u.text = "one ", []byte("two")
		u.vocab = model("d", "1", true)
		return u
	}
	for _, c := range []struct {
		to   *styxfs.Model
		note string
	}{
		{model("d", "1", true), "resumed"}, {model("d", "2", true), "continued"}, {model("d", "1", false), "continued"},
		{model("", "1", true), "resumed"}, {model("e", "1", true), "text"},
	} {
		got, note, err := made().request(c.to)
		if err != nil || note != c.note {
			t.Errorf("%v: %q, %v", c.to, note, err)
			continue
		}
		if note != "text" {
			if fmt.Sprint(got.Prefix) != "[1 2 3 4]" || len(got.Messages) != 1 || got.Params.NPredict != 10 {
				t.Errorf("%v: %+v", c.to, got)
			}
			continue
		}
		if got.Prefix != nil || got.Params.NPredict != 6 || len(got.Messages) != 2 ||
			got.Messages[1] != (styxfs.Message{Role: "assistant", Content: "one two"}) || len(r.Messages) != 1 {
			t.Errorf("text: %+v", got)
		}
	}
	u := made()
	u.noIDs = true
	if _, note, _ := u.request(u.vocab); note != "text" {
		t.Errorf("with a text that no token stands for: %q", note)
	}
	u.r = &styxfs.Request{Grammar: "root ::= \"a\""}
	if _, _, err := u.request(u.vocab); err == nil {
		t.Error("a grammar goes on in its middle")
	}
	u = made()
	u.r = &styxfs.Request{Messages: []styxfs.Message{{Role: "assistant", Content: "zero "}}}
	if got, _, _ := u.request(model("e", "", false)); len(got.Messages) != 1 || got.Messages[0].Content != "zero one two" {
		t.Errorf("of an answer that was continued: %+v", got)
	}
}

// The tokens made go to nodes that know them, and that have room for them.
func TestFailoverCandidates(t *testing.T) {
	s := newScript(t)
	for _, name := range []string{"a", "b", "c", "d"} {
		s.add(name, 1)
	}
	line := func(digest string, nctx int) styxfs.Model {
		return styxfs.Model{Name: "m", State: "loaded", Digest: digest, NCtx: nctx}
	}
	s.serves(s.node("a"), []styxfs.Model{line("d", 1000)})
	s.serves(s.node("b"), []styxfs.Model{line("e", 1000)})
	s.serves(s.node("c"), []styxfs.Model{line("d", 100)})
	s.serves(s.node("d"), []styxfs.Model{line("d", 1000)})
	one := s.ask("u")
	s.goes(one, "a", "")
	m := line("d", 1000)
	one.vocab, one.need = &m, 200
	s.loses(one, false)
	other := s.ask("v")
	other.again = true // it goes first where it can
	other.arrival = 0
	s.node("d").drained = true
	s.node("a").drained = true
	s.queue.remove(one, false)
	s.goes(other, "b", "")
	s.queue.add(one)
	s.goes(one, "c", "") // it knows the tokens; that it is too small is its to say
	s.loses(one, false)
	s.node("d").drained = false
	s.goes(one, "d", "")
}
