//go:build ollama && cgoflags && cgo

package ollama

// #include "shim.h"
import "C"

import (
	"unsafe"

	"llama9/node"
	"llama9/node/llamacpp"
)

// A sampler is a llama_sampler.
type sampler struct {
	m      *model
	ptr    *C.struct_llama_sampler
	sorted C.bool // what Apply leaves; C has its address
}

// Apply lets C work on c.Data itself: a node.TokenData is a llama_token_data.
func (s *sampler) Apply(c *node.Candidates) {
	s.sorted = C.bool(c.Sorted)
	n := C.l9_apply(s.ptr, (*C.llama_token_data)(unsafe.Pointer(unsafe.SliceData(c.Data))), C.size_t(len(c.Data)), &s.sorted)
	c.Data, c.Sorted = c.Data[:n], bool(s.sorted)
}

func (s *sampler) Accept(t node.Token) bool { return bool(C.l9_accept(s.ptr, C.llama_token(t))) }
func (s *sampler) Reset()                   { C.llama_sampler_reset(s.ptr) }
func (s *sampler) Free()                    { C.llama_sampler_free(s.ptr) }

// Grammar implements llamacpp.RawModel.
func (m *model) Grammar(text string) (llamacpp.RawSampler, bool) {
	b := C.CString(text)
	defer C.free(unsafe.Pointer(b))
	ptr := C.l9_grammar(m.vocab, b)
	return &sampler{m: m, ptr: ptr}, ptr != nil
}

// chain is a llama_sampler_chain.
type chain struct{ *sampler }

// Chain implements llamacpp.RawModel.
func (m *model) Chain() llamacpp.RawChain {
	params := C.llama_sampler_chain_default_params()
	params.no_perf = true
	return chain{&sampler{m: m, ptr: C.llama_sampler_chain_init(params)}}
}

// add gives s, if there is one, to the chain.
func (c chain) add(s *C.struct_llama_sampler) bool {
	if s != nil {
		C.llama_sampler_chain_add(c.ptr, s)
	}
	return s != nil
}

func (c chain) Penalties(lastN int32, repeat, frequency, presence float32) bool {
	return c.add(C.llama_sampler_init_penalties(C.int32_t(lastN), C.float(repeat), C.float(frequency), C.float(presence)))
}

func (c chain) Dry(multiplier, base float32, allowed, lastN int32, breakers []string) bool {
	n := len(breakers)
	list := C.calloc(C.size_t(n+1), C.size_t(unsafe.Sizeof(uintptr(0))))
	defer C.free(list)
	for i, b := range breakers {
		text := C.CString(b)
		defer C.free(unsafe.Pointer(text))
		unsafe.Slice((**C.char)(list), n)[i] = text
	}
	return c.add(C.l9_dry(c.m.vocab, C.llama_model_n_ctx_train(c.m.ptr), C.float(multiplier), C.float(base),
		C.int32_t(allowed), C.int32_t(lastN), (**C.char)(list), C.size_t(n)))
}

func (c chain) TopNSigma(n float32) bool {
	return c.add(C.llama_sampler_init_top_n_sigma(C.float(n)))
}

func (c chain) TopK(k int32) bool { return c.add(C.llama_sampler_init_top_k(C.int32_t(k))) }

func (c chain) Typical(p float32, keep int32) bool {
	return c.add(C.llama_sampler_init_typical(C.float(p), C.size_t(keep)))
}

func (c chain) TopP(p float32, keep int32) bool {
	return c.add(C.llama_sampler_init_top_p(C.float(p), C.size_t(keep)))
}

func (c chain) MinP(p float32, keep int32) bool {
	return c.add(C.llama_sampler_init_min_p(C.float(p), C.size_t(keep)))
}

func (c chain) Temperature(t, dynRange, dynExponent float32) bool {
	return c.add(C.llama_sampler_init_temp_ext(C.float(t), C.float(dynRange), C.float(dynExponent)))
}

func (c chain) LogitBias(b []llamacpp.Bias) bool {
	return c.add(C.llama_sampler_init_logit_bias(C.int32_t(c.m.pkg.NumVocab()), C.int32_t(len(b)), (*C.llama_logit_bias)(unsafe.Pointer(unsafe.SliceData(b)))))
}
