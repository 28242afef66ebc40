//go:build !nollama && (((linux || windows || darwin) && (amd64 || arm64)) || (linux && riscv64))

package llama

import (
	"bytes"
	"errors"
	"log/slog"
	"math"
	"math/rand/v2"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"

	"llama9/node"
	"llama9/styxfs"
)

// A cached prefix gives what the whole prompt gives.
func TestPrefixReuse(t *testing.T) {
	m := loadDemo(t)
	c := newContext(t, m, node.ContextOptions{NCtx: 256, NSeq: 3})
	common := prompt(t, m, "And it came to pass in those days, that there went out a decree from")
	tail, err := m.Tokenize(" the king of Egypt", false)
	if err != nil {
		t.Fatal(err)
	}
	whole := append(slices.Clone(common), tail...)
	want := greedy(t, c, 0, whole, 0, 24)

	greedy(t, c, 1, common, 0, 30)
	if err := c.CopySeq(1, 2); err != nil {
		t.Fatal(err)
	}
	if !c.RemoveSeq(2, int32(len(common)), -1) {
		t.Fatal("not cut")
	}
	if got := greedy(t, c, 2, whole, len(common), 24); !slices.Equal(got, want) {
		t.Errorf("%q, want %q", text(m, got), text(m, want))
	}
}

// Sequences whose numbers do not follow each other are brought together in
// time; neither their texts nor what the idle ones hold are changed by it.
func TestArrange(t *testing.T) {
	m := loadDemo(t)
	c := newContext(t, m, node.ContextOptions{NCtx: 256, NSeq: 8})
	k := c.(*kvContext)
	p, idle := prompt(t, m, "And the LORD said unto"), prompt(t, m, "Elizabeth was")
	want := greedy(t, c, 0, p, 0, 60)
	c.RemoveSeq(0, 0, -1)
	wantIdle := greedy(t, c, 0, idle, 0, 16)
	c.RemoveSeq(0, 0, -1)
	for _, s := range []node.Seq{1, 2, 5} { // and 6 is empty
		if err := c.Decode(rowsOf(idle[:len(idle)-1], s, 0)); err != nil {
			t.Fatal(err)
		}
	}
	runs := func(seqs []node.Seq) int {
		n := 0
		for _, s := range seqs {
			if !slices.ContainsFunc(seqs, func(o node.Seq) bool { return k.stream[o] == k.stream[s]-1 }) {
				n++
			}
		}
		return n
	}
	// Some of them go on in pairs after all did.
	for _, seqs := range [][]node.Seq{{7, 0, 3, 4}, {7, 3}, {0, 6}} {
		var rows []node.Row
		at := map[node.Seq]int{}
		got := map[node.Seq][]node.Token{}
		for _, s := range seqs {
			c.RemoveSeq(s, 0, -1)
			rows = append(rows, rowsOf(p, s, 0)...)
			at[s] = len(rows) - 1
		}
		for range want {
			if err := c.Decode(rows); err != nil {
				t.Fatal(err)
			}
			rows = nil
			next := map[node.Seq]int{}
			for _, s := range seqs {
				l, err := c.Logits(at[s])
				if err != nil {
					t.Fatal(err)
				}
				id := argmax(l)
				got[s] = append(got[s], id)
				next[s] = len(rows)
				rows = append(rows, node.Row{Token: id, Pos: c.MaxPos(s) + 1, Seq: s, Logits: true})
			}
			at = next
		}
		for _, s := range seqs {
			if !slices.Equal(got[s], want) {
				t.Errorf("%v: sequence %d: %q, want %q", seqs, s, text(m, got[s]), text(m, want))
			}
		}
		if n := runs(seqs); n != 1 {
			t.Errorf("%v lie in %d runs: %v", seqs, n, k.stream)
		}
	}
	for _, s := range []node.Seq{1, 2, 5} {
		if got := greedy(t, c, s, idle, len(idle)-1, 16); !slices.Equal(got, wantIdle) {
			t.Errorf("idle sequence %d: %q, want %q", s, text(m, got), text(m, wantIdle))
		}
	}
	sorted := slices.Sorted(slices.Values(k.stream))
	for i, s := range sorted {
		if int(s) != i {
			t.Fatalf("streams %v", k.stream)
		}
	}
	// States go in and out of where sequences are now.
	state, err := c.State(5)
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(c.SetState(6, state), c.CopySeq(6, 3)); err != nil {
		t.Fatal(err)
	}
	for _, s := range []node.Seq{3, 6} {
		if !c.RemoveSeq(s, int32(len(idle)-1), -1) {
			t.Fatal("not cut")
		}
		if got := greedy(t, c, s, idle, len(idle)-1, 16); !slices.Equal(got, wantIdle) {
			t.Errorf("sequence %d from a state: %q, want %q", s, text(m, got), text(m, wantIdle))
		}
	}
}

// Every row may have logits, those in the middle of a prompt too.
func TestLogitsOfEveryRow(t *testing.T) {
	m := loadDemo(t)
	c := newContext(t, m, node.ContextOptions{NCtx: 256, NSeq: 2})
	p := prompt(t, m, "And the LORD said unto Moses, Go, get thee down")
	rows := rowsOf(p, 0, 0)
	for i := range rows {
		rows[i].Logits = true
	}
	if err := c.Decode(rows); err != nil {
		t.Fatal(err)
	}
	var all []node.Token
	for i := range rows {
		l, err := c.Logits(i)
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, argmax(l))
	}
	for i := range p {
		if err := c.Decode([]node.Row{{Token: p[i], Pos: int32(i), Seq: 1, Logits: true}}); err != nil {
			t.Fatal(err)
		}
		l, err := c.Logits(0)
		if err != nil {
			t.Fatal(err)
		}
		if argmax(l) != all[i] {
			t.Errorf("after %d tokens: %d, and %d in one batch", i+1, argmax(l), all[i])
		}
	}
}

// A prefill that is aborted in its midst keeps what was whole, and goes on.
func TestAbortInPrefill(t *testing.T) {
	m := loadDemo(t)
	c := newContext(t, m, node.ContextOptions{NCtx: 1024, NSeq: 1, NBatch: 1024, NUbatch: 32})
	var said bytes.Buffer // no test runs beside this one
	log := opened.engine.log
	before := log.Redirect(slog.New(slog.NewTextHandler(&said, &slog.HandlerOptions{Level: slog.LevelDebug})))
	defer log.Redirect(before)
	p := prompt(t, m, "And the LORD said unto")
	var long []node.Token
	for len(long) < 1000 {
		long = append(long, p...)
	}
	long = long[:1000]
	want := greedy(t, c, 0, long, 0, 4)
	for try := range 500 {
		c.RemoveSeq(0, 0, -1)
		begin := make(chan bool)
		done := make(chan bool)
		go func() {
			defer close(done)
			<-begin
			for range try * 100 { // later at each try
				runtime.Gosched()
			}
			c.Abort(true)
		}()
		close(begin)
		err := c.Decode(rowsOf(long, 0, 0))
		<-done
		c.Abort(false)
		kept := int(c.MaxPos(0)) + 1
		if err == nil {
			continue
		}
		if !errors.Is(err, node.ErrAborted) {
			t.Fatal(err)
		}
		if kept == 0 {
			continue // before the first ubatch
		}
		if kept%32 != 0 || kept >= len(long) {
			t.Errorf("%d of %d tokens kept", kept, len(long))
		}
		if got := greedy(t, c, 0, long, kept, 4); !slices.Equal(got, want) {
			t.Errorf("after an abort at %d: %v, want %v", kept, got, want)
		}
		// Nothing went wrong, and the log may not say so.
		if s := said.String(); !strings.Contains(s, "ret = 2") || strings.Contains(s, "level=ERROR") || strings.Contains(s, "level=WARN") {
			t.Errorf("the log of an abort:\n%s", s)
		}
		return
	}
	t.Error("no abort fell into a prefill")
}

func TestStateElsewhere(t *testing.T) {
	m := loadDemo(t)
	c := newContext(t, m, node.ContextOptions{NCtx: 256, NSeq: 2})
	p := prompt(t, m, "And the LORD said unto")
	greedy(t, c, 1, p, 0, 40)
	state, err := c.State(1)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := c.State(0); err == nil {
		t.Error("state of an empty sequence")
	}
	for name, o := range map[string]node.ContextOptions{
		"cache type": {NCtx: 256, KVTypeK: "f32"}, "small": {NCtx: 20},
	} {
		if err := newContext(t, m, o).SetState(0, state); err == nil {
			t.Errorf("%s: taken", name)
		}
	}
	for i := 0; i < len(state); i += len(state)/50 + 1 {
		bad := slices.Clone(state)
		bad[i] ^= 0x40
		if err := c.SetState(0, bad); err == nil {
			t.Errorf("byte %d of %d changed: taken", i, len(state))
		}
	}
	// A second context of other measures takes it.
	d := newContext(t, m, node.ContextOptions{NCtx: 512, NSeq: 5, NUbatch: 32})
	if err := d.SetState(4, state); err != nil {
		t.Fatal(err)
	}
	pos := c.MaxPos(1) + 1
	next := func(c node.Context, s node.Seq) []node.Token {
		var made []node.Token
		id := p[0]
		for i := range int32(8) {
			if err := c.Decode([]node.Row{{Token: id, Pos: pos + i, Seq: s, Logits: true}}); err != nil {
				t.Fatal(err)
			}
			l, err := c.Logits(0)
			if err != nil {
				t.Fatal(err)
			}
			id = argmax(l)
			made = append(made, id)
		}
		return made
	}
	if a, b := next(c, 1), next(d, 4); !slices.Equal(a, b) {
		t.Errorf("%v and %v", a, b)
	}
}

// A copy is there at once for who asks for its state, and stands when its
// source or itself is given another one.
func TestStateOfCopy(t *testing.T) {
	m := loadDemo(t)
	p, q := prompt(t, m, "And the LORD said unto"), prompt(t, m, "Elizabeth was")
	one := newContext(t, m, node.ContextOptions{NCtx: 256, NSeq: 1})
	wantP := greedy(t, one, 0, p, 0, 16)
	one.RemoveSeq(0, 0, -1)
	wantQ := greedy(t, one, 0, q, 0, 16)
	check := func(name string, c node.Context, s node.Seq, p, want []node.Token) {
		t.Helper()
		if got := int(c.MaxPos(s)) + 1; got != len(p)-1 {
			t.Fatalf("%s: %d tokens, want %d", name, got, len(p)-1)
		}
		if got := greedy(t, c, s, p, len(p)-1, 16); !slices.Equal(got, want) {
			t.Errorf("%s: %q, want %q", name, text(m, got), text(m, want))
		}
	}
	c := newContext(t, m, node.ContextOptions{NCtx: 256, NSeq: 4})
	fill := func() {
		t.Helper()
		for s := range node.Seq(4) {
			c.RemoveSeq(s, 0, -1)
		}
		if err := c.Decode(append(rowsOf(p[:len(p)-1], 0, 0), rowsOf(q[:len(q)-1], 3, 0)...)); err != nil {
			t.Fatal(err)
		}
	}
	fill()
	stateQ, err := c.State(3)
	if err != nil {
		t.Fatal(err)
	}
	if err := c.CopySeq(0, 1); err != nil {
		t.Fatal(err)
	}
	stateP, err := c.State(1)
	if err != nil {
		t.Fatal(err)
	}
	if err := c.SetState(2, stateP); err != nil {
		t.Fatal(err)
	}
	check("the state of a copy", c, 2, p, wantP)

	fill()
	if err := errors.Join(c.CopySeq(0, 1), c.SetState(0, stateQ)); err != nil {
		t.Fatal(err)
	}
	check("a copy whose source was set", c, 1, p, wantP)
	check("its source", c, 0, q, wantQ)

	fill()
	if err := errors.Join(c.CopySeq(0, 1), c.SetState(1, stateQ)); err != nil {
		t.Fatal(err)
	}
	check("a copy that was set", c, 1, q, wantQ)

	// Copies are made in the order they were asked for.
	fill()
	if err := errors.Join(c.CopySeq(0, 1), c.CopySeq(3, 0), c.CopySeq(1, 2)); err != nil {
		t.Fatal(err)
	}
	c.RemoveSeq(3, 0, -1)
	check("the copy of a copy", c, 2, p, wantP)
	check("over its source", c, 0, q, wantQ)
}

// Contexts of one model work side by side.
func TestContextsAtOnce(t *testing.T) {
	m := loadDemo(t)
	p := prompt(t, m, "And the LORD said unto")
	want := greedy(t, newContext(t, m, node.ContextOptions{NCtx: 256}), 0, p, 0, 32)
	var wg sync.WaitGroup
	for range 4 {
		c := newContext(t, m, node.ContextOptions{NCtx: 256})
		wg.Go(func() {
			rows, pos := rowsOf(p, 0, 0), int32(len(p))
			var got []node.Token
			for range want {
				if err := c.Decode(rows); err != nil {
					t.Error(err)
					return
				}
				l, err := c.Logits(len(rows) - 1)
				if err != nil {
					t.Error(err)
					return
				}
				got = append(got, argmax(l))
				if _, err := m.Tokenize(text(m, got), false); err != nil {
					t.Error(err)
				}
				rows = []node.Row{{Token: got[len(got)-1], Pos: pos, Logits: true}}
				pos++
			}
			if !slices.Equal(got, want) {
				t.Errorf("%v, want %v", got, want)
			}
		})
	}
	wg.Wait()
}

// The order of the rows in a Decode is the caller's.
func TestRowsInAnyOrder(t *testing.T) {
	m := loadDemo(t)
	c := newContext(t, m, node.ContextOptions{NCtx: 256, NSeq: 4})
	var prompts [][]node.Token
	var want [][]float32
	for s, text := range []string{"And the LORD said", "Elizabeth was", "The king", "In the beginning"} {
		prompts = append(prompts, prompt(t, m, text))
		if err := c.Decode(rowsOf(prompts[s], node.Seq(s), 0)); err != nil {
			t.Fatal(err)
		}
		l, err := c.Logits(len(prompts[s]) - 1)
		if err != nil {
			t.Fatal(err)
		}
		want = append(want, slices.Clone(l))
		c.RemoveSeq(node.Seq(s), 0, -1)
	}
	// Token by token in turns, the last sequence first.
	var rows []node.Row
	last := make([]int, 4)
	for i := range 16 {
		for s := 3; s >= 0; s-- {
			if i < len(prompts[s]) {
				last[s] = len(rows)
				rows = append(rows, node.Row{Token: prompts[s][i], Pos: int32(i), Seq: node.Seq(s), Logits: i == len(prompts[s])-1})
			}
		}
	}
	if err := c.Decode(rows); err != nil {
		t.Fatal(err)
	}
	for s := range want {
		l, err := c.Logits(last[s])
		if err != nil {
			t.Fatal(err)
		}
		if argmax(l) != argmax(want[s]) {
			t.Errorf("sequence %d: %d, want %d", s, argmax(l), argmax(want[s]))
		}
		for i, x := range l {
			if math.Abs(float64(x-want[s][i])) > 0.5 {
				t.Fatalf("sequence %d: logit %d is %v, want %v", s, i, x, want[s][i])
			}
		}
	}
}

// The chain against its formulas on logits of no pattern.
func TestChainReference(t *testing.T) {
	m := loadDemo(t)
	p := styxfs.DefaultParams()
	p.TopK, p.MinP, p.TopP, p.Temperature = 50, 0.02, 0.9, 0.7
	c, err := m.NewChain([]string{"top_k", "top_p", "min_p", "temperature"}, &p)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	r := rand.New(rand.NewPCG(1, 2))
	for range 50 {
		data := make([]node.TokenData, m.Info().NVocab)
		for i := range data {
			data[i] = node.TokenData{ID: int32(i), Logit: float32(r.NormFloat64() * 3)}
		}
		want := slices.Clone(data)
		slices.SortFunc(want, func(a, b node.TokenData) int {
			switch {
			case a.Logit > b.Logit:
				return -1
			case a.Logit < b.Logit:
				return 1
			}
			return 0
		})
		want = want[:50]
		var sum, cum float64
		for _, d := range want {
			sum += math.Exp(float64(d.Logit - want[0].Logit))
		}
		for i, d := range want {
			cum += math.Exp(float64(d.Logit-want[0].Logit)) / sum
			if cum >= 0.9 {
				want = want[:i+1]
				break
			}
		}
		for i, d := range want {
			if float64(d.Logit) < float64(want[0].Logit)+math.Log(0.02) {
				want = want[:i]
				break
			}
		}
		cand := &node.Candidates{Data: data}
		c.Apply(cand)
		if len(cand.Data) != len(want) {
			t.Fatalf("%d candidates, want %d", len(cand.Data), len(want))
		}
		for i, d := range cand.Data {
			if d.ID != want[i].ID || math.Abs(float64(d.Logit)-float64(want[i].Logit)/0.7) > 1e-4 {
				t.Fatalf("candidate %d is %+v, want %+v", i, d, want[i])
			}
		}
	}
}

func TestChainAtTheEdges(t *testing.T) {
	m := loadDemo(t)
	all := []string{"logit_bias", "penalties", "dry", "top_n_sigma", "top_k", "typ_p", "top_p", "min_p", "temperature"}
	for name, change := range map[string]func(*styxfs.Params){
		"defaults":      func(*styxfs.Params) {},
		"temperature 0": func(p *styxfs.Params) { p.Temperature = 0 },
		"huge top_k":    func(p *styxfs.Params) { p.TopK = math.MaxInt },
		"min_keep":      func(p *styxfs.Params) { p.MinKeep = 1 << 40; p.TypicalP = 0.1 },
		"all of them": func(p *styxfs.Params) {
			p.TopNSigma = 1
			p.TypicalP = 0.5
			p.DryMultiplier = 0.8
			p.RepeatPenalty = 1.1
			p.RepeatLastN = -1
		},
		"dynamic":        func(p *styxfs.Params) { p.DynatempRange = 0.5 },
		"never ends":     func(p *styxfs.Params) { p.IgnoreEOS = true },
		"a bias of -inf": func(p *styxfs.Params) { p.LogitBias = []styxfs.Bias{{ID: 5, Bias: math.Inf(-1)}} },
		"empty breakers": func(p *styxfs.Params) { p.DryMultiplier = 1; p.DrySequenceBreaker = []string{"", "\n"} },
		"negative numbers": func(p *styxfs.Params) {
			p.TopK = -1
			p.TopP = -1
			p.MinP = -1
			p.TypicalP = -1
			p.MinKeep = -1
			p.RepeatLastN = -5
		},
	} {
		p := styxfs.DefaultParams()
		change(&p)
		c, err := m.NewChain(all, &p)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		for _, id := range []node.Token{-1, 3, 4, 3, 4, 3, node.Token(m.Info().NVocab), math.MaxInt32} {
			c.Accept(id)
		}
		for _, n := range []int{0, 1, 2, m.Info().NVocab} {
			data := make([]node.TokenData, n)
			for i := range data {
				data[i] = node.TokenData{ID: int32(i), Logit: float32(i % 7)}
			}
			cand := &node.Candidates{Data: data}
			c.Apply(cand)
			if n > 0 && len(cand.Data) == 0 || len(cand.Data) > n {
				t.Errorf("%s: %d candidates of %d", name, len(cand.Data), n)
			}
		}
		c.Reset()
		c.Close()
	}
	for name, change := range map[string]func(*styxfs.Params){
		"id out of range": func(p *styxfs.Params) { p.LogitBias = []styxfs.Bias{{ID: 1 << 20}} },
		"NUL":             func(p *styxfs.Params) { p.DryMultiplier = 1; p.DrySequenceBreaker = []string{"a\x00"} },
	} {
		p := styxfs.DefaultParams()
		change(&p)
		if c, err := m.NewChain(all, &p); err == nil {
			t.Errorf("%s: no error", name)
			c.Close()
		}
	}
}

// What a token costs beside the computing allocates nothing.
func TestTokenAllocatesNothing(t *testing.T) {
	m := loadDemo(t)
	c := newContext(t, m, node.ContextOptions{NCtx: 256})
	p := prompt(t, m, "In the beginning")
	if err := c.Decode(rowsOf(p, 0, 0)); err != nil {
		t.Fatal(err)
	}
	params := styxfs.DefaultParams()
	ch, err := m.NewChain([]string{"top_k", "top_p", "min_p", "temperature"}, &params)
	if err != nil {
		t.Fatal(err)
	}
	defer ch.Close()
	cand := &node.Candidates{Data: make([]node.TokenData, m.Info().NVocab)}
	all := cand.Data
	if n := testing.AllocsPerRun(100, func() {
		l, err := c.Logits(len(p) - 1)
		if err != nil {
			t.Fatal(err)
		}
		for i, x := range l {
			all[i] = node.TokenData{ID: int32(i), Logit: x}
		}
		cand.Data, cand.Sorted = all, false
		ch.Apply(cand)
	}); n != 0 {
		t.Errorf("%v allocations", n)
	}
}
