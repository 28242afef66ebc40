// Package cpplog takes the log of llama.cpp, which comes in pieces of lines.
package cpplog

import (
	"context"
	"log/slog"
	"slices"
	"strings"
	"sync"
)

// A Sink is where llama.cpp's log goes: whole lines to slog, its "info",
// some hundred lines a load, as debug. llama.cpp logs no prompts.
type Sink struct {
	to *slog.Logger

	// mu guards below
	mu       sync.Mutex
	line     strings.Builder
	level    slog.Level
	loaded   []string // files of backends
	watching bool
	watched  []string // errors since Watch
}

// New gives a Sink that writes to to; nil is nowhere.
func New(to *slog.Logger) *Sink {
	if to == nil {
		to = slog.New(slog.DiscardHandler)
	}
	return &Sink{to: to}
}

// Redirect writes to to from now on, and gives what was written to before.
func (s *Sink) Redirect(to *slog.Logger) (before *slog.Logger) {
	s.mu.Lock()
	defer s.mu.Unlock()
	before, s.to = s.to, to
	return before
}

// Warn writes a warning of our own.
func (s *Sink) Warn(text string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.to.Warn(text)
}

// Abort takes the last words of llama.cpp before it ends the process.
func (s *Sink) Abort(text string) {
	s.to.Error("llama.cpp ends the process: "+strings.TrimSpace(text), "from", "llama.cpp")
}

// Write takes a piece of log. A piece can be a part of a line, whose level is
// that of its first piece (GGML_LOG_LEVEL_CONT).
func (s *Sink) Write(level int32, text string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for text != "" {
		if s.line.Len() == 0 {
			s.level = slogLevel(level, s.level)
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
func (s *Sink) whole(line string) {
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

// The levels of ggml.h (enum ggml_log_level).
const (
	levelInfo     = 2
	levelWarn     = 3
	levelError    = 4
	levelContinue = 5
)

func slogLevel(l int32, before slog.Level) slog.Level {
	switch l {
	case levelWarn:
		return slog.LevelWarn
	case levelError:
		return slog.LevelError
	case levelContinue:
		return before
	case levelInfo:
		return slog.LevelDebug
	}
	return slog.LevelDebug - 4
}

// Watch begins to keep what is logged as an error; the function it gives ends
// that and tells the first of it, which is llama.cpp's reason.
func (s *Sink) Watch() func() string {
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

// Backends are the files of the backends that were loaded.
func (s *Sink) Backends() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.loaded)
}
