//go:build !nollama && (((linux || windows || darwin) && (amd64 || arm64)) || (linux && riscv64))

package llama

import (
	"path"
	"strings"
	"unsafe"

	"github.com/ebitengine/purego"
	"llama9/node/cpplog"
)

// logCallback makes the C function for llama_log_set; it is made once.
func logCallback(s *cpplog.Sink) uintptr {
	return purego.NewCallback(func(level int32, text *byte, _ uintptr) uintptr {
		s.Write(level, goString(text))
		return 0
	})
}

// abortCallback makes the C function for ggml_set_abort_callback: the last
// words of llama.cpp before it ends the process go to the log as well.
func abortCallback(s *cpplog.Sink) uintptr {
	return purego.NewCallback(func(text *byte) uintptr {
		s.Abort(goString(text))
		return 0
	})
}

// variant names the libraries that were picked, as "haswell" or
// "haswell+cuda", from the files of the backends that were loaded.
func variant(files []string) string {
	var names []string
	for _, f := range files {
		name := path.Base(strings.ReplaceAll(f, `\`, "/"))
		name = strings.TrimSuffix(name, path.Ext(name))
		name = strings.TrimPrefix(strings.TrimPrefix(name, "lib"), "ggml-")
		names = append(names, strings.TrimPrefix(name, "cpu-"))
	}
	if len(names) == 0 {
		return "unknown"
	}
	return strings.Join(names, "+")
}

// goString copies a C string.
func goString(p *byte) string {
	if p == nil {
		return ""
	}
	n := 0
	for *(*byte)(unsafe.Add(unsafe.Pointer(p), n)) != 0 {
		n++
	}
	return string(unsafe.Slice(p, n))
}
