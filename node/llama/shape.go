//go:build !nollama && (((linux || windows || darwin) && (amd64 || arm64)) || (linux && riscv64))

package llama

import (
	"fmt"
	"math"
	"strconv"

	yzma "github.com/hybridgroup/yzma/pkg/llama"
	"llama9/node"
)

// weightsFit refuses a model whose weights are more than the memory there is.
// Layers on a GPU are not counted against it.
func weightsFit(h *Header, o node.LoadOptions) error {
	if o.NGPULayers > 0 || yzma.SupportsGpuOffload() {
		return nil
	}
	var n need
	n.add("weights", h.Weights)
	return n.fits(available())
}

// A shape is what the size of a context depends on.
type shape struct {
	layers, kvHeads, headK, headV uint64
	embd, ff, heads, vocab        uint64
	plain                         bool // one KV cache of all layers and positions
}

func shapeOf(m yzma.Model, h *Header) shape {
	s := shape{
		layers: uint64(max(0, yzma.ModelNLayer(m))), kvHeads: uint64(max(0, yzma.ModelNHeadKV(m))),
		embd: uint64(max(0, yzma.ModelNEmbd(m))), heads: uint64(max(1, yzma.ModelNHead(m))),
		vocab: uint64(max(0, yzma.VocabNTokens(yzma.ModelGetVocab(m)))),
		plain: !yzma.ModelIsRecurrent(m) && !yzma.ModelIsHybrid(m) && yzma.ModelNSWA(m) == 0,
	}
	s.ff = uint64(max(0, h.Int("feed_forward_length")))
	s.headK, s.headV = s.embd/s.heads, s.embd/s.heads
	if k := h.Int("attention.key_length"); k > 0 {
		s.headK = uint64(k)
	}
	if v := h.Int("attention.value_length"); v > 0 {
		s.headV = uint64(v)
	}
	return s
}

// cacheBytes is the size of a KV cache of n tokens, as llama.cpp allocates it:
// each layer's keys and values of every position. What a sliding window saves
// is not taken off, so it is a bound there.
func (s shape) cacheBytes(n uint64, k, v yzma.GGMLType) uint64 {
	return s.layers * n * (rowBytes(k, s.kvHeads*s.headK) + rowBytes(v, s.kvHeads*s.headV))
}

// computeBytes is about what a graph of ubatch rows needs besides.
func (s shape) computeBytes(ubatch, outputs uint64) uint64 {
	return 4*ubatch*(6*s.embd+3*s.ff) + 4*outputs*s.vocab + 4*ubatch*s.vocab
}

func rowBytes(t yzma.GGMLType, n uint64) uint64 {
	g := ggmlTypes[uint32(t)]
	return (n + g.elements - 1) / g.elements * g.bytes
}

// cacheTypes are the types that llama.cpp takes for keys and values.
var cacheTypes = map[string]yzma.GGMLType{
	"f32": yzma.GGMLTypeF32, "f16": yzma.GGMLTypeF16, "bf16": yzma.GGMLTypeBF16, "q8_0": yzma.GGMLTypeQ8_0,
	"q4_0": yzma.GGMLTypeQ4_0, "q4_1": yzma.GGMLTypeQ4_1, "iq4_nl": yzma.GGMLTypeIQ4_NL, "q5_0": yzma.GGMLTypeQ5_0, "q5_1": yzma.GGMLTypeQ5_1,
}

// Bounds of llama.cpp: LLAMA_MAX_SEQ, and what its padding of a context leaves.
const (
	maxSeq = 256
	maxCtx = 1 << 30
)

// contextOptions fills in o's zeros and refuses what llama.cpp cannot make.
func (m *model) contextOptions(o node.ContextOptions) (node.ContextOptions, error) {
	orElse := func(n *int, d int) {
		if *n == 0 {
			*n = d
		}
	}
	orElse(&o.NCtx, m.info.NCtxTrain)
	orElse(&o.NSeq, 1)
	if o.NCtx < 1 || o.NCtx > maxCtx || o.NSeq < 1 || o.NSeq > maxSeq {
		return o, fmt.Errorf("a context of %d tokens for each of %d sequences: at least 1 of each, at most %d tokens and %d sequences", o.NCtx, o.NSeq, maxCtx, maxSeq)
	}
	if padded(o.NCtx) > math.MaxInt32/o.NSeq {
		return o, fmt.Errorf("a context of %d tokens * %d sequences: at most %d in all", o.NCtx, o.NSeq, math.MaxInt32)
	}
	orElse(&o.NUbatch, 512)
	orElse(&o.NBatch, 2048)
	o.NBatch = max(o.NBatch, o.NSeq)
	if o.NBatch < 1 || o.NUbatch < 1 || o.NBatch > 1<<20 {
		return o, fmt.Errorf("a batch of %d and %d rows: 1 to %d", o.NBatch, o.NUbatch, 1<<20)
	}
	o.NUbatch = min(o.NUbatch, o.NBatch)
	if o.Threads < 0 || o.Threads > maxThreads {
		return o, fmt.Errorf("%d threads: 0 (all cores) to %d", o.Threads, maxThreads)
	}
	if o.Threads == 0 {
		o.Threads = cores()
	}
	if o.KVTypeK == "" {
		o.KVTypeK = "f16"
	}
	if o.KVTypeV == "" {
		o.KVTypeV = "f16"
	}
	if o.FlashAttn == "" {
		o.FlashAttn = "auto"
	}
	return o, nil
}

// padded is the number of cells that llama.cpp makes for a context of n tokens
// of one sequence. What is beyond n is left empty: check sees to that.
func padded(n int) int { return (n + 255) / 256 * 256 }

// contextNeed refuses a context that memory does not hold.
func (m *model) contextNeed(o node.ContextOptions, k, v yzma.GGMLType) error {
	if yzma.SupportsGpuOffload() || m.shape.kvHeads == 0 {
		return nil
	}
	var n need
	cells := uint64(padded(o.NCtx)) * uint64(o.NSeq)
	n.add("KV cache of "+strconv.Itoa(o.NCtx)+" tokens * "+strconv.Itoa(o.NSeq)+" sequences", m.shape.cacheBytes(cells, k, v))
	n.add("compute buffers", m.shape.computeBytes(uint64(o.NUbatch), uint64(o.NSeq)))
	return n.fits(available())
}
