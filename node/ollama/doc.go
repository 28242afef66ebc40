// Package ollama is a node.Engine whose llama.cpp is in the binary: the sources
// that github.com/ollama/ollama carries under llama/ and ml/backend/ggml,
// compiled by cgo.
//
// It is built with the tag ollama by scripts/build-ollama only, which sets the
// compiler's flags; without the tag Open says so and no C compiler is needed.
//
// The packages of C++ under github.com/ollama/ollama/llama are used without
// the Go package above them: that one cannot free a context, reads neither
// states nor metadata, and wants headers that module archives lack. What is
// called is the interface of llama.h. The conformance suite, the bounds and the
// readers of files are those of the default engine.
//
// A C++ exception cannot pass through Go, so each call that can throw goes
// through shim.cpp, which makes an error of it.
package ollama
