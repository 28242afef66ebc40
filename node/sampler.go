package node

import (
	"errors"
	"fmt"
	"math"
	"slices"

	"llama9/styxfs"
)

// A sampler picks the tokens of one turn: the samplers of llama.cpp by the
// engine's chains up to the last pick, which is gumbelMax; xtc and mirostat,
// which draw or keep state in the middle, in Go. One goroutine uses it at a time.
type sampler struct {
	vocab   int
	seed    uint64
	greedy  bool // the likeliest is picked: temperature <= 0
	bias    []styxfs.Bias
	banned  map[Token]bool // a bias of minus infinity
	topK    int            // taken in Go while candidates are collected; 0: all are
	stages  []stage
	grammar Grammar
	miro    *mirostat
	history bool // a stage looks at the tokens before: penalties, dry
}

// A stage is a run of llama.cpp's samplers, or xtc.
type stage struct {
	chain Chain
	xtc   *xtc
}

// A scratch is memory that sampling uses again; a worker has one.
type scratch struct {
	data []TokenData
	top  []TokenData
	one  [1]TokenData
}

var errNoCandidate = errors.New("no token can be picked")

// newSampler makes the sampler of a turn. eog are the vocabulary's end tokens.
// Stages that would change nothing are left out. On an error nothing is left
// to close.
func newSampler(m Model, info *ModelInfo, eog []Token, r *styxfs.Request, gbnf string) (_ *sampler, err error) {
	p := &r.Params
	s := &sampler{vocab: info.NVocab, seed: uint64(p.Seed), greedy: p.Temperature <= 0}
	defer func() {
		if err != nil {
			s.close()
		}
	}()
	s.banned = make(map[Token]bool)
	for _, b := range p.LogitBias {
		if b.ID < 0 || int(b.ID) >= info.NVocab {
			return nil, clientError(fmt.Errorf("logit_bias %d: no such token, the vocabulary has %d", b.ID, info.NVocab))
		}
		if math.IsInf(b.Bias, -1) {
			s.banned[b.ID] = true
		} else {
			s.bias = append(s.bias, b)
		}
	}
	if p.IgnoreEOS {
		for _, t := range eog {
			s.banned[t] = true
		}
	}
	if p.Mirostat != 0 && !s.greedy {
		// common_sampler_init: with mirostat the chain is the temperature alone.
		c, err := m.NewChain([]string{"temperature"}, p)
		if err != nil {
			return nil, err
		}
		s.stages = []stage{{chain: c}}
		s.miro = newMirostat(p, info.NVocab)
	} else if err := s.addStages(m, p); err != nil {
		return nil, err
	}
	if gbnf != "" {
		if s.grammar, err = m.NewGrammar(gbnf); err != nil {
			return nil, clientError(err)
		}
	}
	return s, nil
}

func (s *sampler) addStages(m Model, p *styxfs.Params) error {
	var names []string
	for _, name := range p.Samplers {
		on, ok := stageOn(name, p)
		if !ok {
			return clientError(fmt.Errorf("samplers: unknown sampler %q", name))
		}
		if on {
			names = append(names, name)
		}
	}
	if s.greedy && !slices.Contains(names, "typ_p") && !slices.Contains(names, "xtc") {
		// The others keep the likeliest.
		names = slices.DeleteFunc(names, func(n string) bool { return n != "penalties" && n != "dry" })
	}
	if s.greedy {
		names = slices.DeleteFunc(names, func(n string) bool { return n == "temperature" })
	}
	s.history = slices.Contains(names, "penalties") || slices.Contains(names, "dry")
	if len(names) > 0 && names[0] == "top_k" {
		s.topK = p.TopK
		names = names[1:]
	}
	for len(names) > 0 {
		if names[0] == "xtc" {
			s.stages = append(s.stages, stage{xtc: &xtc{p.XtcProbability, p.XtcThreshold, p.MinKeep}})
			names = names[1:]
			continue
		}
		n := slices.Index(names, "xtc")
		if n < 0 {
			n = len(names)
		}
		c, err := m.NewChain(names[:n], p)
		if err != nil {
			return err
		}
		s.stages = append(s.stages, stage{chain: c})
		names = names[n:]
	}
	return nil
}

// stageOn says whether the sampler changes anything with p's numbers (each
// one's own test in src/llama-sampling.cpp), and whether there is such a one.
func stageOn(name string, p *styxfs.Params) (on, ok bool) {
	switch name {
	case "penalties":
		return p.RepeatLastN != 0 && (p.RepeatPenalty != 1 || p.FrequencyPenalty != 0 || p.PresencePenalty != 0), true
	case "dry":
		return p.DryMultiplier != 0 && p.DryBase >= 1 && p.DryPenaltyLastN != 0, true
	case "top_n_sigma":
		return p.TopNSigma > 0, true
	case "top_k":
		return p.TopK > 0, true
	case "typ_p", "typical_p":
		return p.TypicalP < 1, true
	case "top_p":
		return p.TopP < 1, true
	case "min_p":
		return p.MinP > 0, true
	case "xtc":
		return p.XtcProbability > 0 && p.XtcThreshold <= 0.5, true
	case "temperature":
		return p.Temperature != 1 || p.DynatempRange > 0, true
	}
	return false, false
}

// pick draws token k from logits, which it does not change. It is
// common_sampler_sample of llama.cpp: what was picked without the grammar
// stands if the grammar takes it, else the grammar is applied first.
func (s *sampler) pick(logits []float32, k int, sc *scratch) (Token, error) {
	if len(logits) != s.vocab {
		return 0, fmt.Errorf("%d logits for a vocabulary of %d", len(logits), s.vocab)
	}
	if s.greedy && len(s.stages) == 0 && len(s.bias) == 0 {
		if id := s.argmax(logits); id >= 0 && s.allows(id, sc) {
			return id, nil
		}
	} else if id, ok := s.draw(logits, k, false, sc); ok && s.allows(id, sc) {
		return id, nil
	}
	if s.grammar == nil {
		return 0, errNoCandidate
	}
	id, ok := s.draw(logits, k, true, sc)
	if !ok {
		return 0, errNoCandidate
	}
	return id, nil
}

// allows asks the grammar for one token.
func (s *sampler) allows(id Token, sc *scratch) bool {
	if s.grammar == nil {
		return true
	}
	sc.one[0] = TokenData{ID: id, Logit: 1}
	c := Candidates{Data: sc.one[:]}
	s.grammar.Apply(&c)
	return len(c.Data) > 0 && !math.IsInf(float64(c.Data[0].Logit), -1)
}

// draw applies the stages and picks.
func (s *sampler) draw(logits []float32, k int, grammar bool, sc *scratch) (Token, bool) {
	c := s.candidates(logits, grammar, sc)
	for _, st := range s.stages {
		if len(c.Data) == 0 {
			return 0, false
		}
		if st.chain != nil {
			st.chain.Apply(c)
		} else {
			st.xtc.apply(c, drawOf(s.seed, k, xtcStream))
		}
	}
	if s.miro != nil {
		s.miro.truncate(c)
	}
	i := -1
	if s.greedy {
		i = maxLogit(c.Data)
	} else {
		i = gumbelMax(c.Data, drawOf(s.seed, k, pickStream))
	}
	if i < 0 {
		return 0, false
	}
	if s.miro != nil {
		s.miro.picked(c.Data[i].P)
	}
	return c.Data[i].ID, true
}

// candidates collects what can be picked.
func (s *sampler) candidates(logits []float32, grammar bool, sc *scratch) *Candidates {
	if s.topK > 0 && s.topK < s.vocab && !grammar && len(s.bias) == 0 {
		return s.topCandidates(logits, sc)
	}
	if cap(sc.data) < len(logits) {
		sc.data = make([]TokenData, len(logits))
	}
	data := sc.data[:len(logits)]
	for i, x := range logits {
		data[i] = TokenData{ID: Token(i), Logit: x}
	}
	c := &Candidates{Data: data}
	if grammar {
		s.grammar.Apply(c)
	}
	for _, b := range s.bias {
		data[b.ID].Logit += float32(b.Bias)
	}
	for id := range s.banned {
		data[id].Logit = float32(math.Inf(-1))
	}
	n := 0
	for _, d := range data {
		if d.Logit > float32(math.Inf(-1)) {
			data[n] = d
			n++
		}
	}
	c.Data = data[:n]
	if s.topK > 0 {
		if s.topK < n {
			c.Data = topOf(c.Data, s.topK, sc)
		} else {
			sortData(c.Data)
		}
		c.Sorted = true
	}
	return c
}

// argmax is the likeliest token, of equals the lowest; -1: there is none.
func (s *sampler) argmax(logits []float32) Token {
	best, x := Token(-1), float32(math.Inf(-1))
	for i := 0; i < len(logits); i++ {
		for i+4 <= len(logits) { // most are not: four at a time
			if q := logits[i : i+4 : i+4]; q[0] > x || q[1] > x || q[2] > x || q[3] > x {
				break
			}
			i += 4
		}
		if i < len(logits) && logits[i] > x && (len(s.banned) == 0 || !s.banned[Token(i)]) {
			best, x = Token(i), logits[i]
		}
	}
	return best
}

// accept tells the stages and the grammar of the token that was taken. An
// error means that the grammar refuses it.
func (s *sampler) accept(t Token) error {
	if s.grammar != nil {
		if err := s.grammar.Accept(t); errors.Is(err, ErrAmbiguous) {
			return clientError(err)
		} else if err != nil {
			return err
		}
	}
	s.acceptChain(t)
	if s.miro != nil {
		s.miro.accept()
	}
	return nil
}

// acceptChain tells the stages alone, as of the prompt's last tokens, which
// penalties and dry see and the grammar does not. The other samplers do not
// look back.
func (s *sampler) acceptChain(t Token) {
	if !s.history {
		return
	}
	for _, st := range s.stages {
		if st.chain != nil {
			st.chain.Accept(t)
		}
	}
}

// replay brings mirostat's state on by a token of the prefix that was picked
// from logits elsewhere.
func (s *sampler) replay(logits []float32, t Token, sc *scratch) {
	if s.miro == nil || len(logits) != s.vocab {
		return
	}
	c := s.candidates(logits, false, sc)
	for _, st := range s.stages {
		st.chain.Apply(c)
	}
	s.miro.replay(c, t)
}

func (s *sampler) close() {
	for _, st := range s.stages {
		if st.chain != nil {
			st.chain.Close()
		}
	}
	if s.grammar != nil {
		s.grammar.Close()
	}
	s.stages, s.grammar = nil, nil
}
