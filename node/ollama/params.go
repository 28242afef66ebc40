//go:build ollama && cgoflags && cgo

package ollama

// #include "shim.h"
import "C"

import (
	"errors"
	"fmt"
	"unsafe"

	"llama9/node"
)

// repack lays weights out for the processor's widest instructions as they are
// loaded. A benchmark turns it off.
var repack = true

// modelParams turns o into llama_model_params; free when the load is over. No
// backend but the processor's is compiled in, so what tells of GPUs is checked
// and has no effect.
func modelParams(o node.LoadOptions) (p C.struct_llama_model_params, free func(), err error) {
	p = C.llama_model_default_params()
	if o.NGPULayers > 0 {
		p.n_gpu_layers = C.int32_t(min(o.NGPULayers, 1<<30))
	}
	if o.MainGPU < 0 || o.MainGPU > 1<<10 {
		return p, nil, fmt.Errorf("main GPU %d: no such device", o.MainGPU)
	}
	p.main_gpu = C.int32_t(o.MainGPU)
	p.use_extra_bufts = C.bool(repack)
	p.use_mmap, p.use_mlock = C.bool(!o.NoMmap), C.bool(o.Mlock)
	if len(o.TensorSplit) == 0 {
		return p, func() {}, nil
	}
	n := int(C.llama_max_devices())
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
	split := C.calloc(C.size_t(n), C.sizeof_float)
	copy(unsafe.Slice((*float32)(split), n), o.TensorSplit)
	p.tensor_split = (*C.float)(split)
	return p, func() { C.free(split) }, nil
}
