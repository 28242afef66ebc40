//go:build !nollama && (((linux || windows || darwin) && (amd64 || arm64)) || (linux && riscv64))

package llama

import (
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"sync"

	"github.com/ebitengine/purego"
	yzma "github.com/hybridgroup/yzma/pkg/llama"
	"llama9/node"
	"llama9/node/cpplog"
	"llama9/node/llama/libffi"
	"llama9/node/llamacpp"
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
	engine *llamacpp.Engine
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

// stateLead is what this llama.cpp writes before the streams of a state: a
// magic number and the sequence's.
const stateLead = 8

func open(dir string, log *slog.Logger) (*llamacpp.Engine, error) {
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
	sink := cpplog.New(log)
	if err := yzma.Load(dir); err != nil {
		return nil, fmt.Errorf("%s: %w", dir, err)
	}
	yzma.LogSet(logCallback(sink))
	purego.SyscallN(c.setAbortWords, abortCallback(sink))
	yzma.BackendInit()
	if err := yzma.GGMLBackendLoadAllFromPath(dir); err != nil {
		return nil, fmt.Errorf("%s: %w", dir, err)
	}
	if yzma.GGMLBackendDeviceCount() == 0 {
		return nil, fmt.Errorf("%s: no %s in it fits this machine", dir, libName("ggml-cpu-*"))
	}
	return llamacpp.NewEngine(llamacpp.Library{
		Name: "llama", Build: c.version, Variant: variant(sink.Backends()),
		MaxDevices: int(yzma.MaxDevices()), GPU: yzma.SupportsGpuOffload(), StateLead: stateLead,
		Load: c.load,
	}, sink), nil
}
