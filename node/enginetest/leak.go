package enginetest

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

// testLeaks: models, contexts and samplers that are closed give their memory
// back: a context alone is some 4 MB, a model 3.
func (s *suite) testLeaks(t *testing.T, e node.Engine, file string) {
	if resident() < 0 {
		t.Skip("no /proc/self/statm on " + runtime.GOOS)
	}
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
	use := func() {
		idle, err := s.m.NewContext(node.ContextOptions{NCtx: 256, Threads: 2}) // with threads of its own
		must(err)
		must(idle.Close())
		c, err := s.m.NewContext(node.ContextOptions{NCtx: 256, NSeq: 2})
		must(err)
		must(c.Decode(rows(c, 0, s.prompts[0])))
		state, err := c.State(0)
		must(err)
		must(c.SetState(1, state))
		p := styxfs.DefaultParams()
		p.DryMultiplier, p.RepeatPenalty = 1, 1.1
		ch, err := s.m.NewChain([]string{"penalties", "dry", "top_k", "temperature"}, &p)
		must(err)
		g, err := s.m.NewGrammar(`root ::= [a-z ]*`)
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
		if grew := resident() - before; grew > 32<<20 {
			t.Errorf("100 times %s: %d MB more", name, grew>>20)
		} else {
			t.Logf("100 times %s: %d KB more", name, grew>>10)
		}
	}
}
