//go:build !nollama && (((linux || windows || darwin) && (amd64 || arm64)) || (linux && riscv64))

package llama

import (
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"strings"
	"testing"

	"llama9/node"
)

// walk accepts n tokens that g allows, picked by r, and gives their text and
// the error that ended it.
func walk(m node.Model, g node.Grammar, r *rand.Rand, n int) (text string, err error) {
	c := &node.Candidates{}
	for range n {
		c.Data = c.Data[:0]
		for t := range node.Token(m.Info().NVocab) {
			c.Data = append(c.Data, node.TokenData{ID: t})
		}
		g.Apply(c)
		var ids []node.Token
		for _, d := range c.Data {
			if !math.IsInf(float64(d.Logit), -1) {
				ids = append(ids, d.ID)
			}
		}
		if len(ids) == 0 {
			return text, errors.New("nothing is allowed")
		}
		t := ids[r.IntN(len(ids))]
		if err := g.Accept(t); err != nil {
			return text, err
		}
		if m.EOG(t) {
			return text, nil
		}
		text += string(m.Piece(nil, t, true))
	}
	return text, nil
}

// The matcher beside llama.cpp's grammar takes what that takes, bytes that
// are no UTF-8 too.
func TestGrammarIsFollowed(t *testing.T) {
	m := loadDemo(t)
	ids, err := m.Tokenize("q", false)
	if err != nil {
		t.Fatal(err)
	}
	for _, text := range []string{
		`root ::= [^"]*`,
		`root ::= .* "." [^\x00-\x7f]*`,
		`root ::= ("a" | "é" | "世" | "\U0001F600")*`,
		fmt.Sprintf(`root ::= (!<[%d]> | [a-z]+ ", ")* `, ids[len(ids)-1]),
		"root ::= v\nv ::= \"{\" (s \":\" v)? \"}\" | \"[\" (v (\",\" v)*)? \"]\" | s\ns ::= \"\\\"\" [^\"\\\\]* \"\\\"\"",
	} {
		for seed := range uint64(4) {
			g, err := m.NewGrammar(text)
			if err != nil {
				t.Fatal(err)
			}
			for range 2 {
				if made, err := walk(m, g, rand.New(rand.NewPCG(seed, 1)), 40); err != nil {
					t.Errorf("%s: after %q: %v", text, made, err)
				}
				g.Reset()
			}
			g.Close()
		}
	}
}

// A grammar that is costly only behind more text than the check of it looks
// at ends the turn, not the server.
func TestGrammarOfTooManyWays(t *testing.T) {
	m := loadDemo(t)
	lead := strings.Repeat("x", 40)
	g, err := m.NewGrammar(`root ::= "` + lead + `" ` + strings.Repeat(`"a"* `, 100))
	if err != nil {
		t.Fatal(err)
	}
	defer g.Close()
	made, err := walk(m, g, rand.New(rand.NewPCG(1, 2)), 100)
	if !errors.Is(err, node.ErrAmbiguous) || !strings.HasPrefix(lead, made) {
		t.Errorf("after %q: %v", made, err)
	}
}
