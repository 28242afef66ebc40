//go:build ollama && cgoflags && cgo

package ollama

// #include "shim.h"
import "C"

import (
	"fmt"
	"runtime"
	"sync/atomic"
	"unsafe"

	upstream "github.com/ollama/ollama/llama"

	"llama9/node"
	"llama9/node/fit"
)

// A kvContext is a llama_context with its batch. Each sequence has a stream of
// the cache of its own (kv_unified off): a row attends to the cells of its own
// sequence only.
type kvContext struct {
	m    *model
	ptr  *C.struct_llama_context
	pool *C.struct_ggml_threadpool // nil: none
	o    node.ContextOptions
	next []int32 // by sequence: the position that comes next

	rows   int     // of the last Decode
	out    []bool  // of the last Decode: whether row i has logits
	at     []int32 // of the last Decode: where row i is in the batch
	count  []int32 // of fill: rows by sequence
	copied bool    // since the last Decode; see flush

	// The batch, and its arrays as slices; they are C's.
	pkg    *upstream.Batch
	batch  *C.struct_llama_batch // the same
	token  []C.llama_token
	pos    []C.llama_pos
	seq    []*C.llama_seq_id // each of one number
	logits []C.int8_t

	abort *atomic.Uint32 // the abort callback reads it
	pin   runtime.Pinner // of abort
}

var _ node.Context = (*kvContext)(nil)

// NewContext implements node.Model.
func (m *model) NewContext(o node.ContextOptions) (node.Context, error) {
	o, err := fit.Options(o, m.info.NCtxTrain)
	if err != nil {
		return nil, err
	}
	if err := m.shape.Context(o); err != nil {
		return nil, err
	}
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
	return m.newContext(o, p)
}

func (m *model) newContext(o node.ContextOptions, p C.struct_llama_context_params) (*kvContext, error) {
	c := &kvContext{m: m, o: o, abort: new(atomic.Uint32), next: make([]int32, o.NSeq)}
	m.e.mu.Lock()
	defer m.e.mu.Unlock()
	c.pin.Pin(c.abort)
	why := m.e.log.Watch()
	c.ptr = C.l9_context(m.ptr, p, unsafe.Pointer(c.abort))
	if reason := why(); c.ptr == nil {
		c.pin.Unpin()
		if reason == "" {
			reason = "llama.cpp makes none"
		}
		return nil, fmt.Errorf("no context of %d tokens * %d sequences: %s", o.NCtx, o.NSeq, reason)
	}
	m.users.Add(1)
	c.o.NBatch, c.o.NUbatch = int(C.llama_n_batch(c.ptr)), int(C.llama_n_ubatch(c.ptr))
	if err := c.makeBatch(c.o.NBatch); err != nil {
		c.Close()
		return nil, err
	}
	if got := int(C.llama_n_ctx_seq(c.ptr)); got < o.NCtx {
		c.Close()
		return nil, fmt.Errorf("a context of %d tokens a sequence instead of %d", got, o.NCtx)
	}
	if C.llama_get_memory(c.ptr) == nil {
		c.Close()
		return nil, fmt.Errorf("architecture %s keeps no memory of what it read", m.info.Arch)
	}
	if o.Threads > 1 {
		c.pool = C.l9_pool(c.ptr, C.int(o.Threads))
	}
	return c, nil
}

func (c *kvContext) makeBatch(n int) error {
	b, err := upstream.NewBatch(n, 1, 0)
	if err != nil {
		return err
	}
	c.pkg, c.batch = b, batchOf(b)
	c.token, c.pos = unsafe.Slice(c.batch.token, n), unsafe.Slice(c.batch.pos, n)
	c.seq, c.logits = unsafe.Slice(c.batch.seq_id, n), unsafe.Slice(c.batch.logits, n)
	for i := range unsafe.Slice(c.batch.n_seq_id, n) {
		unsafe.Slice(c.batch.n_seq_id, n)[i] = 1
	}
	c.out, c.at, c.count = make([]bool, n), make([]int32, n), make([]int32, c.o.NSeq+1)
	return nil
}

func (c *kvContext) Options() node.ContextOptions { return c.o }

// Abort implements node.Context; it may be called at any time, after Close too.
func (c *kvContext) Abort(on bool) {
	var v uint32
	if on {
		v = 1
	}
	c.abort.Store(v)
}

// Close frees the context.
func (c *kvContext) Close() error {
	if c.ptr == nil {
		return nil
	}
	C.llama_free(c.ptr)
	if c.pool != nil {
		C.ggml_threadpool_free(c.pool)
	}
	if c.pkg != nil {
		c.pkg.Free()
	}
	c.pin.Unpin()
	c.ptr, c.pool = nil, nil
	c.pkg, c.batch = nil, nil
	c.token, c.pos, c.seq, c.logits = nil, nil, nil, nil
	c.m.users.Add(-1)
	return nil
}
