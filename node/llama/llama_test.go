//go:build !nollama && (((linux || windows || darwin) && (amd64 || arm64)) || (linux && riscv64))

package llama

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"sync"
	"testing"

	"llama9/node"
	"llama9/node/enginetest"
	"llama9/node/llamacpp"
)

// library is where the tests' llama.cpp is; it is got once for all.
var library = sync.OnceValues(func() (string, error) {
	dir, err := Find("")
	if errors.Is(err, ErrNoLibrary) {
		dir, err = Install(context.Background(), func(s string) { fmt.Fprintln(os.Stderr, s) })
	}
	return dir, err
})

// openEngine gives the engine. Without npm and without a library the test is
// skipped, loudly; on CI that is a failure.
func openEngine(tb testing.TB) node.Engine {
	tb.Helper()
	dir, err := library()
	if err != nil {
		if _, npm := exec.LookPath("npm"); npm != nil && os.Getenv("CI") != "true" {
			fmt.Fprintf(os.Stderr, "\n*** %s SKIPPED: llama.cpp cannot be had: %v\n\n", tb.Name(), err)
			tb.Skip(err)
		}
		tb.Fatal(err)
	}
	e, err := Open(Options{Lib: dir, Log: testLog()})
	if err != nil {
		tb.Fatal(err)
	}
	return e
}

// testLog shows llama.cpp's log where LLAMA9_TEST_LOG is set.
func testLog() *slog.Logger {
	if os.Getenv("LLAMA9_TEST_LOG") == "" {
		return nil
	}
	return slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: slog.LevelDebug}))
}

func TestEngine(t *testing.T) {
	e := openEngine(t)
	enginetest.RunLlama(t, e, e.(*llamacpp.Engine).Log.Redirect)
}
