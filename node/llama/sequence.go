//go:build !nollama && (((linux || windows || darwin) && (amd64 || arm64)) || (linux && riscv64))

package llama

import (
	"fmt"

	"github.com/ebitengine/purego"
	yzma "github.com/hybridgroup/yzma/pkg/llama"
	"llama9/node"
)

func (c *kvContext) seqOK(s node.Seq) error {
	if c.ptr == 0 {
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
	purego.SyscallN(c.m.e.c.seqCp, c.mem, int32Arg(c.stream[src]), int32Arg(c.stream[dst]), int32Arg(0), int32Arg(-1))
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
	r, _, _ := purego.SyscallN(c.m.e.c.seqRm, c.mem, int32Arg(c.stream[s]), int32Arg(from), int32Arg(end))
	c.next[s] = c.MaxPos(s) + 1
	return byte(r) != 0
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
	purego.SyscallN(c.m.e.c.seqAdd, c.mem, int32Arg(c.stream[s]), int32Arg(from), int32Arg(to), int32Arg(delta))
	c.next[s] = c.MaxPos(s) + 1
	return nil
}

// CanShift implements node.Context.
func (c *kvContext) CanShift() bool {
	if c.ptr == 0 {
		return false
	}
	ok, err := yzma.MemoryCanShift(yzma.Memory(c.mem))
	return err == nil && ok
}
