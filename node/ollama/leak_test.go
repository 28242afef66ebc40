//go:build ollama && cgoflags && cgo

package ollama

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
	if resident() < 0 {
		t.Skip("no /proc/self/statm on " + runtime.GOOS)
	}
	e, file := openEngine(t), demoFile(t)
	must := func(err error) {
		if err != nil {
			t.Fatal(err)
		}
	}
	load := func() {
		m, err := e.Load(context.Background(), file, node.LoadOptions{NoMmap: true}, func(float32) {})
		must(err)
		must(m.Close())
	}
	m := loadBy(t, e, file)
	use := func() {
		c, err := m.NewContext(node.ContextOptions{NCtx: 256, NSeq: 2, Threads: 2})
		must(err)
		must(c.Decode([]node.Row{{Token: 1}, {Token: 300, Pos: 1, Logits: true}}))
		state, err := c.State(0)
		must(err)
		must(c.SetState(1, state))
		p := styxfs.DefaultParams()
		p.DryMultiplier = 1
		ch, err := m.NewChain([]string{"dry", "top_k", "temperature"}, &p)
		must(err)
		g, err := m.NewGrammar(`root ::= [a-z ]*`)
		must(err)
		g.Close()
		ch.Close()
		must(c.Close())
	}
	for name, f := range map[string]func(){"load": load, "context": use} {
		for range 10 {
			f()
		}
		debug.FreeOSMemory()
		before := resident()
		for range 100 {
			f()
		}
		debug.FreeOSMemory()
		if grew := resident() - before; grew > 16<<20 {
			t.Errorf("100 times %s: %d MB more", name, grew>>20)
		} else {
			t.Logf("100 times %s: %d KB more", name, grew>>10)
		}
	}
}
