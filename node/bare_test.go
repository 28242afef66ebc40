package node_test

import (
	"context"
	"slices"
	"testing"

	"llama9/node"
	"llama9/node/fake"
	"llama9/styxfs"
)

func newBare(t *testing.T) (*node.Bare, [][]node.Token) {
	t.Helper()
	m, err := new(fake.Engine).Load(context.Background(), "fake:", node.LoadOptions{}, nil)
	if err != nil {
		t.Fatal(err)
	}
	b, err := node.NewBare(m, node.ContextOptions{NCtx: 128, NSeq: 3, NBatch: 16})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { b.Close(); m.Close() })
	var prompts [][]node.Token
	for _, text := range []string{"in the beginning", "a", "it is a truth universally acknowledged"} {
		ids, err := m.Tokenize(text, false)
		if err != nil {
			t.Fatal(err)
		}
		prompts = append(prompts, ids)
	}
	return b, prompts
}

func bareParams(n int) *styxfs.Params {
	p := styxfs.DefaultParams()
	p.Seed, p.NPredict, p.IgnoreEOS = 7, n, true
	return &p
}

// TestBareAloneAndTogether also sees that a prefill in several batches (of 16
// rows here) and sequences used before change nothing.
func TestBareAloneAndTogether(t *testing.T) {
	b, prompts := newBare(t)
	together, err := b.Run(prompts, bareParams(20))
	if err != nil {
		t.Fatal(err)
	}
	for i := range prompts {
		alone, err := b.Run(prompts[i:i+1], bareParams(20))
		if err != nil {
			t.Fatal(err)
		}
		if len(alone.Tokens[0]) != 20 || !slices.Equal(alone.Tokens[0], together.Tokens[i]) {
			t.Errorf("prompt %d: alone %v, together %v", i, alone.Tokens[0], together.Tokens[i])
		}
	}
}

func TestBareResume(t *testing.T) {
	b, prompts := newBare(t)
	p := bareParams(20)
	whole, err := b.Run(prompts, p)
	if err != nil {
		t.Fatal(err)
	}
	// The fake engine is exact: nothing may differ.
	flips, picks, err := b.Resume(prompts, whole.Tokens, 8, p)
	if flips != 0 || picks != 3*12 || err != nil {
		t.Errorf("resumed: %d flips of %d, error %v; want 0 of 36", flips, picks, err)
	}
	// Another token in the turn is another text after it, and itself a flip.
	whole.Tokens[1][19]++
	flips, _, err = b.Resume(prompts, whole.Tokens, 8, p)
	if flips != 1 || err != nil {
		t.Errorf("one token changed: %d flips, error %v; want 1", flips, err)
	}
	if _, _, err := b.Resume(prompts, whole.Tokens, 20, p); err == nil {
		t.Error("resumed a turn at its end")
	}
}

func TestBareRefuses(t *testing.T) {
	b, prompts := newBare(t)
	for _, tt := range []struct {
		name    string
		prompts [][]node.Token
		n       int
	}{
		{"more prompts than sequences", append(prompts, prompts[0]), 4},
		{"a context too small", prompts, 128},
		{"an empty prompt", [][]node.Token{nil}, 4},
	} {
		if _, err := b.Run(tt.prompts, bareParams(tt.n)); err == nil {
			t.Errorf("%s: no error", tt.name)
		}
	}
}
