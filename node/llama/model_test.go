//go:build !nollama && (((linux || windows || darwin) && (amd64 || arm64)) || (linux && riscv64))

package llama

import (
	"context"
	"errors"
	"fmt"
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"unsafe"

	"github.com/ebitengine/purego"
	yzma "github.com/hybridgroup/yzma/pkg/llama"
	"github.com/jupiterrider/ffi"
	"llama9/node"
	"llama9/node/enginetest"
	"llama9/node/fit"
	"llama9/node/gguf"
)

func TestLoadRefuses(t *testing.T) { enginetest.RunBad(t, openEngine(t)) }

func TestLoadCancelled(t *testing.T) {
	e := openEngine(t)
	file := demoFile(t)
	ctx, cancel := context.WithCancel(context.Background())
	m, err := e.Load(ctx, file, node.LoadOptions{}, func(float32) { cancel() })
	if !errors.Is(err, context.Canceled) {
		t.Errorf("%v", err)
		if m != nil {
			m.Close()
		}
	}
}

func TestLoadOptions(t *testing.T) {
	e := openEngine(t)
	file := demoFile(t)
	for _, o := range []node.LoadOptions{{NoMmap: true}, {NGPULayers: -1}, {NGPULayers: 99}, {TensorSplit: []float32{1, 2}}} {
		m, err := e.Load(context.Background(), file, o, nil)
		if err != nil {
			t.Errorf("%+v: %v", o, err)
			continue
		}
		if err := m.Close(); err != nil {
			t.Error(err)
		}
	}
	for _, o := range []node.LoadOptions{{MainGPU: -1}, {TensorSplit: []float32{0, 0}}, {TensorSplit: []float32{-1}}, {TensorSplit: []float32{float32(math.NaN())}}, {TensorSplit: make([]float32, 10000)}} {
		if m, err := e.Load(context.Background(), file, o, nil); err == nil {
			t.Errorf("%+v: no error", o)
			m.Close()
		}
	}
}

func TestOpenAgain(t *testing.T) {
	e := openEngine(t)
	dir, err := library()
	if err != nil {
		t.Fatal(err)
	}
	again, err := Open(Options{Lib: dir})
	if err != nil || again != e {
		t.Errorf("%v, %v", again, err)
	}
	if _, err := Open(Options{Lib: t.TempDir()}); err == nil || !strings.Contains(err.Error(), "already") {
		t.Errorf("other libraries in the same process: %v", err)
	}
	if _, err := open(t.TempDir(), nil); err == nil || !strings.Contains(err.Error(), "--llama-lib") {
		t.Errorf("a directory without libraries: %v", err)
	}
}

// Libraries of another version, or of none, are refused by name before any
// other call.
func TestOpenRefusesVersions(t *testing.T) {
	cc, err := exec.LookPath("cc")
	if err != nil || runtime.GOOS != "linux" {
		fmt.Fprintf(os.Stderr, "\n*** %s SKIPPED: it builds libraries with cc\n\n", t.Name())
		t.Skip("no cc")
	}
	for code, want := range map[string]string{
		`const char *llama_version(void) { return "0.9.0"; }`:  "llama.cpp 0.9.0; this program was made for " + Version,
		`const char *llama_version(void) { return "0.5.01"; }`: "llama.cpp 0.5.01",
		`int llama_eval(void) { return 0; }`:                   "states no version",
	} {
		dir := t.TempDir()
		src := filepath.Join(dir, "x.c")
		if err := os.WriteFile(src, []byte(code), 0o644); err != nil {
			t.Fatal(err)
		}
		for _, name := range []string{"ggml", "ggml-base", "llama"} {
			if out, err := exec.Command(cc, "-shared", "-fPIC", "-o", filepath.Join(dir, libName(name)), src).CombinedOutput(); err != nil {
				t.Fatalf("%v\n%s", err, out)
			}
		}
		if _, err := open(dir, nil); err == nil || !strings.Contains(err.Error(), want) || !strings.Contains(err.Error(), dir) {
			t.Errorf("%v, want %q in it", err, want)
		}
	}
}

// The numbers and sizes of types in package gguf are those of the library.
func TestTypesAgree(t *testing.T) {
	openEngine(t)
	for kind, g := range gguf.Types {
		y := yzma.GGMLType(kind)
		if e, b := uint64(yzma.GGMLBlockSize(y)), yzma.GGMLTypeSize(y); e != g.Elements || b != g.Bytes {
			t.Errorf("type %d (%s): %d elements in %d bytes; the library has %d in %d", kind, y, g.Elements, g.Bytes, e, b)
		}
	}
	for name, n := range fit.CacheTypes {
		if y := yzma.GGMLType(n); y.String() != name {
			t.Errorf("type %d is %q, not %q", y, y, name)
		}
	}
}

// The C side sees the environment that was set on the Go side.
func TestNoBacktrace(t *testing.T) {
	openEngine(t)
	dir, err := library()
	if err != nil {
		t.Fatal(err)
	}
	lib, err := ffi.Load(filepath.Join(dir, libName("llama")))
	if err != nil {
		t.Fatal(err)
	}
	getenv, err := lib.Get("getenv")
	if err != nil {
		t.Skip(err) // no libc below
	}
	r, _, _ := purego.SyscallN(getenv, uintptr(unsafe.Pointer(unsafe.StringData("GGML_NO_BACKTRACE\x00"))))
	if got := goString(*(**byte)(unsafe.Pointer(&r))); got != "1" {
		t.Errorf("GGML_NO_BACKTRACE is %q", got)
	}
}

func TestVariant(t *testing.T) {
	if got := variant([]string{"/x/libggml-cpu-haswell.so", `C:\x\ggml-cuda.dll`}); got != "haswell+cuda" {
		t.Errorf("variant %q", got)
	}
	if got := variant(nil); got != "unknown" {
		t.Errorf("variant %q", got)
	}
}

func TestInfo(t *testing.T) {
	e := openEngine(t)
	if e.Name() != "llama" || !strings.HasPrefix(e.Build(), Version) || e.Exact() {
		t.Errorf("%s %s %v", e.Name(), e.Build(), e.Exact())
	}
	if v := e.Variant(); v == "unknown" || v == "" || strings.ContainsAny(v, "/. ") {
		t.Errorf("variant %q", v)
	}
	i := loadDemo(t).Info()
	if i.Arch != "llama" || i.Quantization != "q8_0" || i.NCtxTrain != 512 || i.NVocab != 2048 || i.BOS != 1 || i.EOS != 2 || !i.AddBOS || i.ChatTemplate != "" {
		t.Errorf("%+v", i)
	}
	if i.Meta["general.architecture"] != "llama" {
		t.Errorf("meta %v", i.Meta)
	}
}

func TestTokenizeAtOnce(t *testing.T) {
	m := loadDemo(t)
	texts := []string{"In the beginning God created the heaven", "a\x00b", "\xff\xfe", "日本語", strings.Repeat("x", 70000), strings.Repeat("\u2028", 3000)}
	var want [][]node.Token
	for _, s := range texts {
		ids, err := m.Tokenize(s, true)
		if err != nil || len(ids) == 0 {
			t.Fatalf("%.20q: %d tokens, %v", s, len(ids), err)
		}
		want = append(want, ids)
	}
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			var piece []byte
			for k, s := range texts {
				ids, err := m.Tokenize(s, true)
				if err != nil || !slices.Equal(ids, want[k]) {
					t.Errorf("%.20q: %d tokens of %d, %v", s, len(ids), len(want[k]), err)
				}
				for _, id := range ids[:min(len(ids), 100)] {
					piece = m.Piece(piece[:0], id, true)
				}
			}
		})
	}
	wg.Wait()
}

func TestPieceGrows(t *testing.T) {
	m := loadDemo(t)
	var all []byte
	for id := range node.Token(m.Info().NVocab) {
		short := m.Piece(make([]byte, 0, 1), id, true)
		if kept := m.Piece([]byte("kept"), id, true); string(kept) != "kept"+string(short) {
			t.Fatalf("token %d: %q, not %q after what was there", id, kept, short)
		}
		all = append(all, short...)
	}
	if len(all) < m.Info().NVocab {
		t.Errorf("%d bytes of text in %d tokens", len(all), m.Info().NVocab)
	}
}

func TestContextTooLarge(t *testing.T) {
	m := loadDemo(t)
	for name, test := range map[string]struct {
		o    node.ContextOptions
		want string
	}{
		"no memory":       {node.ContextOptions{NCtx: 1 << 24, NSeq: 100}, "not enough memory: KV cache of 16777216 tokens * 100 sequences"},
		"too many tokens": {node.ContextOptions{NCtx: 1 << 31}, "at most"},
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
		c, err := m.NewContext(test.o)
		if err == nil {
			c.Close()
		}
		if err == nil || !strings.Contains(err.Error(), test.want) {
			t.Errorf("%s: %v, want %q in it", name, err, test.want)
		}
	}
}

func TestContextOptions(t *testing.T) {
	m := loadDemo(t)
	c := newContext(t, m, node.ContextOptions{NCtx: 100, NSeq: 3})
	if o := c.Options(); o.NCtx != 100 || o.NSeq != 3 || o.NBatch < 3 || o.NUbatch < 1 || o.KVTypeK != "f16" || o.FlashAttn != "auto" {
		t.Errorf("%+v", o)
	}
	want := greedy(t, c, 0, prompt(t, m, "In the beginning"), 0, 8)
	// Other kernels may differ in a near tie, but not at once.
	for _, o := range []node.ContextOptions{{KVTypeK: "f32", KVTypeV: "f32"}, {FlashAttn: "on"}, {FlashAttn: "off"}, {KVTypeK: "q8_0", KVTypeV: "q8_0"}, {NUbatch: 2}} {
		c := newContext(t, m, o)
		if got := greedy(t, c, 0, prompt(t, m, "In the beginning"), 0, 2); !slices.Equal(got, want[:2]) {
			t.Errorf("%+v: %v, want %v", o, got, want[:2])
		}
	}
}

// A model whose context is open stays; what is closed answers with errors.
func TestClosed(t *testing.T) {
	m, err := openEngine(t).Load(context.Background(), demoFile(t), node.LoadOptions{}, nil)
	if err != nil {
		t.Fatal(err)
	}
	c, err := m.NewContext(node.ContextOptions{NCtx: 256, Threads: 1})
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
	if err := c.Decode([]node.Row{{}}); err == nil {
		t.Error("decoded in a closed context")
	}
	if _, err := c.Logits(0); err == nil {
		t.Error("logits of a closed context")
	}
	if c.MaxPos(0) != -1 || c.CanShift() || c.RemoveSeq(0, 0, -1) || c.CopySeq(0, 0) == nil || c.Close() != nil {
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
	if err := m.Close(); err != nil {
		t.Error(err)
	}
	if err := m.Close(); err != nil {
		t.Error(err)
	}
	runtime.KeepAlive(c)
}
