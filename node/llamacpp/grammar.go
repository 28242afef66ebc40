package llamacpp

import (
	"bytes"
	"errors"
	"fmt"
	"math"

	"llama9/node"
	"llama9/node/gbnf"
)

// grammar is llama.cpp's grammar sampler. Beside it goes a matcher, which tells
// when llama.cpp would be too long about the next token: nothing ends an Apply.
type grammar struct {
	sampler
	one   node.Candidates // the token Accept asks about
	text  *gbnf.Grammar
	match *gbnf.Matcher
	piece []byte
}

// maxCost is the most ways to read what comes next; see gbnf's Matcher.Cost.
const maxCost = 10000

var _ node.Grammar = (*grammar)(nil)

// NewGrammar implements node.Model. The text is read by node/gbnf first:
// llama.cpp prints what it cannot read to standard error, and there are texts
// over which it recurses for ever.
func (m *model) NewGrammar(text string) (node.Grammar, error) {
	g, err := gbnf.ParseTokens(text, m.oneToken)
	if err != nil {
		return nil, err
	}
	var raw RawSampler
	if err := m.e.reason(func() (err error) {
		var ok bool
		if raw, ok = m.raw.Grammar(text); !ok {
			err = errors.New("llama.cpp cannot read it")
		}
		return err
	}); err != nil {
		return nil, fmt.Errorf("grammar: %w", err)
	}
	return &grammar{sampler: m.newSampler(raw), one: node.Candidates{Data: make([]node.TokenData, 1)}, text: g, match: g.Matcher()}, nil
}

// oneToken is the token that text, as <think>, stands for in a grammar.
func (m *model) oneToken(text string) (int32, bool) {
	ids, err := m.Tokenize(text, true)
	if err != nil || len(ids) != 1 {
		return 0, false
	}
	return ids[0], true
}

// Accept implements node.Grammar.
func (g *grammar) Accept(t node.Token) error {
	if g.raw == nil {
		return errors.New("grammar is closed")
	}
	if !g.m.has(t) {
		return fmt.Errorf("token %d: the vocabulary has %d", t, g.m.info.NVocab)
	}
	g.one.Data = append(g.one.Data[:0], node.TokenData{ID: t})
	g.Apply(&g.one)
	if len(g.one.Data) == 0 || math.IsInf(float64(g.one.Data[0].Logit), -1) || !g.accept(t) {
		return fmt.Errorf("the grammar refuses token %d", t)
	}
	return g.follow(t)
}

// follow takes the matcher over a token that llama.cpp took. An end leaves
// the grammar where it is (llama_grammar_accept_impl).
func (g *grammar) follow(t node.Token) error {
	if g.m.EOG(t) {
		return nil
	}
	g.piece = g.m.Piece(g.piece[:0], t, true)
	if i := bytes.IndexByte(g.piece, 0); i >= 0 {
		g.piece = g.piece[:i] // where decode_utf8 ends
	}
	if !g.match.AcceptToken(t, string(g.piece)) || g.match.Cost() > maxCost {
		return node.ErrAmbiguous
	}
	return nil
}

// Reset implements node.Grammar.
func (g *grammar) Reset() {
	g.sampler.Reset()
	g.match = g.text.Matcher()
}
