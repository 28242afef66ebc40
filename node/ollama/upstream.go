//go:build ollama && cgoflags && cgo

package ollama

// #include "shim.h"
import "C"

import (
	"unsafe"

	upstream "github.com/ollama/ollama/llama"
)

// Version is the version of the module whose llama.cpp is linked in; llama.cpp
// has none of its own there, and is that of December 2025.
const Version = "v0.24.0"

// Suffix follows the versions of a program's engines.
const Suffix = ", ollama " + Version

// The package's types hold what is llama.cpp's in their first word, and keep
// it to themselves. Here is the way in and out. That it is so is checked by
// TestUpstreamLayout, and that no word is missing by the compiler.
var (
	_ = [1]struct{}{}[unsafe.Sizeof(upstream.Model{})-unsafe.Sizeof((*C.struct_llama_model)(nil))]
	_ = [1]struct{}{}[min(unsafe.Sizeof(upstream.Batch{}), unsafe.Sizeof(C.struct_llama_batch{}))-unsafe.Sizeof(C.struct_llama_batch{})]
)

// upstreamModel gives the package's view of a model.
func upstreamModel(ptr *C.struct_llama_model) *upstream.Model {
	return (*upstream.Model)(unsafe.Pointer(&struct{ c *C.struct_llama_model }{ptr}))
}

// batchOf gives llama.cpp's batch of one of the package's.
func batchOf(b *upstream.Batch) *C.struct_llama_batch {
	return (*C.struct_llama_batch)(unsafe.Pointer(b))
}
