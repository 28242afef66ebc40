//go:build ollama && cgoflags && cgo

package ollama

// #include "shim.h"
import "C"

import (
	"fmt"
	"math"
	"strings"
	"unsafe"

	"llama9/node"
	"llama9/styxfs"
)

// A sampler is a llama_sampler.
type sampler struct {
	m   *model
	ptr *C.struct_llama_sampler
}

func (m *model) newSampler(ptr *C.struct_llama_sampler) sampler {
	m.users.Add(1)
	return sampler{m, ptr}
}

// apply lets C work on c.Data itself: a node.TokenData is a llama_token_data.
func (s *sampler) apply(c *node.Candidates) {
	if len(c.Data) == 0 || s.ptr == nil {
		return
	}
	sorted := C.bool(c.Sorted)
	n := C.l9_apply(s.ptr, (*C.llama_token_data)(unsafe.Pointer(unsafe.SliceData(c.Data))), C.size_t(len(c.Data)), sorted, &sorted)
	c.Data, c.Sorted = c.Data[:n], bool(sorted)
}

func (s *sampler) accept(t node.Token) bool {
	if s.ptr == nil || t < 0 || int(t) >= s.m.info.NVocab {
		return true
	}
	return bool(C.l9_accept(s.ptr, C.llama_token(t)))
}

// Reset forgets what was accepted.
func (s *sampler) Reset() {
	if s.ptr != nil {
		C.llama_sampler_reset(s.ptr)
	}
}

// Close frees the sampler.
func (s *sampler) Close() {
	if s.ptr != nil {
		C.llama_sampler_free(s.ptr)
		s.ptr = nil
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
	params := C.llama_sampler_chain_default_params()
	params.no_perf = true
	c := &chain{m.newSampler(C.llama_sampler_chain_init(params))}
	for _, name := range stages {
		s, skip, err := m.stage(name, p)
		if err == nil && !skip && s == nil {
			err = fmt.Errorf("llama.cpp made no sampler %s", name)
		}
		if err != nil {
			c.Close()
			return nil, err
		}
		if !skip {
			C.llama_sampler_chain_add(c.ptr, s) // which takes it over
		}
	}
	return c, nil
}

// stage makes the sampler called name; skip one that does nothing.
func (m *model) stage(name string, p *styxfs.Params) (s *C.struct_llama_sampler, skip bool, err error) {
	keep := C.size_t(min(max(0, p.MinKeep), math.MaxInt32))
	switch name {
	case "penalties":
		if p.RepeatLastN == 0 || p.RepeatPenalty == 1 && p.FrequencyPenalty == 0 && p.PresencePenalty == 0 {
			return nil, true, nil
		}
		s = C.llama_sampler_init_penalties(m.lastN(p.RepeatLastN), C.float(p.RepeatPenalty), C.float(p.FrequencyPenalty), C.float(p.PresencePenalty))
	case "dry":
		if p.DryMultiplier == 0 || p.DryBase < 1 || p.DryPenaltyLastN == 0 {
			return nil, true, nil
		}
		s, err = m.dry(p)
	case "top_n_sigma":
		if p.TopNSigma <= 0 {
			return nil, true, nil
		}
		s = C.llama_sampler_init_top_n_sigma(C.float(p.TopNSigma))
	case "top_k":
		if p.TopK <= 0 {
			return nil, true, nil
		}
		s = C.llama_sampler_init_top_k(clamp32(max(p.TopK, p.MinKeep)))
	case "typ_p":
		if p.TypicalP >= 1 {
			return nil, true, nil
		}
		s = C.llama_sampler_init_typical(C.float(p.TypicalP), keep)
	case "top_p":
		if p.TopP >= 1 {
			return nil, true, nil
		}
		s = C.llama_sampler_init_top_p(C.float(p.TopP), keep)
	case "min_p":
		if p.MinP <= 0 {
			return nil, true, nil
		}
		s = C.llama_sampler_init_min_p(C.float(p.MinP), keep)
	case "temperature":
		if p.Temperature <= 0 { // the pick is the greatest, which needs no sampler
			return nil, true, nil
		}
		s = C.llama_sampler_init_temp_ext(C.float(p.Temperature), C.float(p.DynatempRange), C.float(p.DynatempExponent))
	case "logit_bias":
		return m.bias(p)
	default:
		err = fmt.Errorf("unknown sampler %q", name)
	}
	return s, false, err
}

func (m *model) dry(p *styxfs.Params) (*C.struct_llama_sampler, error) {
	n := len(p.DrySequenceBreaker)
	list := C.calloc(C.size_t(n+1), C.size_t(unsafe.Sizeof(uintptr(0))))
	defer C.free(list)
	breakers := unsafe.Slice((**C.char)(list), n+1)
	for i, b := range p.DrySequenceBreaker {
		if strings.IndexByte(b, 0) >= 0 {
			return nil, fmt.Errorf("dry_sequence_breaker %q: a NUL breaks no sequence", b)
		}
		breakers[i] = C.CString(b)
		defer C.free(unsafe.Pointer(breakers[i]))
	}
	return C.l9_dry(m.vocab, clamp32(m.info.NCtxTrain), C.float(p.DryMultiplier), C.float(p.DryBase),
		clamp32(p.DryAllowedLength), m.lastN(p.DryPenaltyLastN), (**C.char)(list), C.size_t(n)), nil
}

// bias makes the logit_bias sampler, which forbids the end with ignore_eos.
func (m *model) bias(p *styxfs.Params) (s *C.struct_llama_sampler, skip bool, err error) {
	var b []C.llama_logit_bias
	for _, x := range p.LogitBias {
		if x.ID < 0 || int(x.ID) >= m.info.NVocab {
			return nil, false, fmt.Errorf("logit_bias %d: the vocabulary has %d tokens", x.ID, m.info.NVocab)
		}
		b = append(b, C.llama_logit_bias{token: C.llama_token(x.ID), bias: C.float(x.Bias)})
	}
	if p.IgnoreEOS {
		for t := range int32(m.info.NVocab) {
			if m.EOG(t) {
				b = append(b, C.llama_logit_bias{token: C.llama_token(t), bias: C.float(math.Inf(-1))})
			}
		}
	}
	if len(b) == 0 {
		return nil, true, nil
	}
	return C.llama_sampler_init_logit_bias(C.int32_t(m.info.NVocab), C.int32_t(len(b)), &b[0]), false, nil
}

// lastN turns a number of tokens to look back at into llama.cpp's, which has
// no -1 for the whole context; what the model was trained for stands for it.
func (m *model) lastN(n int) C.int32_t {
	if n < 0 {
		return clamp32(m.info.NCtxTrain)
	}
	return clamp32(n)
}

func clamp32(n int) C.int32_t { return C.int32_t(min(max(n, 0), math.MaxInt32)) }
