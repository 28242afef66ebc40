//go:build !nollama && (((linux || windows || darwin) && (amd64 || arm64)) || (linux && riscv64))

package llama

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	demo "llama9/model"
	"llama9/node"
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

// demoFile writes the demo model to a file.
func demoFile(tb testing.TB) string {
	tb.Helper()
	file := filepath.Join(tb.TempDir(), "demo.gguf")
	if err := os.WriteFile(file, demo.Demo, 0o644); err != nil {
		tb.Fatal(err)
	}
	return file
}

func loadDemo(tb testing.TB) node.Model {
	tb.Helper()
	m, err := oneThread{openEngine(tb)}.Load(context.Background(), demoFile(tb), node.LoadOptions{}, nil)
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() {
		if err := m.Close(); err != nil {
			tb.Error(err)
		}
	})
	return m
}

func newContext(tb testing.TB, m node.Model, o node.ContextOptions) node.Context {
	tb.Helper()
	c, err := m.NewContext(o)
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() {
		if err := c.Close(); err != nil {
			tb.Error(err)
		}
	})
	return c
}

// prompt is the tokens of text, with the model's BOS.
func prompt(tb testing.TB, m node.Model, text string) []node.Token {
	tb.Helper()
	toks, err := m.Tokenize(text, false)
	if err != nil {
		tb.Fatal(err)
	}
	if m.Info().AddBOS {
		toks = append([]node.Token{m.Info().BOS}, toks...)
	}
	return toks
}

// rowsOf are rows of s from position pos on; the last has logits.
func rowsOf(toks []node.Token, s node.Seq, pos int32) []node.Row {
	rows := make([]node.Row, len(toks))
	for i, t := range toks {
		rows[i] = node.Row{Token: t, Pos: pos + int32(i), Seq: s, Logits: i == len(toks)-1}
	}
	return rows
}

func argmax(x []float32) node.Token {
	best := 0
	for i, v := range x {
		if v > x[best] {
			best = i
		}
	}
	return node.Token(best)
}

// greedy continues toks on s by n tokens; the context holds kept of toks.
func greedy(tb testing.TB, c node.Context, s node.Seq, toks []node.Token, kept, n int) []node.Token {
	tb.Helper()
	rows := rowsOf(toks[kept:], s, int32(kept))
	pos := int32(len(toks))
	var made []node.Token
	for {
		if err := c.Decode(rows); err != nil {
			tb.Fatal(err)
		}
		l, err := c.Logits(len(rows) - 1)
		if err != nil {
			tb.Fatal(err)
		}
		made = append(made, argmax(l))
		if len(made) == n {
			return made
		}
		rows = []node.Row{{Token: made[len(made)-1], Pos: pos, Seq: s, Logits: true}}
		pos++
	}
}

func text(m node.Model, toks []node.Token) string {
	var b []byte
	for _, t := range toks {
		b = m.Piece(b, t, false)
	}
	return string(b)
}

func TestGreedy(t *testing.T) {
	e := openEngine(t)
	m := loadDemo(t)
	t.Logf("%s %s %s: %+v", e.Name(), e.Build(), e.Variant(), m.Info().Desc)
	c := newContext(t, m, node.ContextOptions{NCtx: 256})
	got := text(m, greedy(t, c, 0, prompt(t, m, "And the LORD said unto"), 0, 12))
	if !strings.HasPrefix(got, " Moses,") { // as README.md of the model shows
		t.Errorf("got %q", got)
	}
}
