//go:build !ollama

package tests

import (
	"os"
	"os/exec"
	"strings"
	"testing"
)

// A program without the engine in it says how to get one with it, and so does
// a build with the tag alone, before any C is compiled.
func TestWithoutOllama(t *testing.T) {
	for _, args := range [][]string{{"engine", "--engine", "ollama"}, {"run", "--engine", "ollama", "x"}} {
		out, err := exec.Command(program, args...).CombinedOutput()
		if err == nil || !strings.Contains(string(out), "scripts/build-ollama builds one") {
			t.Errorf("llama9 %s: %v\n%s", strings.Join(args, " "), err, out)
		}
	}
	if got := command(t, "", "version"); strings.Contains(got, "ollama") {
		t.Errorf("version says %q", got)
	}
	for _, cgo := range []string{"0", "1"} {
		build := exec.Command("go", "build", "-tags", "ollama", "llama9/node/ollama")
		build.Dir = ".."
		build.Env = append(os.Environ(), "CGO_ENABLED="+cgo)
		out, err := build.CombinedOutput()
		if err == nil || !strings.Contains(string(out), "run_scripts_build_ollama") || strings.Count(string(out), "\n") > 3 {
			t.Errorf("go build -tags ollama with CGO_ENABLED=%s: %v\n%s", cgo, err, out)
		}
	}
}
