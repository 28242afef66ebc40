//go:build nollama || !(((freebsd || linux || windows || darwin) && (amd64 || arm64)) || (linux && riscv64))

package llama

import (
	"errors"
	"log/slog"

	"llama9/node"
)

// Options say how Open opens llama.cpp.
type Options struct {
	Lib string       // the directory of the libraries, as Find gives it
	Log *slog.Logger // takes llama.cpp's own log; nil: none
}

// Open says that this program has no foreign-function layer.
func Open(Options) (node.Engine, error) {
	return nil, errors.New("no llama.cpp in this program: " + platform() + ", or built with the tag nollama")
}
