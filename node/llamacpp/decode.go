package llamacpp

import (
	"errors"
	"fmt"

	"llama9/node"
	"llama9/node/fit"
)

// Decode implements node.Context. What llama_decode would answer by ending
// the process, or by an error that says nothing, is an error here first.
func (c *kvContext) Decode(rows []node.Row) error {
	c.rows = 0
	err := c.check(rows)
	if err == nil {
		err = c.arrange(rows)
	}
	if err == nil {
		err = c.decode(rows)
	}
	if err != nil {
		for s := range c.next { // llama.cpp knows what is left
			c.next[s] = c.MaxPos(node.Seq(s)) + 1
		}
		return err
	}
	c.rows = len(rows)
	return nil
}

// check refuses what llama.cpp cannot take and counts the positions on.
// See llama_batch_allocr::init in llama-batch.cpp.
func (c *kvContext) check(rows []node.Row) error {
	switch {
	case c.raw == nil:
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
		case !c.m.has(r.Token):
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

func (c *kvContext) decode(rows []node.Row) error {
	c.fill(rows)
	ret := c.raw.Decode(len(rows))
	if ret == 0 || ret == 2 { // llama.cpp made the copies first
		c.copied = false
	}
	switch ret {
	case 0:
		return nil
	case 1:
		return node.ErrFull
	case 2:
		return node.ErrAborted
	}
	return fmt.Errorf("llama_decode failed with %d", ret)
}

// fill puts rows into the batch by rising stream: llama.cpp computes together
// only rows of streams that follow each other, in the batch and in number
// (llama_batch_allocr::split_equal). at tells where each row went.
func (c *kvContext) fill(rows []node.Row) {
	clear(c.count)
	for _, r := range rows {
		c.count[c.stream[r.Seq]+1]++
	}
	for s := range c.o.NSeq {
		c.count[s+1] += c.count[s]
	}
	b := &c.batch
	for i, r := range rows {
		stream := c.stream[r.Seq]
		k := c.count[stream]
		c.count[stream]++
		c.at[i], c.out[i] = k, r.Logits
		b.Token[k], b.Pos[k], *b.Seq[k] = r.Token, r.Pos, stream
		b.Logits[k] = 0
		if r.Logits {
			b.Logits[k] = 1
		}
	}
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
	pos := c.next[at]
	if err := c.decode([]node.Row{{Pos: pos, Seq: node.Seq(at)}}); err != nil {
		return fmt.Errorf("copying of a sequence: %w", err)
	}
	c.next[at]++
	if !c.RemoveSeq(node.Seq(at), pos, -1) {
		return errors.New("the model's memory cannot forget a token")
	}
	return nil
}

// Logits implements node.Context.
func (c *kvContext) Logits(i int) ([]float32, error) {
	if i >= 0 && i < c.rows && c.out[i] {
		if l := c.raw.Logits(c.at[i], c.m.info.NVocab); l != nil {
			return l, nil
		}
	}
	return nil, fmt.Errorf("no logits of row %d", i)
}
