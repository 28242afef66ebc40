//go:build !nollama && (((linux || windows || darwin) && (amd64 || arm64)) || (linux && riscv64))

package llama

import (
	"errors"
	"runtime"
	"sync/atomic"
	"unsafe"

	"github.com/ebitengine/purego"
	yzma "github.com/hybridgroup/yzma/pkg/llama"
	"llama9/node"
	"llama9/node/fit"
	"llama9/node/llamacpp"
)

// A kvContext is a llama_context, with the arrays of its batch.
type kvContext struct {
	c     *calls
	ptr   yzma.Context
	mem   uintptr
	pool  yzma.Threadpool // 0: none
	batch llamacpp.Batch

	// What C is given, on the heap, where it does not move.
	d     *decodeCall // d.batch points to the arrays of batch
	nSeq  []int32
	abort *atomic.Uint32 // the C string "" or "\x01" that the abort callback looks at

	args [5]uintptr // of call
}

var _ llamacpp.RawContext = (*kvContext)(nil)

// Context implements llamacpp.RawModel. abort as a string: every machine of
// this file's build line is little-endian.
func (m *model) Context(o node.ContextOptions, abort *atomic.Uint32) (llamacpp.RawContext, error) {
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
	p.NCtx, p.NSeqMax = uint32(fit.Padded(o.NCtx)*o.NSeq), uint32(o.NSeq)
	p.NBatch, p.NUbatch = uint32(o.NBatch), uint32(o.NUbatch)
	p.NThreads, p.NThreadsBatch = int32(o.Threads), int32(o.Threads)
	p.NoPerf = 1
	p.KVUnified = 0
	p.NOutputsMax, p.NOutputsMaxPerSeq = 0, 0 // any row may ask for logits
	ptr, err := yzma.InitFromModel(m.ptr, p)
	if err != nil {
		return nil, err
	}
	c := &kvContext{c: m.c, ptr: ptr, abort: abort}
	mem, err := yzma.GetMemory(ptr)
	if err == nil && mem == 0 {
		err = errors.New("the model keeps no memory of what it read")
	}
	if err == nil {
		c.mem = uintptr(mem)
		err = c.attachPool(o.Threads)
	}
	if err != nil {
		c.Free()
		return nil, err
	}
	c.call(c.c.setAbort, uintptr(ptr), c.c.abortCallback, uintptr(unsafe.Pointer(abort)))
	c.makeBatch(int(yzma.NBatch(ptr)))
	return c, nil
}

func (c *kvContext) makeBatch(n int) {
	seq := make([]int32, n)
	b := llamacpp.Batch{Token: make([]int32, n), Pos: make([]int32, n), Seq: make([]*int32, n), Logits: make([]int8, n)}
	c.nSeq = make([]int32, n)
	for i := range n {
		c.nSeq[i], b.Seq[i] = 1, &seq[i]
	}
	c.batch = b
	c.d = &decodeCall{ctx: c.ptr, batch: yzma.BatchData{
		Token: (*yzma.Token)(unsafe.SliceData(b.Token)), Pos: (*yzma.Pos)(unsafe.SliceData(b.Pos)),
		NSeqId: unsafe.SliceData(c.nSeq), SeqId: (**yzma.SeqId)(unsafe.Pointer(unsafe.SliceData(b.Seq))),
		Logits: unsafe.SliceData(b.Logits),
	}}
}

func (c *kvContext) Sizes() (nCtx, nUbatch int) {
	return int(yzma.NCtxSeq(c.ptr)), int(yzma.NUBatch(c.ptr))
}

func (c *kvContext) Batch() llamacpp.Batch { return c.batch }

func (c *kvContext) Decode(rows int) int32 {
	c.d.batch.NTokens = int32(rows)
	ret := c.c.decodeBatch(c.d)
	runtime.KeepAlive(c)
	return ret
}

// call allocates nothing: purego lets its arguments go to the heap.
func (c *kvContext) call(f uintptr, args ...uintptr) uintptr {
	n := copy(c.args[:], args)
	r, _, _ := purego.SyscallN(f, c.args[:n]...)
	return r
}

func (c *kvContext) Logits(row int32, n int) []float32 {
	r := c.call(c.c.getLogitsIth, uintptr(c.ptr), int32Arg(row))
	if r == 0 {
		return nil
	}
	return unsafe.Slice(*(**float32)(unsafe.Pointer(&r)), n)
}

func (c *kvContext) MaxPos(stream int32) int32 {
	return int32(c.call(c.c.seqPosMax, c.mem, int32Arg(stream)))
}

func (c *kvContext) Remove(stream, from, to int32) bool {
	return byte(c.call(c.c.seqRm, c.mem, int32Arg(stream), int32Arg(from), int32Arg(to))) != 0
}

func (c *kvContext) Copy(from, to int32) bool {
	c.call(c.c.seqCp, c.mem, int32Arg(from), int32Arg(to), int32Arg(0), int32Arg(-1))
	return true
}

func (c *kvContext) Add(stream, from, to, delta int32) bool {
	c.call(c.c.seqAdd, c.mem, int32Arg(stream), int32Arg(from), int32Arg(to), int32Arg(delta))
	return true
}

func (c *kvContext) CanShift() bool {
	ok, err := yzma.MemoryCanShift(yzma.Memory(c.mem))
	return err == nil && ok
}

func (c *kvContext) StateSize(stream int32) int {
	return int(yzma.StateSeqGetSize(c.ptr, yzma.SeqId(stream)))
}

func (c *kvContext) State(to []byte, stream int32) int {
	return int(yzma.StateSeqGetData(c.ptr, to, yzma.SeqId(stream)))
}

func (c *kvContext) SetState(b []byte, stream int32) int {
	return int(yzma.StateSeqSetData(c.ptr, b, yzma.SeqId(stream)))
}

func (c *kvContext) Free() error {
	err := yzma.Free(c.ptr)
	yzma.ThreadpoolFree(c.pool)
	return err
}
