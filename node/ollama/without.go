//go:build !ollama

package ollama

import (
	"errors"
	"log/slog"

	"llama9/node"
)

// Suffix follows the versions of a program's engines.
const Suffix = ""

// Options say how Open opens llama.cpp.
type Options struct {
	Log *slog.Logger // takes llama.cpp's own log; nil: none
}

// Open says that this program was built without the engine.
func Open(Options) (node.Engine, error) {
	return nil, errors.New("the engine ollama is not in this program: scripts/build-ollama builds one with it")
}
