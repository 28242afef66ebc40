package enginetest

import (
	"cmp"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"llama9/node"
	"llama9/styxfs"
)

// testFormulas: the chain against its formulas on logits of no pattern.
func (s *suite) testFormulas(t *testing.T) {
	p := styxfs.DefaultParams()
	p.TopK, p.MinP, p.TopP, p.Temperature = 50, 0.02, 0.9, 0.7
	c, err := s.m.NewChain([]string{"top_k", "top_p", "min_p", "temperature"}, &p)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	r := rand.New(rand.NewPCG(1, 2))
	for range 50 {
		data := make([]node.TokenData, s.info.NVocab)
		for i := range data {
			data[i] = node.TokenData{ID: int32(i), Logit: float32(r.NormFloat64() * 3)}
		}
		want := slices.Clone(data)
		slices.SortFunc(want, func(a, b node.TokenData) int { return cmp.Compare(b.Logit, a.Logit) })
		want = want[:50]
		var sum, cum float64
		for _, d := range want {
			sum += math.Exp(float64(d.Logit - want[0].Logit))
		}
		for i, d := range want {
			cum += math.Exp(float64(d.Logit-want[0].Logit)) / sum
			if cum >= 0.9 {
				want = want[:i+1]
				break
			}
		}
		for i, d := range want {
			if float64(d.Logit) < float64(want[0].Logit)+math.Log(0.02) {
				want = want[:i]
				break
			}
		}
		cand := &node.Candidates{Data: data}
		c.Apply(cand)
		if len(cand.Data) != len(want) {
			t.Fatalf("%d candidates, want %d", len(cand.Data), len(want))
		}
		for i, d := range cand.Data {
			if d.ID != want[i].ID || math.Abs(float64(d.Logit)-float64(want[i].Logit)/0.7) > 1e-4 {
				t.Fatalf("candidate %d is %+v, want %+v", i, d, want[i])
			}
		}
	}
}

// testEdges: no number of a parameter ends the process.
func (s *suite) testEdges(t *testing.T) {
	all := []string{"logit_bias", "penalties", "dry", "top_n_sigma", "top_k", "typ_p", "top_p", "min_p", "temperature"}
	for name, change := range map[string]func(*styxfs.Params){
		"defaults":      func(*styxfs.Params) {},
		"temperature 0": func(p *styxfs.Params) { p.Temperature = 0 },
		"huge top_k":    func(p *styxfs.Params) { p.TopK = math.MaxInt },
		"min_keep":      func(p *styxfs.Params) { p.MinKeep = math.MaxInt; p.TypicalP = 0.1 },
		"all of them": func(p *styxfs.Params) {
			p.TopNSigma = 1
			p.TypicalP = 0.5
			p.DryMultiplier = 0.8
			p.RepeatPenalty = 1.1
			p.RepeatLastN = -1
		},
		"dynamic":        func(p *styxfs.Params) { p.DynatempRange = 0.5 },
		"never ends":     func(p *styxfs.Params) { p.IgnoreEOS = true },
		"a bias of -inf": func(p *styxfs.Params) { p.LogitBias = []styxfs.Bias{{ID: 5, Bias: math.Inf(-1)}} },
		"empty breakers": func(p *styxfs.Params) { p.DryMultiplier = 1; p.DrySequenceBreaker = []string{"", "\n"} },
		"negative numbers": func(p *styxfs.Params) {
			p.TopK = -1
			p.TopP = -1
			p.MinP = -1
			p.TypicalP = -1
			p.MinKeep = -1
			p.RepeatLastN = -5
		},
	} {
		p := styxfs.DefaultParams()
		change(&p)
		c, err := s.m.NewChain(all, &p)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		for _, id := range []node.Token{-1, 3, 4, 3, 4, 3, node.Token(s.info.NVocab), math.MaxInt32} {
			c.Accept(id)
		}
		for _, n := range []int{0, 1, 2, s.info.NVocab} {
			cand := &node.Candidates{}
			for i := range n {
				cand.Data = append(cand.Data, node.TokenData{ID: int32(i), Logit: float32(i % 7)})
			}
			c.Apply(cand)
			if n > 0 && len(cand.Data) == 0 || len(cand.Data) > n {
				t.Errorf("%s: %d candidates of %d", name, len(cand.Data), n)
			}
		}
		c.Reset()
		c.Close()
	}
	for name, change := range map[string]func(*styxfs.Params){
		"id out of range": func(p *styxfs.Params) { p.LogitBias = []styxfs.Bias{{ID: 1 << 20}} },
		"NUL":             func(p *styxfs.Params) { p.DryMultiplier = 1; p.DrySequenceBreaker = []string{"a\x00"} },
	} {
		p := styxfs.DefaultParams()
		change(&p)
		if c, err := s.m.NewChain(all, &p); err == nil {
			t.Errorf("%s: no error", name)
			c.Close()
		}
	}
}

// testAllocations: what a token costs beside the computing allocates nothing.
func (s *suite) testAllocations(t *testing.T) {
	c := s.open(t, node.ContextOptions{})
	p := s.prompts[0]
	decode(t, c, rows(c, 0, p))
	params := styxfs.DefaultParams()
	ch, err := s.m.NewChain([]string{"top_k", "top_p", "min_p", "temperature"}, &params)
	if err != nil {
		t.Fatal(err)
	}
	defer ch.Close()
	cand := &node.Candidates{Data: make([]node.TokenData, s.info.NVocab)}
	all := cand.Data
	if n := testing.AllocsPerRun(100, func() {
		l, err := c.Logits(len(p) - 1)
		if err != nil {
			t.Fatal(err)
		}
		for i, x := range l {
			all[i] = node.TokenData{ID: int32(i), Logit: x}
		}
		cand.Data, cand.Sorted = all, false
		ch.Apply(cand)
		c.MaxPos(0)
	}); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

// testGrammarWalked: the matcher beside llama.cpp's grammar takes what that
// takes, bytes that are no UTF-8 too.
func (s *suite) testGrammarWalked(t *testing.T) {
	q, err := s.m.Tokenize("q", false)
	if err != nil {
		t.Fatal(err)
	}
	for _, text := range []string{
		`root ::= [^"]*`,
		`root ::= .* "." [^\x00-\x7f]*`,
		`root ::= ("a" | "é" | "世" | "\U0001F600")*`,
		fmt.Sprintf(`root ::= (!<[%d]> | [a-z]+ ", ")* `, q[len(q)-1]),
		"root ::= v\nv ::= \"{\" (s \":\" v)? \"}\" | \"[\" (v (\",\" v)*)? \"]\" | s\ns ::= \"\\\"\" [^\"\\\\]* \"\\\"\"",
	} {
		for seed := range uint64(4) {
			g, err := s.m.NewGrammar(text)
			if err != nil {
				t.Fatal(err)
			}
			for range 2 {
				if made, err := s.walk(g, rand.New(rand.NewPCG(seed, 1)), 40); err != nil {
					t.Errorf("%s: after %q: %v", text, made, err)
				}
				g.Reset()
			}
			g.Close()
		}
	}
	// A grammar that is costly only behind more text than the check of it
	// looks at ends the turn, not the server.
	lead := strings.Repeat("x", 40)
	g, err := s.m.NewGrammar(`root ::= "` + lead + `" ` + strings.Repeat(`"a"* `, 100))
	if err != nil {
		t.Fatal(err)
	}
	defer g.Close()
	made, err := s.walk(g, rand.New(rand.NewPCG(1, 2)), 100)
	if !errors.Is(err, node.ErrAmbiguous) || !strings.HasPrefix(lead, made) {
		t.Errorf("after %q: %v", made, err)
	}
}

// walk accepts n tokens that g allows, picked by r, and gives their text and
// the error that ended it.
func (s *suite) walk(g node.Grammar, r *rand.Rand, n int) (text string, err error) {
	c := &node.Candidates{}
	for range n {
		c.Data = c.Data[:0]
		for t := range node.Token(s.info.NVocab) {
			c.Data = append(c.Data, node.TokenData{ID: t})
		}
		g.Apply(c)
		ids := left(c)
		if len(ids) == 0 {
			return text, errors.New("nothing is allowed")
		}
		t := ids[r.IntN(len(ids))]
		if err := g.Accept(t); err != nil {
			return text, err
		}
		if s.m.EOG(t) {
			return text, nil
		}
		text += string(s.m.Piece(nil, t, true))
	}
	return text, nil
}
