//go:build ollama && cgoflags && cgo

package ollama

// #include "shim.h"
import "C"

import (
	"fmt"
	"log/slog"
	"os"
	"sync"

	upstream "github.com/ollama/ollama/llama"

	"llama9/node"
	"llama9/node/cpplog"
	"llama9/node/llamacpp"
)

// Options say how Open opens llama.cpp.
type Options struct {
	Log *slog.Logger // takes llama.cpp's own log; nil: none
}

// opened is the process's engine: llama.cpp's log and its backends exist once
// in a process, so the engine does too.
var opened struct {
	sync.Mutex
	engine *llamacpp.Engine
}

// Open gives the engine. A process has one: a second Open gives the same.
func Open(o Options) (node.Engine, error) {
	opened.Lock()
	defer opened.Unlock()
	if opened.engine != nil {
		return opened.engine, nil
	}
	// ggml's abort runs a debugger for a backtrace unless told not to.
	if err := os.Setenv("GGML_NO_BACKTRACE", "1"); err != nil {
		return nil, err
	}
	if missing := missing(); missing != "" {
		return nil, fmt.Errorf("this program was built for processors with %s, which this one has not: LLAMA9_MARCH=x86-64-v3 scripts/build-ollama builds for more", missing)
	}
	sink := cpplog.New(o.Log)
	logTo.Store(sink)
	C.l9_init()
	gpus := len(upstream.EnumerateGPUs()) // that llama.cpp has code for, and are there
	opened.engine = llamacpp.NewEngine(llamacpp.Library{
		Name: "ollama", Build: "ollama-" + Version, Variant: variant(),
		MaxDevices: int(C.llama_max_devices()), GPU: gpus > 0,
		Load: func(file string, o node.LoadOptions, progress func(float32) bool) (llamacpp.RawModel, error) {
			if o.NGPULayers != 0 && gpus == 0 {
				sink.Warn("n_gpu_layers has no effect: this program has no code for the GPUs of this machine, if there are any")
			}
			return load(file, o, progress)
		},
	}, sink)
	return opened.engine, nil
}
