package gguf_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	demo "llama9/model"
	"llama9/node/enginetest"
	"llama9/node/gguf"
)

func TestReadHeader(t *testing.T) {
	file := filepath.Join(t.TempDir(), "demo.gguf")
	if err := os.WriteFile(file, demo.Demo, 0o644); err != nil {
		t.Fatal(err)
	}
	h, err := gguf.ReadHeader(file)
	if err != nil {
		t.Fatal(err)
	}
	if err := h.Check(); err != nil {
		t.Fatal(err)
	}
	// As README.md of the model states.
	if h.Arch() != "llama" || h.NCtxTrain() != 512 || h.Quantization() != "q8_0" || h.Arrays["tokenizer.ggml.tokens"] != 2048 {
		t.Errorf("%s %d %s %d", h.Arch(), h.NCtxTrain(), h.Quantization(), h.Arrays["tokenizer.ggml.tokens"])
	}
	if h.Parameters < 2_800_000 || h.Parameters > 3_000_000 || h.Weights > uint64(h.Size) || h.Size != int64(len(demo.Demo)) {
		t.Errorf("%d parameters, %d of %d bytes", h.Parameters, h.Weights, h.Size)
	}
	if h.Meta["tokenizer.ggml.model"] != "llama" || h.Meta["llama.attention.layer_norm_rms_epsilon"] != "0.000010" {
		t.Errorf("meta %v", h.Meta)
	}
}

func TestReadHeaderRefuses(t *testing.T) {
	dir := t.TempDir()
	for _, test := range enginetest.BadFiles() {
		file := filepath.Join(dir, "bad.gguf")
		if err := os.WriteFile(file, test.Data, 0o644); err != nil {
			t.Fatal(err)
		}
		h, err := gguf.ReadHeader(file)
		if err == nil {
			err = h.Check()
		}
		if err == nil || !strings.Contains(err.Error(), test.Want) {
			t.Errorf("%s: %v, want %q in it", test.Name, err, test.Want)
		}
	}
	for name, want := range map[string]string{dir: "is a directory", filepath.Join(dir, "none"): "no such file"} {
		if _, err := gguf.ReadHeader(name); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %q in it", name, err, want)
		}
	}
}

func FuzzReadHeader(f *testing.F) {
	for _, b := range enginetest.BadFiles() {
		f.Add(b.Data[:min(len(b.Data), 4096)])
	}
	dir := f.TempDir()
	f.Fuzz(func(t *testing.T, b []byte) {
		file := filepath.Join(dir, "fuzz.gguf")
		if err := os.WriteFile(file, b, 0o644); err != nil {
			t.Fatal(err)
		}
		if h, err := gguf.ReadHeader(file); err == nil && h.Weights > uint64(len(b)) {
			t.Errorf("%d bytes of weights in a file of %d", h.Weights, len(b))
		}
	})
}
