package deploy

import (
	"strings"
	"testing"
)

func TestSpecs(t *testing.T) {
	c, err := Parse("/d/f", []byte(`
models:
  - {name: m, file: "a b.gguf", n_ctx: 512, parallel: 2, n_gpu_layers: -1, tensor_split: "3,1"}
  - {name: o}
nodes:
  - {name: one, port: 7000, cpus: "0,2-3", memory: 1G, env: {B: 2, A: 1}}
  - {name: many, count: 2, threads: 5, models: [o]}
  - {name: far, remote: true, address: tcp!h!1, weight: 3}
limits: {open_files: 100}
`))
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, s := range c.specs(Place{Dir: "/run/x", Demo: "/demo.gguf"}, 3) {
		got = append(got, s.Name+": "+s.Addr+" "+strings.Join(s.Args, "|")+" "+strings.Join(s.Env, ","))
	}
	want := []string{
		"one: tcp!127.0.0.1!7000 node|--listen|tcp!127.0.0.1!7000|--log-level|info|--engine|llama|" +
			"--load|m \"/d/a b.gguf\" \"threads=3\" \"n_ctx=512\" \"parallel=2\" \"n_gpu_layers=-1\" \"tensor_split=3,1\"|" +
			"--load|o /demo.gguf \"threads=3\"|--memory|1G A=1,B=2",
		"many-1: unix!/run/x/many-1.sock node|--listen|unix!/run/x/many-1.sock|--log-level|info|--engine|llama|--load|o /demo.gguf \"threads=5\" ",
		"many-2: unix!/run/x/many-2.sock node|--listen|unix!/run/x/many-2.sock|--log-level|info|--engine|llama|--load|o /demo.gguf \"threads=5\" ",
		"many-3: unix!/run/x/many-3.sock node|--listen|unix!/run/x/many-3.sock|--log-level|info|--engine|llama|--load|o /demo.gguf \"threads=5\" ",
		"far: tcp!h!1  ",
	}
	if len(got) != len(want) {
		t.Fatalf("%d nodes: %q", len(got), got)
	}
	for i := range want {
		if got[i] != want[i] {
			t.Errorf("node %d:\n got  %s\n want %s", i, got[i], want[i])
		}
	}
}

// TestThreads: the cores are shared by the nodes that there may be.
func TestThreads(t *testing.T) {
	c := Default()
	c.Nodes[0].Count = 1000
	if n := c.threads(&c.Nodes[0]); n != 1 {
		t.Errorf("%d threads for one of 1000 nodes", n)
	}
	c.Nodes[0].CPUs = "0-6"
	if n := c.threads(&c.Nodes[0]); n != 7 {
		t.Errorf("%d threads on 7 processors", n)
	}
}

func TestSize(t *testing.T) {
	for text, want := range map[string]Size{"512M": 512 << 20, "1.5G": 3 << 29, "64k": 64 << 10, "7": 7, "2GiB": 2 << 30, "0": 0} {
		got, err := parseSize(text)
		if err != nil || got != want {
			t.Errorf("%s: %d, %v", text, got, err)
		}
		if again, err := parseSize(got.String()); err != nil || again != got {
			t.Errorf("%s: written as %s, read as %d, %v", text, got, again, err)
		}
	}
	for _, text := range []string{"", "-1", "x", "1P", "9e99", "NaN"} {
		if got, err := parseSize(text); err == nil {
			t.Errorf("%q: %d", text, got)
		}
	}
}
