package node

func checkGrammar(string) error { return nil }

func schemaGrammar(schema string) (string, error) { return schema, nil }

// CheckGrammar says what is wrong with a GBNF grammar. See styxfs.GrammarChecker.
func (n *Node) CheckGrammar(text string) error { return checkGrammar(text) }

// CheckSchema says what is wrong with a JSON schema. See styxfs.GrammarChecker.
func (n *Node) CheckSchema(text string) error {
	_, err := schemaGrammar(text)
	return err
}
