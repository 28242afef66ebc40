package node

import (
	"math"

	"llama9/styxfs"
)

// mirostat is versions 1 and 2 of the sampler (Basu et al., 2020) by the
// formulas of llama_sampler_mirostat_apply and llama_sampler_mirostat_v2_apply in
// src/llama-sampling.cpp; the pick among what they leave is gumbelMax.
type mirostat struct {
	version  int
	vocab    float64
	tau, eta float64
	mu       float64
	next     float64 // mu once the pick is accepted
}

// mirostatM is how many candidates version 1 estimates from, as in
// common_sampler_init.
const mirostatM = 100

func newMirostat(p *styxfs.Params, vocab int) *mirostat {
	mu := 2 * p.MirostatTau
	return &mirostat{version: p.Mirostat, vocab: float64(vocab), tau: p.MirostatTau, eta: p.MirostatEta, mu: mu, next: mu}
}

// truncate leaves in c what may be picked, with P as their probabilities.
func (m *mirostat) truncate(c *Candidates) {
	softmax(c)
	n := len(c.Data)
	if n == 0 {
		return
	}
	keep := n
	if m.version == 1 {
		keep = min(max(m.k(c.Data), 1), n)
	} else {
		for i, d := range c.Data {
			if -math.Log2(float64(d.P)) > m.mu {
				keep = max(i, 1)
				break
			}
		}
	}
	c.Data = c.Data[:keep]
	softmax(c)
}

// k estimates the exponent of Zipf's law and from it the top k whose surprise
// is mu.
func (m *mirostat) k(d []TokenData) int {
	var bt, tt float64
	for i := 0; i < mirostatM-1 && i < len(d)-1; i++ {
		t := math.Log(float64(i+2) / float64(i+1))
		b := math.Log(float64(d[i].P) / float64(d[i+1].P))
		if math.IsInf(b, 0) || math.IsNaN(b) {
			break // probabilities of 0
		}
		bt += t * b
		tt += t * t
	}
	s := bt / tt
	eps := s - 1
	k := math.Pow(eps*math.Exp2(m.mu)/(1-math.Pow(m.vocab, -eps)), 1/s)
	if math.IsNaN(k) {
		return 1
	}
	return int(min(k, m.vocab))
}

// picked takes the probability of the pick; accept makes it count.
func (m *mirostat) picked(p float32) {
	surprise := -math.Log2(float64(p))
	m.next = m.mu - m.eta*(surprise-m.tau)
}

func (m *mirostat) accept() { m.mu = m.next }

// replay counts t as the pick from c. A token that truncate would have left
// out, of a foreign prefix, counts with what it had before.
func (m *mirostat) replay(c *Candidates, t Token) {
	softmax(c)
	whole := float32(0)
	for _, d := range c.Data {
		if d.ID == t {
			whole = d.P
		}
	}
	m.truncate(c)
	p := whole
	for _, d := range c.Data {
		if d.ID == t {
			p = d.P
		}
	}
	if p > 0 {
		m.picked(p)
		m.accept()
	}
}

// xtc takes away the likeliest of the candidates that are over a threshold, but
// the last of them: llama_sampler_xtc_apply in src/llama-sampling.cpp. Its random
// number is the first of the token's stream.
type xtc struct {
	probability, threshold float64
	minKeep                int
}

func (x *xtc) apply(c *Candidates, d draw) {
	if len(c.Data) < 2 || d.float(0) > x.probability {
		return
	}
	softmax(c)
	last := 0
	for i := range c.Data {
		if float64(c.Data[i].P) < x.threshold {
			break
		}
		last = i
	}
	if last > 0 && len(c.Data)-last >= x.minKeep {
		c.Data = c.Data[last:]
	}
}
