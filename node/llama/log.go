//go:build !nollama && (((linux || windows || darwin) && (amd64 || arm64)) || (linux && riscv64))

package llama

import (
	"context"
	"log/slog"
	"path"
	"strings"
	"sync"
	"unsafe"

	"github.com/ebitengine/purego"
	yzma "github.com/hybridgroup/yzma/pkg/llama"
)

// A logSink is where llama.cpp's log goes: whole lines to slog, its "info",
// some hundred lines a load, as debug. llama.cpp logs no prompts.
type logSink struct {
	to *slog.Logger

	// mu guards below
	mu       sync.Mutex
	line     strings.Builder
	level    slog.Level
	loaded   []string // files of backends
	watching bool
	watched  []string // errors since watch
}

func newLogSink(to *slog.Logger) *logSink { return &logSink{to: to} }

// callback makes the C function for llama_log_set; it is made once.
func (s *logSink) callback() uintptr {
	return purego.NewCallback(func(level int32, text *byte, _ uintptr) uintptr {
		s.write(level, goString(text))
		return 0
	})
}

// abortCallback makes the C function for ggml_set_abort_callback: the last
// words of llama.cpp before it ends the process go to the log as well.
func (s *logSink) abortCallback() uintptr {
	return purego.NewCallback(func(text *byte) uintptr {
		s.to.Error("llama.cpp ends the process: "+strings.TrimSpace(goString(text)), "from", "llama.cpp")
		return 0
	})
}

// write takes a piece of log. A piece can be a part of a line, whose level is
// that of its first piece (GGML_LOG_LEVEL_CONT).
func (s *logSink) write(level int32, text string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for text != "" {
		if s.line.Len() == 0 {
			s.level = slogLevel(yzma.LogLevel(level), s.level)
		}
		part, rest, whole := strings.Cut(text, "\n")
		s.line.WriteString(part)
		text = rest
		if !whole {
			return
		}
		if line := strings.TrimSpace(s.line.String()); strings.Trim(line, ".") != "" { // dots show progress
			s.whole(line)
		}
		s.line.Reset()
	}
}

// whole takes a line; mu is held.
func (s *logSink) whole(line string) {
	if _, file, ok := strings.Cut(line, " backend from "); ok && strings.Contains(line, "loaded") {
		s.loaded = append(s.loaded, file)
	}
	if s.watching && s.level >= slog.LevelError && len(s.watched) < 8 {
		s.watched = append(s.watched, line)
	}
	level := s.level
	if level > slog.LevelDebug && ofAbort(line) {
		level = slog.LevelDebug
	}
	s.to.Log(context.Background(), level, line, "from", "llama.cpp")
}

// ofAbort says whether a line tells of a decode that Abort ended: each cancel
// of a turn would be three errors and a warning. GGML_STATUS_ABORTED is 1, and
// llama_decode's 2 is that the callback said so; no failure has these numbers.
// The warning comes with other failures too, beside their errors.
func ofAbort(line string) bool {
	switch line {
	case "graph_compute: ggml_backend_sched_graph_compute_async failed with error 1",
		"process_ubatch: failed to compute graph, compute status: 1",
		"llama_decode: failed to decode, ret = 2":
		return true
	}
	return strings.HasPrefix(line, "decode: removing memory module entries for seq_id = ")
}

func slogLevel(l yzma.LogLevel, before slog.Level) slog.Level {
	switch l {
	case yzma.LogLevelWarn:
		return slog.LevelWarn
	case yzma.LogLevelError:
		return slog.LevelError
	case yzma.LogLevelContinue:
		return before
	case yzma.LogLevelInfo:
		return slog.LevelDebug
	}
	return slog.LevelDebug - 4
}

// watch begins to keep what is logged as an error; the function it gives ends
// that and tells the first of it, which is llama.cpp's reason.
func (s *logSink) watch() func() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.watching, s.watched = true, nil
	return func() string {
		s.mu.Lock()
		defer s.mu.Unlock()
		s.watching = false
		if len(s.watched) == 0 {
			return ""
		}
		return reason(s.watched[0])
	}
}

// reason takes the function's name off a line of llama.cpp's log.
func reason(line string) string {
	if f, rest, ok := strings.Cut(line, ": "); ok && !strings.Contains(f, " ") {
		line = rest
	}
	return strings.TrimSpace(line)
}

// variant names the libraries that were picked, as "haswell" or
// "haswell+cuda", from what was logged while the backends loaded.
func (s *logSink) variant() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	var names []string
	for _, f := range s.loaded {
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
