// Package llamacpp is what the engines of llama.cpp have in common, which is
// all but the calls into C: what llama.cpp can be asked without ending the
// process, which sequences and positions there are, how a state is kept. An
// engine gives a Library, and behind it the calls of the Raw interfaces, each
// of them one or two functions of llama.h. What they are given is checked.
package llamacpp

import (
	"sync/atomic"

	"llama9/node"
	"llama9/node/fit"
)

// A Library is a llama.cpp that is open.
type Library struct {
	Name, Build, Variant string // see node.Engine

	MaxDevices int  // llama_max_devices
	GPU        bool // llama_supports_gpu_offload: not all is in the machine's memory
	StateLead  int  // bytes of a sequence's state before those of its cache

	// Load makes a model of a file, which goes on while progress gives true.
	// The options are as fit.Load gave them.
	Load func(file string, o node.LoadOptions, progress func(float32) bool) (RawModel, error)
}

// About is what llama.cpp says of a model.
type About struct {
	Info    node.ModelInfo // Desc to AddBOS, without Quantization
	Shape   fit.Shape      // Layers, KVHeads, Embd, Heads and Plain
	Decodes bool           // token by token: a decoder, no encoder, no diffusion
}

// A RawModel is a llama_model with its vocabulary. Free is its last call.
type RawModel interface {
	About() About
	Tokenize(text string, to []node.Token, special bool) int32 // llama_tokenize, no BOS
	Piece(t node.Token, to []byte, special bool) int32         // llama_token_to_piece
	EOG(t node.Token) bool
	// Context makes a context of o, as fit.Options gave it, with a stream of
	// the cache for each sequence (kv_unified off). While *abort is not 0 its
	// decodes end, until Free.
	Context(o node.ContextOptions, abort *atomic.Uint32) (RawContext, error)
	Chain() RawChain                             // an empty one
	Grammar(text string) (s RawSampler, ok bool) // with the rule root
	Free() error
}

// A Batch is the arrays of a llama_batch, each row of one sequence.
type Batch struct {
	Token, Pos []int32
	Seq        []*int32
	Logits     []int8
}

// A RawContext is a llama_context with its memory and its batch. A stream is a
// sequence of llama.cpp's; positions of -1 are as in llama.h.
type RawContext interface {
	Sizes() (nCtx, nUbatch int)        // tokens of a sequence; rows computed at once
	Batch() Batch                      // the arrays of n_batch rows
	Decode(rows int) int32             // llama_decode of the first rows of Batch
	Logits(row int32, n int) []float32 // llama_get_logits_ith; nil: none
	MaxPos(stream int32) int32
	Remove(stream, from, to int32) bool
	Copy(from, to int32) bool // the whole of a stream
	Add(stream, from, to, delta int32) bool
	CanShift() bool
	StateSize(stream int32) int
	State(to []byte, stream int32) int
	SetState(b []byte, stream int32) int
	Free() error
}

// A RawSampler is a llama_sampler. Candidates are never empty.
type RawSampler interface {
	Apply(c *node.Candidates)
	Accept(t node.Token) bool // false: llama.cpp threw
	Reset()
	Free()
}

// A RawChain is a llama_sampler_chain. Each method that adds a sampler gives
// false when llama.cpp makes none.
type RawChain interface {
	RawSampler
	Penalties(lastN int32, repeat, frequency, presence float32) bool
	Dry(multiplier, base float32, allowed, lastN int32, breakers []string) bool
	TopNSigma(n float32) bool
	TopK(k int32) bool
	Typical(p float32, keep int32) bool
	TopP(p float32, keep int32) bool
	MinP(p float32, keep int32) bool
	Temperature(t, dynRange, dynExponent float32) bool
	LogitBias(b []Bias) bool
}

// A Bias is laid out as llama_logit_bias.
type Bias struct {
	Token node.Token
	Bias  float32
}
