//go:build !nollama && (((linux || windows || darwin) && (amd64 || arm64)) || (linux && riscv64))

package llama

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"sync"
	"unsafe"

	"github.com/ebitengine/purego"
	yzma "github.com/hybridgroup/yzma/pkg/llama"
	"llama9/node"
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

// modelParams turns o into llama_model_params; free when the load is over.
func (e *engine) modelParams(ctx context.Context, o node.LoadOptions, progress func(float32)) (p yzma.ModelParams, free func(), err error) {
	p = yzma.ModelDefaultParams()
	if o.NGPULayers != 0 { // llama.cpp's default is -1: all
		p.NGpuLayers = int32(max(-1, min(o.NGPULayers, 1<<30)))
	}
	if o.MainGPU < 0 || o.MainGPU > 1<<10 {
		return p, nil, fmt.Errorf("main GPU %d: no such device", o.MainGPU)
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
	var split []float32
	if len(o.TensorSplit) > 0 {
		n := int(yzma.MaxDevices())
		if len(o.TensorSplit) > n {
			return p, nil, fmt.Errorf("tensor split over %d devices; at most %d", len(o.TensorSplit), n)
		}
		var sum float32
		for _, x := range o.TensorSplit {
			if !(x >= 0) {
				return p, nil, fmt.Errorf("tensor split %v", o.TensorSplit)
			}
			sum += x
		}
		if sum == 0 {
			return p, nil, errors.New("tensor split gives nothing to any device")
		}
		// llama.cpp reads one number for each device there can be.
		split = make([]float32, n)
		copy(split, o.TensorSplit)
		p.TensorSplit = unsafe.SliceData(split)
	}
	cb, data, drop := onProgress(func(x float32) bool {
		if progress != nil {
			progress(x)
		}
		return ctx.Err() == nil
	})
	p.ProgressCallback, p.ProgressCallbackUserData = cb, data
	return p, func() { drop(); runtime.KeepAlive(split) }, nil
}
