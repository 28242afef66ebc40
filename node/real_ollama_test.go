//go:build ollama

package node_test

import (
	"testing"

	"llama9/node"
	"llama9/node/ollama"
)

func init() {
	realEngines["ollama"] = func(t *testing.T) node.Engine {
		t.Helper()
		e, err := ollama.Open(ollama.Options{})
		if err != nil {
			t.Fatal(err)
		}
		return e
	}
}
