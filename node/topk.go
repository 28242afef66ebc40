package node

import (
	"cmp"
	"math"
	"slices"
)

// topCandidates is top_k as the first stage: one pass over the logits that
// keeps the best seen in a heap, the worst of them at its root, so that the
// chain behind it works on k candidates and not on a whole vocabulary. Of
// equal logits the lower id is kept.
func (s *sampler) topCandidates(logits []float32, sc *scratch) *Candidates {
	k := s.topK
	if cap(sc.top) < k {
		sc.top = make([]TokenData, 0, k)
	}
	top := sc.top[:0]
	floor := float32(math.Inf(-1))
	for i := 0; i < len(logits); i++ {
		// Nearly all are below the floor: four at a time.
		for i+4 <= len(logits) {
			if q := logits[i : i+4 : i+4]; q[0] > floor || q[1] > floor || q[2] > floor || q[3] > floor {
				break
			}
			i += 4
		}
		if i == len(logits) {
			break
		}
		x := logits[i]
		if !(x > floor) || len(s.banned) > 0 && s.banned[Token(i)] {
			continue
		}
		if len(top) < k {
			if top = append(top, TokenData{ID: Token(i), Logit: x}); len(top) < k {
				continue
			}
			for j := k/2 - 1; j >= 0; j-- {
				sink(top, j)
			}
		} else {
			top[0] = TokenData{ID: Token(i), Logit: x}
			sink(top, 0)
		}
		floor = top[0].Logit
	}
	sortData(top)
	return &Candidates{Data: top, Sorted: true}
}

// sink puts h[i] in its place in a heap whose root is the worst.
func sink(h []TokenData, i int) {
	x := h[i]
	for {
		c := 2*i + 1
		if c >= len(h) {
			break
		}
		if c+1 < len(h) && worse(h[c+1], h[c]) {
			c++
		}
		if !worse(h[c], x) {
			break
		}
		h[i] = h[c]
		i = c
	}
	h[i] = x
}

func worse(a, b TokenData) bool { return a.Logit < b.Logit || a.Logit == b.Logit && a.ID > b.ID }

// topOf gives the k best of data, sorted.
func topOf(data []TokenData, k int, sc *scratch) []TokenData {
	if cap(sc.top) < k {
		sc.top = make([]TokenData, 0, k)
	}
	top := append(sc.top[:0], data[:k]...)
	for j := k/2 - 1; j >= 0; j-- {
		sink(top, j)
	}
	for _, d := range data[k:] {
		if worse(top[0], d) {
			top[0] = d
			sink(top, 0)
		}
	}
	sortData(top)
	return top
}

// sortData sorts by falling logit, equals by id.
func sortData(d []TokenData) {
	slices.SortFunc(d, func(a, b TokenData) int {
		if a.Logit != b.Logit {
			if a.Logit > b.Logit {
				return -1
			}
			return 1
		}
		return cmp.Compare(a.ID, b.ID)
	})
}

// softmax fills P of c, which it sorts, as llama_sampler_softmax_impl.
func softmax(c *Candidates) {
	if len(c.Data) == 0 {
		return
	}
	if !c.Sorted {
		sortData(c.Data)
		c.Sorted = true
	}
	top := c.Data[0].Logit
	var sum float32
	for i := range c.Data {
		p := float32(math.Exp(float64(c.Data[i].Logit - top)))
		c.Data[i].P = p
		sum += p
	}
	for i := range c.Data {
		c.Data[i].P /= sum
	}
}
