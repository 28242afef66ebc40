package ninep

import (
	"math/bits"
	"sync"
)

// A block is a piece of memory that holds a frame, or some. Blocks come in
// powers of two from 512 bytes to 1 MiB, and a little more for the header.
type block struct {
	b     []byte
	class int
}

const (
	minClass  = 9
	maxClass  = 20
	blockRoom = 64 // beyond the power of two; more than any header before data
)

// blocks is a cache of those not in use, one pool a class.
var blocks [maxClass + 1]sync.Pool

// newBlock gives a block with n bytes, n <= MaxMsize, which may hold anything.
func newBlock(n int) *block {
	class := minClass
	if n > 1<<minClass+blockRoom {
		class = bits.Len(uint(n - blockRoom - 1))
	}
	if p, ok := blocks[class].Get().(*block); ok {
		p.b = p.b[:n]
		return p
	}
	return &block{make([]byte, n, 1<<class+blockRoom), class}
}

// free gives b back to the pool. Nil is allowed.
func (b *block) free() {
	if b != nil {
		blocks[b.class].Put(b)
	}
}

// room is how much can be added to b.
func (b *block) room() int { return cap(b.b) - len(b.b) }
