package node

import (
	"fmt"
	"math"
	"slices"
	"strings"
	"testing"

	"llama9/styxfs"
)

// A listModel notes which chains are made; they change nothing.
type listModel struct {
	Model
	made []string
	open int
	fail string // a stage that cannot be made
}

type listChain struct{ m *listModel }

func (m *listModel) NewChain(stages []string, p *styxfs.Params) (Chain, error) {
	if slices.Contains(stages, m.fail) {
		return nil, fmt.Errorf("no memory")
	}
	m.made = append(m.made, strings.Join(stages, " "))
	m.open++
	return listChain{m}, nil
}

func (c listChain) Apply(*Candidates) {}
func (c listChain) Accept(Token)      {}
func (c listChain) Reset()            {}
func (c listChain) Close()            { c.m.open-- }

func TestStages(t *testing.T) {
	for _, test := range []struct {
		name   string
		change func(*styxfs.Params)
		chains string // of llama.cpp, | between them
		topK   int
		xtc    int // where among the stages, from 1; 0: none
	}{
		{"defaults", func(p *styxfs.Params) {}, "top_p min_p temperature", 40, 0},
		{"nothing", func(p *styxfs.Params) { p.TopK, p.TopP, p.MinP, p.Temperature = 0, 1, 0, 1 }, "", 0, 0},
		{"greedy", func(p *styxfs.Params) { p.Temperature = 0 }, "", 0, 0},
		{"greedy with penalties", func(p *styxfs.Params) { p.Temperature = 0; p.RepeatPenalty = 1.1; p.DryMultiplier = 1 }, "penalties dry", 0, 0},
		{"greedy with xtc", func(p *styxfs.Params) { p.Temperature = 0; p.XtcProbability = 1 }, "top_p min_p", 40, 2},
		{"greedy with typ_p", func(p *styxfs.Params) { p.Temperature = -1; p.TypicalP = 0.5 }, "typ_p top_p min_p", 40, 0},
		{"split around xtc", func(p *styxfs.Params) { p.XtcProbability = 0.5 }, "top_p min_p|temperature", 40, 2},
		{"penalties before top_k", func(p *styxfs.Params) { p.FrequencyPenalty = 1 }, "penalties top_k top_p min_p temperature", 0, 0},
		{"an order of one's own", func(p *styxfs.Params) { p.Samplers = []string{"temperature", "xtc", "top_k"}; p.XtcProbability = 1 }, "temperature|top_k", 0, 2},
		{"mirostat", func(p *styxfs.Params) { p.Mirostat = 2 }, "temperature", 0, 0},
		{"mirostat, greedy", func(p *styxfs.Params) { p.Mirostat = 2; p.Temperature = 0 }, "", 0, 0},
	} {
		p := styxfs.DefaultParams()
		test.change(&p)
		m := &listModel{}
		s, err := newSampler(m, &ModelInfo{NVocab: 100}, nil, &styxfs.Request{Params: p}, "")
		if err != nil {
			t.Errorf("%s: %v", test.name, err)
			continue
		}
		at := 1 + slices.IndexFunc(s.stages, func(st stage) bool { return st.xtc != nil })
		if got := strings.Join(m.made, "|"); got != test.chains || s.topK != test.topK || at != test.xtc {
			t.Errorf("%s: chains %q top k %d xtc at %d; want %q %d %d", test.name, got, s.topK, at, test.chains, test.topK, test.xtc)
		}
		s.close()
		if m.open != 0 {
			t.Errorf("%s: %d chains are not closed", test.name, m.open)
		}
	}
	p := styxfs.DefaultParams()
	p.XtcProbability = 1
	m := &listModel{fail: "temperature"}
	if _, err := newSampler(m, &ModelInfo{NVocab: 100}, nil, &styxfs.Request{Params: p}, ""); err == nil || m.open != 0 {
		t.Errorf("error %v, %d chains open", err, m.open)
	}
}

func TestXTC(t *testing.T) {
	// Probabilities 0.4 0.3 0.2 0.1.
	probs := func() *Candidates {
		c := &Candidates{}
		for i, p := range []float64{0.1, 0.4, 0.2, 0.3} {
			c.Data = append(c.Data, TokenData{ID: Token(i), Logit: float32(math.Log(p))})
		}
		return c
	}
	ids := func(c *Candidates) (s string) {
		for _, d := range c.Data {
			s += fmt.Sprint(d.ID)
		}
		return s
	}
	for _, test := range []struct {
		x    xtc
		want string
	}{
		{xtc{probability: 1, threshold: 0.15}, "20"}, // 1 and 3 go, 2 is the last over it
		{xtc{probability: 1, threshold: 0.35}, "1320"},
		{xtc{probability: 1, threshold: 0.5}, "1320"},
		{xtc{probability: 1, threshold: 0.05}, "0"},
		{xtc{probability: 1, threshold: 0.05, minKeep: 2}, "1320"},
	} {
		c := probs()
		test.x.apply(c, 1)
		if got := ids(c); got != test.want {
			t.Errorf("%+v leaves %s, want %s", test.x, got, test.want)
		}
	}
	taken := 0
	const draws = 10000
	for k := range draws {
		c := probs()
		(&xtc{probability: 0.3, threshold: 0.15}).apply(c, drawOf(9, k, xtcStream))
		if len(c.Data) == 2 {
			taken++
		}
	}
	if f := float64(taken) / draws; f < 0.28 || f > 0.32 {
		t.Errorf("taken %v of the times, not 0.3", f)
	}
}

func TestMirostat(t *testing.T) {
	p := styxfs.DefaultParams()
	p.MirostatTau, p.MirostatEta = 3, 0.1
	zipf := func() *Candidates {
		c := &Candidates{}
		for i := range 1000 {
			c.Data = append(c.Data, TokenData{ID: Token(i), Logit: float32(-1.1 * math.Log(float64(i+1)))})
		}
		return c
	}
	for version := 1; version <= 2; version++ {
		p.Mirostat = version
		m := newMirostat(&p, 1000)
		if m.mu != 6 {
			t.Fatalf("mu begins at %v, not 2 tau", m.mu)
		}
		sum := 0.0
		const draws = 4000
		for k := range draws {
			c := zipf()
			m.truncate(c)
			total := float32(0)
			for _, d := range c.Data {
				total += d.P
			}
			if len(c.Data) == 0 || math.Abs(float64(total)-1) > 1e-3 {
				t.Fatalf("version %d leaves %d candidates of %v", version, len(c.Data), total)
			}
			i := gumbelMax(c.Data, drawOf(3, k, pickStream))
			before := m.mu
			m.picked(c.Data[i].P)
			m.accept()
			surprise := -math.Log2(float64(c.Data[i].P))
			if want := before - 0.1*(surprise-3); math.Abs(m.mu-want) > 1e-9 {
				t.Fatalf("mu is %v, want %v", m.mu, want)
			}
			sum += surprise
		}
		if mean := sum / draws; math.Abs(mean-3) > 0.1 {
			t.Errorf("version %d: mean surprise %v, the target is 3", version, mean)
		}
	}
	// Version 2 by hand: probabilities 1/2 1/4 1/8 1/8 surprise by 1 2 3 3 bits.
	m := &mirostat{version: 2, mu: 2.5}
	c := &Candidates{}
	for i, q := range []float64{0.5, 0.25, 0.125, 0.125} {
		c.Data = append(c.Data, TokenData{ID: Token(i), Logit: float32(math.Log(q))})
	}
	m.truncate(c)
	if len(c.Data) != 2 || math.Abs(float64(c.Data[0].P)-2./3) > 1e-6 {
		t.Errorf("left %v", c.Data)
	}
}

func TestPickFails(t *testing.T) {
	inf := float32(math.Inf(-1))
	nan := float32(math.NaN())
	for _, logits := range [][]float32{{inf, inf}, {nan, nan}, {1}} {
		for _, greedy := range []bool{true, false} {
			s := &sampler{vocab: 2, greedy: greedy}
			if id, err := s.pick(logits, 0, &scratch{}); err == nil {
				t.Errorf("logits %v: picked %d", logits, id)
			}
		}
	}
}
