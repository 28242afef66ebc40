//go:build ollama && cgoflags && cgo

package ollama

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
	"testing"

	demo "llama9/model"
	"llama9/node"
	"llama9/node/enginetest"
)

func openEngine(tb testing.TB) node.Engine {
	tb.Helper()
	e, err := Open(Options{})
	if err != nil {
		tb.Fatal(err)
	}
	return oneThread{e}
}

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

func demoFile(tb testing.TB) string {
	tb.Helper()
	file := filepath.Join(tb.TempDir(), "demo.gguf")
	if err := os.WriteFile(file, demo.Demo, 0o644); err != nil {
		tb.Fatal(err)
	}
	return file
}

func loadBy(tb testing.TB, e node.Engine, file string) node.Model {
	tb.Helper()
	m, err := e.Load(context.Background(), file, node.LoadOptions{}, nil)
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() {
		if err := m.Close(); err != nil {
			tb.Error(err)
		}
	})
	return m
}

func newContext(tb testing.TB, m node.Model, o node.ContextOptions) node.Context {
	tb.Helper()
	c, err := m.NewContext(o)
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() {
		if err := c.Close(); err != nil {
			tb.Error(err)
		}
	})
	return c
}

func TestEngine(t *testing.T) { enginetest.Run(t, openEngine(t), demoFile(t)) }

func TestLoadRefuses(t *testing.T) { enginetest.RunBad(t, openEngine(t)) }

func TestInfo(t *testing.T) {
	e := openEngine(t)
	if e.Name() != "ollama" || !strings.Contains(e.Build(), Version) || e.Exact() || e.Variant() == "" {
		t.Errorf("%s %s %s %v", e.Name(), e.Build(), e.Variant(), e.Exact())
	}
	if again, err := Open(Options{}); err != nil || (oneThread{again}) != e {
		t.Errorf("a second engine: %v %v", again, err)
	}
	i := loadBy(t, e, demoFile(t)).Info()
	if i.Arch != "llama" || i.Quantization != "q8_0" || i.NCtxTrain != 512 || i.NVocab != 2048 || i.BOS != 1 || i.EOS != 2 || !i.AddBOS || i.ChatTemplate != "" {
		t.Errorf("%+v", i)
	}
}

func TestLoadCancelled(t *testing.T) {
	ctx, cancel := context.WithCancel(context.Background())
	m, err := openEngine(t).Load(ctx, demoFile(t), node.LoadOptions{}, func(float32) { cancel() })
	if !errors.Is(err, context.Canceled) {
		t.Errorf("%v", err)
		if m != nil {
			m.Close()
		}
	}
}

func TestLoadOptions(t *testing.T) {
	e, file := openEngine(t), demoFile(t)
	for _, o := range []node.LoadOptions{{NoMmap: true}, {NGPULayers: -1}, {NGPULayers: 99}, {TensorSplit: []float32{1}}} {
		m, err := e.Load(context.Background(), file, o, nil)
		if err != nil {
			t.Errorf("%+v: %v", o, err)
			continue
		}
		if err := m.Close(); err != nil {
			t.Error(err)
		}
	}
	for _, o := range []node.LoadOptions{{MainGPU: -1}, {TensorSplit: []float32{0}}, {TensorSplit: []float32{-1}}, {TensorSplit: []float32{float32(math.NaN())}}, {TensorSplit: make([]float32, 10000)}} {
		if m, err := e.Load(context.Background(), file, o, nil); err == nil {
			t.Errorf("%+v: no error", o)
			m.Close()
		}
	}
}

// Layers for a GPU that is not there are told of.
func TestWithoutGPU(t *testing.T) {
	e := openEngine(t).(oneThread).Engine.(*engine)
	if e.gpus != 0 {
		t.Skipf("%d GPUs", e.gpus)
	}
	var b bytes.Buffer
	before := e.log.Redirect(slog.New(slog.NewTextHandler(&b, nil)))
	defer e.log.Redirect(before)
	for n, want := range map[int]bool{0: false, 1: true, -1: true} {
		b.Reset()
		m, err := e.Load(t.Context(), demoFile(t), node.LoadOptions{NGPULayers: n}, nil)
		if err != nil {
			t.Fatal(err)
		}
		if err := m.Close(); err != nil {
			t.Error(err)
		}
		if got := strings.Contains(b.String(), "n_gpu_layers has no effect"); got != want {
			t.Errorf("n_gpu_layers %d: %s", n, &b)
		}
	}
}

func TestContextRefused(t *testing.T) {
	m := loadBy(t, openEngine(t), demoFile(t))
	for want, o := range map[string]node.ContextOptions{
		"not enough memory: KV cache of 16777216 tokens * 100 sequences": {NCtx: 1 << 24, NSeq: 100},
		"256 sequences":   {NSeq: 257},
		"threads":         {Threads: 1000},
		"q2_k":            {KVTypeK: "q2_k"},
		"auto, on or off": {FlashAttn: "yes"},
		"no context":      {KVTypeV: "q8_0", FlashAttn: "off"},
	} {
		c, err := m.NewContext(o)
		if err == nil {
			c.Close()
		}
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v, want %q in it", err, want)
		}
	}
	for _, o := range []node.ContextOptions{{KVTypeK: "f32", KVTypeV: "f32"}, {FlashAttn: "on"}, {FlashAttn: "off"}, {KVTypeK: "q8_0", KVTypeV: "q8_0"}, {NUbatch: 2}, {Threads: 2}} {
		newContext(t, m, o)
	}
}

// A model whose context is open stays; what is closed answers with errors.
func TestClosed(t *testing.T) {
	m, err := openEngine(t).Load(context.Background(), demoFile(t), node.LoadOptions{}, nil)
	if err != nil {
		t.Fatal(err)
	}
	c, err := m.NewContext(node.ContextOptions{NCtx: 256})
	if err != nil {
		t.Fatal(err)
	}
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
	if _, err := c.State(0); err == nil {
		t.Error("state of a closed context")
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
}

// A prefill that is aborted in its midst keeps what was whole.
func TestAbortInPrefill(t *testing.T) {
	m := loadBy(t, openEngine(t), demoFile(t))
	c := newContext(t, m, node.ContextOptions{NCtx: 1024, NSeq: 1, NBatch: 1024, NUbatch: 32})
	rows := make([]node.Row, 1000)
	for i := range rows {
		rows[i] = node.Row{Token: node.Token(100 + i%500), Pos: int32(i)}
	}
	for try := range 500 {
		c.RemoveSeq(0, 0, -1)
		done := make(chan error)
		go func() { done <- c.Decode(rows) }()
		for range try * 100 { // later at each try
			runtime.Gosched()
		}
		c.Abort(true)
		err := <-done
		c.Abort(false)
		if err != nil && !errors.Is(err, node.ErrAborted) {
			t.Fatal(err)
		}
		if kept := c.MaxPos(0) + 1; err != nil && kept > 0 {
			if kept%32 != 0 || int(kept) >= len(rows) {
				t.Errorf("%d of %d tokens kept", kept, len(rows))
			}
			return
		}
	}
	t.Error("no abort fell into a prefill")
}

// The order of the rows in a Decode is the caller's.
func TestRowsInAnyOrder(t *testing.T) {
	m := loadBy(t, openEngine(t), demoFile(t))
	c := newContext(t, m, node.ContextOptions{NCtx: 256, NSeq: 3})
	want := make([][]float32, 3)
	for s := range node.Seq(3) {
		if err := c.Decode([]node.Row{{Token: 1, Seq: s}, {Token: 300 + s*50, Pos: 1, Seq: s, Logits: true}}); err != nil {
			t.Fatal(err)
		}
		l, err := c.Logits(1)
		if err != nil {
			t.Fatal(err)
		}
		want[s] = slices.Clone(l)
		c.RemoveSeq(s, 0, -1)
	}
	var rows []node.Row
	for pos := range int32(2) {
		for s := node.Seq(2); s >= 0; s-- {
			r := node.Row{Token: 1, Pos: pos, Seq: s, Logits: pos == 1}
			if pos == 1 {
				r.Token = 300 + s*50
			}
			rows = append(rows, r)
		}
	}
	if err := c.Decode(rows); err != nil {
		t.Fatal(err)
	}
	for s := range 3 {
		l, err := c.Logits(5 - s)
		if err != nil {
			t.Fatal(err)
		}
		for i, x := range l {
			if math.Abs(float64(x-want[s][i])) > 0.5 {
				t.Fatalf("sequence %d: logit %d is %v, want %v", s, i, x, want[s][i])
			}
		}
	}
}
