package deploy

import (
	"bytes"
	"encoding/json"
	"flag"
	"os"
	"reflect"
	"strings"
	"testing"
	"time"
)

var update = flag.Bool("update", false, "write the golden files")

// golden compares got with a file, or writes it.
func golden(t *testing.T, file string, got []byte) {
	t.Helper()
	if *update {
		if err := os.WriteFile(file, got, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got, want) {
		t.Errorf("%s is not what is made; go test ./deploy -update writes it:\n%s", file, got)
	}
}

// TestFaults: each mistake is told with its line, its key and what was
// expected.
func TestFaults(t *testing.T) {
	for _, c := range []struct{ text, want string }{
		{"", "f.yaml: empty; leave the file out for the defaults, or see llama9 deploy generate-config"},
		{"# nothing\n", "f.yaml: empty; leave the file out for the defaults, or see llama9 deploy generate-config"},
		{"network:\n\tqueue: 3\n", "f.yaml:2: a tab begins the line; YAML is indented by spaces"},
		{"name: a\nnodez: []\n", "f.yaml:2: nodez: unknown key; want one of name, engine, network, models, nodes, scaling, limits"},
		{"network:\n  strategy: fastest\n", "f.yaml:2: network.strategy: \"fastest\": want one of least-loaded, round-robin, least-connections, random, weighted-random"},
		{"network: 7\n", "f.yaml:1: network: \"7\": want a table of listen, insecure, socket_mode, join_key, strategy, failover, queue, health_interval, health_timeout, health_failures"},
		{"network:\n  queue: many\n", "f.yaml:2: network.queue: \"many\": want a whole number, 1 or more"},
		{"network:\n  queue: 0\n", "f.yaml:2: network.queue: \"0\": want a whole number, 1 or more"},
		{"network:\n  queue: 1\n  queue: 2\n", "f.yaml:3: network: queue: twice; it is on line 2 already"},
		{"network:\n  listen: tcp!a!1\n", "f.yaml:2: network.listen: \"tcp!a!1\": want a list, each line beginning with a dash"},
		{"network:\n  listen: [tcp!a!1, 'udp!x']\n", "f.yaml:2: network.listen[1]: \"udp!x\": want tcp!host!port, unix!/path or host:port"},
		{"network:\n  listen: []\n", "f.yaml:2: network.listen: no address; want one at least"},
		{"network:\n  insecure: maybe\n", "f.yaml:2: network.insecure: \"maybe\": want true or false"},
		{"limits:\n  backoff: 3\n", "f.yaml:2: limits.backoff: \"3\": want a time as 10s or 5m, 10ms or more"},
		{"limits:\n  backoff: 3m\n  backoff_max: 1m\n", "f.yaml:3: limits.backoff_max: 1m0s: want limits.backoff, 3m0s, or more"},
		{"limits:\n  retry:\n", "f.yaml:2: limits.retry: nothing: want a time as 10s or 5m, 1s or more"},
		{"nodes:\n  - name: a\n  - name: a\n", "f.yaml:3: nodes[1].name: a: the node of line 2 is called so already"},
		{"nodes:\n  - name: a\n    count: 2\n  - name: a-2\n", "f.yaml:4: nodes[1].name: a-2: the node of line 2 is called so already"},
		{"nodes:\n  - weight: 2\n", "f.yaml:2: nodes[0]: no name; every node has one"},
		{"nodes:\n  - name: a/b\n", "f.yaml:2: nodes[0].name: \"a/b\": want a name of letters, digits, . _ and -, at most 48"},
		{"nodes:\n  - name: a\n    port: 5640\n", "f.yaml:2: nodes[0]: tcp!127.0.0.1!5640: network.listen[0] has this address already"},
		{"nodes:\n  - name: a\n    port: 7000\n    count: 3\n  - name: b\n    port: 7002\n", "f.yaml:5: nodes[1]: tcp!127.0.0.1!7002: line 2 has this address already"},
		{"nodes:\n  - name: a\n    port: 70000\n", "f.yaml:3: nodes[0].port: \"70000\": want a whole number from 1 to 65535"},
		{"nodes:\n  - name: a\n    remote: true\n", "f.yaml:2: nodes[0]: a is remote; want its address"},
		{"nodes:\n  - name: a\n    remote: true\n    address: tcp!h!1\n    memory: 1G\n", "f.yaml:5: nodes[0].memory: a is remote: what is started elsewhere is set there"},
		{"nodes:\n  - name: a\n    memory: much\n", "f.yaml:3: nodes[0].memory: \"much\": want a size as 512M or 8G"},
		{"nodes:\n  - name: a\n    cpus: 3-1\n", "f.yaml:3: nodes[0].cpus: \"3-1\": want processor numbers, as 0-3,6"},
		{"nodes:\n  - name: a\n    env: [A]\n", "f.yaml:3: nodes[0].env: a list: want a table of names and texts"},
		{"nodes:\n  - name: a\n    models: [b]\n", "f.yaml:3: nodes[0].models[0]: b: no such model; want one of models: demo"},
		{"models:\n  - file: x.gguf\n  - name: x\n", "f.yaml:3: models[1].name: x: models[0] is called so on line 2 already"},
		{"models: [{name: a}]\nnodes: [{name: n, models: [a]}]\nlimits: {retry: 0s}\n", "f.yaml:3: limits.retry: \"0s\": want a time as 10s or 5m, 1s or more"},
		{"models:\n  - name: a\n  - name: b\nnodes:\n  - name: n\n    models: [a]\n", "f.yaml:3: models[1]: b: no node has it; see models of nodes"},
		{"models:\n  - name: x\n    n_ctx: -4\n", "f.yaml:3: models[0].n_ctx: \"-4\": want a whole number, 0 or more"},
		{"scaling:\n  auto: true\n", "f.yaml:1: scaling.max: none: scaling.auto wants a bound"},
		{"scaling:\n  min: 3\n  max: 2\n", "f.yaml:2: scaling.min: 3: want scaling.max, 2, or less"},
		{"scaling:\n  auto: true\n  min: 3\n  max: 4\n", "f.yaml:1: scaling: nodes.node.count is 2: want it from min, 3, to max, 4"},
		{"scaling:\n  group: x\n", "f.yaml:2: scaling.group: x: no such nodes"},
		{"name: [\n", "f.yaml:2: "},
		{"a: &x 1\nname: *x\n", "f.yaml:2: name: *x: aliases are not for this file; write it out"},
	} {
		_, err := Parse("f.yaml", []byte(c.text))
		if err == nil {
			t.Errorf("%q: no error", c.text)
			continue
		}
		lines := strings.Split(err.Error(), "\n")
		found := false
		for _, l := range lines {
			found = found || l == c.want || strings.HasSuffix(c.want, ": ") && strings.HasPrefix(l, c.want)
		}
		if !found {
			t.Errorf("%q:\n got  %s\n want %s", c.text, err, c.want)
		}
	}
}

// TestAllFaults: one look at a file tells of all of its faults, in order.
func TestAllFaults(t *testing.T) {
	_, err := Parse("f", []byte("limits:\n  retry: x\nnetwork:\n  queue: x\nfoo: 1\n"))
	want := []string{"f:2: limits.retry: ", "f:4: network.queue: ", "f:5: foo: unknown key"}
	lines := strings.Split(err.Error(), "\n")
	if len(lines) != len(want) {
		t.Fatalf("%d faults:\n%v", len(lines), err)
	}
	for i, w := range want {
		if !strings.HasPrefix(lines[i], w) {
			t.Errorf("fault %d: %s, want %s...", i, lines[i], w)
		}
	}
}

func TestParse(t *testing.T) {
	c, err := Parse("/etc/llama9/f.yaml", []byte(`
name: lab
network:
  listen: ["tcp!127.0.0.1!7000"]
  strategy: round-robin
models:
  - {file: m.gguf, n_ctx: 2048}
  - {name: other, file: /models/o.gguf, parallel: 2, tensor_split: "3,1"}
nodes:
  - {name: a, count: 3, memory: 2G, cpus: 0-1, env: {N: 7}}
  - {name: far, remote: true, address: tcp!gpu!5640, weight: 4}
scaling: {auto: true, min: 0, max: 4}
limits: {drain_timeout: 0s}
`))
	if err != nil {
		t.Fatal(err)
	}
	if c.Models[0].Name != "m" || c.Models[0].File != "/etc/llama9/m.gguf" || c.Models[1].File != "/models/o.gguf" {
		t.Errorf("models %+v", c.Models)
	}
	if g := c.Nodes[0]; g.Memory != 2<<30 || g.Env["N"] != "7" || g.Weight != 1 || c.Nodes[1].Weight != 4 {
		t.Errorf("nodes %+v", c.Nodes)
	}
	if c.Scaling.Group != "a" || c.Limits.DrainTimeout != 0 || c.Limits.Retry != 5*time.Minute {
		t.Errorf("%+v %+v", c.Scaling, c.Limits)
	}
}

// TestPrint: what is printed is read as what it was.
func TestPrint(t *testing.T) {
	c := Default()
	c.Nodes[0].Env = map[string]string{"A": "yes", "B": "x: #y", "C": "a\nb", "D": "1e3"}
	c.Nodes = append(c.Nodes, Group{Name: "far", Remote: true, Address: "tcp!h!1", Weight: 0.5})
	c.Network.Listen = []string{"unix!/tmp/a,b", "tcp!127.0.0.1!1"}
	c.Scaling.Group = "node"
	for _, all := range []bool{true, false} {
		text := c.Print(all, false)
		got, err := Parse("f", text)
		if err != nil {
			t.Fatalf("%v\n%s", err, text)
		}
		got.file, got.at = "", nil
		if !reflect.DeepEqual(got, c) {
			t.Errorf("all %v:\n%s\n got  %+v\n want %+v", all, text, got, c)
		}
	}
	if hidden := string(c.Print(true, true)); strings.Contains(hidden, "yes") || !strings.Contains(hidden, "(hidden)") {
		t.Errorf("the values of env are not hidden:\n%s", hidden)
	}
}

// TestSchema: schema.json is what the file is read by, and has every key.
func TestSchema(t *testing.T) {
	golden(t, "schema.json", Schema())
	var s map[string]any
	if err := json.Unmarshal(Schema(), &s); err != nil {
		t.Fatal(err)
	}
	n := 0
	var walk func(s map[string]any, v reflect.Type, path string)
	walk = func(s map[string]any, v reflect.Type, path string) {
		if items, ok := s["items"].(map[string]any); ok {
			s, v = items, v.Elem()
		}
		if v.Kind() != reflect.Struct {
			return
		}
		props, _ := s["properties"].(map[string]any)
		if len(props) != len(keys(v)) || s["additionalProperties"] != false {
			t.Errorf("%s: %d properties, %d keys", path, len(props), len(keys(v)))
		}
		for i := range v.NumField() {
			key := v.Field(i).Tag.Get("yaml")
			if key == "" {
				continue
			}
			n++
			p, ok := props[key].(map[string]any)
			if !ok || p["description"] == nil {
				t.Errorf("%s.%s: not in the schema, or without a word", path, key)
				continue
			}
			walk(p, v.Field(i).Type, path+"."+key)
		}
	}
	walk(s, reflect.TypeFor[Config](), "")
	if n < 50 {
		t.Errorf("only %d keys", n)
	}
}
