//go:build !nollama && (((freebsd || linux || windows || darwin) && (amd64 || arm64)) || (linux && riscv64))

package llama

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"

	yzma "github.com/hybridgroup/yzma/pkg/llama"
	"llama9/node"
)

// A state is llama.cpp's bytes behind a header of ours, because llama.cpp
// trusts what it is given: the magic, a digest of what must agree (library,
// model shape, cache types), the number of tokens, and a sum of the bytes.
const (
	stateMagic  = "llama9kv"
	stateHeader = len(stateMagic) + 4 + 4 + 4
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// fingerprint stands for what two contexts must share to share states.
func (c *kvContext) fingerprint() uint32 {
	m := c.m
	s := fmt.Sprint(m.e.version, m.info.Arch, m.info.Parameters, m.info.Bytes, m.info.NVocab, m.shape, c.o.KVTypeK, c.o.KVTypeV, c.o.FlashAttn)
	return crc32.Checksum([]byte(s), castagnoli)
}

// State implements node.Context.
func (c *kvContext) State(s node.Seq) ([]byte, error) {
	if err := c.seqOK(s); err != nil {
		return nil, err
	}
	if c.next[s] == 0 {
		return nil, fmt.Errorf("sequence %d is empty", s)
	}
	n := yzma.StateSeqGetSize(c.ptr, yzma.SeqId(s))
	if n == 0 {
		return nil, errors.New("the model's memory has no state to give")
	}
	b := make([]byte, uint64(stateHeader)+n)
	data := b[stateHeader:]
	got := yzma.StateSeqGetData(c.ptr, data, yzma.SeqId(s))
	if got == 0 || got > n {
		return nil, fmt.Errorf("state of sequence %d: %d of %d bytes", s, got, n)
	}
	data = data[:got]
	h := append(b[:0], stateMagic...)
	h = binary.LittleEndian.AppendUint32(h, c.fingerprint())
	h = binary.LittleEndian.AppendUint32(h, uint32(c.next[s]))
	binary.LittleEndian.AppendUint32(h, crc32.Checksum(data, castagnoli))
	return b[:stateHeader+len(data)], nil
}

// SetState implements node.Context.
func (c *kvContext) SetState(s node.Seq, state []byte) error {
	if err := c.seqOK(s); err != nil {
		return err
	}
	if len(state) <= stateHeader || string(state[:len(stateMagic)]) != stateMagic {
		return errors.New("not a state of a sequence")
	}
	h, data := state[len(stateMagic):stateHeader], state[stateHeader:]
	tokens := binary.LittleEndian.Uint32(h[4:])
	switch {
	case binary.LittleEndian.Uint32(h) != c.fingerprint():
		return errors.New("state of another model, cache or version of llama.cpp")
	case binary.LittleEndian.Uint32(h[8:]) != crc32.Checksum(data, castagnoli):
		return errors.New("damaged state")
	case uint64(tokens) > uint64(c.o.NCtx):
		return fmt.Errorf("state of %d tokens in a context of %d", tokens, c.o.NCtx)
	}
	c.RemoveSeq(s, 0, -1)
	got := yzma.StateSeqSetData(c.ptr, data, yzma.SeqId(s))
	c.next[s] = c.MaxPos(s) + 1
	if got == 0 || c.next[s] != int32(tokens) {
		c.RemoveSeq(s, 0, -1)
		return errors.New("llama.cpp did not take the state")
	}
	return nil
}
