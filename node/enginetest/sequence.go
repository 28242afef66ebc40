package enginetest

import (
	"errors"
	"math"
	"slices"
	"sync"
	"testing"

	"llama9/node"
)

// testEveryRow: every row may have logits, those in the middle of a prompt too.
func (s *suite) testEveryRow(t *testing.T) {
	c := s.open(t, node.ContextOptions{})
	all := rows(c, 0, s.prompts[3])
	for i := range all {
		all[i].Logits = true
	}
	decode(t, c, all)
	var want []node.Token
	for i := range all {
		want = append(want, best(t, c, i))
	}
	for i, r := range all {
		decode(t, c, []node.Row{{Token: r.Token, Pos: r.Pos, Seq: 1, Logits: true}})
		if got := best(t, c, 0); got != want[i] {
			t.Errorf("after %d tokens: %d, and %d in one batch", i+1, got, want[i])
		}
	}
}

// testAnyOrder: the order of the rows in a Decode is the caller's.
func (s *suite) testAnyOrder(t *testing.T) {
	c := s.open(t, node.ContextOptions{})
	var want [][]float32
	for q, p := range s.prompts {
		decode(t, c, rows(c, node.Seq(q), p))
		l, err := c.Logits(len(p) - 1)
		if err != nil {
			t.Fatal(err)
		}
		want = append(want, slices.Clone(l))
		c.RemoveSeq(node.Seq(q), 0, -1)
	}
	// Token by token in turns, the last sequence first.
	var mixed []node.Row
	last := make([]int, len(s.prompts))
	for i := range 32 {
		for q, p := range slices.Backward(s.prompts) {
			if i < len(p) {
				last[q] = len(mixed)
				mixed = append(mixed, node.Row{Token: p[i], Pos: int32(i), Seq: node.Seq(q), Logits: i == len(p)-1})
			}
		}
	}
	decode(t, c, mixed)
	for q := range want {
		l, err := c.Logits(last[q])
		if err != nil {
			t.Fatal(err)
		}
		if got, want := likeliest(t, l), likeliest(t, want[q]); got != want {
			t.Errorf("sequence %d: %d, want %d", q, got, want)
		}
		for i, x := range l {
			if math.Abs(float64(x-want[q][i])) > 0.5 {
				t.Fatalf("sequence %d: logit %d is %v, want %v", q, i, x, want[q][i])
			}
		}
	}
}

// testAtOnce: contexts of one model work side by side.
func (s *suite) testAtOnce(t *testing.T) {
	p := s.prompts[0]
	want := greedy(t, s.open(t, node.ContextOptions{}), 0, p, 32)
	var wg sync.WaitGroup
	for range 4 {
		c := s.open(t, node.ContextOptions{})
		wg.Go(func() {
			got, err := generate(t, c, 0, p, len(want))
			if err != nil || !slices.Equal(got, want) {
				t.Errorf("%v, want %v; %v", got, want, err)
			}
			var text []byte
			for _, id := range got {
				text = s.m.Piece(text, id, true)
			}
			if _, err := s.m.Tokenize(string(text), true); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
}

// testPrefix: what goes on from a copied prefix is what the whole prompt gives.
func (s *suite) testPrefix(t *testing.T) {
	c := s.open(t, node.ContextOptions{})
	common, tail := s.prompts[3], s.prompts[0][1:]
	want := greedy(t, c, 0, append(slices.Clone(common), tail...), 24)
	greedy(t, c, 1, common, 30)
	if err := c.CopySeq(1, 2); err != nil {
		t.Fatal(err)
	}
	if !c.RemoveSeq(2, int32(len(common)), -1) {
		t.Skip("this model's memory cannot go back")
	}
	if got := greedy(t, c, 2, tail, 24); !slices.Equal(got, want) {
		t.Errorf("%v, want %v", got, want)
	}
}

// testApart: neither the texts of sequences whose numbers do not follow each
// other nor what the idle ones hold are changed by what the engine does to
// bring them together. One that has streams does so in time.
func (s *suite) testApart(t *testing.T) {
	c := s.open(t, node.ContextOptions{NSeq: 8})
	p, idle := s.prompts[0], s.prompts[1]
	keep := len(idle) - 1
	want := greedy(t, c, 0, p, 60)
	c.RemoveSeq(0, 0, -1)
	wantIdle := greedy(t, c, 0, idle, 16)
	c.RemoveSeq(0, 0, -1)
	for _, q := range []node.Seq{1, 2, 5} { // and 6 is empty
		decode(t, c, rows(c, q, idle[:keep]))
	}
	// Some of them go on in pairs after all did.
	for _, seqs := range [][]node.Seq{{7, 0, 3, 4}, {7, 3}, {0, 6}} {
		var batch []node.Row
		last := make([]int, len(seqs))
		for i, q := range seqs {
			c.RemoveSeq(q, 0, -1)
			batch = append(batch, rows(c, q, p)...)
			last[i] = len(batch) - 1
		}
		got := make([][]node.Token, len(seqs))
		for range want {
			decode(t, c, batch)
			batch = nil
			for i, q := range seqs {
				id := best(t, c, last[i])
				got[i] = append(got[i], id)
				batch = append(batch, rows(c, q, []node.Token{id})...)
			}
			for i := range last {
				last[i] = i
			}
		}
		for i, q := range seqs {
			if !slices.Equal(got[i], want) {
				t.Errorf("%v: sequence %d: %v, want %v", seqs, q, got[i], want)
			}
		}
		if k, ok := c.(interface{ Stream(node.Seq) int32 }); ok {
			var streams []int32
			for _, q := range seqs {
				streams = append(streams, k.Stream(q))
			}
			if slices.Max(streams)-slices.Min(streams) != int32(len(seqs)-1) {
				t.Errorf("%v are in streams %v", seqs, streams)
			}
		}
	}
	// States go in and out of where sequences are now.
	state, err := c.State(5)
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(c.SetState(6, state), c.CopySeq(6, 3)); err != nil {
		t.Fatal(err)
	}
	for _, q := range []node.Seq{1, 2, 5, 3, 6} {
		if got := greedy(t, c, q, idle[keep:], 16); !slices.Equal(got, wantIdle) {
			t.Errorf("idle sequence %d: %v, want %v", q, got, wantIdle)
		}
	}
}
