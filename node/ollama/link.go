//go:build ollama && cgoflags && cgo

package ollama

// #include "shim.h"
import "C"

// The packages of C and C++ that llama.cpp is made of.
import (
	_ "github.com/ollama/ollama/llama/llama.cpp/src"
	_ "github.com/ollama/ollama/ml/backend/ggml/ggml/src"
)

// Version is the version of the module whose llama.cpp is linked in; llama.cpp
// has none of its own there, and is that of December 2025.
const Version = "v0.24.0"

// Suffix follows the versions of a program's engines.
const Suffix = ", ollama " + Version
