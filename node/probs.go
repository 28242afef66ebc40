package node

import (
	"math"

	"llama9/styxfs"
)

// probs are the log probabilities of a picked token and of the likeliest.
type probs struct {
	log float32
	top []styxfs.Alt
}

// probsOf takes them from the raw softmax of logits, as llama-server does
// without post_sampling_probs.
func probsOf(logits []float32, t Token, n int, text func(Token) string, sc *scratch) *probs {
	top := math.Inf(-1)
	for _, x := range logits {
		top = max(top, float64(x))
	}
	var sum float64
	for _, x := range logits {
		sum += math.Exp(float64(x) - top)
	}
	norm := top + math.Log(sum)
	p := &probs{log: float32(float64(logits[t]) - norm)}
	s := sampler{topK: min(n, len(logits))}
	for _, d := range s.topCandidates(logits, sc).Data {
		p.top = append(p.top, styxfs.Alt{ID: d.ID, LogProb: float32(float64(d.Logit) - norm), Text: text(d.ID)})
	}
	return p
}
