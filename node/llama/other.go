//go:build nollama || !(((linux || windows || darwin) && (amd64 || arm64)) || (linux && riscv64))

package llama

import (
	"errors"
	"log/slog"

	"llama9/node"
)

// On FreeBSD the foreign-function layer needs a flag of the compiler, so that
// it is left out there too.

// Options say how Open opens llama.cpp.
type Options struct {
	Lib string       // the directory of the libraries, as Find gives it
	Log *slog.Logger // takes llama.cpp's own log; nil: none
}

// Open says that this program has no foreign-function layer.
func Open(Options) (node.Engine, error) {
	return nil, errors.New("no llama.cpp in this program: " + platform() + ", or built with the tag nollama")
}
