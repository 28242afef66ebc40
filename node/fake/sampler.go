package fake

import (
	"fmt"
	"math"
	"slices"

	"llama9/node"
	"llama9/styxfs"
)

// A chain applies samplers by the formulas of llama.cpp (src/llama-sampling.cpp),
// plainly. dry is not among them: it does nothing here.
type chain struct {
	m      *model
	stages []string
	p      styxfs.Params
	last   []node.Token // accepted
}

var stages = []string{"penalties", "dry", "top_n_sigma", "top_k", "typ_p", "top_p", "min_p", "temperature", "logit_bias"}

func (m *model) NewChain(names []string, p *styxfs.Params) (node.Chain, error) {
	for _, n := range names {
		if !slices.Contains(stages, n) {
			return nil, fmt.Errorf("unknown sampler %q", n)
		}
	}
	if err := m.open(); err != nil {
		return nil, err
	}
	return &chain{m: m, stages: slices.Clone(names), p: *p}, nil
}

func (c *chain) Accept(t node.Token) { c.last = append(c.last, t) }
func (c *chain) Reset()              { c.last = nil }
func (c *chain) Close()              { c.m.release() }

func (c *chain) Apply(d *node.Candidates) {
	for _, s := range c.stages {
		if len(d.Data) == 0 {
			return
		}
		switch s {
		case "logit_bias":
			for _, b := range c.p.LogitBias {
				for i := range d.Data {
					if d.Data[i].ID == b.ID {
						d.Data[i].Logit += float32(b.Bias)
						d.Sorted = false
					}
				}
			}
		case "penalties":
			c.penalties(d)
		case "top_k":
			if c.p.TopK > 0 {
				sorted(d)
				d.Data = d.Data[:min(c.p.TopK, len(d.Data))]
			}
		case "top_p":
			cut(d, c.p.TopP, c.p.MinKeep)
		case "min_p":
			if c.p.MinP > 0 {
				sorted(d)
				floor := d.Data[0].Logit + float32(math.Log(c.p.MinP))
				n := 0
				for n < len(d.Data) && (d.Data[n].Logit >= floor || n < c.p.MinKeep) {
					n++
				}
				d.Data = d.Data[:max(n, 1)]
			}
		case "typ_p":
			c.typical(d)
		case "top_n_sigma":
			c.sigma(d)
		case "temperature":
			c.temperature(d)
		}
	}
}

func sorted(d *node.Candidates) {
	if !d.Sorted {
		slices.SortStableFunc(d.Data, func(a, b node.TokenData) int {
			switch {
			case a.Logit > b.Logit:
				return -1
			case a.Logit < b.Logit:
				return 1
			}
			return 0
		})
		d.Sorted = true
	}
}

func softmax(d *node.Candidates) {
	sorted(d)
	var sum float64
	for i := range d.Data {
		p := math.Exp(float64(d.Data[i].Logit - d.Data[0].Logit))
		d.Data[i].P = float32(p)
		sum += p
	}
	for i := range d.Data {
		d.Data[i].P = float32(float64(d.Data[i].P) / sum)
	}
}

func cut(d *node.Candidates, p float64, keep int) {
	if p >= 1 {
		return
	}
	softmax(d)
	sum := 0.0
	for i := range d.Data {
		sum += float64(d.Data[i].P)
		if sum >= p && i+1 >= keep {
			d.Data = d.Data[:i+1]
			return
		}
	}
}

func (c *chain) penalties(d *node.Candidates) {
	n := len(c.last)
	if c.p.RepeatLastN >= 0 {
		n = min(n, c.p.RepeatLastN)
	}
	count := make(map[node.Token]int)
	for _, t := range c.last[len(c.last)-n:] {
		count[t]++
	}
	for i := range d.Data {
		k := count[d.Data[i].ID]
		if k == 0 {
			continue
		}
		l := float64(d.Data[i].Logit)
		if l <= 0 {
			l *= c.p.RepeatPenalty
		} else {
			l /= c.p.RepeatPenalty
		}
		d.Data[i].Logit = float32(l - float64(k)*c.p.FrequencyPenalty - c.p.PresencePenalty)
	}
	d.Sorted = false
}

func (c *chain) typical(d *node.Candidates) {
	if c.p.TypicalP >= 1 {
		return
	}
	softmax(d)
	entropy := 0.0
	for _, x := range d.Data {
		if x.P > 0 {
			entropy -= float64(x.P) * math.Log(float64(x.P))
		}
	}
	far := func(x node.TokenData) float64 { return math.Abs(-math.Log(float64(x.P)) - entropy) }
	slices.SortStableFunc(d.Data, func(a, b node.TokenData) int {
		switch x, y := far(a), far(b); {
		case x < y:
			return -1
		case x > y:
			return 1
		}
		return 0
	})
	d.Sorted = false
	sum := 0.0
	for i := range d.Data {
		sum += float64(d.Data[i].P)
		if sum > c.p.TypicalP && i+1 >= c.p.MinKeep {
			d.Data = d.Data[:i+1]
			return
		}
	}
}

func (c *chain) sigma(d *node.Candidates) {
	if c.p.TopNSigma <= 0 {
		return
	}
	top, mean, n := math.Inf(-1), 0.0, 0.0
	for _, x := range d.Data {
		if l := float64(x.Logit); !math.IsInf(l, -1) {
			top = max(top, l)
			mean += l
			n++
		}
	}
	mean /= max(n, 1)
	v := 0.0
	for _, x := range d.Data {
		if l := float64(x.Logit); !math.IsInf(l, -1) {
			v += (l - mean) * (l - mean)
		}
	}
	floor := top - c.p.TopNSigma*math.Sqrt(v/max(n, 1))
	for i := range d.Data {
		if float64(d.Data[i].Logit) < floor {
			d.Data[i].Logit = float32(math.Inf(-1))
		}
	}
}

// temperature is temp_ext: with a dynatemp range it follows the entropy.
func (c *chain) temperature(d *node.Candidates) {
	t := c.p.Temperature
	if c.p.DynatempRange > 0 && len(d.Data) > 1 {
		low, high := max(0, t-c.p.DynatempRange), t+c.p.DynatempRange
		softmax(d)
		entropy := 0.0
		for _, x := range d.Data {
			if x.P > 0 {
				entropy -= float64(x.P) * math.Log(float64(x.P))
			}
		}
		t = low + (high-low)*math.Pow(entropy/math.Log(float64(len(d.Data))), c.p.DynatempExponent)
	}
	if t <= 0 {
		sorted(d)
		for i := range d.Data[1:] {
			d.Data[i+1].Logit = float32(math.Inf(-1))
		}
		return
	}
	for i := range d.Data {
		d.Data[i].Logit /= float32(t)
	}
}
