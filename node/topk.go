package node

import (
	"cmp"
	"math"
	"slices"
)

// topCandidates is top_k as the first stage: one pass over the logits that
// keeps the best seen, so that the chain behind it works on k candidates
// and not on a whole vocabulary. Of equal logits the lower id is kept.
func (s *sampler) topCandidates(logits []float32, sc *scratch) *Candidates {
	top := sc.top[:0]
	floor := float32(math.Inf(-1))
	limit := 2 * s.topK
	for i, x := range logits {
		if x > floor && (len(s.banned) == 0 || !s.banned[Token(i)]) {
			top = append(top, TokenData{ID: Token(i), Logit: x})
			// Twice as many as needed are gathered, then cut to the
			// best: that is a few sorts of a short slice in all.
			if len(top) == limit {
				sortData(top)
				top = top[:s.topK]
				floor = top[s.topK-1].Logit
			}
		}
	}
	sortData(top)
	sc.top = top
	return &Candidates{Data: top[:min(s.topK, len(top))], Sorted: true}
}

// topOf gives the k best of data, sorted.
func topOf(data []TokenData, k int, sc *scratch) []TokenData {
	top := sc.top[:0]
	floor := float32(math.Inf(-1))
	for _, d := range data {
		if d.Logit > floor {
			top = append(top, d)
			if len(top) == 2*k {
				sortData(top)
				top = top[:k]
				floor = top[k-1].Logit
			}
		}
	}
	sortData(top)
	sc.top = top
	return top[:min(k, len(top))]
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
