//go:build !nollama && (((linux || windows || darwin) && (amd64 || arm64)) || (linux && riscv64))

package llama

import (
	"unsafe"

	"github.com/ebitengine/purego"
	yzma "github.com/hybridgroup/yzma/pkg/llama"
	"llama9/node"
	"llama9/node/llamacpp"
)

// A sampler is a llama_sampler with the array of candidates it is given. It is
// on the heap, where it does not move; the arguments are kept so that a call
// allocates nothing.
type sampler struct {
	m     *model
	ptr   yzma.Sampler
	array yzma.TokenDataArray
	args  [2]uintptr // llama_sampler *, llama_token_data_array *
}

func (m *model) newSampler(ptr yzma.Sampler) *sampler {
	s := &sampler{m: m, ptr: ptr}
	s.args = [2]uintptr{uintptr(ptr), uintptr(unsafe.Pointer(&s.array))}
	return s
}

// Apply lets C work on c.Data itself: a node.TokenData is a llama_token_data.
func (s *sampler) Apply(c *node.Candidates) {
	a := &s.array
	a.Data = (*yzma.TokenData)(unsafe.Pointer(unsafe.SliceData(c.Data)))
	a.Size, a.Selected, a.Sorted = uint64(len(c.Data)), -1, uint8(boolArg(c.Sorted))
	purego.SyscallN(s.m.c.samplerApply, s.args[:]...)
	if a.Data != (*yzma.TokenData)(unsafe.Pointer(unsafe.SliceData(c.Data))) {
		copy(c.Data, unsafe.Slice((*node.TokenData)(unsafe.Pointer(a.Data)), a.Size)) // a sampler may point to its own
	}
	c.Data, c.Sorted = c.Data[:min(a.Size, uint64(len(c.Data)))], a.Sorted != 0
	a.Data = nil
}

func (s *sampler) Accept(t node.Token) bool {
	purego.SyscallN(s.m.c.samplerAccept, uintptr(s.ptr), int32Arg(t))
	return true
}

func (s *sampler) Reset() { yzma.SamplerReset(s.ptr) }
func (s *sampler) Free()  { yzma.SamplerFree(s.ptr) }

// Grammar implements llamacpp.RawModel.
func (m *model) Grammar(text string) (llamacpp.RawSampler, bool) {
	ptr := yzma.SamplerInitGrammar(yzma.Vocab(m.vocab), text, "root")
	return m.newSampler(ptr), ptr != 0
}

// chain is a llama_sampler_chain.
type chain struct{ *sampler }

// Chain implements llamacpp.RawModel.
func (m *model) Chain() llamacpp.RawChain {
	params := yzma.SamplerChainDefaultParams()
	params.NoPerf = 1
	return chain{m.newSampler(yzma.SamplerChainInit(params))}
}

// add gives s to the chain, which ignores 0.
func (c chain) add(s yzma.Sampler) bool {
	yzma.SamplerChainAdd(c.ptr, s)
	return s != 0
}

func (c chain) nVocab() int32 { return yzma.VocabNTokens(yzma.Vocab(c.m.vocab)) }

func (c chain) Penalties(lastN int32, repeat, frequency, presence float32) bool {
	return c.add(yzma.SamplerInitPenalties(c.nVocab(), lastN, repeat, frequency, presence))
}

func (c chain) Dry(multiplier, base float32, allowed, lastN int32, breakers []string) bool {
	return c.add(yzma.SamplerInitDry(yzma.Vocab(c.m.vocab), multiplier, base, allowed, lastN, breakers))
}

func (c chain) TopNSigma(n float32) bool { return c.add(yzma.SamplerInitTopNSigma(n)) }
func (c chain) TopK(k int32) bool        { return c.add(yzma.SamplerInitTopK(k)) }
func (c chain) Typical(p float32, keep int32) bool {
	return c.add(yzma.SamplerInitTypical(p, uint32(keep)))
}
func (c chain) TopP(p float32, keep int32) bool { return c.add(yzma.SamplerInitTopP(p, uint32(keep))) }
func (c chain) MinP(p float32, keep int32) bool { return c.add(yzma.SamplerInitMinP(p, uint32(keep))) }

func (c chain) Temperature(t, dynRange, dynExponent float32) bool {
	return c.add(yzma.SamplerInitTempExt(t, dynRange, dynExponent))
}

func (c chain) LogitBias(b []llamacpp.Bias) bool {
	return c.add(yzma.SamplerInitLogitBias(c.nVocab(), int32(len(b)), (*yzma.LogitBias)(unsafe.Pointer(unsafe.SliceData(b)))))
}
