// Package llama is the default node.Engine: llama.cpp's own shared libraries,
// called without cgo through github.com/hybridgroup/yzma.
//
// The struct layouts of llama.h are written by hand in yzma, so the binding
// and the library belong together: Open asks the library for its version
// before anything else and refuses every other one (see Version). The library
// is found by Find, or installed by Install.
//
// llama.cpp ends the process on many kinds of misuse (GGML_ASSERT, or a C++
// exception, which cannot pass through Go). Everything of that kind that is
// known is checked by node/llamacpp before the call and is an error instead.
//
// The foreign-function layer is loaded as soon as the program starts, so that
// a program with this package needs libffi.so.8 (Debian: libffi8) on Linux. The
// build tag nollama leaves it out: such a program is a client, a coordinator,
// or a node of another engine, and Open says so.
package llama
