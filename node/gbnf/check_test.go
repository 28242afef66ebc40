package gbnf

import (
	"fmt"
	"strings"
	"testing"
)

// A verdict is what the library does with a text that Check refuses.
type verdict int

const (
	libRefuses verdict = iota
	libTakes           // Check is stricter: the text means something else than it says
	libHangs           // or eats all memory
)

var good = []string{
	`root ::= "a"`,
	"# c\n\nroot::=\"a\"# d\n# e",
	"root ::= a |\n b\r\na ::= \"x\"\r\n\r\nb ::= [y] # end\n",
	"root ::= (\n\"a\"\n| \"b\" )*\n",
	`root ::= "" | []`,
	`root ::= [^] "x"`,
	`root ::= [a-zA-Z0-9_\-] [\]\[] [-a] [a-] [^\x00-\x1F\u00e9\U0001F600é] .`,
	`root ::= "\"\\\n\r\t\x41\u0042\U00000043"`,
	`root ::= "a"{3} "b"{2,} "c"{0,4} "d"{ 1 , 2 } "e"{0} ("f"{0,1}){5}`,
	`root ::= "a"{1999}`,
	`root ::= "a"{0,1999}`,
	`root ::= "a"+{2}?`,
	`root ::= x-1 1x` + "\nx-1 ::= \"a\"\n1x ::= \"b\"",
	`root ::= "a"` + "\nroot ::= \"b\"", // the last one counts
	`root ::= <[12]> !<[0]>* <[2147483647]>`,
	`root ::= "a" root |`,
	`root ::= ("a"? "b"?)* "c"`,
	`root ::= ws ws ws "x" ws` + "\nws ::= [ \\t\\n]*",
	"root ::= e t*\ne ::= \"(\" root \")\" | [0-9]+\nt ::= [-+] e",
	"root ::= v\nv ::= \"[\" (v (\",\" v)*)? \"]\" | \"x\"",
	"root ::= " + strings.Repeat("(", 150) + `"a"` + strings.Repeat(")", 150),
	"root ::= " + strings.Repeat(`"aa" | `, 9000) + `"b"`,
	chain(900, "r%d ::= r%d | \"x\"\n"),
}

// chain is a row of rules, each made by format of its number and the next.
func chain(n int, format string) string {
	var b strings.Builder
	b.WriteString("root ::= r0\n")
	for i := range n {
		fmt.Fprintf(&b, format, i, i+1)
	}
	fmt.Fprintf(&b, "r%d ::= \"end\"\n", n)
	return b.String()
}

var bad = []struct {
	text, want string
	lib        verdict
}{
	{"", "no rules", libTakes}, // it restrains nothing then
	{"  # only this\n", "no rules", libRefuses},
	{`start ::= "a"`, "no rule root", libRefuses},
	{`root = "a"`, "1:6: ::= wanted, not '='", libRefuses},
	{`root ::= "a`, "1:12: the end inside of a literal", libRefuses},
	{"root ::= [a", "1:12: the end inside of a character class", libRefuses},
	{`root ::= "\q"`, "1:11: unknown escape", libRefuses},
	{`root ::= "\x4"`, "2 hex digits wanted", libRefuses},
	{`root ::= "\u12"`, "4 hex digits wanted", libRefuses},
	{"root ::= \"a\"\n\nx ::= \"é\" ]", "3:11: unexpected ']'", libRefuses},
	{"root ::= \"a\"\n| \"b\"", "2:1: name wanted, not '|'", libRefuses},
	{`root ::= b`, "1:10: rule b is not defined", libRefuses},
	{"root ::= \"a\" |\n  missing-one", "2:3: rule missing-one is not defined", libRefuses},
	{`root ::= ("a"`, "1:14: ) wanted, not the end", libRefuses},
	{`root ::= "a")`, "1:13: unexpected ')'", libRefuses},
	{`root ::= *`, "1:10: nothing before * to repeat", libRefuses},
	{`root ::= ""+`, "nothing before + to repeat", libRefuses},
	{`root ::= [] {2}`, "nothing before { to repeat", libRefuses},
	{`root ::= "a"{0}*`, "nothing before * to repeat", libRefuses},
	{`root ::= "a"{`, "number wanted, not the end", libRefuses},
	{`root ::= "a"{,3}`, "number wanted, not ','", libRefuses},
	{`root ::= "a"{2,3`, "} wanted, not the end", libRefuses},
	{`root ::= "a"{2 3}`, "} wanted, not '3'", libRefuses},
	{`root ::= "a"{2000}`, "too many repetitions", libTakes}, // versions differ on 2000 itself
	{`root ::= "a"{2001}`, "1:13: repetition over 2000", libRefuses},
	{`root ::= ("a"{0,50}){0,50}`, "too many repetitions", libRefuses},
	{`root ::= "a"{50}{50}`, "too many repetitions", libRefuses},
	{`root ::= "a"{99999999999999999999999}`, "number too big", libRefuses},
	{`root ::= <12>`, "by its text", libRefuses},
	{`root ::= <[12>`, "]> wanted", libRefuses},
	{`root ::= <[]>`, "number wanted", libRefuses},
	{`root ::= !x`, "< wanted", libRefuses},
	{`root ::= <abc`, "> wanted, not the end", libRefuses},
	{`root ::= root "a" | "b"`, "rule root refers to itself on its left", libRefuses},
	{"root ::= a\na ::= b\nb ::= a", "refers to itself on its left", libRefuses},
	{`root ::= ("" | "x") root "y" | "z"`, "refers to itself on its left", libRefuses},
	{"root ::= \"a\"\nb ::= b", "rule b refers to itself on its left", libRefuses},

	{`root ::= "a"{0,2001}`, "repetition over 2000", libTakes},
	{`root ::= <[4294967296]>`, "no token 4294967296", libTakes},
	{"root ::= \"a\"\x00\"", "1:13: a zero byte", libTakes},
	{"root ::= \"a\xffbcdef\"", "1:12: not UTF-8", libTakes},

	{`root ::= "a"{3,1}`, "1:13: repetition up to 1, from 3", libHangs},
	{"root ::= x root \"c\" | \"d\"\nx ::= y\ny ::= \"b\" | \"\"", "rule root refers to itself on its left, after what can be empty", libHangs},
	{chain(60, "r%[1]d ::= r%[2]d \"a\" | r%[2]d \"b\"\n"), "branch too much", libHangs},
	{chain(2000, "r%d ::= r%d | \"x\"\n"), "chain of over 1000", libHangs},
	{"root ::= " + strings.Repeat(`"aa" | `, 12000) + `"b"`, "can begin in over 10000 ways", libHangs},
	{"root ::= x \";\"\nx ::= " + strings.Repeat("\"a\"* ", 12), "can be read in too many ways", libHangs},
	{`root ::= "{" ("a" | [a-z] | "a" "b"?)* "}"`, "can be read in too many ways", libHangs},
	{"root ::= " + strings.Repeat("(", 5000), "nested too deep", libHangs},
	{`root ::= "` + strings.Repeat("a", 1000) + `"{1999}`, "grammar too big", libHangs},
	{"root ::= \"" + strings.Repeat("a", 1<<20) + `"`, "1048587 bytes", libHangs},
}

func TestCheck(t *testing.T) {
	for _, text := range good {
		if err := Check(text); err != nil {
			t.Errorf("%.60q: %v", text, err)
		}
	}
	for _, tt := range bad {
		err := Check(tt.text)
		if err == nil {
			t.Errorf("%.60q is taken", tt.text)
		} else if !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%.60q: %v, want %s", tt.text, err, tt.want)
		}
	}
}

// The biggest texts are decided without going over them again and again,
// which would take minutes.
func TestCheckBig(t *testing.T) {
	rules := func(format string) string {
		var b strings.Builder
		b.WriteString("root ::= r20000\nr0 ::= \"b\"\n")
		for i := range 20000 {
			fmt.Fprintf(&b, format, i+1, i)
		}
		return b.String()
	}
	for _, tt := range []struct{ text, want string }{
		{rules("r%d ::= \"x\" r%d\n"), ""},
		{rules("r%d ::= \"x\" r%d | \"\"\n"), ""},
		{rules("r%d ::= r%d? \"x\"\n"), "chain of over 1000"},
		{"root ::= " + strings.Repeat(`"a"{0,1999} `, 80), "grammar too big"},
		{"root ::= " + strings.Repeat(`"a"* `, 9000), "too many ways"},
		{"root ::= " + strings.Repeat(`"a"? `, 9000), "too many ways"},
		{"root ::= " + strings.Repeat(`"a"{0,20} "b" `, 4000), ""},
	} {
		err := Check(tt.text)
		if tt.want == "" && err != nil || tt.want != "" && (err == nil || !strings.Contains(err.Error(), tt.want)) {
			t.Errorf("%.40q: %v, want %s", tt.text, err, tt.want)
		}
	}
}

func TestParseTokens(t *testing.T) {
	vocab := func(text string) (int32, bool) {
		if text == "<think>" {
			return 7, true
		}
		return 0, false
	}
	if _, err := ParseTokens(`root ::= <think> "a" !<think>`, vocab); err != nil {
		t.Error(err)
	}
	_, err := ParseTokens("root ::= <th ink>", vocab)
	if err == nil || err.Error() != `grammar: 1:10: "<th ink>" is not one token` {
		t.Error(err)
	}
}

func FuzzCheck(f *testing.F) {
	for _, s := range good {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		g, err := Parse(s)
		if err != nil {
			return
		}
		g.Matcher().Accept("abc")
	})
}
