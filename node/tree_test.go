package node_test

import (
	"testing"

	"llama9/node"
	"llama9/node/fake"
	"llama9/styxfs/styxtest"
)

// The suite of the tree over a node.

func TestTree(t *testing.T) {
	b := newBench(t, &fake.Engine{}, nil)
	styxtest.RunBackend(t, styxtest.Options{Deterministic: true, Exact: true}, b.Node)
}

func TestRealTree(t *testing.T) { eachReal(t, testRealTree) }

func testRealTree(t *testing.T, e node.Engine) {
	b := newReal(t, e, nil)
	styxtest.RunBackend(t, styxtest.Options{Deterministic: true, Settings: "n_predict 64\n"}, b.Node)
}
