package enginetest

import (
	"errors"
	"slices"
	"sync"
	"testing"

	"llama9/node"
)

func (s *suite) testState(t *testing.T) {
	c := s.open(t, node.ContextOptions{})
	p := s.prompts[3]
	keep := len(p) - 1
	decode(t, c, rows(c, 0, p[:keep]))
	state, err := c.State(0)
	if err != nil || len(state) == 0 {
		t.Fatalf("state of %d bytes, %v", len(state), err)
	}
	state = slices.Clone(state)
	want := greedy(t, c, 0, p[keep:], 16)
	other := s.open(t, node.ContextOptions{})
	for name, to := range map[string]struct {
		c   node.Context
		seq node.Seq
	}{"another sequence": {c, 2}, "another context": {other, 1}} {
		greedy(t, to.c, to.seq, s.prompts[0], 3) // it is replaced
		if err := to.c.SetState(to.seq, state); err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if got := to.c.MaxPos(to.seq); int(got) != keep-1 {
			t.Errorf("%s: ends at %d, not %d", name, got, keep-1)
		}
		if got := greedy(t, to.c, to.seq, p[keep:], 16); !slices.Equal(got, want) {
			t.Errorf("%s: %v, want %v", name, got, want)
		}
	}
	for name, b := range map[string][]byte{"empty": {}, "cut": state[:len(state)/2], "noise": []byte("this is no state of a sequence at all")} {
		if other.SetState(0, b) == nil {
			t.Errorf("a state that is %s was taken", name)
		}
	}
	other.RemoveSeq(0, 0, -1)
	if got := greedy(t, other, 0, p, 16); !slices.Equal(got, want) {
		t.Errorf("after bad states %v, want %v", got, want)
	}
}

// testStateOfCopy: a copy is there at once for who asks for its state, and
// stands when its source or itself is given another one.
func (s *suite) testStateOfCopy(t *testing.T) {
	p, q := s.prompts[0], s.prompts[1]
	c := s.open(t, node.ContextOptions{})
	want := map[string][]node.Token{"p": greedy(t, c, 0, p, 16), "q": greedy(t, c, 1, q, 16)}
	fill := func() {
		t.Helper()
		for seq := range node.Seq(4) {
			c.RemoveSeq(seq, 0, -1)
		}
		decode(t, c, append(rows(c, 0, p[:len(p)-1]), rows(c, 3, q[:len(q)-1])...))
	}
	check := func(name string, seq node.Seq, p []node.Token, of string) {
		t.Helper()
		if got := int(c.MaxPos(seq)) + 1; got != len(p)-1 {
			t.Fatalf("%s: %d tokens, want %d", name, got, len(p)-1)
		}
		if got := greedy(t, c, seq, p[len(p)-1:], 16); !slices.Equal(got, want[of]) {
			t.Errorf("%s: %v, want %v", name, got, want[of])
		}
	}
	must := func(errs ...error) {
		t.Helper()
		if err := errors.Join(errs...); err != nil {
			t.Fatal(err)
		}
	}
	fill()
	stateQ, err := c.State(3)
	must(err, c.CopySeq(0, 1))
	stateP, err := c.State(1)
	must(err, c.SetState(2, stateP))
	check("the state of a copy", 2, p, "p")

	fill()
	must(c.CopySeq(0, 1), c.SetState(0, stateQ))
	check("a copy whose source was set", 1, p, "p")
	check("its source", 0, q, "q")

	fill()
	must(c.CopySeq(0, 1), c.SetState(1, stateQ))
	check("a copy that was set", 1, q, "q")

	// Copies are made in the order they were asked for.
	fill()
	must(c.CopySeq(0, 1), c.CopySeq(3, 0), c.CopySeq(1, 2))
	c.RemoveSeq(3, 0, -1)
	check("the copy of a copy", 2, p, "p")
	check("over its source", 0, q, "q")
}

func (s *suite) testAbort(t *testing.T) {
	c := s.open(t, node.ContextOptions{NCtx: 512, NSeq: 2, NBatch: 512, NUbatch: 512})
	p := s.prompts[0]
	want := greedy(t, c, 0, p, 8)
	c.RemoveSeq(0, 0, -1)

	c.Abort(true)
	if err := c.Decode(rows(c, 0, p)); !errors.Is(err, node.ErrAborted) {
		t.Errorf("decode with abort on: %v", err)
	}
	c.Abort(false)
	c.RemoveSeq(0, 0, -1)
	if got := greedy(t, c, 0, p, 8); !slices.Equal(got, want) {
		t.Errorf("after an abort %v, want %v", got, want)
	}

	// From another goroutine, at any time in a Decode: it ends, in one way
	// or the other, and the other sequence is as it was.
	var long []node.Token
	for len(long) < 400 {
		long = append(long, p...)
	}
	for range 5 {
		var wg sync.WaitGroup
		wg.Go(func() { c.Abort(true) })
		err := c.Decode(rows(c, 1, long[:400]))
		wg.Wait()
		c.Abort(false)
		if err != nil && !errors.Is(err, node.ErrAborted) {
			t.Errorf("aborted from another goroutine: %v", err)
		}
		c.RemoveSeq(1, 0, -1)
		if c.MaxPos(1) != -1 {
			t.Errorf("ends at %d after all was removed", c.MaxPos(1))
		}
	}
	c.RemoveSeq(0, int32(len(p)-1), -1)
	if got := greedy(t, c, 0, p[len(p)-1:], 8); !slices.Equal(got, want) {
		t.Errorf("the other sequence: %v, want %v", got, want)
	}
}
