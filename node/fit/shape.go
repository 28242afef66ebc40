package fit

import (
	"errors"
	"fmt"
	"math"
	"runtime"
	"strconv"

	"llama9/node"
	"llama9/node/gguf"
)

// A Shape is what the size of a context depends on.
type Shape struct {
	Layers, KVHeads, HeadK, HeadV uint64
	Embd, FF, Heads, Vocab        uint64
	Plain                         bool // one KV cache of all layers and positions
}

// WithHeader fills in the sizes of heads and of the feed-forward layer from h.
func (s Shape) WithHeader(h *gguf.Header) Shape {
	s.Heads = max(s.Heads, 1)
	s.FF = uint64(max(0, h.Int("feed_forward_length")))
	s.HeadK, s.HeadV = s.Embd/s.Heads, s.Embd/s.Heads
	if k := h.Int("attention.key_length"); k > 0 {
		s.HeadK = uint64(k)
	}
	if v := h.Int("attention.value_length"); v > 0 {
		s.HeadV = uint64(v)
	}
	return s
}

// CacheBytes is the size of a KV cache of n tokens, as llama.cpp allocates it:
// each layer's keys and values of every position. What a sliding window saves
// is not taken off, so it is a bound there. k and v are keys of CacheTypes.
func (s Shape) CacheBytes(n uint64, k, v string) uint64 {
	return s.Layers * n * (gguf.RowBytes(CacheTypes[k], s.KVHeads*s.HeadK) + gguf.RowBytes(CacheTypes[v], s.KVHeads*s.HeadV))
}

// computeBytes is about what a graph of ubatch rows needs besides.
func (s Shape) computeBytes(ubatch, outputs uint64) uint64 {
	return 4*ubatch*(6*s.Embd+3*s.FF) + 4*outputs*s.Vocab + 4*ubatch*s.Vocab
}

// CacheTypes are the types that llama.cpp takes for keys and values, with
// their numbers in ggml.h (enum ggml_type).
var CacheTypes = map[string]uint32{
	"f32": 0, "f16": 1, "bf16": 30, "q8_0": 8, "q4_0": 2, "q4_1": 3, "iq4_nl": 20, "q5_0": 6, "q5_1": 7,
}

// Bounds of llama.cpp: LLAMA_MAX_SEQ, what its padding of a context leaves,
// and GGML_MAX_N_THREADS.
const (
	maxSeq     = 256
	maxCtx     = 1 << 30
	maxThreads = 512
)

// cores is how many threads are worth having.
func cores() int { return max(1, min(runtime.NumCPU(), runtime.GOMAXPROCS(0), maxThreads)) }

// Options fills in o's zeros and refuses what llama.cpp cannot make of a model
// that was trained for nCtxTrain tokens.
func Options(o node.ContextOptions, nCtxTrain int) (node.ContextOptions, error) {
	orElse := func(n *int, d int) {
		if *n == 0 {
			*n = d
		}
	}
	orElse(&o.NCtx, nCtxTrain)
	orElse(&o.NSeq, 1)
	if o.NCtx < 1 || o.NCtx > maxCtx || o.NSeq < 1 || o.NSeq > maxSeq {
		return o, fmt.Errorf("a context of %d tokens for each of %d sequences: at least 1 of each, at most %d tokens and %d sequences", o.NCtx, o.NSeq, maxCtx, maxSeq)
	}
	if Padded(o.NCtx) > math.MaxInt32/o.NSeq {
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
	_, okK := CacheTypes[o.KVTypeK]
	_, okV := CacheTypes[o.KVTypeV]
	if !okK || !okV {
		return o, fmt.Errorf("KV cache of %s and %s: llama.cpp has f32 f16 bf16 q8_0 q4_0 q4_1 iq4_nl q5_0 q5_1", o.KVTypeK, o.KVTypeV)
	}
	switch o.FlashAttn {
	case "auto", "on", "off":
	default:
		return o, fmt.Errorf("flash attention %q: auto, on or off", o.FlashAttn)
	}
	return o, nil
}

// Load refuses what llama.cpp cannot load by: maxDevices is the most that it
// knows. What it gives has a split for each of these or none.
func Load(o node.LoadOptions, maxDevices int) (node.LoadOptions, error) {
	o.NGPULayers = max(-1, min(o.NGPULayers, 1<<30))
	if o.MainGPU < 0 || o.MainGPU > 1<<10 {
		return o, fmt.Errorf("main GPU %d: no such device", o.MainGPU)
	}
	if len(o.TensorSplit) == 0 {
		return o, nil
	}
	if len(o.TensorSplit) > maxDevices {
		return o, fmt.Errorf("tensor split over %d devices; at most %d", len(o.TensorSplit), maxDevices)
	}
	var sum float32
	for _, x := range o.TensorSplit {
		if !(x >= 0) {
			return o, fmt.Errorf("tensor split %v", o.TensorSplit)
		}
		sum += x
	}
	if sum == 0 {
		return o, errors.New("tensor split gives nothing to any device")
	}
	split := make([]float32, maxDevices) // llama.cpp reads so many
	copy(split, o.TensorSplit)
	o.TensorSplit = split
	return o, nil
}

// Padded is the number of cells that llama.cpp makes for a context of n tokens
// of one sequence. What is beyond n is to be left empty.
func Padded(n int) int { return (n + 255) / 256 * 256 }

// Context refuses a context of o, as Options gave it, that memory does not
// hold.
func (s Shape) Context(o node.ContextOptions) error {
	if s.KVHeads == 0 {
		return nil
	}
	var n Need
	cells := uint64(Padded(o.NCtx)) * uint64(o.NSeq)
	n.Add("KV cache of "+strconv.Itoa(o.NCtx)+" tokens * "+strconv.Itoa(o.NSeq)+" sequences", s.CacheBytes(cells, o.KVTypeK, o.KVTypeV))
	n.Add("compute buffers", s.computeBytes(uint64(o.NUbatch), uint64(o.NSeq)))
	return n.Fits(Available())
}

// Weights refuses a model whose weights are more than the memory there is.
func Weights(h *gguf.Header) error {
	var n Need
	n.Add("weights", h.Weights)
	return n.Fits(Available())
}
