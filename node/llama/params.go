//go:build !nollama && (((linux || windows || darwin) && (amd64 || arm64)) || (linux && riscv64))

package llama

import (
	"runtime"
	"sync"
	"unsafe"

	"github.com/ebitengine/purego"
	yzma "github.com/hybridgroup/yzma/pkg/llama"
	"llama9/node"
	"llama9/node/llamacpp"
)

// loads are the callers' progress functions by number: one C callback serves
// all loads, since callbacks made for C are never freed.
var loads struct {
	sync.Mutex
	callback uintptr
	next     uintptr
	by       map[uintptr]func(float32) bool
}

// onProgress registers f, which goes on while it gives true.
func onProgress(f func(float32) bool) (callback, data uintptr, free func()) {
	loads.Lock()
	defer loads.Unlock()
	if loads.callback == 0 {
		loads.by = map[uintptr]func(float32) bool{}
		loads.callback = purego.NewCallback(func(p float32, data uintptr) bool {
			loads.Lock()
			f := loads.by[data]
			loads.Unlock()
			return f == nil || f(p)
		})
	}
	loads.next++
	id := loads.next
	loads.by[id] = f
	return loads.callback, id, func() {
		loads.Lock()
		delete(loads.by, id)
		loads.Unlock()
	}
}

// load implements llamacpp.Library's Load.
func (c *calls) load(file string, o node.LoadOptions, progress func(float32) bool) (llamacpp.RawModel, error) {
	p := yzma.ModelDefaultParams()
	if o.NGPULayers != 0 { // llama.cpp's default is -1: all
		p.NGpuLayers = int32(o.NGPULayers)
	}
	p.MainGpu = int32(o.MainGPU)
	switch {
	case o.NoMmap && o.Mlock:
		p.LoadMode = yzma.LoadModeMlock
	case o.NoMmap:
		p.LoadMode = yzma.LoadModeNone
	case o.Mlock:
		p.LoadMode = yzma.LoadModeMmapMlock
	}
	p.TensorSplit = unsafe.SliceData(o.TensorSplit)
	cb, data, drop := onProgress(progress)
	defer drop()
	p.ProgressCallback, p.ProgressCallbackUserData = cb, data
	ptr, err := yzma.ModelLoadFromFile(file, p)
	runtime.KeepAlive(o)
	if err != nil {
		return nil, err
	}
	return &model{c, ptr, uintptr(yzma.ModelGetVocab(ptr))}, nil
}
