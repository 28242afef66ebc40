//go:build !nollama && (((linux || windows || darwin) && (amd64 || arm64)) || (linux && riscv64))

package llama

import (
	"fmt"
	"math"
	"strings"
	"unsafe"

	"github.com/ebitengine/purego"
	yzma "github.com/hybridgroup/yzma/pkg/llama"
	"llama9/node"
	"llama9/styxfs"
)

// A sampler is a llama_sampler with the array of candidates it is given.
type sampler struct {
	m    *model
	ptr  yzma.Sampler
	call *samplerCall
}

// A samplerCall is what C is given, on the heap, where it does not move; the
// arguments are kept so that a call allocates nothing.
type samplerCall struct {
	array yzma.TokenDataArray
	apply [2]uintptr // llama_sampler *, llama_token_data_array *
}

func (m *model) newSampler(ptr yzma.Sampler) sampler {
	m.users.Add(1)
	c := new(samplerCall)
	c.apply = [2]uintptr{uintptr(ptr), uintptr(unsafe.Pointer(&c.array))}
	return sampler{m: m, ptr: ptr, call: c}
}

// apply lets C work on c.Data itself: a node.TokenData is a llama_token_data.
func (s *sampler) apply(c *node.Candidates) {
	if len(c.Data) == 0 || s.ptr == 0 {
		return
	}
	a := &s.call.array
	a.Data = (*yzma.TokenData)(unsafe.Pointer(unsafe.SliceData(c.Data)))
	a.Size, a.Selected, a.Sorted = uint64(len(c.Data)), -1, uint8(boolArg(c.Sorted))
	purego.SyscallN(s.m.e.c.samplerApply, s.call.apply[:]...)
	if a.Data != (*yzma.TokenData)(unsafe.Pointer(unsafe.SliceData(c.Data))) {
		copy(c.Data, unsafe.Slice((*node.TokenData)(unsafe.Pointer(a.Data)), a.Size)) // a sampler may point to its own
	}
	c.Data, c.Sorted = c.Data[:min(a.Size, uint64(len(c.Data)))], a.Sorted != 0
	a.Data = nil
}

func (s *sampler) accept(t node.Token) {
	if s.ptr != 0 && t >= 0 && int(t) < s.m.info.NVocab {
		purego.SyscallN(s.m.e.c.samplerAccept, uintptr(s.ptr), int32Arg(t))
	}
}

// Reset forgets what was accepted.
func (s *sampler) Reset() { yzma.SamplerReset(s.ptr) }

// Close frees the sampler.
func (s *sampler) Close() {
	if s.ptr != 0 {
		yzma.SamplerFree(s.ptr)
		s.ptr = 0
		s.m.users.Add(-1)
	}
}

// chain is a llama_sampler_chain.
type chain struct{ sampler }

var _ node.Chain = (*chain)(nil)

func (c *chain) Apply(cand *node.Candidates) { c.apply(cand) }
func (c *chain) Accept(t node.Token)         { c.accept(t) }

// NewChain implements node.Model. A stage whose numbers make it do nothing is
// left out.
func (m *model) NewChain(stages []string, p *styxfs.Params) (node.Chain, error) {
	params := yzma.SamplerChainDefaultParams()
	params.NoPerf = 1
	c := &chain{m.newSampler(yzma.SamplerChainInit(params))}
	for _, name := range stages {
		s, err := m.stage(name, p)
		if err != nil {
			c.Close()
			return nil, err
		}
		yzma.SamplerChainAdd(c.ptr, s) // which takes it over, and ignores 0
	}
	return c, nil
}

// stage makes the sampler called name; 0 for one that does nothing.
func (m *model) stage(name string, p *styxfs.Params) (yzma.Sampler, error) {
	var s yzma.Sampler
	keep := uint32(max(0, p.MinKeep))
	switch name {
	case "penalties":
		if p.RepeatLastN == 0 || p.RepeatPenalty == 1 && p.FrequencyPenalty == 0 && p.PresencePenalty == 0 {
			return 0, nil
		}
		s = yzma.SamplerInitPenalties(int32(m.info.NVocab), m.lastN(p.RepeatLastN), float32(p.RepeatPenalty), float32(p.FrequencyPenalty), float32(p.PresencePenalty))
	case "dry":
		if p.DryMultiplier == 0 || p.DryBase < 1 || p.DryPenaltyLastN == 0 {
			return 0, nil
		}
		for _, b := range p.DrySequenceBreaker {
			if strings.IndexByte(b, 0) >= 0 {
				return 0, fmt.Errorf("dry_sequence_breaker %q: a NUL breaks no sequence", b)
			}
		}
		s = yzma.SamplerInitDry(yzma.Vocab(m.vocab), float32(p.DryMultiplier), float32(p.DryBase), clamp32(p.DryAllowedLength), m.lastN(p.DryPenaltyLastN), p.DrySequenceBreaker)
	case "top_n_sigma":
		if p.TopNSigma <= 0 {
			return 0, nil
		}
		s = yzma.SamplerInitTopNSigma(float32(p.TopNSigma))
	case "top_k":
		if p.TopK <= 0 {
			return 0, nil
		}
		s = yzma.SamplerInitTopK(clamp32(max(p.TopK, p.MinKeep)))
	case "typ_p":
		if p.TypicalP >= 1 {
			return 0, nil
		}
		s = yzma.SamplerInitTypical(float32(p.TypicalP), keep)
	case "top_p":
		if p.TopP >= 1 {
			return 0, nil
		}
		s = yzma.SamplerInitTopP(float32(p.TopP), keep)
	case "min_p":
		if p.MinP <= 0 {
			return 0, nil
		}
		s = yzma.SamplerInitMinP(float32(p.MinP), keep)
	case "temperature":
		if p.Temperature <= 0 { // the pick is the greatest, which needs no sampler
			return 0, nil
		}
		s = yzma.SamplerInitTempExt(float32(p.Temperature), float32(p.DynatempRange), float32(p.DynatempExponent))
	case "logit_bias":
		return m.bias(p)
	default:
		return 0, fmt.Errorf("unknown sampler %q", name)
	}
	if s == 0 {
		return 0, fmt.Errorf("llama.cpp made no sampler %s", name)
	}
	return s, nil
}

// bias makes the logit_bias sampler, which forbids the end with ignore_eos.
func (m *model) bias(p *styxfs.Params) (yzma.Sampler, error) {
	var b []yzma.LogitBias
	for _, x := range p.LogitBias {
		if x.ID < 0 || int(x.ID) >= m.info.NVocab {
			return 0, fmt.Errorf("logit_bias %d: the vocabulary has %d tokens", x.ID, m.info.NVocab)
		}
		b = append(b, yzma.LogitBias{Token: yzma.Token(x.ID), Bias: float32(x.Bias)})
	}
	if p.IgnoreEOS {
		for t := range int32(m.info.NVocab) {
			if m.EOG(t) {
				b = append(b, yzma.LogitBias{Token: yzma.Token(t), Bias: float32(math.Inf(-1))})
			}
		}
	}
	if len(b) == 0 {
		return 0, nil
	}
	s := yzma.SamplerInitLogitBias(int32(m.info.NVocab), int32(len(b)), &b[0])
	if s == 0 {
		return 0, fmt.Errorf("llama.cpp made no sampler logit_bias")
	}
	return s, nil
}

// lastN turns a number of tokens to look back at into llama.cpp's, which has
// no -1 for the whole context; what the model was trained for stands for it.
func (m *model) lastN(n int) int32 {
	if n < 0 {
		return clamp32(m.info.NCtxTrain)
	}
	return clamp32(n)
}

func clamp32(n int) int32 { return int32(min(max(n, 0), math.MaxInt32)) }
