package node

import "llama9/node/gbnf"

// CheckGrammar says what is wrong with a GBNF grammar: what llama.cpp would
// not take, or end the process for. See styxfs.GrammarChecker.
func (n *Node) CheckGrammar(text string) error { return gbnf.Check(text) }

// CheckSchema says what is wrong with a JSON schema. See styxfs.GrammarChecker.
func (n *Node) CheckSchema(text string) error {
	_, err := gbnf.FromSchema(text)
	return err
}
