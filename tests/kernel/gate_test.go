//go:build linux && amd64 && !race

package kernel

import (
	"sync"
	"testing"
	"time"

	"llama9/node/fake"
)

// A gate holds the engine's steps back.
type gate struct {
	mu    sync.Mutex    // guards below
	steps chan struct{} // nil: open
}

// hold lets no step pass that step does not ask for.
func (g *gate) hold() {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.steps = make(chan struct{})
}

// open lets all steps pass again.
func (g *gate) open() {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.steps != nil {
		close(g.steps)
		g.steps = nil
	}
}

// step lets one step pass: it makes the next token, the first one with the
// whole of a short prompt.
func (g *gate) step(t testing.TB) {
	t.Helper()
	g.mu.Lock()
	steps := g.steps
	g.mu.Unlock()
	select {
	case steps <- struct{}{}:
	case <-time.After(deadline):
		t.Fatal("the engine does not step")
	}
}

// pass is the engine's OnDecode.
func (g *gate) pass(d *fake.Decode) error {
	g.mu.Lock()
	steps := g.steps
	g.mu.Unlock()
	if steps == nil {
		return nil
	}
	select {
	case <-steps:
	case <-d.Aborted:
	}
	return nil
}
