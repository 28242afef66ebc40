//go:build !nollama && (((freebsd || linux || windows || darwin) && (amd64 || arm64)) || (linux && riscv64))

package llama

import (
	"errors"
	"fmt"
	"math"
	"strings"

	yzma "github.com/hybridgroup/yzma/pkg/llama"
	"llama9/node"
)

// grammar is llama.cpp's grammar sampler.
type grammar struct {
	sampler
	one node.Candidates // the token Accept asks about
}

var _ node.Grammar = (*grammar)(nil)

// maxGrammar bounds a grammar's text; the parser of llama.cpp is recursive.
const maxGrammar = 1 << 20

// NewGrammar implements node.Model.
func (m *model) NewGrammar(gbnf string) (node.Grammar, error) {
	if strings.IndexByte(gbnf, 0) >= 0 {
		return nil, errors.New("grammar: a NUL in the text")
	}
	if len(gbnf) > maxGrammar {
		return nil, fmt.Errorf("grammar: %d bytes; at most %d", len(gbnf), maxGrammar)
	}
	m.e.mu.Lock()
	why := m.e.log.watch()
	s := yzma.SamplerInitGrammar(yzma.Vocab(m.vocab), gbnf, "root")
	reason := why()
	m.e.mu.Unlock()
	if s == 0 {
		if reason == "" {
			reason = "llama.cpp cannot read it; it needs a rule root and no left recursion"
		}
		return nil, errors.New("grammar: " + reason)
	}
	return &grammar{sampler: m.newSampler(s), one: node.Candidates{Data: make([]node.TokenData, 1)}}, nil
}

func (g *grammar) Apply(c *node.Candidates) { g.apply(c) }

// Accept implements node.Grammar.
func (g *grammar) Accept(t node.Token) error {
	if g.ptr == 0 {
		return errors.New("grammar is closed")
	}
	if t < 0 || int(t) >= g.m.info.NVocab {
		return fmt.Errorf("token %d: the vocabulary has %d", t, g.m.info.NVocab)
	}
	g.one.Data = g.one.Data[:1]
	g.one.Data[0] = node.TokenData{ID: t}
	g.apply(&g.one)
	if len(g.one.Data) == 0 || math.IsInf(float64(g.one.Data[0].Logit), -1) {
		return fmt.Errorf("the grammar refuses token %d", t)
	}
	g.accept(t)
	return nil
}
