package node

import (
	"math"
	"math/bits"
)

// A draw is the source of the random numbers of one token: a function of the
// seed and of the token's number in its answer, and of nothing else, so that
// an answer can be continued elsewhere and a turn's tokens do not depend on
// its neighbours. It is SplitMix64 (Steele, Lea and Flood, Fast Splittable
// Pseudorandom Number Generators, OOPSLA 2014) used as a counter: its state
// advances by a constant, so that output n is mix(start + (n+1)*gamma) and can be
// had without those before it.
type draw uint64

const gamma = 0x9e3779b97f4a7c15 // 2^64 / golden ratio, odd

// mix is the output function of SplitMix64 (David Stafford's Mix13).
func mix(z uint64) uint64 {
	z = (z ^ z>>30) * 0xbf58476d1ce4e5b9
	z = (z ^ z>>27) * 0x94d049bb133111eb
	return z ^ z>>31
}

// drawOf is the draw of token k (from 0, the prefix counted) under seed.
// stream keeps apart what draws for the same token: the pick, xtc.
func drawOf(seed uint64, k int, stream uint64) draw {
	return draw(mix(mix(mix(seed+gamma)^uint64(k)*gamma+gamma) + stream*gamma))
}

const (
	pickStream = 1
	xtcStream  = 2
)

// at is number n of the draw.
func (d draw) at(n uint64) uint64 { return mix(uint64(d) + (n+1)*gamma) }

// float is number n of the draw in (0, 1).
func (d draw) float(n uint64) float64 { return unit(d.at(n)) }

func unit(h uint64) float64 { return (float64(h>>11) + 0.5) / (1 << 53) }

// gumbel draws from the standard Gumbel distribution, -log(-log(u)), with
// 1-u = v uniform: so the large values, which decide, are the precise ones.
func gumbel(v float64) float64 { return -math.Log(-math.Log1p(-v)) }

// gumbelMax gives the index of the candidate with the largest logit + g(d, id):
// a draw from their softmax (Gumbel, 1954) in which every id has a random number
// of its own, so that a small change of one logit, or two candidates in
// another order, changes the pick only if it is about them. -1: none has a logit.
func gumbelMax(c []TokenData, d draw) int {
	// Begin with the likeliest: then most others are dismissed by the
	// leading zeros of their number alone. g > x needs v < exp(-x), that is
	// less than 2^-(x/ln 2).
	top := maxLogit(c)
	if top < 0 {
		return -1
	}
	best := top
	score := float64(c[top].Logit) + gumbel(unit(d.at(uint64(c[top].ID))))
	for i := range c {
		x := float64(c[i].Logit)
		h := d.at(uint64(c[i].ID))
		if float64(bits.LeadingZeros64(h)+1) < (score-x)*math.Log2E || i == top {
			continue
		}
		if s := x + gumbel(unit(h)); s > score || s == score && c[i].ID < c[best].ID {
			best, score = i, s
		}
	}
	return best
}

// maxLogit gives the index of the largest logit, of equals the lowest id; -1:
// there is none above minus infinity.
func maxLogit(c []TokenData) int {
	best := -1
	for i := range c {
		x := c[i].Logit
		if x > float32(math.Inf(-1)) && (best < 0 || x > c[best].Logit || x == c[best].Logit && c[i].ID < c[best].ID) {
			best = i
		}
	}
	return best
}
