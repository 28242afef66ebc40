//go:build !nollama && (((linux || windows || darwin) && (amd64 || arm64)) || (linux && riscv64))

package llama

import (
	"errors"
	"fmt"

	yzma "github.com/hybridgroup/yzma/pkg/llama"
	"llama9/node"
	"llama9/node/kvstate"
)

// stateLead is what llama.cpp writes before the streams: a magic number and
// the sequence's.
const stateLead = 8

func (c *kvContext) layout() kvstate.Layout {
	return kvstate.Layout{Lead: stateLead, Streams: c.o.NSeq}
}

// fingerprint stands for what two contexts must share to share states.
func (c *kvContext) fingerprint() uint32 {
	m := c.m
	seqs := 0
	if !m.shape.Plain {
		seqs = c.o.NSeq
	}
	return kvstate.Fingerprint(seqs, m.e.version, m.info.Arch, m.info.Parameters, m.info.Bytes, m.info.NVocab, m.shape, c.o.KVTypeK, c.o.KVTypeV, c.o.FlashAttn)
}

// State implements node.Context.
func (c *kvContext) State(s node.Seq) ([]byte, error) {
	if err := c.seqOK(s); err != nil {
		return nil, err
	}
	if c.next[s] == 0 {
		return nil, fmt.Errorf("sequence %d is empty", s)
	}
	if err := c.flush(); err != nil {
		return nil, err
	}
	b, err := c.rawState(s, kvstate.Header)
	if err != nil {
		return nil, err
	}
	data, err := c.strip(b[kvstate.Header:], int(c.stream[s]), uint32(c.next[s]))
	if err != nil {
		return nil, err
	}
	return kvstate.Seal(b[:kvstate.Header+len(data)], c.fingerprint(), uint32(c.next[s])), nil
}

// rawState gives what llama.cpp writes of sequence s, after room bytes.
func (c *kvContext) rawState(s node.Seq, room int) ([]byte, error) {
	stream := yzma.SeqId(c.stream[s])
	n := yzma.StateSeqGetSize(c.ptr, stream)
	if n == 0 {
		return nil, errors.New("the model's memory has no state to give")
	}
	b := make([]byte, uint64(room)+n)
	got := yzma.StateSeqGetData(c.ptr, b[room:], stream)
	if got == 0 || got > n {
		return nil, fmt.Errorf("state of sequence %d: %d of %d bytes", s, got, n)
	}
	return b[:uint64(room)+got], nil
}

// strip takes the empty streams off a state of n tokens in stream s, in place.
func (c *kvContext) strip(data []byte, s int, n uint32) ([]byte, error) {
	if !c.m.shape.Plain {
		return data, nil
	}
	return c.layout().Strip(data, s, n)
}

// dress makes of a stripped state one of this context.
func (c *kvContext) dress(data []byte) []byte {
	if !c.m.shape.Plain {
		return data
	}
	return c.layout().Dress(data)
}

// SetState implements node.Context.
func (c *kvContext) SetState(s node.Seq, state []byte) error {
	if err := c.seqOK(s); err != nil {
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
	got := yzma.StateSeqSetData(c.ptr, c.dress(data), yzma.SeqId(c.stream[s]))
	c.next[s] = c.MaxPos(s) + 1
	if got == 0 || c.next[s] != int32(tokens) {
		c.RemoveSeq(s, 0, -1)
		return errors.New("llama.cpp did not take the state")
	}
	return nil
}
