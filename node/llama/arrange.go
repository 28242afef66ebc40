//go:build !nollama && (((linux || windows || darwin) && (amd64 || arm64)) || (linux && riscv64))

package llama

import (
	"errors"
	"fmt"

	yzma "github.com/hybridgroup/yzma/pkg/llama"
	"llama9/node"
)

// moveCost is how much longer a byte of a state takes to move, out of a stream
// and into another, than a byte of the weights takes to be read in a decode.
const moveCost = 32

// arrange moves sequences to other streams where that pays. llama.cpp computes
// rows of streams 0 1 2 at once, those of 0 2 4 one after the other, reading
// the weights for each. Which sequences are busy is not ours to say, so a busy
// one changes places with an idle one, once the weights read in vain come to
// what the move costs: then no choice was worse than twice the best.
func (c *kvContext) arrange(rows []node.Row) error {
	busy := c.busy // by stream
	clear(busy)
	n := 0
	for _, r := range rows {
		if s := c.stream[r.Seq]; !busy[s] {
			busy[s] = true
			n++
		}
	}
	runs := 0
	for s, b := range busy {
		if b && (s == 0 || !busy[s-1]) {
			runs++
		}
	}
	if runs < 2 {
		c.debt = 0
		return nil
	}
	c.debt += uint64(runs-1) * c.m.info.Bytes
	at := c.window(busy, n)
	var swaps [][2]int32 // streams
	var cost uint64
	from := 0
	for to := at; to < at+n; to++ {
		if busy[to] {
			continue
		}
		for !busy[from] || from >= at && from < at+n {
			from++
		}
		swaps = append(swaps, [2]int32{int32(from), int32(to)})
		cost += moveCost * (c.tokenBytes() * uint64(c.next[c.in(int32(from))]+c.next[c.in(int32(to))]))
		from++
	}
	if c.debt < cost || c.copied { // the copies come first, with this decode
		return nil
	}
	c.debt = 0
	for _, s := range swaps {
		if err := c.swap(c.in(s[0]), c.in(s[1])); err != nil {
			return err
		}
	}
	return nil
}

// window is the first of the n streams in a row that have most busy ones.
func (c *kvContext) window(busy []bool, n int) int {
	best, most := 0, -1
	for at := 0; at+n <= len(busy); at++ {
		in := 0
		for _, b := range busy[at : at+n] {
			if b {
				in++
			}
		}
		if in > most {
			best, most = at, in
		}
	}
	return best
}

// in is the sequence in a stream.
func (c *kvContext) in(stream int32) node.Seq {
	for s, t := range c.stream {
		if t == stream {
			return node.Seq(s)
		}
	}
	panic("a stream without a sequence")
}

// tokenBytes is what a token takes in a state.
func (c *kvContext) tokenBytes() uint64 {
	return c.m.shape.CacheBytes(1, c.o.KVTypeK, c.o.KVTypeV)
}

// swap lets two sequences change places. check has counted the rows of this
// Decode into next already, so llama.cpp is asked what there is.
func (c *kvContext) swap(a, b node.Seq) error {
	var state [2][]byte
	have := [2]int32{c.MaxPos(a) + 1, c.MaxPos(b) + 1}
	for i, s := range []node.Seq{a, b} {
		if have[i] == 0 {
			continue
		}
		raw, err := c.rawState(s, 0)
		if err != nil {
			return err
		}
		if state[i], err = c.strip(raw, int(c.stream[s]), uint32(have[i])); err != nil {
			return err
		}
	}
	for _, s := range []node.Seq{a, b} {
		if ok, err := yzma.MemorySeqRm(yzma.Memory(c.mem), yzma.SeqId(c.stream[s]), -1, -1); err != nil || !ok {
			return errors.New("llama.cpp did not forget a sequence")
		}
	}
	c.stream[a], c.stream[b] = c.stream[b], c.stream[a]
	for i, s := range []node.Seq{a, b} {
		if have[i] == 0 {
			continue
		}
		if yzma.StateSeqSetData(c.ptr, c.dress(state[i]), yzma.SeqId(c.stream[s])) == 0 || c.MaxPos(s)+1 != have[i] {
			return fmt.Errorf("sequence %d was lost on the way to another stream", s)
		}
	}
	return nil
}
