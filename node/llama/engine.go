//go:build !nollama && (((linux || windows || darwin) && (amd64 || arm64)) || (linux && riscv64))

package llama

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"

	"github.com/ebitengine/purego"
	yzma "github.com/hybridgroup/yzma/pkg/llama"
	"llama9/node"
	"llama9/node/cpplog"
	"llama9/node/gguf"
	"llama9/node/llama/libffi"
)

// Where libffi is missing, the program says so and ends before.
func init() { libffi.Begun() }

// Options say how Open opens llama.cpp.
type Options struct {
	Lib string       // the directory of the libraries, as Find gives it
	Log *slog.Logger // takes llama.cpp's own log; nil: none
}

// opened is the process's engine: llama.cpp's log, its backends and the
// binding's tables exist once in a process, so the engine does too.
var opened struct {
	sync.Mutex
	dir    string
	engine *engine
}

// Open loads llama.cpp's libraries and gives the engine. A process has one: a
// second Open gives the same engine, or an error for other libraries.
func Open(o Options) (node.Engine, error) {
	dir, err := filepath.Abs(o.Lib)
	if err != nil {
		return nil, err
	}
	opened.Lock()
	defer opened.Unlock()
	if opened.engine != nil {
		if dir != opened.dir {
			return nil, fmt.Errorf("llama.cpp is loaded from %s already", opened.dir)
		}
		return opened.engine, nil
	}
	e, err := open(dir, o.Log)
	if err != nil {
		return nil, err
	}
	opened.dir, opened.engine = dir, e
	return e, nil
}

// engine is llama.cpp in this process.
type engine struct {
	c       *calls
	log     *cpplog.Sink
	version string
	variant string

	// mu is held while a model or a context is made, so that the log of
	// llama.cpp between can be read as its reason for failing.
	mu sync.Mutex
}

var (
	_ node.Engine = (*engine)(nil)
	_ node.Prober = (*engine)(nil)
)

func open(dir string, log *slog.Logger) (*engine, error) {
	if err := hasLibraries(dir); err != nil {
		return nil, fmt.Errorf("%s: %w; %s", dir, err, advice())
	}
	// ggml's abort runs a debugger for a backtrace unless told not to.
	if err := os.Setenv("GGML_NO_BACKTRACE", "1"); err != nil {
		return nil, err
	}
	c, err := loadCalls(dir)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", dir, err)
	}
	e := &engine{c: c, log: cpplog.New(log), version: c.version}
	if err := yzma.Load(dir); err != nil {
		return nil, fmt.Errorf("%s: %w", dir, err)
	}
	yzma.LogSet(logCallback(e.log))
	purego.SyscallN(c.setAbortWords, abortCallback(e.log))
	yzma.BackendInit()
	if err := yzma.GGMLBackendLoadAllFromPath(dir); err != nil {
		return nil, fmt.Errorf("%s: %w", dir, err)
	}
	if yzma.GGMLBackendDeviceCount() == 0 {
		return nil, fmt.Errorf("%s: no %s in it fits this machine", dir, libName("ggml-cpu-*"))
	}
	e.variant = variant(e.log.Backends())
	return e, nil
}

func (e *engine) Name() string    { return "llama" }
func (e *engine) Build() string   { return e.version }
func (e *engine) Variant() string { return e.variant }

// Exact is false: prefill and decode use different kernels, so a turn resumed
// from its tokens can differ in a near tie (generation.md).
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
	if err := weightsFit(h, o); err != nil {
		return nil, fmt.Errorf("%s: %w", file, err)
	}
	p, free, err := e.modelParams(ctx, o, progress)
	if err != nil {
		return nil, err
	}
	defer free()
	reason := e.log.Watch()
	m, err := yzma.ModelLoadFromFile(file, p)
	why := reason()
	if err != nil {
		if ctx.Err() != nil {
			return nil, ctx.Err()
		}
		if why != "" {
			err = errors.New(why)
		}
		return nil, fmt.Errorf("%s: %w", file, err)
	}
	return newModel(e, m, h)
}
