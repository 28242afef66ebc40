// Package kvstate is the form of a sequence's state, which is what llama.cpp
// wrote of it behind a header, because llama.cpp trusts what it is given.
package kvstate

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
)

// The header: the magic, a digest of what must agree (library, model shape,
// cache types), the number of tokens, and a sum of the bytes.
const (
	magic = "llama9kv"

	// Header is its length.
	Header = len(magic) + 4 + 4 + 4
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// Fingerprint stands for what two contexts must share to share states.
func Fingerprint(v ...any) uint32 { return crc32.Checksum([]byte(fmt.Sprint(v...)), castagnoli) }

// Seal fills in the header of b, which begins with room for it.
func Seal(b []byte, fingerprint, tokens uint32) []byte {
	h := append(b[:0], magic...)
	h = binary.LittleEndian.AppendUint32(h, fingerprint)
	h = binary.LittleEndian.AppendUint32(h, tokens)
	binary.LittleEndian.AppendUint32(h, crc32.Checksum(b[Header:], castagnoli))
	return b
}

// Open gives what is behind the header of a state, for a context of nCtx
// tokens, and its number of tokens.
func Open(state []byte, fingerprint uint32, nCtx int) (data []byte, tokens uint32, err error) {
	if len(state) <= Header || string(state[:len(magic)]) != magic {
		return nil, 0, errors.New("not a state of a sequence")
	}
	h, data := state[len(magic):Header], state[Header:]
	tokens = binary.LittleEndian.Uint32(h[4:])
	switch {
	case binary.LittleEndian.Uint32(h) != fingerprint:
		return nil, 0, errors.New("state of another model, cache or version of llama.cpp")
	case binary.LittleEndian.Uint32(h[8:]) != crc32.Checksum(data, castagnoli):
		return nil, 0, errors.New("damaged state")
	case uint64(tokens) > uint64(nCtx):
		return nil, 0, fmt.Errorf("state of %d tokens in a context of %d", tokens, nCtx)
	}
	return data, tokens, nil
}

// A Layout is how a llama.cpp writes the state of a sequence of a plain cache
// (llama_kv_cache::state_write in llama-kv-cache.cpp): Lead bytes of its own,
// then the number of streams and each of them, most of them empty; state_read
// wants that number again. So that a state fits a context of another number of
// sequences, the empty ones are taken off by Strip and put back by Dress.
type Layout struct {
	Lead    int
	Streams int
}

// Strip takes the empty streams off a state of n tokens in stream s, in place.
func (l Layout) Strip(data []byte, s int, n uint32) ([]byte, error) {
	before, after := l.Lead+4+4*s, 4*(l.Streams-1-s)
	u32 := func(at int) uint32 { return binary.LittleEndian.Uint32(data[at:]) }
	ok := len(data) > before+4+after && u32(l.Lead) == uint32(l.Streams) && u32(before) == n
	for i := l.Lead + 4; ok && i < before; i += 4 {
		ok = u32(i) == 0
	}
	for i := len(data) - after; ok && i < len(data); i += 4 {
		ok = u32(i) == 0
	}
	if !ok {
		return nil, errors.New("llama.cpp's state is laid out in another way than known")
	}
	kept := copy(data[l.Lead:], data[before:len(data)-after])
	return data[:l.Lead+kept], nil
}

// Dress makes of a stripped state one of this layout. The stream it stands in
// does not matter, since state_read puts it where it is told to.
func (l Layout) Dress(data []byte) []byte {
	if len(data) < l.Lead {
		return data
	}
	b := make([]byte, 0, 4+len(data)+4*(l.Streams-1))
	b = append(b, data[:l.Lead]...)
	b = binary.LittleEndian.AppendUint32(b, uint32(l.Streams))
	b = append(b, data[l.Lead:]...)
	return b[:cap(b)]
}
