// Package gbnf reads the grammars that llama.cpp restrains a generation with.
//
// llama.cpp answers a bad grammar with a line on its standard error and
// nothing, or by never coming back; a few texts make it eat all memory, others
// take it minutes for a token. So a text passes Check before it reaches the
// library: what Check accepts, the library accepts. The syntax is that of
// llama.cpp's src/llama-grammar.cpp, described in its grammars/README.md.
//
// FromSchema makes a grammar of a JSON schema. Match and State run a grammar
// over a text, without a vocabulary, for engines that have no llama.cpp.
package gbnf

import "fmt"

// An elemKind is one of llama.cpp's llama_gretype.
type elemKind uint8

const (
	elemEnd     elemKind = iota // end of a rule
	elemAlt                     // start of another alternate
	elemRef                     // reference to rule val
	elemChar                    // character val
	elemNot                     // any character but val ([^a])
	elemUpper                   // val is the upper end of a range
	elemCharAlt                 // val is one more of the set that began before
	elemAny                     // any character (.)
	elemToken                   // token val
	elemNoToken                 // any token but val
)

type elem struct {
	kind elemKind
	val  uint32
}

// A rule is its alternates in a row, elemAlt between them, elemEnd at the end.
type rule []elem

// A Grammar is a parsed and checked text. It does not change.
type Grammar struct {
	rules []rule
	names []string // of the rules; those of groups are made up
	root  uint32
}

// An Error says where a text is wrong.
type Error struct {
	Line, Col int // from 1, Col in characters; 0: the text as a whole
	Text      string
}

func (e *Error) Error() string {
	if e.Line == 0 {
		return "grammar: " + e.Text
	}
	return fmt.Sprintf("grammar: %d:%d: %s", e.Line, e.Col, e.Text)
}

// Check says what is wrong with text; nil is that llama.cpp takes it. A token
// can be named by its number, <[12]>; by its text, <think>, only where
// ParseTokens knows a vocabulary.
func Check(text string) error {
	_, err := Parse(text)
	return err
}

// Parse reads and checks a grammar.
func Parse(text string) (*Grammar, error) { return ParseTokens(text, nil) }

// ParseTokens is Parse with a vocabulary: token gives the number of the one
// token that text, such as "<think>", is tokenized to, control tokens meant;
// false if it is none or several.
func ParseTokens(text string, token func(text string) (int32, bool)) (*Grammar, error) {
	p := &parser{src: text, token: token, ids: map[string]uint32{}}
	g, err := p.parse()
	if err != nil {
		return nil, err
	}
	if err := g.check(); err != nil {
		return nil, err
	}
	return g, nil
}
