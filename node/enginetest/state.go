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
