//go:build ollama && cgoflags && cgo

package ollama

// #include "shim.h"
import "C"

import (
	"fmt"

	"llama9/node"
)

func (c *kvContext) seqOK(s node.Seq) error {
	if c.ptr == nil {
		return errClosed
	}
	if s < 0 || int(s) >= c.o.NSeq {
		return fmt.Errorf("sequence %d of %d", s, c.o.NSeq)
	}
	return nil
}

// CopySeq implements node.Context. Only whole sequences can be copied between
// streams; a part is a whole that is cut afterwards.
func (c *kvContext) CopySeq(src, dst node.Seq) error {
	if err := c.seqOK(src); err != nil {
		return err
	}
	if err := c.seqOK(dst); err != nil {
		return err
	}
	if src == dst {
		return nil
	}
	c.RemoveSeq(dst, 0, -1)
	if c.next[src] == 0 {
		return nil
	}
	if !C.l9_seq_cp(c.ptr, C.llama_seq_id(src), C.llama_seq_id(dst)) {
		return fmt.Errorf("llama.cpp did not copy sequence %d", src)
	}
	c.copied = true
	c.next[dst] = c.MaxPos(dst) + 1
	if c.next[dst] != c.next[src] {
		return fmt.Errorf("copy of sequence %d has %d tokens of %d", src, c.next[dst], c.next[src])
	}
	return nil
}

// RemoveSeq implements node.Context.
func (c *kvContext) RemoveSeq(s node.Seq, from, to int32) bool {
	if c.seqOK(s) != nil {
		return false
	}
	from = max(from, 0)
	if to < 0 || to > c.next[s] {
		to = c.next[s]
	}
	if from >= to {
		return true
	}
	end := to
	if to == c.next[s] {
		end = -1
	}
	ok := C.l9_seq_rm(c.ptr, C.llama_seq_id(s), C.llama_pos(from), C.llama_pos(end))
	c.next[s] = c.MaxPos(s) + 1
	return bool(ok)
}

// ShiftSeq implements node.Context.
func (c *kvContext) ShiftSeq(s node.Seq, from, to, delta int32) error {
	if err := c.seqOK(s); err != nil {
		return err
	}
	if !c.CanShift() {
		return fmt.Errorf("the memory of %s cannot shift", c.m.info.Arch)
	}
	from = max(from, 0)
	if to < 0 || to > c.next[s] {
		to = c.next[s]
	}
	if from >= to || delta == 0 {
		return nil
	}
	// llama.cpp drops cells whose position becomes negative.
	if int64(from)+int64(delta) < 0 || int64(to)+int64(delta) > int64(c.o.NCtx) {
		return fmt.Errorf("positions %d to %d of sequence %d moved by %d leave the context of %d", from, to, s, delta, c.o.NCtx)
	}
	if !C.l9_seq_add(c.ptr, C.llama_seq_id(s), C.llama_pos(from), C.llama_pos(to), C.llama_pos(delta)) {
		return fmt.Errorf("llama.cpp did not shift sequence %d", s)
	}
	c.next[s] = c.MaxPos(s) + 1
	return nil
}

// CanShift implements node.Context.
func (c *kvContext) CanShift() bool {
	return c.ptr != nil && bool(C.llama_memory_can_shift(C.llama_get_memory(c.ptr)))
}
