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

// Where a grammar names tokens their ids count, elsewhere their text.
func TestAcceptToken(t *testing.T) {
	ids := map[string]int32{"<think>": 7, "</think>": 8}
	g, err := ParseTokens(`root ::= <think> !</think>* </think> ("yes" | <[9]> "é")`, func(text string) (int32, bool) { id, ok := ids[text]; return id, ok })
	if err != nil {
		t.Fatal(err)
	}
	type tok struct {
		id   int32
		text string
		ok   bool
	}
	for _, run := range [][]tok{
		{{1, "<think>", false}, {7, "", true}, {1, "hm", true}, {2, "\x80", true}, {8, "", true}, {3, "x", false}, {3, "ye", true}, {4, "s", true}, {4, "s", false}},
		{{7, "", true}, {8, "", true}, {9, "", true}, {1, "\xc3", true}, {1, "x", false}, {1, "\xa9", true}, {7, "", false}},
	} {
		m := g.Matcher()
		for i, k := range run {
			if got := m.AcceptToken(k.id, k.text); got != k.ok {
				t.Fatalf("token %d of %v: %v", i, run, got)
			}
		}
		if !m.Done() {
			t.Errorf("%v: not done", run)
		}
	}
	if m := g.Matcher(); m.Accept("<think>") {
		t.Error("a text is taken for a token")
	}
	// What llama.cpp takes for a character need not be one.
	if g, err = Parse(`root ::= [^a]*`); err != nil {
		t.Fatal(err)
	}
	m := g.Matcher()
	for _, k := range []tok{{1, "\xc0\x80", true}, {1, "\xed\xa0\x80", true}, {1, "\xf8", true}, {1, "\x80\x80\x80z", true}, {1, "\x80", false}, {1, "\xc3z", false}, {1, "", true}} {
		if m.AcceptToken(k.id, k.text) != k.ok {
			t.Errorf("%+q is not what it was", k.text)
		}
	}
	if m.Accept("\xc0\x80") {
		t.Error("a text that is not UTF-8 is taken")
	}
}

// Cost is looked up where the grammar has been before, and is what it was.
func TestCostAgain(t *testing.T) {
	// Behind more text than one look ahead covers, so that Check finds nothing.
	g, err := Parse(`root ::= "` + strings.Repeat("x", 40) + `" ` + strings.Repeat(`"a"* `, 50))
	if err != nil {
		t.Fatal(err)
	}
	m := g.Matcher()
	for range 40 {
		if c := m.Cost(); c > costWays && c != m.Cost() {
			t.Fatal("two costs of one place")
		}
		m.Accept("x")
	}
	if m.Cost() <= costWays {
		t.Errorf("cost %d", m.Cost())
	}
	if len(m.costs) == 0 || len(m.costs) > maxCosts {
		t.Errorf("%d costs", len(m.costs))
	}
}
