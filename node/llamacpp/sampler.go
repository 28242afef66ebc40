package llamacpp

import (
	"fmt"
	"math"
	"strings"

	"llama9/node"
	"llama9/styxfs"
)

// A sampler is a llama_sampler of a model.
type sampler struct {
	m   *model
	raw RawSampler // nil: closed
}

func (m *model) newSampler(raw RawSampler) sampler {
	m.users.Add(1)
	return sampler{m, raw}
}

// Apply implements node.Chain and node.Grammar.
func (s *sampler) Apply(c *node.Candidates) {
	if len(c.Data) > 0 && s.raw != nil {
		s.raw.Apply(c)
	}
}

func (s *sampler) accept(t node.Token) bool {
	return s.raw == nil || !s.m.has(t) || s.raw.Accept(t)
}

// Reset forgets what was accepted.
func (s *sampler) Reset() {
	if s.raw != nil {
		s.raw.Reset()
	}
}

// Close frees the sampler.
func (s *sampler) Close() {
	if s.raw != nil {
		s.raw.Free()
		s.raw = nil
		s.m.users.Add(-1)
	}
}

// chain is a llama_sampler_chain.
type chain struct{ sampler }

var _ node.Chain = (*chain)(nil)

// Accept implements node.Chain.
func (c *chain) Accept(t node.Token) { c.accept(t) }

// NewChain implements node.Model. A stage whose numbers make it do nothing is
// left out.
func (m *model) NewChain(stages []string, p *styxfs.Params) (node.Chain, error) {
	raw := m.raw.Chain()
	c := &chain{m.newSampler(raw)}
	for _, name := range stages {
		ok, err := m.stage(raw, name, p)
		if err == nil && !ok {
			err = fmt.Errorf("llama.cpp made no sampler %s", name)
		}
		if err != nil {
			c.Close()
			return nil, err
		}
	}
	return c, nil
}

// stage adds the sampler called name to c, if it does something.
func (m *model) stage(c RawChain, name string, p *styxfs.Params) (ok bool, err error) {
	keep := clamp32(p.MinKeep)
	switch name {
	case "penalties":
		return p.RepeatLastN == 0 || p.RepeatPenalty == 1 && p.FrequencyPenalty == 0 && p.PresencePenalty == 0 ||
			c.Penalties(m.lastN(p.RepeatLastN), float32(p.RepeatPenalty), float32(p.FrequencyPenalty), float32(p.PresencePenalty)), nil
	case "dry":
		if p.DryMultiplier == 0 || p.DryBase < 1 || p.DryPenaltyLastN == 0 {
			return true, nil
		}
		for _, b := range p.DrySequenceBreaker {
			if strings.IndexByte(b, 0) >= 0 {
				return false, fmt.Errorf("dry_sequence_breaker %q: a NUL breaks no sequence", b)
			}
		}
		return c.Dry(float32(p.DryMultiplier), float32(p.DryBase), clamp32(p.DryAllowedLength), m.lastN(p.DryPenaltyLastN), p.DrySequenceBreaker), nil
	case "top_n_sigma":
		return p.TopNSigma <= 0 || c.TopNSigma(float32(p.TopNSigma)), nil
	case "top_k":
		return p.TopK <= 0 || c.TopK(clamp32(max(p.TopK, p.MinKeep))), nil
	case "typ_p":
		return p.TypicalP >= 1 || c.Typical(float32(p.TypicalP), keep), nil
	case "top_p":
		return p.TopP >= 1 || c.TopP(float32(p.TopP), keep), nil
	case "min_p":
		return p.MinP <= 0 || c.MinP(float32(p.MinP), keep), nil
	case "temperature": // at 0 the pick is the greatest, which needs no sampler
		return p.Temperature <= 0 || c.Temperature(float32(p.Temperature), float32(p.DynatempRange), float32(p.DynatempExponent)), nil
	case "logit_bias":
		b, err := m.bias(p)
		return err == nil && (len(b) == 0 || c.LogitBias(b)), err
	}
	return false, fmt.Errorf("unknown sampler %q", name)
}

// bias is that of logit_bias, which forbids the end with ignore_eos.
func (m *model) bias(p *styxfs.Params) (b []Bias, err error) {
	for _, x := range p.LogitBias {
		if !m.has(x.ID) {
			return nil, fmt.Errorf("logit_bias %d: the vocabulary has %d tokens", x.ID, m.info.NVocab)
		}
		b = append(b, Bias{x.ID, float32(x.Bias)})
	}
	if p.IgnoreEOS {
		for t, ends := range m.eog {
			if ends {
				b = append(b, Bias{node.Token(t), float32(math.Inf(-1))})
			}
		}
	}
	return b, nil
}

// lastN turns a number of tokens to look back at into llama.cpp's, which has
// no -1 for the whole context; what the model was trained for stands for it.
func (m *model) lastN(n int) int32 {
	if n < 0 {
		n = m.info.NCtxTrain
	}
	return clamp32(n)
}

func clamp32(n int) int32 { return int32(min(max(n, 0), math.MaxInt32)) }
