package tests

import (
	"os"
	"os/exec"
	"strings"
	"testing"
)

// TestDeployExample: examples/basic.yaml is valid, and examples/walk goes
// through without a failed turn, on a socket of the test's own.
func TestDeployExample(t *testing.T) {
	t.Setenv("LLAMA9_LIB", library(t))
	dir := deployDirs(t)
	if out := command(t, "", "deploy", "validate", "../examples/basic.yaml"); !strings.HasSuffix(out, "basic.yaml: good\n") {
		t.Errorf("validate: %s", out)
	}
	b, err := os.ReadFile("../examples/basic.yaml")
	if err != nil {
		t.Fatal(err)
	}
	text := strings.Replace(string(b), "tcp!127.0.0.1!5650", "unix!"+dir+"/walk", 1)
	if text == string(b) {
		t.Fatal("examples/basic.yaml has no such address")
	}
	if err := os.WriteFile(dir+"/basic.yaml", []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	walk := exec.Command("../examples/walk", dir+"/basic.yaml")
	walk.Env = append(os.Environ(), "LLAMA9="+program)
	out, err := walk.CombinedOutput()
	if err != nil || !strings.HasSuffix(string(out), " turns, none failed\n") {
		t.Errorf("examples/walk: %v\n%s", err, out)
	}
}
