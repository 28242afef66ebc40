package tests

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"llama9/model"
)

// TestWrongModels: whatever is wrong with a model's file, the real engine's
// node says so by the flag and ends with status 1.
func TestWrongModels(t *testing.T) {
	lib := library(t)
	dir := t.TempDir()
	file := func(name string, data []byte) string {
		name = filepath.Join(dir, name)
		if err := os.WriteFile(name, data, 0o644); err != nil {
			t.Fatal(err)
		}
		return name
	}
	cut := model.Demo[:len(model.Demo)/2]
	zeroed := append([]byte(nil), model.Demo...)
	clear(zeroed[8:512])
	for _, c := range []struct{ name, file string }{
		{"no file", filepath.Join(dir, "nosuch.gguf")},
		{"directory", dir},
		{"empty", file("empty.gguf", nil)},
		{"text", file("text.gguf", []byte("Call me Ishmael.\n"))},
		{"magic only", file("magic.gguf", []byte("GGUF"))},
		{"truncated data", file("half.gguf", cut)},
		{"truncated header", file("head.gguf", model.Demo[:100])},
		{"no header", file("zeroed.gguf", zeroed)},
	} {
		t.Run(c.name, func(t *testing.T) {
			for _, args := range [][]string{{"run", "hello"}, {"node", "--listen", "tcp!127.0.0.1!0"}} {
				cmd := exec.Command(program, append(args, "--llama-lib", lib, "-m", c.file)...)
				out, err := cmd.CombinedOutput()
				if cmd.ProcessState == nil || cmd.ProcessState.ExitCode() != 1 || !strings.Contains(string(out), "--model") {
					t.Errorf("llama9 %s: %v\n%s", args[0], err, out)
				}
			}
		})
	}
}
