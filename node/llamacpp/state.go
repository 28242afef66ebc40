package llamacpp

import (
	"errors"
	"fmt"

	"llama9/node"
	"llama9/node/kvstate"
)

func (c *kvContext) layout() kvstate.Layout {
	return kvstate.Layout{Lead: c.m.e.lib.StateLead, Streams: c.o.NSeq}
}

// fingerprint stands for what two contexts must share to share states.
func (c *kvContext) fingerprint() uint32 {
	m := c.m
	seqs := 0
	if !m.shape.Plain {
		seqs = c.o.NSeq
	}
	return kvstate.Fingerprint(seqs, m.e.lib.Build, m.info.Arch, m.info.Parameters, m.info.Bytes, m.info.NVocab, m.shape, c.o.KVTypeK, c.o.KVTypeV, c.o.FlashAttn)
}

// State implements node.Context.
func (c *kvContext) State(s node.Seq) ([]byte, error) {
	if err := c.has(s); err != nil {
		return nil, err
	}
	if c.next[s] == 0 {
		return nil, fmt.Errorf("sequence %d is empty", s)
	}
	if err := c.flush(); err != nil {
		return nil, err
	}
	b, err := c.stripped(s, c.next[s], kvstate.Header)
	if err != nil {
		return nil, err
	}
	return kvstate.Seal(b, c.fingerprint(), uint32(c.next[s])), nil
}

// stripped gives the state of sequence s, of n tokens, after room bytes and
// without the empty streams.
func (c *kvContext) stripped(s node.Seq, n int32, room int) ([]byte, error) {
	stream := c.stream[s]
	size := c.raw.StateSize(stream)
	if size == 0 {
		return nil, errors.New("the model's memory has no state to give")
	}
	b := make([]byte, room+size)
	got := c.raw.State(b[room:], stream)
	if got <= 0 || got > size {
		return nil, fmt.Errorf("state of sequence %d: %d of %d bytes", s, got, size)
	}
	if !c.m.shape.Plain {
		return b[:room+got], nil
	}
	data, err := c.layout().Strip(b[room:room+got], int(stream), uint32(n))
	return b[:room+len(data)], err
}

// put makes the state data, of n tokens and as stripped gave it, that of s.
func (c *kvContext) put(data []byte, s node.Seq, n int32) bool {
	if c.m.shape.Plain {
		data = c.layout().Dress(data)
	}
	return c.raw.SetState(data, c.stream[s]) != 0 && c.MaxPos(s)+1 == n
}

// SetState implements node.Context.
func (c *kvContext) SetState(s node.Seq, state []byte) error {
	if err := c.has(s); err != nil {
		return err
	}
	data, tokens, err := kvstate.Open(state, c.fingerprint(), c.o.NCtx)
	if err != nil {
		return err
	}
	if err := c.flush(); err != nil {
		return err
	}
	c.RemoveSeq(s, 0, -1)
	ok := c.put(data, s, int32(tokens))
	c.next[s] = c.MaxPos(s) + 1
	if !ok {
		c.RemoveSeq(s, 0, -1)
		return errors.New("llama.cpp did not take the state")
	}
	return nil
}
