//go:build ollama && cgoflags && cgo

package ollama

// #include "shim.h"
import "C"

import (
	"errors"
	"fmt"
	"unsafe"

	"llama9/node"
	"llama9/node/fit"
)

// errClosed is what a closed context answers.
var errClosed = errors.New("context is closed")

// Decode implements node.Context. What llama_decode would answer by ending
// the process, or by an error that says nothing, is an error here first.
func (c *kvContext) Decode(rows []node.Row) error {
	c.rows = 0
	if err := c.check(rows); err != nil {
		c.readNext()
		return err
	}
	c.fill(rows)
	ret := C.l9_decode(c.ptr, *c.batch)
	if ret == 0 || ret == 2 { // llama.cpp made the copies first
		c.copied = false
	}
	if ret == 0 {
		c.rows = len(rows)
		return nil
	}
	c.readNext()
	switch ret {
	case 1:
		return node.ErrFull
	case 2:
		return node.ErrAborted
	}
	return fmt.Errorf("llama_decode failed with %d", ret)
}

// fill puts rows into the batch by rising sequence: llama.cpp computes together
// only rows of streams that follow each other (llama_batch_allocr::split_equal).
// at tells where each row went.
func (c *kvContext) fill(rows []node.Row) {
	clear(c.count)
	for _, r := range rows {
		c.count[r.Seq+1]++
	}
	for s := range c.o.NSeq {
		c.count[s+1] += c.count[s]
	}
	for i, r := range rows {
		k := c.count[r.Seq]
		c.count[r.Seq]++
		c.at[i], c.out[i] = k, r.Logits
		c.token[k], c.pos[k], *c.seq[k] = C.llama_token(r.Token), C.llama_pos(r.Pos), C.llama_seq_id(r.Seq)
		c.logits[k] = 0
		if r.Logits {
			c.logits[k] = 1
		}
	}
	c.batch.n_tokens = C.int32_t(len(rows))
}

// flush makes the copies that CopySeq asked for: llama.cpp makes them only as
// the next decode begins, and reads and writes states without them. So a row
// is decoded and removed again, and the logits of the last Decode are gone.
func (c *kvContext) flush() error {
	if !c.copied {
		return nil
	}
	at := -1
	for s, n := range c.next {
		if n == 0 {
			at = s // even a model that cannot go back can forget all
			break
		}
		if int(n) < fit.Padded(c.o.NCtx) {
			at = s
		}
	}
	if at < 0 {
		return errors.New("no room to copy in: every sequence is full")
	}
	c.rows = 0
	c.fill([]node.Row{{Pos: c.next[at], Seq: node.Seq(at)}})
	if ret := C.l9_decode(c.ptr, *c.batch); ret != 0 {
		return fmt.Errorf("copying of a sequence failed with %d", ret)
	}
	c.copied = false
	pos := c.next[at]
	c.next[at]++
	if !c.RemoveSeq(node.Seq(at), pos, -1) {
		return errors.New("the model's memory cannot forget a token")
	}
	return nil
}

// check refuses what llama.cpp cannot take and counts the positions on.
// See llama_batch_allocr::init in llama-batch.cpp.
func (c *kvContext) check(rows []node.Row) error {
	switch {
	case c.ptr == nil:
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

// readNext takes the next positions from llama.cpp, after an error.
func (c *kvContext) readNext() {
	for s := range c.next {
		c.next[s] = c.MaxPos(node.Seq(s)) + 1
	}
}

// Logits implements node.Context.
func (c *kvContext) Logits(i int) ([]float32, error) {
	if i < 0 || i >= c.rows || !c.out[i] {
		return nil, fmt.Errorf("no logits of row %d", i)
	}
	p := C.llama_get_logits_ith(c.ptr, C.int32_t(c.at[i]))
	if p == nil {
		return nil, fmt.Errorf("no logits of row %d", i)
	}
	return unsafe.Slice((*float32)(p), c.m.info.NVocab), nil
}

// MaxPos implements node.Context.
func (c *kvContext) MaxPos(s node.Seq) int32 {
	if c.seqOK(s) != nil {
		return -1
	}
	return int32(C.llama_memory_seq_pos_max(C.llama_get_memory(c.ptr), C.llama_seq_id(s)))
}
