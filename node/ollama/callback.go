//go:build ollama && cgoflags && cgo

package ollama

// #include <stdbool.h>
// #include <stdint.h>
import "C"

import (
	"runtime/cgo"
	"sync/atomic"
	"unsafe"

	"llama9/node/cpplog"
)

// logTo is where llama.cpp's log goes.
var logTo atomic.Pointer[cpplog.Sink]

//export llama9OllamaLog
func llama9OllamaLog(level C.int, text *C.char, _ unsafe.Pointer) {
	if s := logTo.Load(); s != nil {
		s.Write(int32(level), C.GoString(text))
	}
}

//export llama9OllamaAbort
func llama9OllamaAbort(text *C.char) {
	if s := logTo.Load(); s != nil {
		s.Abort(C.GoString(text))
	}
}

//export llama9OllamaProgress
func llama9OllamaProgress(p C.float, handle C.uintptr_t) C.bool {
	return C.bool(cgo.Handle(handle).Value().(func(float32) bool)(float32(p)))
}

// onProgress gives the number by which C tells f of a load, which goes on
// while f gives true; drop when the load is over.
func onProgress(f func(float32) bool) (handle C.uintptr_t, drop func()) {
	h := cgo.NewHandle(f)
	return C.uintptr_t(h), h.Delete
}
