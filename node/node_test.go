package node_test

import (
	"context"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"llama9/node"
	"llama9/node/fake"
	"llama9/styxfs"
)

// A record is a Sink that keeps all it is told.
type record struct {
	mu     sync.Mutex
	text   strings.Builder
	ids    []int32
	tokens []styxfs.Token
	states []styxfs.State
	note   styxfs.Note
	calls  int
	seen   chan struct{} // of size 1: something came
}

func newRecord() *record { return &record{seen: make(chan struct{}, 1)} }

func (r *record) did(f func()) {
	if !r.mu.TryLock() {
		panic("sink called by two goroutines at once")
	}
	r.calls++
	f()
	r.mu.Unlock()
	select {
	case r.seen <- struct{}{}:
	default:
	}
}

func (r *record) State(s styxfs.State) { r.did(func() { r.states = append(r.states, s) }) }
func (r *record) Note(n styxfs.Note) {
	r.did(func() {
		if n.PromptTokens > 0 { // of the beginning: it may be the only one
			r.note.Model = n.Model
		}
		if n.CachedTokens > 0 {
			r.note.CachedTokens = n.CachedTokens
		}
		if n.PrefixText != "" {
			r.note.PrefixText = n.PrefixText
		}
		if n.Route != "" {
			r.note.Route = n.Route
		}
		if n.Position != 0 {
			r.note.Position = n.Position
		}
	})
}
func (r *record) Progress(done, cached, total int) { r.did(func() {}) }
func (r *record) Token(t styxfs.Token) {
	r.did(func() {
		r.text.WriteString(t.Text)
		r.ids = append(r.ids, t.ID)
		r.tokens = append(r.tokens, t)
	})
}

// A bench is a Node under test.
type bench struct {
	t *testing.T
	*node.Node
	e *fake.Engine
}

func newBench(t *testing.T, e *fake.Engine, change func(*node.Config)) *bench {
	t.Helper()
	c := node.Config{Engine: e, Models: []node.Spec{{Name: "m", File: "fake:m"}}, CtxSize: 1024}
	if change != nil {
		change(&c)
	}
	n, err := node.New(c)
	if err != nil {
		t.Fatal(err)
	}
	b := &bench{t: t, Node: n, e: e}
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
		defer cancel()
		if err := n.Close(ctx); err != nil {
			t.Errorf("close: %v", err)
		}
		if l := e.Live(); l != 0 {
			t.Errorf("%d models, contexts or samplers are not closed", l)
		}
	})
	return b
}

func request(session uint64, prompt string, change func(*styxfs.Request)) *styxfs.Request {
	r := &styxfs.Request{Session: session, Turn: 1, User: "u", Params: styxfs.DefaultParams(), Messages: []styxfs.Message{{Role: "user", Content: prompt}}}
	r.Params.Temperature = 0
	r.Params.Seed = 1
	r.Params.NPredict = 40
	if change != nil {
		change(r)
	}
	return r
}

// run makes a turn to its end.
func (b *bench) run(r *styxfs.Request) (*record, styxfs.Outcome, error) {
	rec := newRecord()
	o, err := b.Generate(b.t.Context(), r, rec)
	return rec, o, err
}

// must makes a turn that has to succeed.
func (b *bench) must(r *styxfs.Request) (*record, styxfs.Outcome) {
	b.t.Helper()
	rec, o, err := b.run(r)
	if err != nil {
		b.t.Fatal(err)
	}
	return rec, o
}

func TestTurn(t *testing.T) {
	b := newBench(t, &fake.Engine{}, nil)
	rec, o := b.must(request(1, "why is the sky blue", nil))
	if o.Tokens == 0 || rec.text.Len() == 0 || o.PromptTokens < 5 {
		t.Fatalf("outcome %+v text %q", o, rec.text.String())
	}
	if rec.note.Model == "" {
		t.Error("a turn begins without its model's name")
	}
	// Before that it may be queued, and wait for the model, or be begun at once.
	if n := len(rec.states); n < 2 || !slices.Equal(rec.states[n-2:], []styxfs.State{styxfs.Prefill, styxfs.Decode}) {
		t.Errorf("states %v", rec.states)
	}
	for _, s := range rec.states[:max(len(rec.states)-2, 0)] {
		if s != styxfs.Queued && s != styxfs.Loading {
			t.Errorf("states %v", rec.states)
		}
	}
	again, o2 := b.must(request(2, "why is the sky blue", nil))
	if again.text.String() != rec.text.String() {
		t.Errorf("again: %q, not %q", again.text.String(), rec.text.String())
	}
	if o2.CachedTokens != o.PromptTokens-1 {
		t.Errorf("cached %d of %d", o2.CachedTokens, o.PromptTokens)
	}
	t.Logf("%q %+v", rec.text.String(), o)
}
