package node_test

import (
	"testing"

	"github.com/prometheus/client_golang/prometheus"

	"llama9/node/fake"
)

func TestMetrics(t *testing.T) {
	b := newBench(t, &fake.Engine{}, nil)
	_, o := b.must(request(1, "count me", nil))
	reg := prometheus.NewPedanticRegistry()
	if err := reg.Register(b.Node); err != nil {
		t.Fatal(err)
	}
	families, err := reg.Gather()
	if err != nil {
		t.Fatal(err)
	}
	got := make(map[string]float64)
	for _, f := range families {
		m := f.GetMetric()[0]
		got[f.GetName()] = m.GetCounter().GetValue() + m.GetGauge().GetValue()
	}
	for name, want := range map[string]float64{
		"llama9_node_turns_total": 1, "llama9_node_tokens_total": float64(o.Tokens), "llama9_node_prompt_tokens_total": float64(o.PromptTokens),
		"llama9_node_slots": 4, "llama9_node_model_loaded": 1,
	} {
		if got[name] != want {
			t.Errorf("%s is %v, want %v", name, got[name], want)
		}
	}
}
