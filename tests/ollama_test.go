//go:build ollama

package tests

import (
	"strings"
	"testing"
)

// The engine in the program says what the default one says, by a node that is
// served too, whose model file tells which it is.
func TestOllama(t *testing.T) {
	lib := library(t)
	const prompt = "And the LORD said unto"
	turn := []string{"-t", "1", "--temperature", "0", "-n", "32", prompt}
	want := command(t, "", append([]string{"run", "--llama-lib", lib}, turn...)...)
	if got := command(t, "", append([]string{"run", "--engine", "ollama"}, turn...)...); got != want || len(got) < 20 {
		t.Errorf("by the engine ollama %q, by the default one %q", got, want)
	}
	addr, _, _ := serve(t, "--engine", "ollama", "-t", "1")
	if got := command(t, prompt, "run", "-a", addr, "--temperature", "0", "-n", "32"); got != want {
		t.Errorf("by a node with the engine ollama %q, by the default one %q", got, want)
	}
	if got := command(t, "", "read", "-a", addr, "model"); !strings.Contains(got, "engine=ollama") || !strings.Contains(got, "build=ollama-v0.24.0") {
		t.Errorf("model says %q", got)
	}
	if got := command(t, "", "version"); !strings.Contains(got, ", ollama v0.24.0") {
		t.Errorf("version says %q", got)
	}
	if got := command(t, "", "engine", "--engine", "ollama"); !strings.Contains(got, "in the program") {
		t.Errorf("engine says %q", got)
	}
}
