package deploy

import (
	"errors"
	"testing"
)

func TestCheckMemory(t *testing.T) {
	c, err := Parse("f", []byte(`
models: [{name: m, file: /m.gguf}, {name: spare, file: /spare.gguf}]
nodes:
  - {name: a, count: 3}
  - {name: b, memory: 2G}
  - {name: far, remote: true, address: tcp!h!1}
`))
	if err != nil {
		t.Fatal(err)
	}
	measure := func(m Model) (uint64, uint64, error) { return 1 << 30, 512 << 20, nil }
	const need = "not enough memory: weights of m 1.00 GiB + 3 x cache 512.0 MiB + 1 x cache 512.0 MiB = 3.00 GiB; 2.99 GiB are available"
	if err := c.CheckMemory(0, 3, 3<<30, measure); err != nil {
		t.Error(err)
	}
	if err := c.CheckMemory(0, 3, 3<<30-6<<20, measure); err == nil || err.Error() != need {
		t.Errorf("got  %v\nwant %s", err, need)
	}
	if err := c.CheckMemory(0, 3, 0, measure); err != nil {
		t.Errorf("unknown memory: %v", err)
	}
	// Three more: the weights are there already, and the other nodes.
	const more = "not enough memory: 3 x cache 512.0 MiB = 1.50 GiB; 1.00 GiB are available"
	if err := c.CheckMemory(3, 6, 1<<30, measure); err == nil || err.Error() != more {
		t.Errorf("got  %v\nwant %s", err, more)
	}
	if err := c.CheckMemory(3, 2, 1, measure); err != nil {
		t.Errorf("fewer nodes: %v", err)
	}
	big := func(m Model) (uint64, uint64, error) { return 2 << 30, 1 << 30, nil }
	const bound = "f:5: nodes.b.memory: not enough for m: weights 2.00 GiB + cache 1.00 GiB = 3.00 GiB; 2.00 GiB are allowed"
	if err := c.CheckMemory(0, 3, 1<<40, big); err == nil || err.Error() != bound {
		t.Errorf("got  %v\nwant %s", err, bound)
	}
}

func TestCheckModels(t *testing.T) {
	c, err := Parse("f", []byte("models:\n  - {name: a, file: /a.gguf}\n  - name: b\n    file: /b.gguf\n"))
	if err != nil {
		t.Fatal(err)
	}
	err = c.CheckModels(func(m Model) (uint64, uint64, error) {
		if m.Name == "b" {
			return 0, 0, errors.New("no such file")
		}
		return 1, 1, nil
	})
	if want := "f:4: models[1].file: /b.gguf: no such file"; err == nil || err.Error() != want {
		t.Errorf("got %v, want %s", err, want)
	}
}
