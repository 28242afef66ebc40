package llamacpp

import (
	"errors"
	"fmt"
	"slices"

	"llama9/node"
)

// moveCost is how much longer a byte of a state takes to move, out of a stream
// and into another, than a byte of the weights takes to be read in a decode.
const moveCost = 32

// Stream is the stream of the cache that s is in; see arrange.
func (c *kvContext) Stream(s node.Seq) int32 { return c.stream[s] }

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
	at := window(busy, n)
	c.swaps = c.swaps[:0]
	tokens := int32(0)
	from := 0
	for to := at; to < at+n; to++ {
		if busy[to] {
			continue
		}
		for !busy[from] || from >= at && from < at+n {
			from++
		}
		c.swaps = append(c.swaps, [2]int32{int32(from), int32(to)})
		tokens += c.next[c.in(int32(from))] + c.next[c.in(int32(to))]
		from++
	}
	cost := moveCost * c.m.shape.CacheBytes(uint64(tokens), c.o.KVTypeK, c.o.KVTypeV)
	if c.debt < cost || c.copied { // the copies come first, with this decode
		return nil
	}
	c.debt = 0
	for _, s := range c.swaps {
		if err := c.swap(c.in(s[0]), c.in(s[1])); err != nil {
			return err
		}
	}
	return nil
}

// window is the first of the n streams in a row that have most busy ones.
func window(busy []bool, n int) int {
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

// in is the sequence in a stream; there always is one.
func (c *kvContext) in(stream int32) node.Seq { return node.Seq(slices.Index(c.stream, stream)) }

// swap lets two sequences change places. check has counted the rows of this
// Decode into next already, so llama.cpp is asked what there is.
func (c *kvContext) swap(a, b node.Seq) (err error) {
	seqs := [2]node.Seq{a, b}
	var state [2][]byte
	have := [2]int32{c.MaxPos(a) + 1, c.MaxPos(b) + 1}
	for i, s := range seqs {
		if have[i] == 0 {
			continue
		}
		if state[i], err = c.stripped(s, have[i], 0); err != nil {
			return err
		}
	}
	for _, s := range seqs {
		if !c.raw.Remove(c.stream[s], 0, -1) {
			return errors.New("llama.cpp did not forget a sequence")
		}
	}
	c.stream[a], c.stream[b] = c.stream[b], c.stream[a]
	for i, s := range seqs {
		if have[i] > 0 && !c.put(state[i], s, have[i]) {
			return fmt.Errorf("sequence %d was lost on the way to another stream", s)
		}
	}
	return nil
}
