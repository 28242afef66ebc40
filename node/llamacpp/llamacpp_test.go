package llamacpp

import (
	"errors"
	"math"
	"slices"
	"strings"
	"testing"

	"llama9/node"
	"llama9/node/enginetest"
	"llama9/styxfs"
)

// What the engines share keeps the suite, however states are laid out.
func TestEngine(t *testing.T) {
	for _, lead := range []int{0, 8} {
		for _, plain := range []bool{true, false} {
			enginetest.Run(t, newLibrary(t, lead, plain).engine(), enginetest.DemoFile(t))
		}
	}
}

// open gives a context of l, of n sequences.
func (l *fakeLibrary) open(n int) (*kvContext, *fakeContext) {
	m := enginetest.Load(l.t, l.engine(), enginetest.DemoFile(l.t))
	return enginetest.NewContext(l.t, m, node.ContextOptions{NCtx: 256, NSeq: n}).(*kvContext), l.last
}

// decode decodes n rows at the end of each of seqs.
func decode(c *kvContext, n int, seqs ...node.Seq) error {
	var rows []node.Row
	for i := range int32(n) {
		for _, s := range seqs {
			rows = append(rows, node.Row{Token: 7 + s, Pos: c.next[s] + i, Seq: s})
		}
	}
	return c.Decode(rows)
}

// Sequences change places once the weights that were read in vain come to what
// that costs, and not before.
func TestArrange(t *testing.T) {
	l := newLibrary(t, 8, true)
	c, raw := l.open(6)
	c.m.info.Bytes = 5 * moveCost * c.m.shape.CacheBytes(1, "f16", "f16") // a decode is 5 tokens moved
	if err := decode(c, 10, 0, 1, 2, 3, 4, 5); err != nil {
		t.Fatal(err)
	}
	// 5 and 1 change places: 20 tokens, and one more at each step; two runs
	// too many are 10 a step.
	for step, runs := range []int{3, 3, 1, 1} {
		if err := decode(c, 1, 5, 0, 2); err != nil {
			t.Fatal(err)
		}
		if raw.runs != runs {
			t.Errorf("step %d: %d runs, want %d", step, raw.runs, runs)
		}
	}
	if want := []int32{0, 5, 2, 3, 4, 1}; !slices.Equal(c.stream, want) {
		t.Errorf("streams %v, want %v", c.stream, want)
	}
	// A copy that is not made yet is not moved.
	if err := c.CopySeq(0, 4); err != nil {
		t.Fatal(err)
	}
	c.debt = 1 << 60
	for _, runs := range []int{2, 1} {
		if err := decode(c, 1, 4, 0); err != nil || raw.runs != runs {
			t.Errorf("%d runs, want %d; %v", raw.runs, runs, err)
		}
	}
}

func TestDecodeAllocatesNothing(t *testing.T) {
	c, raw := newLibrary(t, 8, true).open(6)
	c.m.info.Bytes = 1 // nothing is worth a move
	rows := []node.Row{{Seq: 5}, {Seq: 1}, {Seq: 3}}
	if n := testing.AllocsPerRun(100, func() {
		if err := c.Decode(rows); err != nil || raw.runs != 3 {
			t.Fatal(raw.runs, err)
		}
		for _, r := range rows {
			c.RemoveSeq(r.Seq, 0, -1)
		}
		c.debt = 0
	}); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

// What llama_decode answers is an error that can be told from others, and the
// positions are those that llama.cpp has.
func TestAnswers(t *testing.T) {
	c, raw := newLibrary(t, 8, true).open(2)
	for ret, want := range map[int32]string{1: node.ErrFull.Error(), 2: node.ErrAborted.Error(), -3: "llama_decode failed with -3"} {
		raw.ret = ret
		if err := decode(c, 3, 0, 1); err == nil || err.Error() != want {
			t.Errorf("%d: %v, want %s", ret, err, want)
		}
		if c.next[0] != 0 || c.next[1] != 0 {
			t.Errorf("%d: the next positions are %v", ret, c.next)
		}
	}
}

// A state is asked for once the copies are made, even where that takes a row
// of a sequence in use, and fails where there is no room for one.
func TestCopiesBeforeStates(t *testing.T) {
	c, raw := newLibrary(t, 8, true).open(2)
	if err := errors.Join(decode(c, 255, 0), c.CopySeq(0, 1)); err != nil {
		t.Fatal(err)
	}
	raw.ret = 1
	if _, err := c.State(1); !errors.Is(err, node.ErrFull) {
		t.Errorf("without the copy: %v", err)
	}
	state, err := c.State(1)
	if err != nil || len(raw.copies) != 0 || c.MaxPos(0) != 254 || c.MaxPos(1) != 254 {
		t.Errorf("%d copies are left, the ends %d and %d; %v", len(raw.copies), c.MaxPos(0), c.MaxPos(1), err)
	}
	if err := errors.Join(decode(c, 1, 0, 1), c.CopySeq(0, 1)); err != nil {
		t.Fatal(err)
	}
	if err := c.SetState(1, state); err == nil || !strings.Contains(err.Error(), "no room") {
		t.Errorf("all full: %v", err)
	}
}

func TestRefused(t *testing.T) {
	l := newLibrary(t, 0, true)
	file := enginetest.DemoFile(t)
	for want, o := range map[string]node.LoadOptions{
		"main GPU -1": {MainGPU: -1}, "main GPU 2000": {MainGPU: 2000}, "over 3 devices; at most 2": {TensorSplit: []float32{1, 1, 1}},
		"nothing to any": {TensorSplit: []float32{0, 0}}, "tensor split [1 -1]": {TensorSplit: []float32{1, -1}}, "[NaN]": {TensorSplit: []float32{float32(math.NaN())}},
	} {
		if _, err := l.engine().Load(t.Context(), file, o, nil); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v, want %q in it", err, want)
		}
	}
	m, err := l.engine().Load(t.Context(), file, node.LoadOptions{NGPULayers: math.MaxInt, TensorSplit: []float32{1}}, nil)
	if err != nil || l.asked.NGPULayers != 1<<30 || !slices.Equal(l.asked.TensorSplit, []float32{1, 0}) {
		t.Fatalf("asked %+v; %v", l.asked, err)
	}
	defer m.Close()
	l.small = 1
	for want, o := range map[string]node.ContextOptions{"255 tokens a sequence instead of 256": {NCtx: 256}, "* 2 sequences: no such cache": {NCtx: 256, NSeq: 2, KVTypeK: "iq4_nl"}} {
		if _, err := m.NewContext(o); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v, want %q in it", err, want)
		}
	}
	l.about.Decodes = false
	if _, err := l.engine().Load(t.Context(), file, node.LoadOptions{}, nil); err == nil || !strings.Contains(err.Error(), "token by token") {
		t.Errorf("an encoder: %v", err)
	}
}

// Stages that would do nothing are left out, and numbers are such as C takes.
func TestStages(t *testing.T) {
	l := newLibrary(t, 0, true)
	m := enginetest.Load(t, l.engine(), enginetest.DemoFile(t))
	all := []string{"logit_bias", "penalties", "dry", "top_n_sigma", "top_k", "typ_p", "top_p", "min_p", "temperature"}
	idle := styxfs.Params{RepeatLastN: 64, RepeatPenalty: 1, DryPenaltyLastN: -1, DryBase: 1.75, TypicalP: 1, TopP: 1}
	busy := styxfs.Params{RepeatLastN: -1, PresencePenalty: 1, MinKeep: math.MaxInt, DryMultiplier: 1, DryAllowedLength: -1, DryPenaltyLastN: 9, DryBase: 1.75, IgnoreEOS: true, TopNSigma: 1, TopK: 1, MinP: 0.1, Temperature: 1}
	train, most := int32(m.Info().NCtxTrain), int32(math.MaxInt32)
	for _, test := range []struct {
		p     styxfs.Params
		want  []string
		count []int32
	}{{idle, nil, nil}, {busy, all, []int32{train, 0, 9, most, most, most, most}}} {
		c, err := m.NewChain(all, &test.p)
		if err != nil {
			t.Fatal(err)
		}
		c.Close()
		if got := l.chain; !slices.Equal(got.names, test.want) || !slices.Equal(got.count, test.count) {
			t.Errorf("%v %v, want %v %v", got.names, got.count, test.want, test.count)
		}
	}
}
