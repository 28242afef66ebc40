//go:build ollama && cgoflags && cgo

package ollama

import (
	"bytes"
	"log/slog"
	"strings"
	"testing"

	upstream "github.com/ollama/ollama/llama"

	"llama9/node"
	"llama9/node/enginetest"
	"llama9/node/llamacpp"
)

func openEngine(tb testing.TB) node.Engine {
	tb.Helper()
	e, err := Open(Options{})
	if err != nil {
		tb.Fatal(err)
	}
	return e
}

func TestEngine(t *testing.T) {
	e := openEngine(t)
	enginetest.RunLlama(t, e, e.(*llamacpp.Engine).Log.Redirect)
}

func TestInfo(t *testing.T) {
	e := openEngine(t)
	if e.Name() != "ollama" || !strings.Contains(e.Build(), Version) || e.Exact() || e.Variant() == "" {
		t.Errorf("%s %s %s %v", e.Name(), e.Build(), e.Variant(), e.Exact())
	}
	if again, err := Open(Options{}); err != nil || again != e {
		t.Errorf("a second engine: %v %v", again, err)
	}
}

// Layers for a GPU that is not there are told of.
func TestWithoutGPU(t *testing.T) {
	if n := len(upstream.EnumerateGPUs()); n != 0 {
		t.Skipf("%d GPUs", n)
	}
	e := openEngine(t).(*llamacpp.Engine)
	var b bytes.Buffer
	before := e.Log.Redirect(slog.New(slog.NewTextHandler(&b, nil)))
	defer e.Log.Redirect(before)
	for n, want := range map[int]bool{0: false, 1: true, -1: true} {
		b.Reset()
		m, err := e.Load(t.Context(), enginetest.DemoFile(t), node.LoadOptions{NGPULayers: n}, nil)
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
