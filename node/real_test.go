package node_test

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"llama9/model"
	"llama9/node"
	"llama9/node/llama"
	"llama9/styxfs"
)

// realEngines are those that compute, by name; the tag ollama adds one.
var realEngines = map[string]func(t *testing.T) node.Engine{"llama": openLlama}

// eachReal runs f over each of them.
func eachReal(t *testing.T, f func(t *testing.T, e node.Engine)) {
	for name, open := range realEngines {
		t.Run(name, func(t *testing.T) { f(t, open(t)) })
	}
}

func openLlama(t *testing.T) node.Engine {
	t.Helper()
	lib, err := llama.Find("")
	if err != nil {
		if os.Getenv("CI") == "true" {
			t.Fatal(err) // nothing may be left out there
		}
		t.Skipf("LEFT OUT, %v: llama9 engine install", err)
	}
	e, err := llama.Open(llama.Options{Lib: lib})
	if err != nil {
		t.Fatal(err)
	}
	return e
}

// newReal is a Node over such an engine and the demo model.
func newReal(t *testing.T, e node.Engine, change func(*node.Config)) *bench {
	t.Helper()
	file := filepath.Join(t.TempDir(), "demo.gguf")
	if err := os.WriteFile(file, model.Demo, 0o600); err != nil {
		t.Fatal(err)
	}
	c := node.Config{Engine: e, Models: []node.Spec{{Name: "demo", File: file}}, CtxSize: 512, Threads: 1}
	if change != nil {
		change(&c)
	}
	n, err := node.New(c)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
		defer cancel()
		if err := n.Close(ctx); err != nil {
			t.Error(err)
		}
	})
	return &bench{t: t, Node: n}
}

func TestRealTurns(t *testing.T) { eachReal(t, testRealTurns) }

func testRealTurns(t *testing.T, e node.Engine) {
	b := newReal(t, e, nil)
	prompts := []string{"In the beginning", "Once upon a time", "The king said to the", "And it came to pass that"}
	var want []string
	for i, p := range prompts {
		rec, o := b.must(request(uint64(i+1), p, nil))
		if o.Tokens == 0 || rec.text.Len() == 0 {
			t.Fatalf("%q: %+v", p, o)
		}
		t.Logf("%q -> %q %+v", p, rec.text.String(), o)
		want = append(want, rec.text.String())
	}
	var wg sync.WaitGroup
	for i, p := range prompts {
		wg.Go(func() {
			rec, _, err := b.run(request(uint64(i+11), p, func(r *styxfs.Request) { r.Params.CachePrompt = i%2 == 0 }))
			if err != nil || rec.text.String() != want[i] {
				t.Errorf("%q among others: %q %v, alone %q", p, rec.text.String(), err, want[i])
			}
		})
	}
	wg.Wait()
}

// All samplers of llama.cpp and ours, grammar, prefix and shift.
func TestRealSampling(t *testing.T) { eachReal(t, testRealSampling) }

func testRealSampling(t *testing.T, e node.Engine) {
	b := newReal(t, e, func(c *node.Config) { c.CtxSize = 64 })
	for name, change := range map[string]func(*styxfs.Request){
		"defaults":    func(r *styxfs.Request) {},
		"all":         func(r *styxfs.Request) { r.Params.TopK, r.Params.TopP, r.Params.MinP = 0, 1, 0 },
		"penalties":   func(r *styxfs.Request) { r.Params.RepeatPenalty, r.Params.DryMultiplier = 1.2, 0.8 },
		"typical":     func(r *styxfs.Request) { r.Params.TypicalP, r.Params.TopNSigma = 0.9, 1.5 },
		"xtc":         func(r *styxfs.Request) { r.Params.XtcProbability, r.Params.XtcThreshold = 0.5, 0.05 },
		"mirostat 1":  func(r *styxfs.Request) { r.Params.Mirostat = 1 },
		"mirostat 2":  func(r *styxfs.Request) { r.Params.Mirostat = 2 },
		"dynatemp":    func(r *styxfs.Request) { r.Params.DynatempRange = 0.4 },
		"n_probs":     func(r *styxfs.Request) { r.Params.NProbs = 3 },
		"shift":       func(r *styxfs.Request) { r.Params.Shift, r.Params.NPredict, r.Params.NKeep = true, 100, 2 },
		"ignore_eos":  func(r *styxfs.Request) { r.Params.IgnoreEOS = true },
		"logit_bias":  func(r *styxfs.Request) { r.Params.LogitBias = []styxfs.Bias{{ID: 100, Bias: 5}} },
		"with prefix": func(r *styxfs.Request) { r.Prefix = []int32{100, 101, 102} },
	} {
		set := func(r *styxfs.Request) {
			r.Params.Temperature, r.Params.Seed, r.Params.NPredict, r.Params.CachePrompt = 0.9, 5, 20, false
			change(r)
		}
		one, o := b.must(request(1, "And the angel of the Lord", set))
		two, _ := b.must(request(2, "And the angel of the Lord", set))
		if one.text.String() != two.text.String() || o.Tokens == 0 {
			t.Errorf("%s: %q, then %q; %+v", name, one.text.String(), two.text.String(), o)
		}
		if strings.ContainsRune(one.text.String(), '\uFFFD') {
			t.Errorf("%s: %q", name, one.text.String())
		}
	}
	rec, o := b.must(request(3, "The answer is", func(r *styxfs.Request) { r.Grammar = `root ::= " " ("yes" | "no") "."` }))
	if s := rec.text.String(); s != " yes." && s != " no." || o.Reason != styxfs.EOS {
		t.Errorf("grammar: %q %+v", s, o)
	}
	if _, o, err := b.run(request(3, "The answer is", func(r *styxfs.Request) { r.Grammar = `root ::= "yes"`; r.Prefix = slices.Clone(rec.ids[:1]) })); err == nil || err.Error() != "token 0: grammar" {
		t.Errorf("foreign prefix: %+v %v", o, err)
	}
	costly := `root ::= "` + strings.Repeat("x", 20) + `" ` + strings.Repeat(`"a"* `, 100)
	if _, o, err := b.run(request(3, "The answer is", func(r *styxfs.Request) { r.Grammar = costly })); !errors.Is(err, node.ErrAmbiguous) || o.Reason != styxfs.Client {
		t.Errorf("a grammar that is costly: %+v %v", o, err)
	}
	if _, _, err := b.run(request(3, "The answer is", nil)); err != nil {
		t.Errorf("after a refused prefix: %v", err)
	}
}

func TestRealCancelInPrefill(t *testing.T) { eachReal(t, testRealCancelInPrefill) }

func testRealCancelInPrefill(t *testing.T, e node.Engine) {
	b := newReal(t, e, func(c *node.Config) { c.CtxSize = 8192; c.Parallel = 1; c.NUbatch = 128 })
	ctx, cancel := context.WithCancelCause(t.Context())
	r := request(1, strings.Repeat("and the light was good ", 1200), nil)
	rec := &atProgress{record: newRecord(), at: 512, do: func() { cancel(errStop) }}
	o, err := b.Generate(ctx, r, rec)
	if !errors.Is(err, errStop) || o.Reason != styxfs.Cancel || o.PromptTokens < 4000 {
		t.Errorf("%+v %v", o, err)
	}
	if rec.done > 1024 {
		t.Errorf("prefill went on to %d", rec.done)
	}
	if _, o := b.must(request(2, "In the beginning", nil)); o.Tokens == 0 {
		t.Errorf("after the cancel: %+v", o)
	}
}

// atProgress does something once a prefill is that far.
type atProgress struct {
	*record
	at, done int
	do       func()
}

func (a *atProgress) Progress(done, cached, total int) {
	a.done = done
	if done >= a.at {
		a.do()
	}
}
