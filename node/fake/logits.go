package fake

import (
	"llama9/node"
)

func mix(z uint64) uint64 {
	z = (z ^ z>>30) * 0xbf58476d1ce4e5b9
	z = (z ^ z>>27) * 0x94d049bb133111eb
	return z ^ z>>31
}

// fill makes the logits after row i: noise in [-8, 8) for words and less for
// the rest, an end of the answer once in Length tokens, and what Next says.
func (c *fctx) fill(i int) {
	h := c.hashes[i]
	z := h
	for j := range c.logits {
		z += 0x9e3779b97f4a7c15
		x := float32(mix(z)>>40)/(1<<20) - 8
		switch {
		case j >= words:
		case j >= 0x20 && j < 0x7f:
			x -= 6
		default:
			x -= 16
		}
		c.logits[j] = x
	}
	length := c.m.o.Length
	if length == 0 {
		length = 48
	}
	if length > 0 && mix(h)%uint64(length) == 0 {
		c.logits[EOS] = 12
	}
	if f := c.m.e.Next; f != nil {
		ids := make([]node.Token, len(c.text[i]))
		for j, x := range c.text[i] {
			ids[j] = x.Token
		}
		if t, ok := f(ids); ok {
			c.logits[t] = 40
		}
	}
}
