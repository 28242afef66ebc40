//go:build !nollama && (((linux || windows || darwin) && (amd64 || arm64)) || (linux && riscv64))

package llama

import (
	"os"
	"path/filepath"
	"testing"

	"llama9/node"
)

// What the header tells is what llama.cpp tells of the loaded model.
func TestProbe(t *testing.T) {
	e := openEngine(t).(node.Prober)
	got, err := e.Probe(demoFile(t))
	if err != nil {
		t.Fatal(err)
	}
	want := loadDemo(t).Info()
	if got.Arch != want.Arch || got.Parameters != want.Parameters || got.Quantization != want.Quantization || got.Bytes != want.Bytes ||
		got.NCtxTrain != want.NCtxTrain || got.NVocab != want.NVocab || got.ChatTemplate != want.ChatTemplate || len(got.Meta) != len(want.Meta) {
		t.Errorf("got %+v\nwant %+v", got, want)
	}
	bad := filepath.Join(t.TempDir(), "bad.gguf")
	if err := os.WriteFile(bad, []byte("GGUF and no more"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, file := range []string{bad, bad + "x", t.TempDir()} {
		if _, err := e.Probe(file); err == nil {
			t.Errorf("%s is a model", file)
		}
	}
}
