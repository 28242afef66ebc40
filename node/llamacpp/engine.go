package llamacpp

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"

	"llama9/node"
	"llama9/node/cpplog"
	"llama9/node/fit"
	"llama9/node/gguf"
)

// An Engine is llama.cpp in this process.
type Engine struct {
	lib Library
	Log *cpplog.Sink // what llama.cpp logs

	// mu is held while a model, a context or a grammar is made, so that the
	// log of llama.cpp between can be read as its reason for failing.
	mu sync.Mutex
}

var (
	_ node.Engine = (*Engine)(nil)
	_ node.Prober = (*Engine)(nil)
)

// NewEngine gives the engine of lib, which logs to log.
func NewEngine(lib Library, log *cpplog.Sink) *Engine { return &Engine{lib: lib, Log: log} }

func (e *Engine) Name() string    { return e.lib.Name }
func (e *Engine) Build() string   { return e.lib.Build }
func (e *Engine) Variant() string { return e.lib.Variant }

// Exact is false: prefill and decode use different kernels, so a turn resumed
// from its tokens can differ in a near tie (generation.md).
func (e *Engine) Exact() bool { return false }

// Probe implements node.Prober.
func (e *Engine) Probe(file string) (node.ModelInfo, error) {
	h, err := gguf.Served(file)
	if err != nil {
		return node.ModelInfo{}, err
	}
	return h.Info(), nil
}

// reason calls make, and gives what llama.cpp logged as an error in place of
// make's own.
func (e *Engine) reason(make func() error) error {
	e.mu.Lock()
	defer e.mu.Unlock()
	why := e.Log.Watch()
	err := make()
	if said := why(); err != nil && said != "" {
		err = errors.New(said)
	}
	return err
}

// Load implements node.Engine.
func (e *Engine) Load(ctx context.Context, file string, o node.LoadOptions, progress func(float32)) (node.Model, error) {
	h, err := gguf.Served(file)
	if err != nil {
		return nil, err
	}
	if strings.IndexByte(file, 0) >= 0 {
		return nil, fmt.Errorf("%q: NUL in a file name", file)
	}
	if o, err = fit.Load(o, e.lib.MaxDevices); err != nil {
		return nil, err
	}
	var raw RawModel
	err = e.reason(func() (err error) {
		if err = ctx.Err(); err == nil && !e.lib.GPU {
			err = fit.Weights(h)
		}
		if err == nil {
			raw, err = e.lib.Load(file, o, func(x float32) bool {
				if progress != nil {
					progress(x)
				}
				return ctx.Err() == nil
			})
		}
		return err
	})
	if err != nil && ctx.Err() != nil {
		return nil, ctx.Err()
	}
	if err != nil {
		return nil, fmt.Errorf("%s: %w", file, err)
	}
	return newModel(e, raw, h)
}
