package tests

import (
	"os"
	"os/exec"
	"path/filepath"
	"testing"
)

// TestDeploySystemd: the units that are generated are what systemd takes.
func TestDeploySystemd(t *testing.T) {
	verify, err := exec.LookPath("systemd-analyze")
	if err != nil {
		const msg = "LEFT OUT, no systemd-analyze: apt-get install systemd"
		if os.Getenv("CI") == "true" {
			t.Fatal(msg)
		}
		t.Skip(msg)
	}
	rich := t.TempDir() + "/rich.yaml"
	if err := os.WriteFile(rich, []byte(`
name: lab
models: [{name: chat, file: "/srv/models/chat 8b.gguf", n_ctx: 8192}]
nodes:
  - {name: big, count: 3, memory: 24G, cpus: "0-7", env: {A: "50% of $HOME", B: "two words"}}
  - {name: lone, port: 7100}
limits: {open_files: 4096}
`), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, from := range [][]string{nil, {"-f", rich}} {
		dir := t.TempDir()
		command(t, "", append([]string{"deploy", "generate-config", "--target", "systemd", "--program", program, "-o", dir}, from...)...)
		units, err := filepath.Glob(dir + "/*.[st]*")
		if err != nil || len(units) < 4 {
			t.Fatalf("units %v, %v", units, err)
		}
		out, err := exec.Command(verify, append([]string{"verify", "--man=no"}, units...)...).CombinedOutput()
		if err != nil || len(out) > 0 {
			t.Errorf("systemd-analyze verify: %v\n%s", err, out)
		}
	}
}
