package llamacpp

import (
	"fmt"

	"llama9/node"
)

// has refuses a sequence that is not one of the context's.
func (c *kvContext) has(s node.Seq) error {
	if c.raw == nil {
		return errClosed
	}
	if s < 0 || int(s) >= c.o.NSeq {
		return fmt.Errorf("sequence %d of %d", s, c.o.NSeq)
	}
	return nil
}

// part gives positions from to to as llama.cpp counts them in s.
func (c *kvContext) part(s node.Seq, from, to int32) (int32, int32) {
	if to < 0 || to > c.next[s] {
		to = c.next[s]
	}
	return max(from, 0), to
}

// MaxPos implements node.Context.
func (c *kvContext) MaxPos(s node.Seq) int32 {
	if c.has(s) != nil {
		return -1
	}
	return c.raw.MaxPos(c.stream[s])
}

// CopySeq implements node.Context. Only whole sequences can be copied between
// streams; a part is a whole that is cut afterwards.
func (c *kvContext) CopySeq(src, dst node.Seq) error {
	if err := c.has(src); err != nil {
		return err
	}
	if err := c.has(dst); err != nil || src == dst {
		return err
	}
	c.RemoveSeq(dst, 0, -1)
	if c.next[src] == 0 {
		return nil
	}
	if !c.raw.Copy(c.stream[src], c.stream[dst]) {
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
	if c.has(s) != nil {
		return false
	}
	from, to = c.part(s, from, to)
	if from >= to {
		return true
	}
	if to == c.next[s] {
		to = -1
	}
	ok := c.raw.Remove(c.stream[s], from, to)
	c.next[s] = c.MaxPos(s) + 1
	return ok
}

// ShiftSeq implements node.Context.
func (c *kvContext) ShiftSeq(s node.Seq, from, to, delta int32) error {
	if err := c.has(s); err != nil {
		return err
	}
	if !c.CanShift() {
		return fmt.Errorf("the memory of %s cannot shift", c.m.info.Arch)
	}
	from, to = c.part(s, from, to)
	if from >= to || delta == 0 {
		return nil
	}
	// llama.cpp drops cells whose position becomes negative.
	if int64(from)+int64(delta) < 0 || int64(to)+int64(delta) > int64(c.o.NCtx) {
		return fmt.Errorf("positions %d to %d of sequence %d moved by %d leave the context of %d", from, to, s, delta, c.o.NCtx)
	}
	if !c.raw.Add(c.stream[s], from, to, delta) {
		return fmt.Errorf("llama.cpp did not shift sequence %d", s)
	}
	c.next[s] = c.MaxPos(s) + 1
	return nil
}

// CanShift implements node.Context.
func (c *kvContext) CanShift() bool { return c.raw != nil && c.raw.CanShift() }
