//go:build !nollama && (((linux || windows || darwin) && (amd64 || arm64)) || (linux && riscv64))

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
//
// What llama.cpp writes is a magic number and the sequence's, then (see
// llama_kv_cache::state_write in llama-kv-cache.cpp) the number of streams and
// each of them, most of them empty; state_read wants that number again.
// So that a state fits a context of another number of sequences, the empty ones
// are taken off here and put back there; see strip and dress.
const (
	stateMagic  = "llama9kv"
	stateHeader = len(stateMagic) + 4 + 4 + 4

	stateStreams = 8 // where the number of streams stands
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// fingerprint stands for what two contexts must share to share states.
func (c *kvContext) fingerprint() uint32 {
	m := c.m
	seqs := 0
	if !m.shape.Plain {
		seqs = c.o.NSeq
	}
	s := fmt.Sprint(seqs, m.e.version, m.info.Arch, m.info.Parameters, m.info.Bytes, m.info.NVocab, m.shape, c.o.KVTypeK, c.o.KVTypeV, c.o.FlashAttn)
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
	if err := c.flush(); err != nil {
		return nil, err
	}
	b, err := c.rawState(s, stateHeader)
	if err != nil {
		return nil, err
	}
	data, err := c.strip(b[stateHeader:], int(c.stream[s]), uint32(c.next[s]))
	if err != nil {
		return nil, err
	}
	b = b[:stateHeader+len(data)]
	h := append(b[:0], stateMagic...)
	h = binary.LittleEndian.AppendUint32(h, c.fingerprint())
	h = binary.LittleEndian.AppendUint32(h, uint32(c.next[s]))
	binary.LittleEndian.AppendUint32(h, crc32.Checksum(data, castagnoli))
	return b, nil
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
	before, after := stateStreams+4+4*s, 4*(c.o.NSeq-1-s)
	u32 := func(at int) uint32 { return binary.LittleEndian.Uint32(data[at:]) }
	ok := len(data) > before+4+after && u32(stateStreams) == uint32(c.o.NSeq) && u32(before) == n
	for i := stateStreams + 4; ok && i < before; i += 4 {
		ok = u32(i) == 0
	}
	for i := len(data) - after; ok && i < len(data); i += 4 {
		ok = u32(i) == 0
	}
	if !ok {
		return nil, errors.New("llama.cpp's state is laid out in another way than known")
	}
	kept := copy(data[stateStreams:], data[before:len(data)-after])
	return data[:stateStreams+kept], nil
}

// dress makes of a stripped state one of this context. The stream it stands in
// does not matter, since state_read puts it where it is told to.
func (c *kvContext) dress(data []byte) []byte {
	if !c.m.shape.Plain || len(data) < stateStreams {
		return data
	}
	b := make([]byte, 0, 4+len(data)+4*(c.o.NSeq-1))
	b = append(b, data[:stateStreams]...)
	b = binary.LittleEndian.AppendUint32(b, uint32(c.o.NSeq))
	b = append(b, data[stateStreams:]...)
	return b[:cap(b)]
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
