package llamacpp

import (
	"encoding/binary"
	"errors"
	"math"
	"slices"
	"sync/atomic"
	"testing"

	"llama9/node"
	"llama9/node/cpplog"
	"llama9/node/fake"
	"llama9/node/fit"
	"llama9/styxfs"
)

// A fakeLibrary is a llama.cpp whose vocabulary and samplers are those of
// package fake, with a memory in streams as llama.cpp has one.
type fakeLibrary struct {
	t     *testing.T
	m     node.Model
	lead  int
	about About
	small int // a context has so many tokens less than asked for
	asked node.LoadOptions
	last  *fakeContext // that was made
	chain *fakeChain   // too
}

func newLibrary(t *testing.T, lead int, plain bool) *fakeLibrary {
	t.Helper()
	m, err := new(fake.Engine).Load(t.Context(), "fake:", node.LoadOptions{}, nil)
	if err != nil {
		t.Fatal(err)
	}
	shape := fit.Shape{Layers: 1, KVHeads: 1, Embd: 32, Heads: 1, Plain: plain}
	return &fakeLibrary{t: t, m: m, lead: lead, about: About{m.Info(), shape, true}}
}

func (l *fakeLibrary) engine() *Engine {
	return NewEngine(Library{
		Name: "fake", Build: "1", Variant: "none", MaxDevices: 2, StateLead: l.lead,
		Load: func(_ string, o node.LoadOptions, progress func(float32) bool) (RawModel, error) {
			l.asked = o
			if !progress(0) || !progress(1) {
				return nil, errors.New("stopped")
			}
			return &fakeModel{fakeLibrary: l, freed: l.freed("a model")}, nil
		},
	}, cpplog.New(nil))
}

// freed gives what is to be called once before the test ends.
func (l *fakeLibrary) freed(what string) func() {
	n := 0
	l.t.Cleanup(func() {
		if n != 1 {
			l.t.Errorf("%s was freed %d times", what, n)
		}
	})
	return func() { n++ }
}

type fakeModel struct {
	*fakeLibrary
	freed func()
}

func (m *fakeModel) About() About { return m.about }

func (m *fakeModel) Tokenize(text string, to []node.Token, special bool) int32 {
	ids, err := m.m.Tokenize(text, special)
	switch {
	case err != nil:
		return math.MinInt32
	case len(ids) > len(to):
		return -int32(len(ids))
	}
	return int32(copy(to, ids))
}

func (m *fakeModel) Piece(t node.Token, to []byte, special bool) int32 {
	b := m.m.Piece(nil, t, special)
	if len(b) > len(to) {
		return -int32(len(b))
	}
	return int32(copy(to, b))
}

func (m *fakeModel) EOG(t node.Token) bool { return m.m.EOG(t) }

func (m *fakeModel) Chain() RawChain {
	m.chain = &fakeChain{m: m.m, freed: m.fakeLibrary.freed("a chain")}
	return m.chain
}

func (m *fakeModel) Grammar(text string) (RawSampler, bool) {
	g, err := m.m.NewGrammar(text)
	if err != nil {
		return nil, false
	}
	return fakeGrammar{g, m.fakeLibrary.freed("a grammar")}, true
}

func (m *fakeModel) Free() error {
	m.freed()
	return nil
}

type fakeGrammar struct {
	node.Grammar
	freed func()
}

func (g fakeGrammar) Accept(t node.Token) bool { return g.Grammar.Accept(t) == nil }
func (g fakeGrammar) Free()                    { g.freed() }

// A fakeChain is a node.Chain for each sampler.
type fakeChain struct {
	m     node.Model
	names []string
	count []int32 // the whole numbers
	stage []node.Chain
	freed func()
}

func (c *fakeChain) add(name string, set func(p *styxfs.Params), count ...int32) bool {
	c.count = append(c.count, count...)
	p := styxfs.DefaultParams()
	set(&p)
	s, err := c.m.NewChain([]string{name}, &p)
	c.names, c.stage = append(c.names, name), append(c.stage, s)
	return err == nil
}

func (c *fakeChain) Apply(d *node.Candidates) {
	for _, s := range c.stage {
		s.Apply(d)
	}
}

func (c *fakeChain) Accept(t node.Token) bool {
	for _, s := range c.stage {
		s.Accept(t)
	}
	return true
}

func (c *fakeChain) Reset() {
	for _, s := range c.stage {
		s.Reset()
	}
}

func (c *fakeChain) Free() { c.freed() }

func (c *fakeChain) Penalties(lastN int32, repeat, frequency, presence float32) bool {
	return c.add("penalties", func(p *styxfs.Params) {
		p.RepeatLastN, p.RepeatPenalty = int(lastN), float64(repeat)
		p.FrequencyPenalty, p.PresencePenalty = float64(frequency), float64(presence)
	}, lastN)
}

func (c *fakeChain) Dry(multiplier, base float32, allowed, lastN int32, breakers []string) bool {
	return c.add("dry", func(*styxfs.Params) {}, allowed, lastN)
}

func (c *fakeChain) TopNSigma(n float32) bool {
	return c.add("top_n_sigma", func(p *styxfs.Params) { p.TopNSigma = float64(n) })
}

func (c *fakeChain) TopK(k int32) bool {
	return c.add("top_k", func(p *styxfs.Params) { p.TopK = int(k) }, k)
}

func (c *fakeChain) Typical(x float32, keep int32) bool {
	return c.add("typ_p", func(p *styxfs.Params) { p.TypicalP, p.MinKeep = float64(x), int(keep) }, keep)
}

func (c *fakeChain) TopP(x float32, keep int32) bool {
	return c.add("top_p", func(p *styxfs.Params) { p.TopP, p.MinKeep = float64(x), int(keep) }, keep)
}

func (c *fakeChain) MinP(x float32, keep int32) bool {
	return c.add("min_p", func(p *styxfs.Params) { p.MinP, p.MinKeep = float64(x), int(keep) }, keep)
}

func (c *fakeChain) Temperature(t, dynRange, dynExponent float32) bool {
	return c.add("temperature", func(p *styxfs.Params) {
		p.Temperature, p.DynatempRange, p.DynatempExponent = float64(t), float64(dynRange), float64(dynExponent)
	})
}

func (c *fakeChain) LogitBias(b []Bias) bool {
	return c.add("logit_bias", func(p *styxfs.Params) {
		for _, x := range b {
			p.LogitBias = append(p.LogitBias, styxfs.Bias{ID: x.Token, Bias: float64(x.Bias)})
		}
	})
}

// A cell of a stream: what is at a position is in the stream's buffer at i.
type cell struct{ pos, i int32 }

// A fakeContext is a RawContext. As in llama.cpp the cells of a copy are there
// at once, what is in them once the next decode begins.
type fakeContext struct {
	m      *fakeModel
	o      node.ContextOptions
	abort  *atomic.Uint32
	batch  Batch
	cells  [][]cell
	data   [][]node.Token
	copies [][2]int32
	logits [][]float32
	ret    int32 // of the next decode
	runs   int   // of the last decode: how often the weights are read
	freed  func()
}

func (m *fakeModel) Context(o node.ContextOptions, abort *atomic.Uint32) (RawContext, error) {
	if o.KVTypeK == "iq4_nl" {
		return nil, errors.New("no such cache")
	}
	n := o.NBatch
	c := &fakeContext{m: m, o: o, abort: abort, cells: make([][]cell, o.NSeq), data: make([][]node.Token, o.NSeq), freed: m.fakeLibrary.freed("a context")}
	c.batch = Batch{make([]int32, n), make([]int32, n), make([]*int32, n), make([]int8, n)}
	for i := range n {
		c.batch.Seq[i] = new(int32)
	}
	for s := range c.data {
		c.data[s] = make([]node.Token, fit.Padded(o.NCtx))
	}
	c.logits = make([][]float32, n)
	m.last = c
	return c, nil
}

func (c *fakeContext) Sizes() (nCtx, nUbatch int) {
	return fit.Padded(c.o.NCtx) - c.m.small, c.o.NUbatch
}
func (c *fakeContext) Batch() Batch   { return c.batch }
func (c *fakeContext) CanShift() bool { return true }

func (c *fakeContext) Decode(rows int) int32 {
	for _, p := range c.copies {
		copy(c.data[p[1]], c.data[p[0]])
	}
	c.copies = c.copies[:0]
	if c.abort.Load() != 0 {
		return 2
	}
	if ret := c.ret; ret != 0 {
		c.ret = 0
		return ret
	}
	c.runs = 0
	last := int32(-2)
	for k := range rows {
		s, pos := *c.batch.Seq[k], c.batch.Pos[k]
		if s < last || pos != c.MaxPos(s)+1 {
			c.m.t.Errorf("row %d: position %d of stream %d, after a row of %d", k, pos, s, last)
			return -1
		}
		if s > last+1 {
			c.runs++
		}
		last = s
		i := int32(0)
		for slices.ContainsFunc(c.cells[s], func(x cell) bool { return x.i == i }) {
			i++
		}
		c.data[s][i] = c.batch.Token[k]
		c.cells[s] = append(c.cells[s], cell{pos, i})
		c.logits[k] = nil
		if c.batch.Logits[k] != 0 {
			c.logits[k] = c.next(s)
		}
	}
	return 0
}

// next are logits that depend on all tokens of a stream.
func (c *fakeContext) next(s int32) []float32 {
	h := uint64(1)
	for _, x := range c.cells[s] {
		h = (h^uint64(c.data[s][x.i]))*0x9e3779b97f4a7c15 + 1
		h ^= h >> 29
	}
	l := make([]float32, c.m.about.Info.NVocab)
	l[5+h%uint64(len(l)-5)] = 9
	return l
}

func (c *fakeContext) Logits(row int32, _ int) []float32 { return c.logits[row] }

func (c *fakeContext) MaxPos(s int32) int32 {
	if len(c.cells[s]) == 0 {
		return -1
	}
	return c.cells[s][len(c.cells[s])-1].pos
}

func (c *fakeContext) Remove(s, from, to int32) bool {
	c.cells[s] = slices.DeleteFunc(c.cells[s], func(x cell) bool { return x.pos >= from && (to < 0 || x.pos < to) })
	return true
}

func (c *fakeContext) Copy(from, to int32) bool {
	c.cells[to] = slices.Clone(c.cells[from])
	c.copies = append(c.copies, [2]int32{from, to})
	return true
}

func (c *fakeContext) Add(s, from, to, delta int32) bool {
	for i, x := range c.cells[s] {
		if x.pos >= from && x.pos < to {
			c.cells[s][i].pos += delta
		}
	}
	return true
}

func (c *fakeContext) StateSize(s int32) int { return c.m.lead + 4 + 4*c.o.NSeq + 8*len(c.cells[s]) }

func (c *fakeContext) State(to []byte, s int32) int {
	b := binary.LittleEndian.AppendUint32(make([]byte, c.m.lead), uint32(c.o.NSeq))
	for q := range c.o.NSeq {
		if q != int(s) {
			b = append(b, 0, 0, 0, 0)
			continue
		}
		b = binary.LittleEndian.AppendUint32(b, uint32(len(c.cells[s])))
		for _, x := range c.cells[s] {
			b = binary.LittleEndian.AppendUint32(b, uint32(x.pos))
			b = binary.LittleEndian.AppendUint32(b, uint32(c.data[s][x.i]))
		}
	}
	return copy(to, b)
}

func (c *fakeContext) SetState(b []byte, s int32) int {
	u32 := func(at int) uint32 { return binary.LittleEndian.Uint32(b[at:]) }
	if len(b) < c.m.lead+8 || u32(c.m.lead) != uint32(c.o.NSeq) {
		return 0
	}
	c.cells[s] = nil
	for at := c.m.lead + 4; at < len(b); at += 4 {
		for n := u32(at); n > 0; n, at = n-1, at+8 {
			i := int32(len(c.cells[s]))
			c.cells[s] = append(c.cells[s], cell{int32(u32(at + 4)), i})
			c.data[s][i] = node.Token(u32(at + 8))
		}
	}
	return len(b)
}

func (c *fakeContext) Free() error {
	c.freed()
	return nil
}
