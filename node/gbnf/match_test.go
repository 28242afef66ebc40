package gbnf

import (
	"strings"
	"testing"
)

func TestMatch(t *testing.T) {
	for _, tt := range []struct {
		text    string
		yes, no []string
	}{
		{`root ::= "ab" | "ac"`, []string{"ab", "ac"}, []string{"", "a", "abc", "bc"}},
		{`root ::= "a"* "b"+ "c"?`, []string{"b", "aabbc"}, []string{"", "ac", "bcc"}},
		{`root ::= "a"{2} "b"{1,} "c"{0,2}`, []string{"aab", "aabbbcc"}, []string{"ab", "aa", "aabccc"}},
		{`root ::= [^a-c\n] .`, []string{"dd", "é\n"}, []string{"ad", "\nd", "d"}},
		{`root ::= [a-cx-z]`, []string{"b", "y"}, []string{"d", ""}},
		{`root ::= ("a"? "b"?)* "c"`, []string{"c", "abc", "bac", "ababbbaac"}, []string{"ab", "ca"}},
		{`root ::= "a" root "b" |`, []string{"", "aaabbb"}, []string{"aab", "abb"}},
		{"root ::= e\ne ::= t ([-+] t)*\nt ::= [0-9]+ | \"(\" e \")\"", []string{"1", "1+2-(3+(4))"}, []string{"1+", "(1", ""}},
		{`root ::= "a" | "a"` + "\nroot ::= \"b\"", []string{"b"}, []string{"a"}},
		{`root ::= "a" <[3]>`, nil, []string{"a", "ab"}},
		{`root ::= "" | []`, []string{""}, []string{"a"}},
	} {
		g, err := Parse(tt.text)
		if err != nil {
			t.Fatalf("%s: %v", tt.text, err)
		}
		for _, s := range tt.yes {
			if !g.Match(s) {
				t.Errorf("%s refuses %q", tt.text, s)
			}
		}
		for _, s := range tt.no {
			if g.Match(s) {
				t.Errorf("%s takes %q", tt.text, s)
			}
		}
	}
}

func TestMatcherSteps(t *testing.T) {
	g, err := Parse(`root ::= "é" [0-9]+ "."`)
	if err != nil {
		t.Fatal(err)
	}
	m := g.Matcher()
	if m.Can("1") || !m.Can("é12") || m.Done() {
		t.Error("at the start")
	}
	// A character in two pieces.
	if !m.Accept("\xc3") || m.Done() || m.Accept("\xff") || !m.Accept("\xa9") {
		t.Error("inside of a character")
	}
	if m.Accept("1x") || !m.Accept("12") || m.Done() {
		t.Error("a refused text has left a trace")
	}
	if !m.Accept(".") || !m.Done() || m.Can(".") {
		t.Error("at the end")
	}
	if m.Ways() != 1 {
		t.Errorf("%d ways at the end", m.Ways())
	}
}

// A long text with a deep stack goes through compact many times.
func TestMatcherLong(t *testing.T) {
	g, err := Parse("root ::= v\nv ::= \"[\" (v (\",\" v)*)? \"]\"")
	if err != nil {
		t.Fatal(err)
	}
	m := g.Matcher()
	n := 20000
	for range n {
		if !m.Accept("[[],") {
			t.Fatal("refused")
		}
	}
	if !m.Accept("[]" + strings.Repeat("]", n)) {
		t.Fatal("refused at the end")
	}
	if !m.Done() {
		t.Error("not done")
	}
	if len(m.nodes) > 1<<18 {
		t.Errorf("%d places are left", len(m.nodes))
	}
}

// A matcher refuses to go on where ways double with every character, and its
// cost tells before.
func TestMatcherWays(t *testing.T) {
	p := &parser{src: `root ::= "d" | "a" root "b" | "a" root "c"`, ids: map[string]uint32{}}
	g, err := p.parse() // without check, which refuses it
	if err != nil {
		t.Fatal(err)
	}
	m := g.Matcher()
	if m.Cost() <= costWays {
		t.Errorf("cost %d", m.Cost())
	}
	n := 0
	for m.Accept("a") {
		if n++; n > 100 {
			t.Fatalf("%d ways", m.Ways())
		}
	}
	if m.Ways() > maxWays {
		t.Errorf("%d ways", m.Ways())
	}
}
