package node_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"llama9/node"
	"llama9/node/fake"
	"llama9/styxfs"
)

func models(names ...string) []node.Spec {
	var s []node.Spec
	for _, n := range names {
		s = append(s, node.Spec{Name: n, File: "fake:" + n + ",bytes=1000"})
	}
	return s
}

func (b *bench) state(name string) string {
	for _, m := range b.Models(context.Background()) {
		if m.Name == name {
			return m.State
		}
	}
	return "absent"
}

func on(model string) func(*styxfs.Request) {
	return func(r *styxfs.Request) { r.Params.Model = model; r.Params.NPredict = 4 }
}

func TestLoadOnDemand(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var events []string
		var mu sync.Mutex
		let := make(chan error)
		e := &fake.Engine{OnLoad: func(ctx context.Context, file string, progress func(float32)) error {
			progress(0.5)
			select {
			case err := <-let:
				return err
			case <-ctx.Done():
				return ctx.Err()
			}
		}}
		b := newBench(t, e, func(c *node.Config) {
			c.Models = models("a", "b")
			c.Event = func(kind string, as ...styxfs.Attr) {
				mu.Lock()
				defer mu.Unlock()
				if kind == "model" {
					events = append(events, attr(as, "name")+" "+attr(as, "state")+" "+attr(as, "percent"))
				}
			}
		})
		if b.state("a") != "available" {
			t.Errorf("state %s", b.state("a"))
		}
		f := b.start(request(1, "x", on("")))
		synctest.Wait()
		f.rec.did(func() {
			if f.rec.states[len(f.rec.states)-1] != styxfs.Loading {
				t.Errorf("states %v", f.rec.states)
			}
		})
		if b.state("a") != "loading" || b.state("b") != "available" {
			t.Errorf("states %s %s", b.state("a"), b.state("b"))
		}
		let <- nil
		if o, err := f.wait(t); err != nil || o.Tokens == 0 {
			t.Errorf("%+v %v", o, err)
		}
		if b.state("a") != "loaded" {
			t.Errorf("state %s", b.state("a"))
		}
		if a, none := b.VocabSize(""), b.VocabSize("nobody"); a == 0 || a != b.VocabSize("a") || none != 0 || b.VocabSize("b") != 0 {
			t.Errorf("vocabularies of %d and %d tokens", a, none)
		}
		mu.Lock()
		if !slices.Contains(events, "a loading 50") || events[len(events)-1] != "a loaded 100" {
			t.Errorf("events %q", events)
		}
		mu.Unlock()

		// A load that fails fails the turns that wait, with its error; the
		// next turn tries again.
		f, g := b.start(request(1, "x", on("b"))), b.start(request(2, "x", on("b")))
		synctest.Wait()
		let <- errors.New("no memory")
		for _, f := range []*flight{f, g} {
			if o, err := f.wait(t); err == nil || err.Error() != "model b: no memory" || o.Reason != styxfs.ReasonErr {
				t.Errorf("%+v %v", o, err)
			}
		}
		if m := b.Models(t.Context())[1]; m.State != "failed" || m.Error != "no memory" {
			t.Errorf("model %+v", m)
		}
		f = b.start(request(1, "x", on("b")))
		let <- nil
		if _, err := f.wait(t); err != nil {
			t.Error(err)
		}
		// A cancel of a turn that waits for a load.
		if err := b.Ctl(t.Context(), [][]string{{"unload", "b"}}); err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		f = b.start(request(1, "x", on("b")))
		synctest.Wait()
		f.cancel(errStop)
		if o, err := f.wait(t); !errors.Is(err, errStop) || o.Reason != styxfs.Cancel {
			t.Errorf("%+v %v", o, err)
		}
		let <- nil
	})
}

func TestLeastRecentlyUsedLeaves(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, &fake.Engine{}, func(c *node.Config) { c.Models = models("a", "b", "c"); c.MemoryBound = 2500 })
		for _, m := range []string{"a", "b", "a", "c"} {
			if _, err := b.start(request(1, "x", on(m))).wait(t); err != nil {
				t.Fatal(err)
			}
			synctest.Wait()
		}
		if a, bb, c := b.state("a"), b.state("b"), b.state("c"); a != "loaded" || bb != "available" || c != "loaded" {
			t.Errorf("a %s b %s c %s", a, bb, c)
		}
	})
}

// Two models that do not fit together, with turns for both all the time, are
// not loaded in turn for every turn; and neither starves.
func TestNoThrash(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var mu sync.Mutex
		loads := 0
		all := make(chan struct{})
		e := &fake.Engine{OnLoad: func(context.Context, string, func(float32)) error {
			mu.Lock()
			loads++
			mu.Unlock()
			<-all
			return nil
		}}
		b := newBench(t, e, func(c *node.Config) { c.Models = models("a", "b"); c.MemoryBound = 1500; c.Parallel = 2 })
		var fs []*flight
		for i := range 40 {
			fs = append(fs, b.start(request(uint64(i+1), fmt.Sprint("prompt ", i), on([]string{"a", "b"}[i%2]))))
		}
		synctest.Wait()
		close(all)
		for _, f := range fs {
			if o, err := f.wait(t); err != nil || o.Tokens == 0 {
				t.Errorf("%+v %v", o, err)
			}
		}
		mu.Lock()
		defer mu.Unlock()
		if loads != 2 {
			t.Errorf("%d loads for 40 turns on two models", loads)
		}
	})
}

func TestNeverOneInUse(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := newGate()
		b := newBench(t, &fake.Engine{OnDecode: g.hold}, func(c *node.Config) { c.Models = models("a", "b"); c.MemoryBound = 1500 })
		one := b.start(request(1, "x", func(r *styxfs.Request) { on("a")(r); r.Params.IgnoreEOS = true }))
		g.step()
		two := b.start(request(2, "x", on("b")))
		synctest.Wait()
		late := b.start(request(3, "x", on("a")))
		synctest.Wait()
		if s := b.state("b"); s != "available" {
			t.Errorf("b is %s while a is in use", s)
		}
		var order []string
		done := make(chan struct{})
		go func() {
			for {
				select {
				case d := <-g.at:
					if len(order) == 0 || order[len(order)-1] != d.Model[5:6] {
						order = append(order, d.Model[5:6])
					}
					g.go_ <- nil
				case <-done:
					return
				}
			}
		}()
		for _, f := range []*flight{one, two, late} {
			if _, err := f.wait(t); err != nil {
				t.Error(err)
			}
		}
		close(done)
		// The late turn on a waits until b, which was asked for before it, has served.
		if got := strings.Join(order, ""); got != "aba" {
			t.Errorf("models decoded in the order %s", got)
		}
	})
}

func TestCtl(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, &fake.Engine{}, func(c *node.Config) { c.Models = models("a") })
		for _, test := range []struct{ line, want string }{
			{"lode x y", `unknown verb "lode"`},
			{"load x", "usage: load NAME FILE"},
			{"load x fake:x n_ctx=many", `n_ctx: bad value "many"`},
			{"load x fake:x n_ctx=-5", `n_ctx: bad value "-5"`},
			{"load x fake:x colour=red", `unknown option "colour=red"`},
			{"load x fake:x flash_attn=maybe", `flash_attn: bad value "maybe"`},
			{"load x fake:x tensor_split=NaN", `tensor_split: bad value "NaN"`},
			{"unload nobody", `unknown model "nobody"`},
			{"default", "default: takes 1 words, not 0"},
			{"drain now", "drain: takes 0 words, not 1"},
		} {
			// All or nothing: the good line before is not obeyed.
			err := b.Ctl(t.Context(), [][]string{{"load", "new", "fake:new"}, strings.Fields(test.line)})
			if err == nil || !strings.Contains(err.Error(), test.want) {
				t.Errorf("%s: %v, want %s", test.line, err, test.want)
			}
		}
		if b.state("new") != "absent" {
			t.Error("a refused write was obeyed in part")
		}
		cmds := [][]string{{"load", "new", "fake:new", "n_ctx=128", "parallel=2", "flash_attn=on", "tensor_split=1,3"}, {"default", "new"}, {"drain"}}
		if err := b.Ctl(t.Context(), cmds); err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		if b.state("new") != "loaded" || b.Models(t.Context())[0].Name != "new" || b.Models(t.Context())[0].NCtx != 128 {
			t.Errorf("%+v", b.Models(t.Context()))
		}
		var lines []string
		for _, s := range b.Settings() {
			lines = append(lines, strings.Join(s, " "))
		}
		want := "load new fake:new n_ctx=128 parallel=2 tensor_split=1,3 flash_attn=on|load a fake:a,bytes=1000|default new|drain"
		if strings.Join(lines, "|") != want {
			t.Errorf("settings %q", lines)
		}
		// What is read can be written to another.
		c := newBench(t, &fake.Engine{}, func(c *node.Config) { c.Models = models("z") })
		if err := c.Ctl(t.Context(), b.Settings()); err != nil {
			t.Error(err)
		}
		synctest.Wait()
		if c.state("a") != "loaded" || c.state("new") != "loaded" || c.Admit() == nil {
			t.Error("settings are not taken over")
		}
		// Other options: the model is loaded anew.
		if err := b.Ctl(t.Context(), [][]string{{"undrain"}, {"load", "new", "fake:new", "n_ctx=64"}}); err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		if m := b.Models(t.Context())[0]; m.NCtx != 64 || m.State != "loaded" {
			t.Errorf("%+v", m)
		}
		if err := b.Ctl(t.Context(), [][]string{{"unload", "new"}}); err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		if b.state("new") != "available" {
			t.Errorf("state %s", b.state("new"))
		}
		if o, err := b.start(request(1, "x", nil)).wait(t); err != nil || o.Tokens == 0 {
			t.Errorf("on demand after unload: %v", err)
		}
	})
}

func TestLoadFailures(t *testing.T) {
	dir := t.TempDir()
	b := newBench(t, &fake.Engine{}, func(c *node.Config) {
		c.Models = []node.Spec{{Name: "missing", File: dir + "/none.gguf"}, {Name: "dir", File: dir}, {Name: "said", File: "fake:x,error=truncated"},
			{Name: "context", File: "fake:x,max=100"}}
	})
	for _, m := range []string{"missing", "dir", "said", "context"} {
		if _, o, err := b.run(request(1, "x", on(m))); err == nil || !strings.HasPrefix(err.Error(), "model "+m+": ") || o.Reason != styxfs.ReasonErr {
			t.Errorf("%s: %+v %v", m, o, err)
		}
		if b.state(m) != "failed" {
			t.Errorf("%s is %s", m, b.state(m))
		}
	}
}

func TestKeepAlive(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, &fake.Engine{}, func(c *node.Config) { c.Models = models("a") })
		brief := func(r *styxfs.Request) { r.Params.KeepAlive = time.Minute }
		for _, test := range []struct {
			change func(*styxfs.Request)
			after  time.Duration
			want   string
		}{
			{brief, 59 * time.Second, "loaded"},
			{brief, 59 * time.Second, "loaded"}, // counts from the last turn
			{brief, 61 * time.Second, "available"},
			{nil, time.Hour, "loaded"},
		} {
			if _, err := b.start(request(1, "x", test.change)).wait(t); err != nil {
				t.Fatal(err)
			}
			time.Sleep(test.after) // of the bubble
			synctest.Wait()
			if got := b.state("a"); got != test.want {
				t.Errorf("%v after the turn it is %s, want %s", test.after, got, test.want)
			}
		}
	})
}

// A prober knows files by name.
type prober struct {
	node.Engine
	info map[string]node.ModelInfo
}

func (p prober) Probe(file string) (node.ModelInfo, error) {
	info, ok := p.info[file]
	if !ok {
		return info, errors.New(file + ": no model")
	}
	return info, nil
}

func TestProbe(t *testing.T) {
	known := node.ModelInfo{Arch: "llama", Parameters: 5, Quantization: "q8_0", Bytes: 1000, NCtxTrain: 256, NVocab: 77,
		Meta: map[string]string{"llama.block_count": "1", "llama.attention.head_count": "1", "llama.embedding_length": "2"}}
	e := &fake.Engine{}
	b := newBench(t, e, func(c *node.Config) {
		c.CtxSize = 0
		c.Parallel = 2
		c.Engine = prober{e, map[string]node.ModelInfo{"fake:good": known, "fake:later": known}}
		c.Models = []node.Spec{{Name: "good", File: "fake:good"}, {Name: "bad", File: "fake:bad"}}
	})
	m := b.Models(t.Context())
	// Keys and values of 2 numbers of 2 bytes, of 256 tokens of 2 sequences.
	if g := m[0]; g.State != "available" || g.Arch != "llama" || g.Parameters != 5 || g.Quantization != "q8_0" || g.NCtx != 256 || g.NCtxTrain != 256 || g.Bytes != 1000+2*2*2*256*2 {
		t.Errorf("%+v", g)
	}
	if m[1].State != "failed" || m[1].Error != "fake:bad: no model" || m[1].Arch != "" {
		t.Errorf("%+v", m[1])
	}
	if n := b.VocabSize("good"); n != 77 {
		t.Errorf("%d tokens", n)
	}
	// The load decides.
	for _, name := range []string{"good", "bad"} {
		b.must(request(1, "x", on(name)))
	}
	m = b.Models(t.Context())
	for _, m := range m {
		if m.State != "loaded" || m.Arch == "" || m.Error != "" {
			t.Errorf("%+v", m)
		}
	}
	// One by ctl.
	if err := b.Ctl(t.Context(), [][]string{{"load", "later", "fake:later"}, {"load", "good", "fake:later", "n_ctx=128"}}); err != nil {
		t.Fatal(err)
	}
	b.must(request(1, "x", on("later")))
	b.must(request(1, "x", on("good")))
	if m := b.Models(t.Context()); m[0].NCtx != 128 || m[0].State != "loaded" || m[2].State != "loaded" || m[2].Arch == "" {
		t.Errorf("%+v %+v", m[0], m[2])
	}
}
