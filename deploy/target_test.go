package deploy

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"go.yaml.in/yaml/v4"
)

const richConfig = `
name: lab
network:
  listen: ["tcp!*!7000"]
  insecure: true
  strategy: round-robin
models:
  - {name: chat, file: "/srv/models/chat 8b.gguf", n_ctx: 8192, parallel: 2}
  - {name: small, file: /srv/models/small.gguf}
nodes:
  - name: big
    count: 3
    threads: 8
    memory: 24G
    cpus: 0-7
    env: {A: "50% of $HOME", B: "two words"}
    weight: 2
  - {name: lone, port: 7100, models: [small]}
  - {name: far, remote: true, address: "tcp!gpu!5640", weight: 4}
`

// TestTargets: what is written for other supervisors is what testdata has, and
// that was checked with their own tools; see tests/.
func TestTargets(t *testing.T) {
	rich, err := Parse("rich.yaml", []byte(richConfig))
	if err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]*Config{"default": Default(), "rich": rich} {
		for _, target := range Targets() {
			dir := filepath.Join("testdata", "target", name, target)
			files, err := c.Target(target, TargetOptions{})
			if err != nil {
				t.Fatal(err)
			}
			if *update {
				if err := os.MkdirAll(dir, 0o755); err != nil {
					t.Fatal(err)
				}
			}
			for _, f := range files {
				golden(t, filepath.Join(dir, f.Name), f.Text)
			}
			if have, _ := os.ReadDir(dir); len(have) != len(files) {
				t.Errorf("%s: %d files, and %d are made", dir, len(have), len(files))
			}
		}
	}
}

// TestTargetYAML: the documents are YAML, and those of Kubernetes say what they
// are.
func TestTargetYAML(t *testing.T) {
	c, err := Parse("rich.yaml", []byte(richConfig))
	if err != nil {
		t.Fatal(err)
	}
	kinds := make(map[string]int)
	for _, target := range []string{"kubernetes", "compose"} {
		files, err := c.Target(target, TargetOptions{})
		if err != nil || len(files) != 1 {
			t.Fatalf("%d files, %v", len(files), err)
		}
		for doc := range strings.SplitSeq(string(files[0].Text), "\n---\n") {
			var m map[string]any
			if err := yaml.Unmarshal([]byte(doc), &m); err != nil {
				t.Errorf("%s: %v\n%s", target, err, doc)
			}
			if kind, ok := m["kind"].(string); ok {
				kinds[kind]++
			}
		}
	}
	if kinds["StatefulSet"] != 2 || kinds["Service"] != 3 || kinds["Deployment"] != 1 || kinds["PersistentVolumeClaim"] != 2 {
		t.Errorf("kinds: %v", kinds)
	}
}

// TestTargetRefused: what cannot run on many machines is refused.
func TestTargetRefused(t *testing.T) {
	for _, c := range []struct{ text, target, want string }{
		{"name: a\n", "cron", "cron: want systemd, kubernetes, nomad or compose"},
		{"models: [{name: a}, {name: b, file: /b.gguf}]\n", "systemd", "models.a: the built-in model goes alone"},
		{"nodes: [{name: a, address: unix!/x}]\n", "systemd", "nodes.a.address: unix!/x is a socket of one machine"},
		{"nodes: [{name: a, remote: true, address: tcp!h!1}]\n", "nomad", "nodes: all of them are remote"},
	} {
		cfg, err := Parse("f", []byte(c.text))
		if err != nil {
			t.Fatal(err)
		}
		if _, err := cfg.Target(c.target, TargetOptions{}); err == nil || !strings.HasPrefix(err.Error(), c.want) {
			t.Errorf("%s: %v, want %s", c.text, err, c.want)
		}
	}
}
