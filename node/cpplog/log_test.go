package cpplog

import (
	"log/slog"
	"slices"
	"strings"
	"testing"
)

// llama.cpp's pieces of log are lines of slog with levels of their own.
func TestLog(t *testing.T) {
	var b strings.Builder
	s := New(slog.New(slog.NewTextHandler(&b, &slog.HandlerOptions{Level: slog.LevelDebug - 4,
		ReplaceAttr: func(_ []string, a slog.Attr) slog.Attr {
			if a.Key == slog.TimeKey || a.Key == "from" {
				return slog.Attr{}
			}
			return a
		}})))
	s.Write(2, "load_backend: loaded CPU backend from /x/libggml-cpu-haswell.so\n")
	s.Write(2, "load_backend: loaded CUDA backend from C:\\x\\ggml-cuda.dll\n")
	why := s.Watch()
	s.Write(3, "a warning\nan ")
	s.Write(5, "info that ")
	s.Write(5, "goes on\n")
	s.Write(2, ".....")
	s.Write(5, "\n")
	s.Write(4, "f: bad thing\nsecond: thing\n")
	s.Write(1, "detail\n")
	s.Write(4, "llama_decode: failed to decode, ret = 2\nllama_decode: failed to decode, ret = -2\n")
	s.Write(4, "not ended")
	want := `level=DEBUG msg="load_backend: loaded CPU backend from /x/libggml-cpu-haswell.so"
level=DEBUG msg="load_backend: loaded CUDA backend from C:\\x\\ggml-cuda.dll"
level=WARN msg="a warning"
level=WARN msg="an info that goes on"
level=ERROR msg="f: bad thing"
level=ERROR msg="second: thing"
level=DEBUG-4 msg=detail
level=DEBUG msg="llama_decode: failed to decode, ret = 2"
level=ERROR msg="llama_decode: failed to decode, ret = -2"
`
	if b.String() != want {
		t.Errorf("got\n%s\nwant\n%s", b.String(), want)
	}
	if got := why(); got != "bad thing" {
		t.Errorf("reason %q", got)
	}
	if got := s.Backends(); !slices.Equal(got, []string{"/x/libggml-cpu-haswell.so", `C:\x\ggml-cuda.dll`}) {
		t.Errorf("backends %q", got)
	}
}
