//go:build ollama && cgoflags && cgo

package ollama

// #include "shim.h"
import "C"

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"strings"
	"sync"
	"unsafe"

	upstream "github.com/ollama/ollama/llama"

	"llama9/node"
	"llama9/node/cpplog"
	"llama9/node/fit"
	"llama9/node/gguf"
)

// Options say how Open opens llama.cpp.
type Options struct {
	Log *slog.Logger // takes llama.cpp's own log; nil: none
}

// opened is the process's engine: llama.cpp's log and its backends exist once
// in a process, so the engine does too.
var opened struct {
	sync.Mutex
	engine *engine
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
	e := &engine{log: cpplog.New(o.Log)}
	logTo.Store(e.log)
	C.l9_init()
	e.gpus = len(upstream.EnumerateGPUs())
	opened.engine = e
	return e, nil
}

// engine is llama.cpp in this process.
type engine struct {
	log  *cpplog.Sink
	gpus int // that llama.cpp has code for, and are there

	// mu is held while a model or a context is made, so that the log of
	// llama.cpp between can be read as its reason for failing.
	mu sync.Mutex
}

var (
	_ node.Engine = (*engine)(nil)
	_ node.Prober = (*engine)(nil)
)

func (e *engine) Name() string    { return "ollama" }
func (e *engine) Build() string   { return "ollama-" + Version }
func (e *engine) Variant() string { return variant() }

// Exact is false: prefill and decode use different kernels, so a turn resumed
// from its tokens can differ in a near tie.
func (e *engine) Exact() bool { return false }

// Probe implements node.Prober.
func (e *engine) Probe(file string) (node.ModelInfo, error) {
	h, err := gguf.Served(file)
	if err != nil {
		return node.ModelInfo{}, err
	}
	return h.Info(), nil
}

// Load implements node.Engine.
func (e *engine) Load(ctx context.Context, file string, o node.LoadOptions, progress func(float32)) (node.Model, error) {
	h, err := gguf.Served(file)
	if err != nil {
		return nil, err
	}
	if strings.IndexByte(file, 0) >= 0 {
		return nil, fmt.Errorf("%q: NUL in a file name", file)
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	if err := fit.Weights(h); err != nil {
		return nil, fmt.Errorf("%s: %w", file, err)
	}
	p, free, err := modelParams(o)
	if err != nil {
		return nil, err
	}
	defer free()
	if o.NGPULayers != 0 && e.gpus == 0 {
		e.log.Warn("n_gpu_layers has no effect: this program has no code for the GPUs of this machine, if there are any")
	}
	handle, drop := onProgress(func(x float32) bool {
		if progress != nil {
			progress(x)
		}
		return ctx.Err() == nil
	})
	defer drop()
	name := C.CString(file)
	defer C.free(unsafe.Pointer(name))
	reason := e.log.Watch()
	m := C.l9_load(name, p, handle)
	why := reason()
	if m == nil {
		if ctx.Err() != nil {
			return nil, ctx.Err()
		}
		err := errors.New("llama.cpp does not load it")
		if why != "" {
			err = errors.New(why)
		}
		return nil, fmt.Errorf("%s: %w", file, err)
	}
	return newModel(e, m, h)
}
