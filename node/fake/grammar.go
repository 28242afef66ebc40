package fake

import (
	"errors"
	"math"
	"unicode/utf8"

	"llama9/node"
	"llama9/node/gbnf"
)

// A grammar is GBNF by the matcher of package gbnf.
type grammar struct {
	m *model
	g *gbnf.Grammar
	s *gbnf.Matcher
}

var errRefused = errors.New("refused by the grammar")

// NewGrammar makes one of GBNF.
func (m *model) NewGrammar(text string) (node.Grammar, error) {
	g, err := gbnf.Parse(text)
	if err != nil {
		return nil, err
	}
	if err := m.open(); err != nil {
		return nil, err
	}
	return &grammar{m: m, g: g, s: g.Matcher()}, nil
}

func (g *grammar) takes(t node.Token) bool {
	switch {
	case t < 0 || int(t) >= len(vocab):
		return false
	case g.m.EOG(t):
		return g.s.Done()
	case control(t):
		return false
	}
	// The matcher takes any beginning of a rune, also of one that it will
	// refuse: here runes come whole.
	return utf8.ValidString(vocab[t]) && g.s.Can(vocab[t])
}

func (g *grammar) Apply(c *node.Candidates) {
	for i := range c.Data {
		if !g.takes(c.Data[i].ID) {
			c.Data[i].Logit = float32(math.Inf(-1))
		}
	}
	c.Sorted = false
}

func (g *grammar) Accept(t node.Token) error {
	if !g.takes(t) {
		return errRefused
	}
	if !g.m.EOG(t) {
		g.s.Accept(vocab[t])
	}
	return nil
}

func (g *grammar) Reset() { g.s = g.g.Matcher() }
func (g *grammar) Close() { g.m.release() }
