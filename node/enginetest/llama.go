package enginetest

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"math"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"

	demo "llama9/model"
	"llama9/node"
)

// oneThread is an engine whose contexts compute on one thread unless told
// otherwise: ggml's threads wait for each other in loops, which takes for ever
// on a machine that runs other tests beside.
type oneThread struct{ node.Engine }

func (e oneThread) Load(ctx context.Context, file string, o node.LoadOptions, progress func(float32)) (node.Model, error) {
	m, err := e.Engine.Load(ctx, file, o, progress)
	if err != nil {
		return nil, err
	}
	return oneThreadModel{m}, nil
}

type oneThreadModel struct{ node.Model }

func (m oneThreadModel) NewContext(o node.ContextOptions) (node.Context, error) {
	if o.Threads == 0 {
		o.Threads = 1
	}
	return m.Model.NewContext(o)
}

// Load gives a model that is closed when the test ends. Its contexts compute
// on one thread unless told otherwise.
func Load(tb testing.TB, e node.Engine, file string) node.Model {
	tb.Helper()
	m, err := oneThread{e}.Load(context.Background(), file, node.LoadOptions{}, nil)
	if err != nil {
		tb.Fatalf("load: %v", err)
	}
	tb.Cleanup(func() {
		if err := m.Close(); err != nil {
			tb.Errorf("close of the model: %v", err)
		}
	})
	return m
}

// NewContext gives a context that is closed when the test ends.
func NewContext(tb testing.TB, m node.Model, o node.ContextOptions) node.Context {
	tb.Helper()
	c, err := m.NewContext(o)
	if err != nil {
		tb.Fatalf("context: %v", err)
	}
	tb.Cleanup(func() {
		if err := c.Close(); err != nil {
			tb.Errorf("close of the context: %v", err)
		}
	})
	return c
}

// DemoFile writes the demo model to a file.
func DemoFile(tb testing.TB) string {
	tb.Helper()
	file := filepath.Join(tb.TempDir(), "demo.gguf")
	if err := os.WriteFile(file, demo.Demo, 0o644); err != nil {
		tb.Fatal(err)
	}
	return file
}

// RunLlama runs the suite over an engine that is llama.cpp, and beyond it what
// llama.cpp does with the demo model. redirect is that of the engine's log
// (cpplog.Sink's).
func RunLlama(t *testing.T, e node.Engine, redirect func(to *slog.Logger) (before *slog.Logger)) {
	file := DemoFile(t)
	Run(t, e, file)
	t.Run("bad files", func(t *testing.T) { testBadFiles(t, e) })
	t.Run("load options", func(t *testing.T) { testLoadOptions(t, e, file) })
	t.Run("closed", func(t *testing.T) { testClosed(t, e, file) })
	m := Load(t, e, file)
	s := &suite{m: m, info: m.Info()}
	s.prompts = s.tokens(t, "And the LORD said unto")
	t.Run("header", func(t *testing.T) { s.testHeader(t, e, file) })
	t.Run("vocabulary", s.testVocabulary)
	t.Run("context options", s.testContextOptions)
	t.Run("abort in a prefill", func(t *testing.T) { s.testAbortInPrefill(t, redirect) })
	t.Run("state elsewhere", s.testStateElsewhere)
	t.Run("chain by its formulas", s.testFormulas)
	t.Run("chain at the edges", s.testEdges)
	t.Run("grammar walked", s.testGrammarWalked)
	t.Run("allocations", s.testAllocations)
	t.Run("leaks", func(t *testing.T) { s.testLeaks(t, e, file) })
}

func testLoadOptions(t *testing.T, e node.Engine, file string) {
	for _, o := range []node.LoadOptions{{NoMmap: true}, {NGPULayers: -1}, {NGPULayers: 99}, {TensorSplit: []float32{1}}} {
		m, err := e.Load(t.Context(), file, o, nil)
		if err != nil {
			t.Errorf("%+v: %v", o, err)
			continue
		}
		if err := m.Close(); err != nil {
			t.Error(err)
		}
	}
	for _, o := range []node.LoadOptions{{MainGPU: -1}, {TensorSplit: []float32{0}}, {TensorSplit: []float32{-1}}, {TensorSplit: []float32{float32(math.NaN())}}, {TensorSplit: make([]float32, 10000)}} {
		if m, err := e.Load(t.Context(), file, o, nil); err == nil {
			t.Errorf("%+v: no error", o)
			m.Close()
		}
	}
	ctx, cancel := context.WithCancel(t.Context())
	m, err := e.Load(ctx, file, node.LoadOptions{}, func(float32) { cancel() })
	if !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled in its midst: %v", err)
		if m != nil {
			m.Close()
		}
	}
}

// testClosed: a model whose context is open stays; what is closed answers with
// errors.
func testClosed(t *testing.T, e node.Engine, file string) {
	m, err := oneThread{e}.Load(t.Context(), file, node.LoadOptions{}, nil)
	if err != nil {
		t.Fatal(err)
	}
	c, err := m.NewContext(node.ContextOptions{NCtx: 256})
	if err != nil {
		t.Fatal(err)
	}
	decode(t, c, []node.Row{{Token: 1, Logits: true}})
	if err := m.Close(); err == nil {
		t.Fatal("closed under an open context")
	}
	if err := c.Close(); err != nil {
		t.Fatal(err)
	}
	c.Abort(true)
	if c.Decode([]node.Row{{}}) == nil || c.MaxPos(0) != -1 || c.CanShift() || c.RemoveSeq(0, 0, -1) || c.CopySeq(0, 0) == nil || c.Close() != nil {
		t.Error("a closed context answers")
	}
	_, err1 := c.Logits(0)
	_, err2 := c.State(0)
	if err1 == nil || err2 == nil {
		t.Error("logits or state of a closed context")
	}
	g, err := m.NewGrammar(`root ::= "a"`)
	if err != nil {
		t.Fatal(err)
	}
	g.Close()
	g.Close()
	g.Reset()
	if g.Accept(5) == nil {
		t.Error("a closed grammar accepts")
	}
	if err := errors.Join(m.Close(), m.Close()); err != nil {
		t.Error(err)
	}
	runtime.KeepAlive(c)
}

// testHeader: what the header tells is what llama.cpp tells of the model.
func (s *suite) testHeader(t *testing.T, e node.Engine, file string) {
	want := s.info
	if want.Arch != "llama" || want.Quantization != "q8_0" || want.NCtxTrain != 512 || want.NVocab != 2048 || want.BOS != 1 || want.EOS != 2 ||
		!want.AddBOS || want.ChatTemplate != "" || want.Meta["general.architecture"] != "llama" {
		t.Errorf("%+v", want)
	}
	p := e.(node.Prober)
	got, err := p.Probe(file)
	if err != nil {
		t.Fatal(err)
	}
	if got.Arch != want.Arch || got.Parameters != want.Parameters || got.Quantization != want.Quantization || got.Bytes != want.Bytes ||
		got.NCtxTrain != want.NCtxTrain || got.NVocab != want.NVocab || got.ChatTemplate != want.ChatTemplate || len(got.Meta) != len(want.Meta) {
		t.Errorf("got %+v\nwant %+v", got, want)
	}
	bad := filepath.Join(t.TempDir(), "bad.gguf")
	if err := os.WriteFile(bad, []byte("GGUF and no more"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, file := range []string{bad, bad + "x", t.TempDir()} {
		if _, err := p.Probe(file); err == nil {
			t.Errorf("%s is a model", file)
		}
	}
}

// testVocabulary: any text can be tokenized, by several at once, and any piece
// appended to what is there.
func (s *suite) testVocabulary(t *testing.T) {
	texts := []string{"In the beginning God created the heaven", "a\x00b", "\xff\xfe", "日本語", strings.Repeat("x", 70000), strings.Repeat("\u2028", 3000)}
	var want [][]node.Token
	for _, text := range texts {
		ids, err := s.m.Tokenize(text, true)
		if err != nil || len(ids) == 0 {
			t.Fatalf("%.20q: %d tokens, %v", text, len(ids), err)
		}
		want = append(want, ids)
	}
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			var piece []byte
			for k, text := range texts {
				ids, err := s.m.Tokenize(text, true)
				if err != nil || !slices.Equal(ids, want[k]) {
					t.Errorf("%.20q: %d tokens of %d, %v", text, len(ids), len(want[k]), err)
				}
				for _, id := range ids[:min(len(ids), 100)] {
					piece = s.m.Piece(piece[:0], id, true)
				}
			}
		})
	}
	wg.Wait()
	var all []byte
	for id := range node.Token(s.info.NVocab) {
		short := s.m.Piece(make([]byte, 0, 1), id, true)
		if kept := s.m.Piece([]byte("kept"), id, true); string(kept) != "kept"+string(short) {
			t.Fatalf("token %d: %q, not %q after what was there", id, kept, short)
		}
		all = append(all, short...)
	}
	if len(all) < s.info.NVocab {
		t.Errorf("%d bytes of text in %d tokens", len(all), s.info.NVocab)
	}
}

func (s *suite) testContextOptions(t *testing.T) {
	for name, test := range map[string]struct {
		o    node.ContextOptions
		want string
	}{
		"no memory":       {node.ContextOptions{NCtx: 1 << 24, NSeq: 100}, "not enough memory: KV cache of 16777216 tokens * 100 sequences"},
		"too many tokens": {node.ContextOptions{NCtx: math.MaxInt}, "at most"},
		"their product":   {node.ContextOptions{NCtx: 1 << 29, NSeq: 200}, "in all"},
		"too many seqs":   {node.ContextOptions{NSeq: 257}, "256 sequences"},
		"negative":        {node.ContextOptions{NCtx: -1}, "at least 1"},
		"negative batch":  {node.ContextOptions{NUbatch: -1}, "batch"},
		"huge batch":      {node.ContextOptions{NBatch: 1 << 30}, "batch"},
		"threads":         {node.ContextOptions{Threads: 1000}, "threads"},
		"K type":          {node.ContextOptions{KVTypeK: "q2_k"}, "q2_k"},
		"V type":          {node.ContextOptions{KVTypeV: "F16"}, "F16"},
		"flash attention": {node.ContextOptions{FlashAttn: "yes"}, "auto, on or off"},
		"V without flash": {node.ContextOptions{KVTypeV: "q8_0", FlashAttn: "off"}, "no context"},
	} {
		c, err := s.m.NewContext(test.o)
		if err == nil {
			c.Close()
		}
		if err == nil || !strings.Contains(err.Error(), test.want) {
			t.Errorf("%s: %v, want %q in it", name, err, test.want)
		}
	}
	c, err := s.m.NewContext(node.ContextOptions{NCtx: 100, NSeq: 3})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if o := c.Options(); o.NCtx != 100 || o.NSeq != 3 || o.NBatch < 3 || o.NUbatch < 1 || o.KVTypeK != "f16" || o.FlashAttn != "auto" {
		t.Errorf("%+v", o)
	}
	want := greedy(t, c, 0, s.prompts[0], 2)
	// Other kernels may differ in a near tie, but not at once.
	for _, o := range []node.ContextOptions{{KVTypeK: "f32", KVTypeV: "f32"}, {FlashAttn: "on"}, {FlashAttn: "off"}, {KVTypeK: "q8_0", KVTypeV: "q8_0"}, {NUbatch: 2}, {Threads: 2}} {
		if got := greedy(t, s.open(t, o), 0, s.prompts[0], 2); !slices.Equal(got, want) {
			t.Errorf("%+v: %v, want %v", o, got, want)
		}
	}
}

// testAbortInPrefill: a prefill that is aborted in its midst keeps what was
// whole, and goes on.
func (s *suite) testAbortInPrefill(t *testing.T, redirect func(*slog.Logger) *slog.Logger) {
	c := s.open(t, node.ContextOptions{NCtx: 1024, NSeq: 1, NBatch: 1024, NUbatch: 32})
	var long []node.Token
	for len(long) < 1000 {
		long = append(long, s.prompts[0]...)
	}
	long = long[:1000]
	want := greedy(t, c, 0, long, 4)
	var said bytes.Buffer // no test runs beside this one
	defer redirect(redirect(slog.New(slog.NewTextHandler(&said, &slog.HandlerOptions{Level: slog.LevelDebug}))))
	for try := range 500 {
		c.RemoveSeq(0, 0, -1)
		done := make(chan error)
		go func() { done <- c.Decode(rows(c, 0, long)) }()
		for range try * 100 { // later at each try
			runtime.Gosched()
		}
		c.Abort(true)
		err := <-done
		c.Abort(false)
		if err != nil && !errors.Is(err, node.ErrAborted) {
			t.Fatal(err)
		}
		kept := int(c.MaxPos(0)) + 1
		if err == nil || kept == 0 { // after the last ubatch, before the first
			continue
		}
		if kept%32 != 0 || kept >= len(long) {
			t.Errorf("%d of %d tokens kept", kept, len(long))
		}
		if got := greedy(t, c, 0, long[kept:], 4); !slices.Equal(got, want) {
			t.Errorf("after an abort at %d: %v, want %v", kept, got, want)
		}
		// Nothing went wrong, and the log may not say so.
		if log := said.String(); !strings.Contains(log, "ret = 2") || strings.Contains(log, "level=ERROR") || strings.Contains(log, "level=WARN") {
			t.Errorf("the log of an abort:\n%s", log)
		}
		return
	}
	t.Error("no abort fell into a prefill")
}

// testStateElsewhere: a state is for contexts of the same cache, of any number
// of sequences, and any bit of it counts.
func (s *suite) testStateElsewhere(t *testing.T) {
	c := s.open(t, node.ContextOptions{NSeq: 2})
	p := s.prompts[0]
	greedy(t, c, 1, p, 40)
	state, err := c.State(1)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := c.State(0); err == nil {
		t.Error("state of an empty sequence")
	}
	for _, o := range []node.ContextOptions{{KVTypeK: "f32"}, {NCtx: 20}} {
		if err := s.open(t, o).SetState(0, state); err == nil {
			t.Errorf("%+v: taken", o)
		}
	}
	for i := 0; i < len(state); i += len(state)/50 + 1 {
		bad := slices.Clone(state)
		bad[i] ^= 0x40
		if err := c.SetState(0, bad); err == nil {
			t.Errorf("byte %d of %d changed: taken", i, len(state))
		}
	}
	d := s.open(t, node.ContextOptions{NCtx: 512, NSeq: 5, NUbatch: 32})
	if err := d.SetState(4, state); err != nil {
		t.Fatal(err)
	}
	if a, b := greedy(t, c, 1, p[:1], 8), greedy(t, d, 4, p[:1], 8); !slices.Equal(a, b) {
		t.Errorf("%v and %v", a, b)
	}
}
