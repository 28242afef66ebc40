//go:build ollama && cgoflags && cgo

package ollama

// #include "shim.h"
import "C"

import (
	"strings"

	"golang.org/x/sys/cpu"
)

// features are the extensions that the compiler was told to use, the best
// first, with what the processor at hand says. Other than the libraries of the
// default engine, this llama.cpp is compiled for one kind of processor.
func features() []feature {
	return []feature{
		{"avx512_bf16", C.ggml_cpu_has_avx512_bf16() != 0, cpu.X86.HasAVX512BF16},
		{"avx512", C.ggml_cpu_has_avx512() != 0, cpu.X86.HasAVX512F},
		{"avx2", C.ggml_cpu_has_avx2() != 0, cpu.X86.HasAVX2},
		{"fma", C.ggml_cpu_has_fma() != 0, cpu.X86.HasFMA},
		{"sve", C.ggml_cpu_has_sve() != 0, cpu.ARM64.HasSVE},
		{"i8mm", C.ggml_cpu_has_matmul_int8() != 0, cpu.ARM64.HasI8MM},
		{"dotprod", C.ggml_cpu_has_dotprod() != 0, cpu.ARM64.HasASIMDDP},
	}
}

type feature struct {
	name        string
	built, here bool
}

// variant is the best of the extensions that are used, as "avx2".
func variant() string {
	for _, f := range features() {
		if f.built {
			return f.name
		}
	}
	return "generic"
}

// missing are the extensions that are compiled in and not at hand: the first
// instruction of them would end the process.
func missing() string {
	var names []string
	for _, f := range features() {
		if f.built && !f.here {
			names = append(names, f.name)
		}
	}
	return strings.Join(names, ", ")
}
