package main

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"

	"llama9/node"
)

// A prompt is a text and the tokens that a node makes of it.
type prompt struct {
	text string
	ids  []node.Token
}

// A work is what every contestant of a benchmark does at one level: as many
// turns at once as there are prompts.
type work struct {
	prefill []prompt // long, one token is made of each
	decode  []prompt // short, many tokens are made
}

// workOf draws the work of a level. No two prompts of one seed, and none of two
// seeds, begin alike, so that no cache can help.
func workOf(m node.Model, sessions, prefill, decode int, seed uint64) (work, error) {
	r := rand.New(rand.NewPCG(seed, uint64(sessions)))
	var w work
	for range sessions {
		long, err := randomPrompt(m, r, prefill)
		if err != nil {
			return w, err
		}
		short, err := randomPrompt(m, r, decode)
		if err != nil {
			return w, err
		}
		w.prefill, w.decode = append(w.prefill, long), append(w.decode, short)
	}
	return w, nil
}

// randomPrompt draws words of the vocabulary that make n tokens, or a few less,
// as a node tokenizes a prompt without template: BOS first, where the model
// wants it.
func randomPrompt(m node.Model, r *rand.Rand, n int) (prompt, error) {
	info := m.Info()
	var words []string
	tokenize := func() (prompt, error) {
		text := strings.Join(words, " ")
		ids, err := m.Tokenize(text, false)
		if err == nil && info.AddBOS && info.BOS >= 0 {
			ids = slices.Concat([]node.Token{info.BOS}, ids)
		}
		return prompt{text, ids}, err
	}
	for tries := 0; len(words) < n; tries++ {
		if tries > 1000*n {
			return prompt{}, fmt.Errorf("found no words in the vocabulary")
		}
		piece := strings.TrimSpace(string(m.Piece(nil, node.Token(r.IntN(info.NVocab)), false)))
		if piece != "" && strings.IndexFunc(piece, notLetter) < 0 {
			words = append(words, piece)
		}
	}
	for {
		p, err := tokenize()
		if err != nil || len(p.ids) <= n || len(words) == 1 {
			return p, err
		}
		words = words[:max(1, len(words)-max(1, (len(p.ids)-n)/4))]
	}
}

func notLetter(r rune) bool { return r < 'A' || r > 'z' || r > 'Z' && r < 'a' }

// tokens counts those of all prompts.
func tokens(ps []prompt) int {
	n := 0
	for _, p := range ps {
		n += len(p.ids)
	}
	return n
}

// idsOf gives the prompts' tokens.
func idsOf(ps []prompt) [][]node.Token {
	ids := make([][]node.Token, len(ps))
	for i, p := range ps {
		ids[i] = p.ids
	}
	return ids
}
