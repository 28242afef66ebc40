package node

import "llama9/node/gbnf"

// CheckGrammar says what is wrong with a GBNF grammar: what llama.cpp would
// not take, or end the process for. Which tokens there are is known only to the
// model that a turn will name, so any text in <> is taken for one here, and
// judged by Model.NewGrammar at the turn. See styxfs.GrammarChecker.
func (n *Node) CheckGrammar(text string) error {
	_, err := gbnf.ParseTokens(text, func(string) (Token, bool) { return 0, true })
	return err
}

// CheckSchema says what is wrong with a JSON schema. See styxfs.GrammarChecker.
func (n *Node) CheckSchema(text string) error {
	_, err := gbnf.FromSchema(text)
	return err
}
