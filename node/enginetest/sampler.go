package enginetest

import (
	"math"
	"slices"
	"strings"
	"testing"

	"llama9/node"
	"llama9/styxfs"
)

// candidates have the given logits, ids from 0.
func candidates(logits ...float32) *node.Candidates {
	c := &node.Candidates{}
	for i, l := range logits {
		c.Data = append(c.Data, node.TokenData{ID: node.Token(i), Logit: l})
	}
	return c
}

// left are the ids that can still be picked, in order.
func left(c *node.Candidates) []node.Token {
	ids := []node.Token{}
	for _, d := range c.Data {
		if !math.IsInf(float64(d.Logit), -1) {
			ids = append(ids, d.ID)
		}
	}
	slices.Sort(ids)
	return ids
}

func logit(c *node.Candidates, id node.Token) float64 {
	for _, d := range c.Data {
		if d.ID == id {
			return float64(d.Logit)
		}
	}
	return math.NaN()
}

func (s *suite) testChain(t *testing.T) {
	if s.info.NVocab < 8 {
		t.Fatal("a vocabulary of less than 8")
	}
	params := func(change func(*styxfs.Params)) *styxfs.Params {
		p := styxfs.DefaultParams()
		change(&p)
		return &p
	}
	chain := func(p *styxfs.Params, stages ...string) node.Chain {
		t.Helper()
		c, err := s.m.NewChain(stages, p)
		if err != nil {
			t.Fatalf("chain of %v: %v", stages, err)
		}
		t.Cleanup(c.Close)
		return c
	}
	for _, test := range []struct {
		name   string
		stages []string
		change func(*styxfs.Params)
		logits []float32
		want   []node.Token
	}{
		{"top_k", []string{"top_k"}, func(p *styxfs.Params) { p.TopK = 2 }, []float32{1, 5, 3, 4}, []node.Token{1, 3}},
		{"top_k of more", []string{"top_k"}, func(p *styxfs.Params) { p.TopK = 9 }, []float32{1, 5}, []node.Token{0, 1}},
		{"top_p", []string{"top_p"}, func(p *styxfs.Params) { p.TopP = 0.9 }, []float32{0, 10, 9, -5}, []node.Token{1, 2}},
		{"min_p", []string{"min_p"}, func(p *styxfs.Params) { p.MinP = 0.1 }, []float32{5, 4, 0, -1}, []node.Token{0, 1}},
		{"typ_p", []string{"typ_p"}, func(p *styxfs.Params) { p.TypicalP = 0.5 }, []float32{4, 4, 4, -9}, []node.Token{0, 1}},
		{"top_n_sigma", []string{"top_n_sigma"}, func(p *styxfs.Params) { p.TopNSigma = 1 }, []float32{10, 9.9, 0, 0, 0, 0}, []node.Token{0, 1}},
		{"in a row", []string{"top_k", "min_p"}, func(p *styxfs.Params) { p.TopK = 3; p.MinP = 0.5 }, []float32{5, 4.9, 1, 0}, []node.Token{0, 1}},
	} {
		c := candidates(test.logits...)
		chain(params(test.change), test.stages...).Apply(c)
		if got := left(c); !slices.Equal(got, test.want) {
			t.Errorf("%s leaves %v, want %v", test.name, got, test.want)
		}
	}

	c := candidates(2, 1)
	chain(params(func(p *styxfs.Params) { p.Temperature = 0.5 }), "temperature").Apply(c)
	if logit(c, 0) != 4 || logit(c, 1) != 2 {
		t.Errorf("temperature 0.5 gives %v", c.Data)
	}
	c = candidates(2, 1)
	chain(params(func(p *styxfs.Params) { p.LogitBias = []styxfs.Bias{{ID: 1, Bias: 3}} }), "logit_bias").Apply(c)
	if logit(c, 0) != 2 || logit(c, 1) != 4 {
		t.Errorf("logit_bias 3 gives %v", c.Data)
	}

	pen := chain(params(func(p *styxfs.Params) { p.RepeatPenalty = 2; p.PresencePenalty = 1; p.FrequencyPenalty = 0.5 }), "penalties")
	pen.Accept(1)
	pen.Accept(1)
	c = candidates(2, 4, -2)
	pen.Apply(c)
	if logit(c, 0) != 2 || logit(c, 1) != 0 || logit(c, 2) != -2 { // 4/2 - 2*0.5 - 1
		t.Errorf("penalties give %v", c.Data)
	}
	pen.Reset()
	c = candidates(2, 4)
	pen.Apply(c)
	if logit(c, 1) != 4 {
		t.Errorf("penalties after a reset give %v", c.Data)
	}

	// The sampler of repetitions is there; which tokens break a sequence
	// depends on the vocabulary.
	dry := chain(params(func(p *styxfs.Params) { p.DryMultiplier = 1; p.DrySequenceBreaker = nil; p.DryPenaltyLastN = 64 }), "dry")
	for _, id := range []node.Token{3, 4, 5, 6, 3, 4, 5} {
		dry.Accept(id)
	}
	dry.Apply(candidates(1, 1, 1, 1, 1, 1, 1))

	if c, err := s.m.NewChain([]string{"top_k", "magic"}, params(func(*styxfs.Params) {})); err == nil {
		t.Error("a chain with an unknown stage")
		c.Close()
	}
	empty := candidates(1, 2)
	chain(params(func(*styxfs.Params) {})).Apply(empty)
	if len(empty.Data) != 2 {
		t.Errorf("an empty chain leaves %v", empty.Data)
	}
}

func (s *suite) testGrammar(t *testing.T) {
	for name, text := range map[string]string{
		"empty":          "",
		"no root":        `top ::= "a"`,
		"undefined rule": `root ::= missing`,
		"no syntax":      `root ::= (`,
		"text":           `this is no grammar`,
		"left recursion": `root ::= root "a"`,
	} {
		if g, err := s.m.NewGrammar(text); err == nil {
			t.Errorf("%s: no error", name)
			g.Close()
		} else if !strings.HasPrefix(err.Error(), "grammar: ") || strings.Count(err.Error(), "grammar: ") > 1 {
			t.Errorf("%s: %v", name, err)
		}
	}
	g, err := s.m.NewGrammar(`root ::= "yes" | "no" [0-9]`)
	if err != nil {
		t.Fatal(err)
	}
	defer g.Close()
	can := func(id node.Token) bool {
		c := &node.Candidates{Data: []node.TokenData{{ID: id, Logit: 1}}}
		g.Apply(c)
		return len(left(c)) == 1
	}
	one := func(text string) node.Token {
		t.Helper()
		// The last token of a text is this one without a space before it.
		ids, err := s.m.Tokenize("\n"+text, false)
		if err != nil || len(ids) == 0 || string(s.m.Piece(nil, ids[len(ids)-1], false)) != text {
			t.Skipf("%q is no token of this vocabulary", text)
		}
		return ids[len(ids)-1]
	}
	n, o, x, five := one("n"), one("o"), one("x"), one("5")
	if !can(n) || can(x) || can(five) {
		t.Errorf("at the beginning: n %v x %v 5 %v", can(n), can(x), can(five))
	}
	if g.Accept(x) == nil {
		t.Error("a token that is refused was accepted")
	}
	for _, id := range []node.Token{-1, node.Token(s.info.NVocab)} {
		if g.Accept(id) == nil {
			t.Errorf("id %d was accepted", id)
		}
	}
	if s.info.EOS >= 0 && can(s.info.EOS) {
		t.Error("an end at the beginning")
	}
	for _, id := range []node.Token{n, o, five} {
		if err := g.Accept(id); err != nil {
			t.Fatalf("accept %d: %v", id, err)
		}
	}
	if can(five) || s.info.EOS >= 0 && !can(s.info.EOS) {
		t.Error("at the end something else than an end can come")
	}
	g.Reset()
	if !can(n) {
		t.Error("a reset grammar does not begin again")
	}
}
