// Package ollama is a node.Engine whose llama.cpp is in the binary: the sources
// that github.com/ollama/ollama carries under llama/ and ml/backend/ggml,
// compiled by cgo.
//
// It is built with the tag ollama by scripts/build-ollama only, which sets the
// compiler's flags; without the tag Open says so and no C compiler is needed.
//
// What package llama there does as well is called by it: the vocabulary, the
// batch, the list of GPUs, the end of a model. The rest of llama.h is called
// beside it, in the same library: package llama cannot free a context, cancel
// a load or a decode, lock a model in memory, read states or metadata, and it
// copies the logits of each token. A C++ exception cannot pass through Go, so
// each call that can throw goes through shim.cpp, which makes an error of it.
// All but the calls is node/llamacpp's, as is the default engine's.
//
// Module archives lack three headers that it includes: nlohmann/json, which
// the script finds or fetches, and two readers of sound and pictures, in whose
// place are those of the folder stubs.
package ollama
