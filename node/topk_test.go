package node

import (
	"math"
	"math/rand/v2"
	"slices"
	"testing"
)

func TestTopCandidates(t *testing.T) {
	rnd := rand.New(rand.NewPCG(7, 8))
	var sc scratch
	for range 2000 {
		logits := make([]float32, 1+rnd.IntN(300))
		all := make([]TokenData, 0, len(logits))
		banned := map[Token]bool{}
		for i := range logits {
			logits[i] = float32(rnd.IntN(40)) // many are equal
			switch rnd.IntN(30) {
			case 0:
				logits[i] = float32(math.Inf(-1))
			case 1:
				banned[Token(i)] = true
			}
			if !banned[Token(i)] && !math.IsInf(float64(logits[i]), -1) {
				all = append(all, TokenData{ID: Token(i), Logit: logits[i]})
			}
		}
		k := 1 + rnd.IntN(60)
		s := sampler{topK: k, banned: banned}
		sorted := slices.Clone(all)
		sortData(sorted)
		want := sorted[:min(k, len(sorted))]
		if got := s.topCandidates(logits, &sc).Data; !slices.Equal(got, want) {
			t.Fatalf("k %d: got %v, want %v", k, got, want)
		}
		if k < len(all) {
			if got := topOf(all, k, &sc); !slices.Equal(got, want) {
				t.Fatalf("topOf %d: got %v, want %v", k, got, want)
			}
		}
	}
}

func BenchmarkTopK(b *testing.B) {
	rnd := rand.New(rand.NewPCG(1, 1))
	logits := make([]float32, 49152)
	for i := range logits {
		logits[i] = float32(rnd.NormFloat64() * 3)
	}
	s := sampler{topK: 40, vocab: len(logits)}
	var sc scratch
	for b.Loop() {
		s.topCandidates(logits, &sc)
	}
}

func BenchmarkGumbelMax(b *testing.B) {
	rnd := rand.New(rand.NewPCG(1, 1))
	c := make([]TokenData, 49152)
	for i := range c {
		c[i] = TokenData{ID: Token(i), Logit: float32(rnd.NormFloat64() * 3)}
	}
	k := 0
	for b.Loop() {
		k++
		gumbelMax(c, drawOf(1, k, pickStream))
	}
}
