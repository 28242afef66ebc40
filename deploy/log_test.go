package deploy

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"llama9/ninep"
)

// readAll reads a log from off on, to where a reader would wait or the end is.
func readAll(t *testing.T, r *logReader, off int64) string {
	t.Helper()
	var b strings.Builder
	buf := make([]byte, 1000)
	for r.Ready(off) {
		n, err := r.ReadAt(t.Context(), buf, off)
		if err != nil {
			t.Fatal(err)
		}
		if n == 0 {
			break
		}
		off += int64(n)
		b.Write(buf[:n])
	}
	return b.String()
}

func TestLogReaders(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := NewLog("", 0)
		l.Write([]byte("one\n"))
		plain, follow := &logReader{l: l}, &logReader{l: l, follow: true}
		if got := readAll(t, plain, 0); got != "one\n" {
			t.Errorf("%q", got)
		}
		if got := readAll(t, follow, 0); got != "one\n" || follow.Ready(4) {
			t.Errorf("%q, and ready %v", got, follow.Ready(4))
		}
		got := make(chan string)
		go func() {
			buf := make([]byte, 10)
			n, err := follow.ReadAt(t.Context(), buf, 4)
			if err != nil {
				t.Error(err)
			}
			got <- string(buf[:n])
		}()
		synctest.Wait()
		l.Write([]byte("two\n"))
		if s := <-got; s != "two\n" {
			t.Errorf("%q", s)
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if err := follow.Wait(ctx, 8); !errors.Is(err, ninep.ErrInterrupted) {
			t.Errorf("a wait that was flushed: %v", err)
		}
		l.Close()
		if n, err := follow.ReadAt(t.Context(), make([]byte, 1), 8); n != 0 || err != nil {
			t.Errorf("at the end: %d, %v", n, err)
		}
	})
}

func TestLogReason(t *testing.T) {
	for text, want := range map[string]string{
		"":                                 "",
		"# a starts\n":                     "",
		"a\nb\n":                           "b",
		"a\nllama9: no\nbye\n":             "llama9: no",
		"llama9: old\n# a starts\nnew\n":   "new",
		"fatal error: x\n\nmain.go:1\n\n":  "fatal error: x",
		"panic: x\nfatal error: y\nz\n":    "panic: x",
		"# a starts\nllama9: x\n# ended\n": "",
	} {
		l := NewLog("", 0)
		l.Write([]byte(text))
		if got := l.reason(); got != want {
			t.Errorf("%q: %q, want %q", text, got, want)
		}
	}
}

// TestLogBounds: a log keeps so much and no more; a reader that fell behind
// goes on with what is kept.
func TestLogBounds(t *testing.T) {
	l := NewLog("", 0)
	late := &logReader{l: l}
	l.Write([]byte("first\n"))
	if n, _ := late.ReadAt(t.Context(), make([]byte, 3), 0); n != 3 {
		t.Fatalf("%d bytes", n)
	}
	line := []byte(strings.Repeat("x", 99) + "\n")
	for range 10 * keptLog / 100 {
		l.Write(line)
	}
	if len(l.kept) < keptLog || len(l.kept) > 2*keptLog {
		t.Errorf("%d bytes are kept", len(l.kept))
	}
	if got := readAll(t, late, 3); len(got) != len(l.kept) || !strings.HasSuffix(got, string(line)) {
		t.Errorf("a late reader got %d bytes of %d", len(got), len(l.kept))
	}
}

func TestLogFile(t *testing.T) {
	file := filepath.Join(t.TempDir(), "a.log")
	l := NewLog(file, 100)
	for _, c := range "abcdef" {
		l.Write([]byte(strings.Repeat(string(c), 39) + "\n"))
	}
	l.Close()
	for name, want := range map[string]string{file: "ef", file + ".1": "cd"} {
		b, err := os.ReadFile(name)
		if err != nil || len(b) != 80 || string(b[0])+string(b[40]) != want {
			t.Errorf("%s: %q, %v", name, b, err)
		}
	}
	l = NewLog(file, 100) // a new start goes on with the file
	l.Write([]byte("g\n"))
	l.Close()
	if b, _ := os.ReadFile(file); len(b) != 82 {
		t.Errorf("%d bytes after a new start", len(b))
	}
	bad := NewLog(filepath.Join(file, "no"), 100) // whose file cannot be
	if n, err := bad.Write([]byte("x\n")); n != 2 || err != nil || bad.err == nil {
		t.Errorf("%d, %v, %v", n, err, bad.err)
	}
}
