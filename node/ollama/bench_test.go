//go:build ollama && cgoflags && cgo && linux

package ollama

import (
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	demo "llama9/model"
	"llama9/node"
	"llama9/node/enginetest"
)

// BenchmarkBeside measures this engine and the default one in turns, in one
// run, on random weights, with one thread, and gives tokens in a second of
// processor time and their ratio. So other work on the machine takes less of
// the truth; it still takes caches and memory.
//
//	scripts/build-ollama go test -run - -bench Beside -benchtime 3x ./node/ollama
func BenchmarkBeside(b *testing.B) {
	engines := []node.Engine{openEngine(b), openDefault(b)}
	for _, quant := range []string{"q8_0", "q4_0"} {
		file := filepath.Join(b.TempDir(), quant+".gguf")
		f, err := os.Create(file)
		if err != nil {
			b.Fatal(err)
		}
		if err := demo.Random(f, "135M", quant, 1); err != nil {
			b.Fatal(err)
		}
		if err := f.Close(); err != nil {
			b.Fatal(err)
		}
		var models []node.Model
		for _, e := range engines {
			models = append(models, enginetest.Load(b, e, file))
		}
		b.Run(quant+"/prefill", func(b *testing.B) { beside(b, models, node.ContextOptions{NCtx: 512}, prefill) })
		for _, n := range []int{1, 8, 32} {
			b.Run(fmt.Sprint(quant, "/decode=", n), func(b *testing.B) {
				beside(b, models, node.ContextOptions{NCtx: 256, NSeq: n}, generate)
			})
		}
		b.Run(quant+"/options", func(b *testing.B) { options(b, engines[0], models[0], file) })
	}
}

// beside reports the tokens in a second of processor time of both models, and their ratio.
func beside(b *testing.B, models []node.Model, o node.ContextOptions, work func(testing.TB, node.Context) int) {
	runtime.LockOSThread() // whose time is taken
	defer runtime.UnlockOSThread()
	var took [2]time.Duration
	tokens := 0
	contexts := []node.Context{enginetest.NewContext(b, models[0], o), enginetest.NewContext(b, models[1], o)}
	for _, c := range contexts {
		work(b, c) // the first is slower
	}
	for b.Loop() {
		for i, c := range contexts {
			start := threadTime(b)
			n := work(b, c)
			took[i] += threadTime(b) - start
			if i == 0 {
				tokens += n
			}
		}
	}
	b.ReportMetric(float64(tokens)/took[0].Seconds(), "ollama-tok/cpu-s")
	b.ReportMetric(float64(tokens)/took[1].Seconds(), "llama-tok/cpu-s")
	b.ReportMetric(took[1].Seconds()/took[0].Seconds(), "ratio")
}

// options reports what flash attention and repacked weights give this engine
// in a prefill: how many times faster it is with them than without.
func options(b *testing.B, e node.Engine, m node.Model, file string) {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	repack = false
	plain := enginetest.Load(b, e, file)
	repack = true
	contexts := []node.Context{
		enginetest.NewContext(b, m, node.ContextOptions{NCtx: 512, FlashAttn: "on"}),
		enginetest.NewContext(b, m, node.ContextOptions{NCtx: 512, FlashAttn: "off"}),
		enginetest.NewContext(b, plain, node.ContextOptions{NCtx: 512, FlashAttn: "on"}),
	}
	var took [3]time.Duration
	for b.Loop() {
		for i, c := range contexts {
			start := threadTime(b)
			prefill(b, c)
			took[i] += threadTime(b) - start
		}
	}
	b.ReportMetric(took[1].Seconds()/took[0].Seconds(), "flash-ratio")
	b.ReportMetric(took[2].Seconds()/took[0].Seconds(), "repack-ratio")
}

// prefill reads a prompt of 511 tokens.
func prefill(tb testing.TB, c node.Context) int {
	c.RemoveSeq(0, 0, -1)
	rows := make([]node.Row, 511)
	for i := range rows {
		rows[i] = node.Row{Token: node.Token(100 + i*37%400), Pos: int32(i), Logits: i == len(rows)-1}
	}
	if err := c.Decode(rows); err != nil {
		tb.Fatal(err)
	}
	return len(rows)
}

// threadTime is the processor time of this thread: with one thread llama.cpp
// computes on the one that calls it.
func threadTime(b *testing.B) time.Duration {
	b.Helper()
	var u unix.Rusage
	if err := unix.Getrusage(unix.RUSAGE_THREAD, &u); err != nil {
		b.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

const steps = 16

// generate makes tokens in each sequence.
func generate(tb testing.TB, c node.Context) int {
	n := c.Options().NSeq
	rows := make([]node.Row, n)
	for s := range rows {
		c.RemoveSeq(node.Seq(s), 0, -1)
	}
	for pos := range int32(steps) {
		for s := range rows {
			rows[s] = node.Row{Token: node.Token(100 + s*7 + int(pos)), Pos: pos, Seq: node.Seq(s), Logits: true}
		}
		if err := c.Decode(rows); err != nil {
			tb.Fatal(err)
		}
	}
	return steps * n
}
