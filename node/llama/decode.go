//go:build !nollama && (((linux || windows || darwin) && (amd64 || arm64)) || (linux && riscv64))

package llama

import (
	"errors"
	"fmt"
	"runtime"
	"unsafe"

	"github.com/ebitengine/purego"
	"llama9/node"
)

// abortOn is the string "\x01" at the address of a uint32: every machine of
// this file's build line is little-endian.
const abortOn = 1

// errClosed is what a closed context answers.
var errClosed = errors.New("context is closed")

// Decode implements node.Context. What llama_decode would answer by ending
// the process, or by an error that says nothing, is an error here first.
func (c *kvContext) Decode(rows []node.Row) error {
	c.rows = 0
	if err := c.check(rows); err != nil {
		c.forgetNext(rows)
		return err
	}
	for i, r := range rows {
		c.token[i], c.pos[i], c.seq[i] = r.Token, r.Pos, r.Seq
		c.logits[i], c.out[i] = 0, r.Logits
		if r.Logits {
			c.logits[i] = 1
		}
	}
	c.d.batch.NTokens = int32(len(rows))
	ret := c.m.e.c.decodeBatch(c.d)
	runtime.KeepAlive(c)
	switch {
	case ret == 0:
		c.rows = len(rows)
		return nil
	case ret == 1:
		c.readNext(rows)
		return node.ErrFull
	case ret == 2:
		c.readNext(rows)
		return node.ErrAborted
	}
	c.readNext(rows)
	return fmt.Errorf("llama_decode failed with %d", ret)
}

// check refuses what llama.cpp cannot take and counts the positions on.
// See llama_batch_allocr::init in llama-batch.cpp.
func (c *kvContext) check(rows []node.Row) error {
	switch {
	case c.ptr == 0:
		return errClosed
	case len(rows) == 0:
		return errors.New("empty batch")
	case len(rows) > c.o.NBatch:
		return fmt.Errorf("batch of %d rows: at most %d", len(rows), c.o.NBatch)
	case c.abort.Load() != 0:
		return node.ErrAborted
	}
	for i, r := range rows {
		switch {
		case r.Token < 0 || int(r.Token) >= c.m.info.NVocab:
			return fmt.Errorf("row %d: token %d: the vocabulary has %d", i, r.Token, c.m.info.NVocab)
		case r.Seq < 0 || int(r.Seq) >= c.o.NSeq:
			return fmt.Errorf("row %d: sequence %d of %d", i, r.Seq, c.o.NSeq)
		case r.Pos != c.next[r.Seq]:
			return fmt.Errorf("row %d: position %d of sequence %d; the next is %d", i, r.Pos, r.Seq, c.next[r.Seq])
		case int(r.Pos) >= c.o.NCtx:
			return fmt.Errorf("%w: sequence %d has its %d tokens", node.ErrFull, r.Seq, c.o.NCtx)
		}
		c.next[r.Seq]++
	}
	return nil
}

// forgetNext asks for the positions again after a check that failed midway.
func (c *kvContext) forgetNext(rows []node.Row) {
	if c.ptr != 0 {
		c.readNext(rows)
	}
}

// readNext takes the next positions of the rows' sequences from llama.cpp.
func (c *kvContext) readNext(rows []node.Row) {
	for _, r := range rows {
		if r.Seq >= 0 && int(r.Seq) < c.o.NSeq {
			c.next[r.Seq] = c.MaxPos(r.Seq) + 1
		}
	}
}

// Logits implements node.Context.
func (c *kvContext) Logits(i int) ([]float32, error) {
	if i < 0 || i >= c.rows || !c.out[i] {
		return nil, fmt.Errorf("no logits of row %d", i)
	}
	c.args = [2]uintptr{uintptr(c.ptr), int32Arg(int32(i))}
	r, _, _ := purego.SyscallN(c.m.e.c.getLogitsIth, c.args[:]...)
	p := *(**float32)(unsafe.Pointer(&r))
	if p == nil {
		return nil, fmt.Errorf("no logits of row %d", i)
	}
	return unsafe.Slice(p, c.m.info.NVocab), nil
}

// MaxPos implements node.Context.
func (c *kvContext) MaxPos(s node.Seq) int32 {
	if c.ptr == 0 || s < 0 || int(s) >= c.o.NSeq {
		return -1
	}
	r, _, _ := purego.SyscallN(c.m.e.c.seqPosMax, c.mem, int32Arg(s))
	return int32(r)
}
