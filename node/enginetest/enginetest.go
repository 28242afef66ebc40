// Package enginetest is the conformance suite of node.Engine: what the
// scheduler relies on, and that whatever llama.cpp would end the process for
// is an error.
package enginetest

import (
	"context"
	"math"
	"os"
	"path/filepath"
	"testing"

	"llama9/node"
)

// Run runs the suite over e with a model file that it can load. The model has
// to be one that is trained: of random weights the likeliest token is too
// near to the next for batches of other sizes to agree on it.
func Run(t *testing.T, e node.Engine, file string) {
	t.Run("names", func(t *testing.T) {
		if e.Name() == "" || e.Build() == "" {
			t.Errorf("name %q build %q", e.Name(), e.Build())
		}
	})
	t.Run("load", func(t *testing.T) { testLoad(t, e, file) })
	m := Load(t, e, file)
	s := &suite{m: m, info: m.Info()}
	s.prompts = s.tokens(t, "Once upon a time there was a", "In the beginning", "The cat sat on the mat and the dog", "To be or not to be, that is")
	t.Run("info", s.testInfo)
	t.Run("tokens", s.testTokens)
	t.Run("context", s.testContext)
	t.Run("decode errors", s.testDecodeErrors)
	t.Run("batch", s.testBatch)
	t.Run("chunks", s.testChunks)
	t.Run("every row", s.testEveryRow)
	t.Run("any order", s.testAnyOrder)
	t.Run("at once", s.testAtOnce)
	t.Run("copy and remove", s.testCopy)
	t.Run("prefix", s.testPrefix)
	t.Run("apart", s.testApart)
	t.Run("full", s.testFull)
	t.Run("shift", s.testShift)
	t.Run("state", s.testState)
	t.Run("state of a copy", s.testStateOfCopy)
	t.Run("abort", s.testAbort)
	t.Run("chain", s.testChain)
	t.Run("grammar", s.testGrammar)
}

func testLoad(t *testing.T, e node.Engine, file string) {
	dir := t.TempDir()
	write := func(name string, b []byte) string {
		p := filepath.Join(dir, name)
		if err := os.WriteFile(p, b, 0o600); err != nil {
			t.Fatal(err)
		}
		return p
	}
	head := []byte("GGUF\x03\x00\x00\x00\x10\x00\x00\x00\x00\x00\x00\x00\x10\x00")
	for name, f := range map[string]string{
		"missing":   filepath.Join(dir, "none"),
		"directory": dir,
		"empty":     write("empty", nil),
		"text":      write("text", []byte("this is no model, but it is long enough to hold a header, surely\n")),
		"truncated": write("truncated", head),
	} {
		m, err := e.Load(context.Background(), f, node.LoadOptions{}, nil)
		if err == nil {
			t.Errorf("%s: loaded", name)
			m.Close()
		}
	}
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if m, err := e.Load(ctx, file, node.LoadOptions{}, nil); err == nil {
		t.Error("a load whose context is done: no error")
		m.Close()
	}
	last := float32(-1)
	m, err := e.Load(context.Background(), file, node.LoadOptions{}, func(f float32) {
		if f < last || f < 0 || f > 1 {
			t.Errorf("progress %v after %v", f, last)
		}
		last = f
	})
	if err != nil {
		t.Fatal(err)
	}
	if last < 0 {
		t.Error("no progress")
	}
	if err := m.Close(); err != nil {
		t.Error(err)
	}
}

// A suite is the loaded model under test.
type suite struct {
	m       node.Model
	info    node.ModelInfo
	prompts [][]node.Token
}

func (s *suite) tokens(t *testing.T, texts ...string) [][]node.Token {
	t.Helper()
	var list [][]node.Token
	for _, text := range texts {
		ids, err := s.m.Tokenize(text, false)
		if err != nil || len(ids) < 2 {
			t.Fatalf("tokenize %q: %v %v", text, ids, err)
		}
		if s.info.AddBOS {
			ids = append([]node.Token{s.info.BOS}, ids...)
		}
		list = append(list, ids)
	}
	return list
}

// open makes a Context that the test closes.
func (s *suite) open(t *testing.T, o node.ContextOptions) node.Context {
	t.Helper()
	if o.NCtx == 0 {
		o.NCtx = 128
	}
	if o.NSeq == 0 {
		o.NSeq = 4
	}
	if o.NBatch == 0 {
		o.NBatch = 128
	}
	if o.NUbatch == 0 {
		o.NUbatch = 64
	}
	return NewContext(t, s.m, o)
}

// rows are those of ids at the end of seq; the last asks for logits.
func rows(c node.Context, seq node.Seq, ids []node.Token) []node.Row {
	var r []node.Row
	pos := c.MaxPos(seq) + 1
	for i, id := range ids {
		r = append(r, node.Row{Token: id, Pos: pos + int32(i), Seq: seq, Logits: i == len(ids)-1})
	}
	return r
}

// decode must succeed.
func decode(t *testing.T, c node.Context, r []node.Row) {
	t.Helper()
	if err := c.Decode(r); err != nil {
		t.Fatalf("decode of %d rows: %v", len(r), err)
	}
}

// best is the likeliest token after row i.
func best(t *testing.T, c node.Context, i int) node.Token {
	t.Helper()
	l, err := c.Logits(i)
	if err != nil {
		t.Fatalf("logits: %v", err)
	}
	return likeliest(t, l)
}

func likeliest(t *testing.T, l []float32) node.Token {
	t.Helper()
	at, x := 0, float32(math.Inf(-1))
	for id, v := range l {
		if v != v {
			t.Errorf("logit %d is no number", id)
		}
		if v > x {
			at, x = id, v
		}
	}
	return node.Token(at)
}

// greedy continues seq, which is given ids, by n tokens.
func greedy(t *testing.T, c node.Context, seq node.Seq, ids []node.Token, n int) []node.Token {
	t.Helper()
	made, err := generate(t, c, seq, ids, n)
	if err != nil {
		t.Fatal(err)
	}
	return made
}

// generate is greedy for a goroutine of its own.
func generate(t *testing.T, c node.Context, seq node.Seq, ids []node.Token, n int) (made []node.Token, err error) {
	for range n {
		if err := c.Decode(rows(c, seq, ids)); err != nil {
			return nil, err
		}
		l, err := c.Logits(len(ids) - 1)
		if err != nil {
			return nil, err
		}
		ids = []node.Token{likeliest(t, l)}
		made = append(made, ids[0])
	}
	return made, nil
}
