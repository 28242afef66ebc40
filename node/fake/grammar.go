package fake

import (
	"errors"
	"fmt"
	"math"
	"strconv"
	"strings"
	"unicode/utf8"

	"llama9/node"
)

// A grammar is GBNF as a set of stacks of symbols, as in llama.cpp's
// src/llama-grammar.cpp, plainly. Left recursion is refused by a bound on depth.
type grammar struct {
	m      *model
	rules  map[string][][]symbol
	stacks [][]symbol // top last; an empty one: the text may end here
	part   []byte     // bytes of a rune that is not whole
}

// A symbol is a rule or a class of runes.
type symbol struct {
	rule string
	not  bool
	from []rune // pairs
}

func (s *symbol) takes(r rune) bool {
	in := false
	for i := 0; i < len(s.from); i += 2 {
		in = in || r >= s.from[i] && r <= s.from[i+1]
	}
	return in != s.not
}

const (
	maxStacks = 10000
	maxDepth  = 250
)

func (g *grammar) Reset() {
	g.part = nil
	g.stacks, _ = g.expand([][]symbol{{{rule: "root"}}})
}

// expand replaces the rules on top of stacks by what they can begin with.
func (g *grammar) expand(in [][]symbol) ([][]symbol, error) {
	var out [][]symbol
	seen := make(map[string]bool)
	for steps := 0; len(in) > 0; steps++ {
		if steps > maxStacks || len(in[len(in)-1]) > maxDepth {
			return nil, errors.New("grammar is too deep or recursive on the left")
		}
		s := in[len(in)-1]
		in = in[:len(in)-1]
		if key := fmt.Sprint(s); seen[key] {
			continue
		} else {
			seen[key] = true
		}
		if len(s) == 0 || s[len(s)-1].rule == "" {
			out = append(out, s)
			continue
		}
		for _, alt := range g.rules[s[len(s)-1].rule] {
			n := append([]symbol(nil), s[:len(s)-1]...)
			for i := len(alt) - 1; i >= 0; i-- {
				n = append(n, alt[i])
			}
			in = append(in, n)
		}
	}
	return out, nil
}

// feed gives the stacks after b, and the bytes of a rune not whole.
func (g *grammar) feed(b []byte) ([][]symbol, []byte) {
	stacks := g.stacks
	b = append(append([]byte(nil), g.part...), b...)
	for len(b) > 0 && len(stacks) > 0 {
		if !utf8.FullRune(b) {
			var can [][]symbol
			for _, s := range stacks {
				if len(s) > 0 && (s[len(s)-1].not || s[len(s)-1].wide()) {
					can = append(can, s)
				}
			}
			return can, b
		}
		r, n := utf8.DecodeRune(b)
		if r == utf8.RuneError && n == 1 {
			return nil, nil
		}
		b = b[n:]
		var next [][]symbol
		for _, s := range stacks {
			if len(s) > 0 && s[len(s)-1].takes(r) {
				next = append(next, s[:len(s)-1:len(s)-1])
			}
		}
		stacks, _ = g.expand(next)
	}
	return stacks, nil
}

func (s *symbol) wide() bool {
	for i := 1; i < len(s.from); i += 2 {
		if s.from[i] >= utf8.RuneSelf {
			return true
		}
	}
	return false
}

func (g *grammar) takes(t node.Token) bool {
	if t == EOS || t == End {
		if len(g.part) > 0 {
			return false
		}
		for _, s := range g.stacks {
			if len(s) == 0 {
				return true
			}
		}
		return false
	}
	if control(t) {
		return false
	}
	next, _ := g.feed([]byte(vocab[t]))
	return len(next) > 0
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
	if t < 0 || int(t) >= len(vocab) || !g.takes(t) {
		return errRefused
	}
	if t != EOS && t != End {
		g.stacks, g.part = g.feed([]byte(vocab[t]))
	}
	return nil
}

func (g *grammar) Close() { g.m.release() }

// A gparser reads GBNF.
type gparser struct {
	s     string
	rules map[string][][]symbol
	n     int
}

func parseGrammar(text string) (*grammar, error) {
	p := &gparser{s: text, rules: make(map[string][][]symbol)}
	p.space(true)
	for p.s != "" {
		name := p.name()
		p.space(false)
		if name == "" || !strings.HasPrefix(p.s, "::=") {
			return nil, fmt.Errorf("expected a rule at %.20q", p.s)
		}
		p.s = p.s[3:]
		alts, err := p.alts(false)
		if err != nil {
			return nil, err
		}
		p.rules[name] = alts
		p.space(true)
	}
	if p.rules["root"] == nil {
		return nil, errors.New("no rule root")
	}
	for _, alts := range p.rules {
		for _, a := range alts {
			for _, s := range a {
				if s.rule != "" && p.rules[s.rule] == nil {
					return nil, fmt.Errorf("undefined rule %s", s.rule)
				}
			}
		}
	}
	g := &grammar{rules: p.rules}
	if _, err := g.expand([][]symbol{{{rule: "root"}}}); err != nil {
		return nil, err
	}
	return g, nil
}

// space skips blanks and comments, and newlines if lines.
func (p *gparser) space(lines bool) {
	for p.s != "" {
		switch {
		case p.s[0] == ' ' || p.s[0] == '\t' || lines && (p.s[0] == '\n' || p.s[0] == '\r'):
			p.s = p.s[1:]
		case p.s[0] == '#':
			_, rest, ok := strings.Cut(p.s, "\n")
			p.s = rest
			if ok {
				p.s = "\n" + rest
			}
		default:
			return
		}
	}
}

func (p *gparser) name() string {
	n := 0
	for n < len(p.s) && (p.s[n] == '-' || p.s[n] == '_' || p.s[n] >= '0' && p.s[n] <= '9' || p.s[n]|0x20 >= 'a' && p.s[n]|0x20 <= 'z') {
		n++
	}
	name := p.s[:n]
	p.s = p.s[n:]
	return name
}

func (p *gparser) alts(nested bool) ([][]symbol, error) {
	var alts [][]symbol
	for {
		seq, err := p.seq(nested)
		if err != nil {
			return nil, err
		}
		alts = append(alts, seq)
		p.space(nested)
		if !strings.HasPrefix(p.s, "|") {
			return alts, nil
		}
		p.s = p.s[1:]
		p.space(true)
	}
}

func (p *gparser) seq(nested bool) ([]symbol, error) {
	seq := []symbol{}
	for {
		p.space(nested)
		if p.s == "" {
			return seq, nil
		}
		var item []symbol
		switch c := p.s[0]; {
		case c == '"':
			p.s = p.s[1:]
			for {
				if p.s == "" {
					return nil, errors.New("unfinished literal")
				}
				if p.s[0] == '"' {
					p.s = p.s[1:]
					break
				}
				r, err := p.char()
				if err != nil {
					return nil, err
				}
				item = append(item, symbol{from: []rune{r, r}})
			}
		case c == '[':
			s, err := p.class()
			if err != nil {
				return nil, err
			}
			item = []symbol{s}
		case c == '.':
			p.s = p.s[1:]
			item = []symbol{{not: true}}
		case c == '(':
			p.s = p.s[1:]
			alts, err := p.alts(true)
			if err != nil {
				return nil, err
			}
			if !strings.HasPrefix(p.s, ")") {
				return nil, errors.New("unclosed (")
			}
			p.s = p.s[1:]
			item = []symbol{p.rule(alts)}
		default:
			name := p.name()
			if name == "" {
				if nested || c == '|' || c == '\n' || c == '\r' {
					return seq, nil
				}
				return nil, fmt.Errorf("unexpected %.20q", p.s)
			}
			item = []symbol{{rule: name}}
		}
		item, err := p.repeat(item)
		if err != nil {
			return nil, err
		}
		seq = append(seq, item...)
	}
}

func (p *gparser) rule(alts [][]symbol) symbol {
	p.n++
	name := "." + strconv.Itoa(p.n)
	p.rules[name] = alts
	return symbol{rule: name}
}

// repeat reads * + ? {n} {n,} {n,m} behind item.
func (p *gparser) repeat(item []symbol) ([]symbol, error) {
	if p.s == "" {
		return item, nil
	}
	low, high := 1, 1
	switch p.s[0] {
	case '*':
		low, high = 0, -1
	case '+':
		high = -1
	case '?':
		low = 0
	case '{':
		body, rest, ok := strings.Cut(p.s[1:], "}")
		if !ok {
			return nil, errors.New("unclosed {")
		}
		a, b, two := strings.Cut(body, ",")
		var err error
		if low, err = strconv.Atoi(strings.TrimSpace(a)); err != nil || low < 0 {
			return nil, fmt.Errorf("bad count %q", body)
		}
		high = low
		if two {
			if b = strings.TrimSpace(b); b == "" {
				high = -1
			} else if high, err = strconv.Atoi(b); err != nil {
				return nil, fmt.Errorf("bad count %q", body)
			}
		}
		if low > 1000 || high > 1000 || high >= 0 && high < low {
			return nil, fmt.Errorf("bad count %q", body)
		}
		p.s = "}" + rest
	default:
		return item, nil
	}
	p.s = p.s[1:]
	var seq []symbol
	for range low {
		seq = append(seq, item...)
	}
	if high < 0 {
		star := p.rule(nil)
		p.rules[star.rule] = [][]symbol{{}, append(append([]symbol(nil), item...), star)}
		return append(seq, star), nil
	}
	var tail []symbol
	for range high - low {
		tail = []symbol{p.rule([][]symbol{{}, append(append([]symbol(nil), item...), tail...)})}
	}
	return append(seq, tail...), nil
}

func (p *gparser) char() (rune, error) {
	r, n := utf8.DecodeRuneInString(p.s)
	p.s = p.s[n:]
	if r != '\\' {
		return r, nil
	}
	if p.s == "" {
		return 0, errors.New("unfinished escape")
	}
	c := p.s[0]
	p.s = p.s[1:]
	digits := 0
	switch c {
	case 'n':
		return '\n', nil
	case 't':
		return '\t', nil
	case 'r':
		return '\r', nil
	case 'x':
		digits = 2
	case 'u':
		digits = 4
	case 'U':
		digits = 8
	case '"', '\\', '[', ']', '-', '^':
		return rune(c), nil
	}
	if digits == 0 || len(p.s) < digits {
		return 0, fmt.Errorf("unknown escape \\%c", c)
	}
	v, err := strconv.ParseUint(p.s[:digits], 16, 32)
	p.s = p.s[digits:]
	return rune(v), err
}

func (p *gparser) class() (symbol, error) {
	p.s = p.s[1:]
	var s symbol
	if strings.HasPrefix(p.s, "^") {
		s.not = true
		p.s = p.s[1:]
	}
	for {
		if p.s == "" {
			return s, errors.New("unclosed [")
		}
		if p.s[0] == ']' {
			p.s = p.s[1:]
			return s, nil
		}
		a, err := p.char()
		if err != nil {
			return s, err
		}
		b := a
		if strings.HasPrefix(p.s, "-") && !strings.HasPrefix(p.s, "-]") {
			p.s = p.s[1:]
			if b, err = p.char(); err != nil {
				return s, err
			}
		}
		s.from = append(s.from, a, b)
	}
}
