//go:build !nollama && (((freebsd || linux || windows || darwin) && (amd64 || arm64)) || (linux && riscv64))

package gbnf_test

import (
	"math/rand"
	"os"
	"path/filepath"
	"testing"

	yzma "github.com/hybridgroup/yzma/pkg/llama"
	demo "llama9/model"
	"llama9/node/gbnf"
	"llama9/node/llama"
)

// vocabulary opens llama.cpp, if it is installed here, and the demo model.
// The engine's own tests see to the installation.
func vocabulary(t *testing.T) yzma.Vocab {
	dir, err := llama.Find("")
	if err != nil {
		if os.Getenv("CI") == "true" {
			t.Fatal(err) // nothing may be left out there
		}
		t.Skipf("LEFT OUT, %v: llama9 engine install", err)
	}
	if _, err := llama.Open(llama.Options{Lib: dir}); err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "demo.gguf")
	if err := os.WriteFile(file, demo.Demo, 0o644); err != nil {
		t.Fatal(err)
	}
	m, err := yzma.ModelLoadFromFile(file, yzma.ModelDefaultParams())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { yzma.ModelFree(m) })
	return yzma.ModelGetVocab(m)
}

func takes(v yzma.Vocab, text string) bool {
	s := yzma.SamplerInitGrammar(v, text, "root")
	if s == 0 {
		return false
	}
	yzma.SamplerFree(s)
	return true
}

// TestLibrary asks llama.cpp itself.
func TestLibrary(t *testing.T) {
	v := vocabulary(t)
	gbnf.Verdicts(func(text string, want bool) {
		if got := takes(v, text); got != want {
			t.Errorf("llama.cpp takes %.60q: %v", text, got)
		}
	})
}

// TestLibraryMutants changes good texts a little: what Check takes, llama.cpp
// must take. The other way round it would hang on some.
func TestLibraryMutants(t *testing.T) {
	v := vocabulary(t)
	var seeds []string
	gbnf.Verdicts(func(text string, takes bool) {
		if takes && text != "" && len(text) < 500 {
			seeds = append(seeds, text)
		}
	})
	const letters = "\"[]()*+?{},|:=<>!#\\ \n\r-0129abrootx.^u\t"
	rng := rand.New(rand.NewSource(1))
	taken := 0
	for range 20000 {
		b := []byte(seeds[rng.Intn(len(seeds))])
		for range 1 + rng.Intn(3) {
			i, c := rng.Intn(len(b)), letters[rng.Intn(len(letters))]
			switch rng.Intn(3) {
			case 0:
				b[i] = c
			case 1:
				b = append(b[:i:i], append([]byte{c}, b[i:]...)...)
			case 2:
				b = append(b, b[i:]...)
			}
		}
		if gbnf.Check(string(b)) != nil {
			continue
		}
		taken++
		if !takes(v, string(b)) {
			t.Errorf("llama.cpp refuses %q", b)
		}
	}
	if taken < 1000 {
		t.Errorf("only %d of the mutants are grammars", taken)
	}
}
