package tests

import (
	"os"
	"runtime"
	"strconv"
	"strings"
	"testing"

	"llama9/model"
)

// TestDeployBadInput: what cannot be run is refused before anything is started,
// in words that say what to do.
func TestDeployBadInput(t *testing.T) {
	dir := deployDirs(t)
	good := deployConfig(dir, "fake:tiny", 2, "")
	demo := dir + "/demo.gguf"
	if err := os.WriteFile(demo, model.Demo, 0o600); err != nil {
		t.Fatal(err)
	}
	real := "network: {listen: [\"unix!" + dir + "/real\"]}\n"
	for _, c := range []struct{ name, config, want string }{
		{"empty", "", "empty; leave the file out for the defaults"},
		{"tab", "network:\n\tqueue: 4\n", ":2: a tab begins the line; YAML is indented by spaces"},
		{"key", good + "nodez: 4\n", ":9: nodez: unknown key; want one of name, engine,"},
		{"names", good + "  - {name: node, count: 2}\n", ":9: nodes[1].name: node-1: the node of line 8 is called so already"},
		{"ports", good + "  - {name: a, port: 7001}\n  - {name: b, port: 7001}\n", ":10: nodes[2]: tcp!127.0.0.1!7001: line 9 has this address already"},
		{"missing model", real + "models: [{file: nothing.gguf}]\n", ":2: models[0].file: " + dir + "/nothing.gguf: no such file or directory"},
		{"no model", real + "models: [{file: \"no model.yaml\", name: x}]\n", ":2: models[0].file: " + dir + "/no model.yaml: "},
		{"no memory", real + "models: [{file: demo.gguf, n_ctx: 2000000000, parallel: 64}]\n", " GiB = "},
		{"no memory for a node", real + "nodes: [{name: a, memory: 64K}]\n", ":2: nodes.a.memory: not enough for demo: weights "},
		{"bound address", strings.Replace(good, "listen: [", "listen: [\"tcp!0.0.0.0!0\", ", 1), "can be reached from other machines"},
	} {
		file := dir + "/" + c.name + ".yaml"
		if err := os.WriteFile(file, []byte(c.config), 0o600); err != nil {
			t.Fatal(err)
		}
		commands := [][]string{{"deploy", "start", "-f", file}, {"deploy", "validate", file}}
		if c.name == "bound address" { // which the listener finds
			commands = commands[:1]
		}
		for _, args := range commands {
			if out := refused(t, args...); !strings.Contains(out, c.want) {
				t.Errorf("%s, %s:\n got  %s want %s", c.name, args[1], out, c.want)
			}
		}
	}
	for _, c := range []struct {
		args []string
		want string
	}{
		{[]string{"start", "-f", dir + "/no.yaml"}, "no.yaml: no such file or directory"},
		{[]string{"validate", dir + "/no.yaml"}, "no.yaml: no such file or directory"},
		{[]string{"validate"}, "name a file; llama9 deploy generate-config writes one"},
		{[]string{"status"}, "no deployment at unix!" + dir + "/llama9/llama9/deploy.sock"},
		{[]string{"status", "--addr", "udp!x"}, "--addr: bad address"},
		{[]string{"scale"}, "accepts 1 arg(s), received 0"},
		{[]string{"generate-config", "--nodes", "0"}, "--nodes 0: want a number from 1 to 256"},
		{[]string{"generate-config", "--target", "cron"}, "--target: cron: want systemd, kubernetes, nomad or compose"},
		{[]string{"start", "--log-level", "loud"}, "--log-level loud: want debug, info, warn or error"},
	} {
		if out := refused(t, append([]string{"deploy"}, c.args...)...); !strings.Contains(out, c.want) {
			t.Errorf("%s:\n got  %s want %s", strings.Join(c.args, " "), out, c.want)
		}
	}
	addr, _, _ := serve(t, "--engine", "fake", "-m", "fake:tiny")
	if out := refused(t, "deploy", "status", "-a", addr); !strings.Contains(out, "no deployment, but a server of another kind") {
		t.Errorf("a node: %s", out)
	}
}

// TestDeployGenerateConfig: what is generated is valid, and says what was asked
// for.
func TestDeployGenerateConfig(t *testing.T) {
	dir := deployDirs(t)
	if err := os.WriteFile(dir+"/m.gguf", model.Demo, 0o600); err != nil {
		t.Fatal(err)
	}
	out := command(t, "", "deploy", "generate-config", "--nodes", "3", "--model", dir+"/m.gguf")
	for _, want := range []string{"count: 3", "name: m\n", "# turns that wait at most\n  queue: 1024\n"} {
		if !strings.Contains(out, want) {
			t.Errorf("no %q in\n%s", want, out)
		}
	}
	if err := os.WriteFile(dir+"/c.yaml", []byte(out), 0o600); err != nil {
		t.Fatal(err)
	}
	if out := command(t, "", "deploy", "validate", dir+"/c.yaml"); out != dir+"/c.yaml: good\n" {
		t.Errorf("validate: %s", out)
	}
	if out := command(t, "", "deploy", "generate-config", "--brief", "--nodes", "2"); strings.Contains(out, "queue") || !strings.HasPrefix(out, "# ") {
		t.Errorf("--brief: %s", out)
	}
	want, err := os.ReadFile("../deploy/schema.json")
	if err != nil {
		t.Fatal(err)
	}
	if out := command(t, "", "deploy", "validate", "--schema"); out != string(want) {
		t.Errorf("--schema: %s", out)
	}
}

// TestDeployDemo: a deployment of the built-in model, with nothing said but
// where it listens, answers as one node does.
func TestDeployDemo(t *testing.T) {
	lib := library(t)
	t.Setenv("LLAMA9_LIB", lib)
	dir := deployDirs(t)
	d := &deployment{t: t, dir: dir, file: dir + "/demo.yaml", addr: "unix!" + dir + "/demo"}
	d.write("network: {listen: [\"" + d.addr + "\"]}\n")
	d.start(true)
	if n := len(d.pids()); n != 2 {
		t.Errorf("%d nodes", n)
	}
	args := []string{"--temperature", "0", "-n", "24", "And the LORD said unto"}
	// With as many threads as each of the two nodes has.
	threads := strconv.Itoa(max(1, runtime.NumCPU()/2))
	want := command(t, "", append([]string{"run", "--llama-lib", lib, "-t", threads}, args...)...)
	if got := command(t, "", append([]string{"run", "-a", d.addr}, args...)...); got != want || got == "" {
		t.Errorf("%q, want %q", got, want)
	}
	d.stopNow()
}
