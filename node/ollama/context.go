//go:build ollama && cgoflags && cgo

package ollama

// #include "shim.h"
import "C"

import (
	"errors"
	"runtime"
	"sync/atomic"
	"unsafe"

	upstream "github.com/ollama/ollama/llama"

	"llama9/node"
	"llama9/node/fit"
	"llama9/node/llamacpp"
)

// A kvContext is a llama_context with its batch.
type kvContext struct {
	ptr   *C.struct_llama_context
	mem   C.llama_memory_t
	pool  *C.struct_ggml_threadpool // nil: none
	pkg   *upstream.Batch
	batch *C.struct_llama_batch // the same
	pin   runtime.Pinner        // of what the abort callback reads
}

var _ llamacpp.RawContext = (*kvContext)(nil)

// Context implements llamacpp.RawModel.
func (m *model) Context(o node.ContextOptions, abort *atomic.Uint32) (llamacpp.RawContext, error) {
	p := C.llama_context_default_params()
	p.type_k, p.type_v = fit.CacheTypes[o.KVTypeK], fit.CacheTypes[o.KVTypeV]
	switch o.FlashAttn {
	case "on":
		p.flash_attn_type = C.LLAMA_FLASH_ATTN_TYPE_ENABLED
	case "off":
		p.flash_attn_type = C.LLAMA_FLASH_ATTN_TYPE_DISABLED
	default:
		p.flash_attn_type = C.LLAMA_FLASH_ATTN_TYPE_AUTO
	}
	p.n_ctx, p.n_seq_max = C.uint32_t(fit.Padded(o.NCtx)*o.NSeq), C.uint32_t(o.NSeq)
	p.n_batch, p.n_ubatch = C.uint32_t(o.NBatch), C.uint32_t(o.NUbatch)
	p.n_threads, p.n_threads_batch = C.int32_t(o.Threads), C.int32_t(o.Threads)
	p.no_perf, p.kv_unified = true, false
	c := &kvContext{}
	c.pin.Pin(abort)
	c.ptr = C.l9_context(m.ptr, p, unsafe.Pointer(abort))
	if c.ptr == nil {
		c.pin.Unpin()
		return nil, errors.New("llama.cpp makes none")
	}
	b, err := upstream.NewBatch(int(C.llama_n_batch(c.ptr)), 1, 0)
	if c.mem = C.llama_get_memory(c.ptr); err == nil && c.mem == nil {
		err = errors.New("the model keeps no memory of what it read")
	}
	if err != nil {
		c.Free()
		return nil, err
	}
	c.pkg, c.batch = b, batchOf(b)
	if o.Threads > 1 {
		c.pool = C.l9_pool(c.ptr, C.int(o.Threads))
	}
	return c, nil
}

func (c *kvContext) Sizes() (nCtx, nUbatch int) {
	return int(C.llama_n_ctx_seq(c.ptr)), int(C.llama_n_ubatch(c.ptr))
}

func (c *kvContext) Batch() llamacpp.Batch {
	n := int(C.llama_n_batch(c.ptr))
	for i := range unsafe.Slice(c.batch.n_seq_id, n) {
		unsafe.Slice(c.batch.n_seq_id, n)[i] = 1
	}
	return llamacpp.Batch{
		Token: unsafe.Slice((*int32)(c.batch.token), n), Pos: unsafe.Slice((*int32)(c.batch.pos), n),
		Seq: unsafe.Slice((**int32)(unsafe.Pointer(c.batch.seq_id)), n), Logits: unsafe.Slice((*int8)(c.batch.logits), n),
	}
}

func (c *kvContext) Decode(rows int) int32 {
	c.batch.n_tokens = C.int32_t(rows)
	return int32(C.l9_decode(c.ptr, *c.batch))
}

func (c *kvContext) Logits(row int32, n int) []float32 {
	p := C.llama_get_logits_ith(c.ptr, C.int32_t(row))
	if p == nil {
		return nil
	}
	return unsafe.Slice((*float32)(p), n)
}

func (c *kvContext) MaxPos(stream int32) int32 {
	return int32(C.llama_memory_seq_pos_max(c.mem, C.llama_seq_id(stream)))
}

func (c *kvContext) Remove(stream, from, to int32) bool {
	return bool(C.l9_seq_rm(c.mem, C.llama_seq_id(stream), C.llama_pos(from), C.llama_pos(to)))
}

func (c *kvContext) Copy(from, to int32) bool {
	return bool(C.l9_seq_cp(c.mem, C.llama_seq_id(from), C.llama_seq_id(to)))
}

func (c *kvContext) Add(stream, from, to, delta int32) bool {
	return bool(C.l9_seq_add(c.mem, C.llama_seq_id(stream), C.llama_pos(from), C.llama_pos(to), C.llama_pos(delta)))
}

func (c *kvContext) CanShift() bool { return bool(C.llama_memory_can_shift(c.mem)) }

func (c *kvContext) StateSize(stream int32) int {
	return int(C.llama_state_seq_get_size(c.ptr, C.llama_seq_id(stream)))
}

func (c *kvContext) State(to []byte, stream int32) int {
	return int(C.llama_state_seq_get_data(c.ptr, (*C.uint8_t)(unsafe.SliceData(to)), C.size_t(len(to)), C.llama_seq_id(stream)))
}

func (c *kvContext) SetState(b []byte, stream int32) int {
	return int(C.l9_set_state(c.ptr, (*C.uint8_t)(unsafe.SliceData(b)), C.size_t(len(b)), C.llama_seq_id(stream)))
}

// Free frees the context first: its threads are at work for it.
func (c *kvContext) Free() error {
	C.llama_free(c.ptr)
	if c.pool != nil {
		C.ggml_threadpool_free(c.pool)
	}
	if c.pkg != nil {
		c.pkg.Free()
	}
	c.pin.Unpin()
	return nil
}
