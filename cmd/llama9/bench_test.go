package main

import (
	"context"
	"slices"
	"testing"

	"llama9/node"
	"llama9/node/fake"
)

func TestWork(t *testing.T) {
	m, err := new(fake.Engine).Load(context.Background(), "fake:", node.LoadOptions{}, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer m.Close()
	w, err := workOf(m, 4, 40, 8, 1)
	if err != nil {
		t.Fatal(err)
	}
	same, _ := workOf(m, 4, 40, 8, 1)
	other, _ := workOf(m, 4, 40, 8, 2)
	if len(w.prefill) != 4 || len(w.decode) != 4 {
		t.Fatalf("%d and %d prompts, want 4 of each", len(w.prefill), len(w.decode))
	}
	for i, p := range append(w.prefill, w.decode...) {
		n := []int{40, 8}[i/4]
		if len(p.ids) > n || len(p.ids) < n/2 {
			t.Errorf("prompt %d has %d tokens, want about %d", i, len(p.ids), n)
		}
		ids, _ := m.Tokenize(p.text, false)
		if info := m.Info(); info.AddBOS {
			ids = slices.Concat([]node.Token{info.BOS}, ids)
		}
		if !slices.Equal(ids, p.ids) {
			t.Errorf("prompt %d: text %q has other tokens than its ids", i, p.text)
		}
	}
	for i := range w.prefill {
		if w.prefill[i].text != same.prefill[i].text {
			t.Errorf("prompt %d: one seed gave two texts", i)
		}
		if w.prefill[i].text == other.prefill[i].text {
			t.Errorf("prompt %d: two seeds gave one text", i)
		}
	}
	if tokens(w.decode) != len(slices.Concat(idsOf(w.decode)...)) {
		t.Error("tokens and idsOf disagree")
	}
}

func TestRatios(t *testing.T) {
	var a against
	for i, v := range []float64{98, 99, 50} {
		a.add(treeName, v)
		a.add(aloneName, []float64{100, 100, 100}[i])
	}
	a.add(nodeName, 49)
	if got, want := a.ratios(aloneName), []float64{0.98, 0.99, 0.5}; !slices.Equal(got, want) {
		t.Errorf("ratios %v, want %v", got, want)
	}
	if got, want := a.ratios(nodeName), []float64{2}; !slices.Equal(got, want) {
		t.Errorf("ratios of fewer rounds %v, want %v", got, want)
	}
	if got := ratio(a.ratios(aloneName)); got != "0.980 [0.990 0.500]" {
		t.Errorf("ratio prints %q", got)
	}
	if got := median([]float64{4, 1, 3, 2}); got != 2.5 {
		t.Errorf("median of four is %v, want 2.5", got)
	}
}
