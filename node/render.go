package node

import (
	"strings"

	"llama9/styxfs"
)

// render gives the text of the prompt in segments. Without a template it is
// the contents joined.
func (in *instance) render(r *styxfs.Request) ([]segment, error) {
	var b strings.Builder
	for _, m := range r.Messages {
		b.WriteString(m.Content)
	}
	return []segment{{Text: b.String(), Special: r.Params.ParseSpecial}}, nil
}

// engineOfTemplate names what renders the model's own template.
func (in *instance) engineOfTemplate() string { return "none" }

func checkGrammar(string) error { return nil }

func schemaGrammar(schema string) (string, error) { return schema, nil }

// CheckGrammar says what is wrong with a GBNF grammar. See styxfs.GrammarChecker.
func (n *Node) CheckGrammar(text string) error { return checkGrammar(text) }

// CheckSchema says what is wrong with a JSON schema. See styxfs.GrammarChecker.
func (n *Node) CheckSchema(text string) error {
	_, err := schemaGrammar(text)
	return err
}
