//go:build !nollama && (((linux || windows || darwin) && (amd64 || arm64)) || (linux && riscv64))

package llama

import (
	"errors"
	"fmt"
	"sync/atomic"
	"unsafe"

	"github.com/ebitengine/purego"
	yzma "github.com/hybridgroup/yzma/pkg/llama"
	"llama9/node"
	"llama9/node/fit"
)

// A kvContext is a llama_context, with the arrays of its batch.
//
// Each sequence has a stream of the cache of its own (kv_unified off), so that
// a row attends to its own sequence's cells only: with one cache for all, the
// idle sequences kept for their prefixes cost every row time. Which stream it
// is can change; see arrange.
type kvContext struct {
	m    *model
	ptr  yzma.Context
	mem  uintptr
	pool yzma.Threadpool // 0: none
	o    node.ContextOptions
	next []int32 // by sequence: the position that comes next

	stream []int32 // by sequence: its stream, llama.cpp's sequence
	debt   uint64  // see arrange
	busy   []bool  // of arrange
	rows   int     // of the last Decode
	out    []bool  // of the last Decode: whether row i has logits
	at     []int32 // of the last Decode: where row i is in the batch

	copied bool    // since the last Decode; see flush
	count  []int32 // of fill: rows by sequence

	// The arrays of struct llama_batch, which d.batch points to.
	d      *decodeCall
	token  []int32
	pos    []int32
	nSeq   []int32
	seq    []int32
	seqPtr []*int32
	logits []int8

	args [2]uintptr // of the call that every token makes

	// abort is the C string "" or "\x01" that the abort callback looks at.
	abort *atomic.Uint32
}

var _ node.Context = (*kvContext)(nil)

// NewContext implements node.Model.
func (m *model) NewContext(o node.ContextOptions) (node.Context, error) {
	o, err := fit.Options(o, m.info.NCtxTrain)
	if err != nil {
		return nil, err
	}
	p := yzma.ContextDefaultParams()
	p.TypeK, p.TypeV = yzma.GGMLType(fit.CacheTypes[o.KVTypeK]), yzma.GGMLType(fit.CacheTypes[o.KVTypeV])
	switch o.FlashAttn {
	case "auto":
		p.FlashAttentionType = yzma.FlashAttentionTypeAuto
	case "on":
		p.FlashAttentionType = yzma.FlashAttentionTypeEnabled
	case "off":
		p.FlashAttentionType = yzma.FlashAttentionTypeDisabled
	}
	if !yzma.SupportsGpuOffload() {
		if err := m.shape.Context(o); err != nil {
			return nil, err
		}
	}
	p.NCtx, p.NSeqMax = uint32(fit.Padded(o.NCtx)*o.NSeq), uint32(o.NSeq)
	p.NBatch, p.NUbatch = uint32(o.NBatch), uint32(o.NUbatch)
	p.NThreads, p.NThreadsBatch = int32(o.Threads), int32(o.Threads)
	p.NoPerf = 1
	p.KVUnified = 0
	p.NOutputsMax, p.NOutputsMaxPerSeq = 0, 0 // any row may ask for logits
	return m.newContext(o, p)
}

func (m *model) newContext(o node.ContextOptions, p yzma.ContextParams) (*kvContext, error) {
	c := &kvContext{m: m, o: o, abort: new(atomic.Uint32), next: make([]int32, o.NSeq), stream: make([]int32, o.NSeq), d: new(decodeCall)}
	for s := range c.stream {
		c.stream[s] = int32(s)
	}
	m.e.mu.Lock()
	defer m.e.mu.Unlock()
	why := m.e.log.Watch()
	ptr, err := yzma.InitFromModel(m.ptr, p)
	if reason := why(); err != nil {
		if reason == "" {
			reason = err.Error()
		}
		return nil, fmt.Errorf("no context of %d tokens * %d sequences: %s", o.NCtx, o.NSeq, reason)
	}
	c.ptr = ptr
	m.users.Add(1)
	if got := int(yzma.NCtxSeq(ptr)); got < o.NCtx {
		c.Close()
		return nil, fmt.Errorf("a context of %d tokens a sequence instead of %d", got, o.NCtx)
	}
	c.o.NBatch, c.o.NUbatch = int(yzma.NBatch(ptr)), int(yzma.NUBatch(ptr))
	mem, err := yzma.GetMemory(ptr)
	if err != nil || mem == 0 {
		c.Close()
		return nil, errors.New("the model keeps no memory of what it read")
	}
	c.mem = uintptr(mem)
	if err := c.attachPool(); err != nil {
		c.Close()
		return nil, err
	}
	purego.SyscallN(m.e.c.setAbort, uintptr(ptr), m.e.c.abortCallback, uintptr(unsafe.Pointer(c.abort)))
	c.batchArrays(c.o.NBatch)
	return c, nil
}

func (c *kvContext) batchArrays(n int) {
	c.token, c.pos, c.nSeq, c.seq = make([]int32, n), make([]int32, n), make([]int32, n), make([]int32, n)
	c.seqPtr, c.logits, c.out = make([]*int32, n), make([]int8, n), make([]bool, n)
	c.at, c.count = make([]int32, n), make([]int32, c.o.NSeq+1)
	c.busy = make([]bool, c.o.NSeq)
	for i := range n {
		c.nSeq[i], c.seqPtr[i] = 1, &c.seq[i]
	}
	c.d.ctx = c.ptr
	c.d.batch = yzma.BatchData{
		Token: (*yzma.Token)(unsafe.SliceData(c.token)), Pos: (*yzma.Pos)(unsafe.SliceData(c.pos)),
		NSeqId: unsafe.SliceData(c.nSeq), SeqId: (**yzma.SeqId)(unsafe.Pointer(unsafe.SliceData(c.seqPtr))),
		Logits: unsafe.SliceData(c.logits),
	}
}

func (c *kvContext) Options() node.ContextOptions { return c.o }

// Abort implements node.Context; it may be called at any time, after Close too.
func (c *kvContext) Abort(on bool) {
	var v uint32
	if on {
		v = abortOn
	}
	c.abort.Store(v)
}

// Close frees the context.
func (c *kvContext) Close() error {
	if c.ptr == 0 {
		return nil
	}
	err := yzma.Free(c.ptr)
	c.ptr, c.mem = 0, 0
	c.freePool()
	c.d, c.token, c.pos, c.nSeq, c.seq, c.seqPtr, c.logits = nil, nil, nil, nil, nil, nil, nil
	c.m.users.Add(-1)
	return err
}
