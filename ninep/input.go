package ninep

import (
	"encoding/binary"
	"errors"
	"io"
)

// inputSize is what a connection holds to read small frames into. Many fit,
// and 10,000 idle connections are 5 MB. A larger frame has a block of its own.
const inputSize = 512

// firstGrab is how much of a large frame must arrive before all of its memory
// is taken: a size field alone costs its sender nothing.
const firstGrab = 64 << 10

var errSize = errors.New("bad message size")

// An input cuts what a client sends into frames. It belongs to the reader.
type input struct {
	rd   io.Reader
	blk  *block
	r, w int // the bytes not yet taken
}

func newInput(rd io.Reader) input {
	return input{rd: rd, blk: newBlock(inputSize)}
}

// ready says whether next would return without reading.
func (in *input) ready() bool {
	n := in.w - in.r
	return n >= 4 && n >= int(binary.LittleEndian.Uint32(in.blk.b[in.r:]))
}

// leave lets the frame given last stay where it is, for who is not done with
// it: what follows goes on in other memory.
func (in *input) leave() {
	b := newBlock(inputSize)
	n := copy(b.b, in.blk.b[in.r:in.w])
	in.blk, in.r, in.w = b, 0, n
}

// next gives the next frame, of 7 to limit bytes. A small one is in the
// input's own memory, and good until the next call; a large one is in a block
// that is the caller's to free. io.EOF is the end between two frames.
func (in *input) next(limit uint32) ([]byte, *block, error) {
	if err := in.fill(4); err != nil {
		return nil, nil, err
	}
	size := binary.LittleEndian.Uint32(in.blk.b[in.r:])
	if size < HeaderSize || size > limit {
		return nil, nil, errSize
	}
	n := int(size)
	if n > len(in.blk.b) {
		b, err := in.large(n)
		if err != nil {
			return nil, nil, err
		}
		return b.b, b, nil
	}
	if err := in.fill(n); err != nil {
		return nil, nil, err
	}
	p := in.blk.b[in.r : in.r+n : in.r+n]
	in.r += n
	return p, nil, nil
}

// fill reads until n bytes are there; n fits the block.
func (in *input) fill(n int) error {
	if in.w-in.r >= n {
		return nil
	}
	if in.r == in.w {
		in.r, in.w = 0, 0
	} else if in.r+n > len(in.blk.b) {
		in.w = copy(in.blk.b, in.blk.b[in.r:in.w])
		in.r = 0
	}
	m, err := io.ReadAtLeast(in.rd, in.blk.b[in.w:], n-(in.w-in.r))
	in.w += m
	if err == io.EOF && in.w > in.r {
		return io.ErrUnexpectedEOF
	}
	if in.w-in.r >= n {
		return nil
	}
	return err
}

// large reads a frame of n bytes that does not fit the input's block.
func (in *input) large(n int) (*block, error) {
	b := newBlock(min(n, firstGrab))
	m := copy(b.b, in.blk.b[in.r:in.w])
	in.r, in.w = 0, 0
	if _, err := io.ReadFull(in.rd, b.b[m:]); err != nil {
		b.free()
		return nil, noEOF(err)
	}
	if m = len(b.b); m == n {
		return b, nil
	}
	all := newBlock(n)
	copy(all.b, b.b)
	b.free()
	if _, err := io.ReadFull(in.rd, all.b[m:]); err != nil {
		all.free()
		return nil, noEOF(err)
	}
	return all, nil
}

// noEOF is for the end of the stream inside a frame.
func noEOF(err error) error {
	if err == io.EOF {
		return io.ErrUnexpectedEOF
	}
	return err
}
