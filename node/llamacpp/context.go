package llamacpp

import (
	"errors"
	"fmt"
	"sync/atomic"

	"llama9/node"
	"llama9/node/fit"
)

// A kvContext is a llama_context.
//
// Each sequence has a stream of the cache of its own (kv_unified off), so that
// a row attends to its own sequence's cells only: with one cache for all, the
// idle sequences kept for their prefixes cost every row time. Which stream it
// is can change; see arrange.
type kvContext struct {
	m     *model
	raw   RawContext // nil: closed
	o     node.ContextOptions
	abort *atomic.Uint32

	next   []int32 // by sequence: the position that comes next
	stream []int32 // by sequence: its stream
	copied bool    // since the last Decode; see flush

	// Of arrange.
	debt  uint64
	busy  []bool     // by stream
	swaps [][2]int32 // streams

	// Of the last Decode.
	batch Batch
	rows  int
	out   []bool  // whether row i has logits
	at    []int32 // where row i is in the batch
	count []int32 // of fill: rows by stream
}

var _ node.Context = (*kvContext)(nil)

// errClosed is what a closed context answers.
var errClosed = errors.New("context is closed")

// NewContext implements node.Model.
func (m *model) NewContext(o node.ContextOptions) (node.Context, error) {
	o, err := fit.Options(o, m.info.NCtxTrain)
	if err == nil && !m.e.lib.GPU {
		err = m.shape.Context(o)
	}
	if err != nil {
		return nil, err
	}
	c := &kvContext{m: m, o: o, abort: new(atomic.Uint32)}
	if err := m.e.reason(func() (err error) {
		c.raw, err = m.raw.Context(o, c.abort)
		return err
	}); err != nil {
		return nil, fmt.Errorf("no context of %d tokens * %d sequences: %w", o.NCtx, o.NSeq, err)
	}
	m.users.Add(1)
	nCtx, nUbatch := c.raw.Sizes()
	if nCtx < o.NCtx {
		c.Close()
		return nil, fmt.Errorf("a context of %d tokens a sequence instead of %d", nCtx, o.NCtx)
	}
	c.batch = c.raw.Batch()
	n := len(c.batch.Token)
	c.o.NBatch, c.o.NUbatch = n, nUbatch
	c.out, c.at = make([]bool, n), make([]int32, n)
	c.next, c.stream = make([]int32, o.NSeq), make([]int32, o.NSeq)
	c.busy, c.count = make([]bool, o.NSeq), make([]int32, o.NSeq+1)
	for s := range c.stream {
		c.stream[s] = int32(s)
	}
	return c, nil
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
	if c.raw == nil {
		return nil
	}
	err := c.raw.Free()
	c.raw, c.batch, c.rows = nil, Batch{}, 0
	c.m.users.Add(-1)
	return err
}
