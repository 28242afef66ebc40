//go:build !nollama && (((linux || windows || darwin) && (amd64 || arm64)) || (linux && riscv64))

package llama

import (
	"context"
	"os"
	"runtime"
	"runtime/debug"
	"strconv"
	"strings"
	"testing"

	"llama9/node"
	"llama9/styxfs"
)

// resident is the memory of this process, or -1 where it is not known.
func resident() int {
	b, err := os.ReadFile("/proc/self/statm")
	if err != nil {
		return -1
	}
	pages, err := strconv.Atoi(strings.Fields(string(b))[1])
	if err != nil {
		return -1
	}
	return pages * os.Getpagesize()
}

// Models, contexts and samplers that are closed give their memory back: a
// context alone is some 4 MB, a model 3.
func TestNoLeaks(t *testing.T) {
	e := openEngine(t)
	file := demoFile(t)
	if resident() < 0 {
		t.Skip("no /proc/self/statm on " + runtime.GOOS)
	}
	load := func() {
		m, err := e.Load(context.Background(), file, node.LoadOptions{NoMmap: true}, func(float32) {})
		if err != nil {
			t.Fatal(err)
		}
		if err := m.Close(); err != nil {
			t.Fatal(err)
		}
	}
	m := loadDemo(t)
	use := func() {
		c, err := m.NewContext(node.ContextOptions{NCtx: 256, NSeq: 2, Threads: 1})
		if err != nil {
			t.Fatal(err)
		}
		if err := c.Decode(rowsOf([]node.Token{1, 300, 400}, 0, 0)); err != nil {
			t.Fatal(err)
		}
		if _, err := c.State(0); err != nil {
			t.Fatal(err)
		}
		p := styxfs.DefaultParams()
		p.RepeatPenalty = 1.1
		ch, err := m.NewChain(p.Samplers[:1], &p)
		if err != nil {
			t.Fatal(err)
		}
		g, err := m.NewGrammar(`root ::= [a-z ]*`)
		if err != nil {
			t.Fatal(err)
		}
		g.Close()
		ch.Close()
		if err := c.Close(); err != nil {
			t.Fatal(err)
		}
	}
	grown := func(name string, times int, f func()) {
		for range 10 {
			f()
		}
		debug.FreeOSMemory()
		before := resident()
		for range times {
			f()
		}
		debug.FreeOSMemory()
		if grew := resident() - before; grew > 48<<20 {
			t.Errorf("%d times %s: %d MB more", times, name, grew>>20)
		}
	}
	grown("load", 100, load)
	grown("context", 200, use)
}
