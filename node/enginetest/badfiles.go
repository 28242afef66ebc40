package enginetest

import (
	"bytes"
	"context"
	"encoding/binary"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"

	demo "llama9/model"
	"llama9/node"
)

// testBadFiles loads every bad file there is: each is an error that says what
// is wrong, and the process lives.
func testBadFiles(t *testing.T, e node.Engine) {
	dir := t.TempDir()
	for _, test := range append(BadFiles(), badModels(t)...) {
		file := filepath.Join(dir, "bad.gguf")
		if err := os.WriteFile(file, test.Data, 0o644); err != nil {
			t.Fatal(err)
		}
		m, err := e.Load(context.Background(), file, node.LoadOptions{}, nil)
		if err == nil {
			m.Close()
		}
		if err == nil || !strings.Contains(err.Error(), test.Want) || !strings.HasPrefix(err.Error(), file) {
			t.Errorf("%s: %v, want %q in it", test.Name, err, test.Want)
		}
	}
}

// badModels are files whose header is right: they are llama.cpp's to refuse.
func badModels(t *testing.T) []BadFile {
	patched := func(old, new string) []byte {
		b := bytes.Replace(demo.Demo, []byte(old), []byte(new), 1)
		if bytes.Equal(b, demo.Demo) {
			t.Fatalf("no %q in the demo model", old)
		}
		return b
	}
	const five = "\x08\x00\x00\x00\x05\x00\x00\x00\x00\x00\x00\x00" // a string of five bytes
	return []BadFile{
		{"unknown architecture", patched("general.architecture"+five+"llama", "general.architecture"+five+"llamo"), "llamo"},
		{"missing key", patched("llama.embedding_length", "llama.embedding_lengtx"), "embedding_length"},
		{"missing tensor", patched("output_norm.weight", "output_norn.weight"), "output_norm"},
		{"unknown tokenizer", patched("tokenizer.ggml.model"+five+"llama", "tokenizer.ggml.model"+five+"llamo"), "tokenizer"},
	}
}

// The numbers of enum gguf_type that are used here, and what package gguf
// takes at most.
const (
	ggufString = 8
	ggufArray  = 9
	maxKeys    = 1 << 16
	maxTensors = 1 << 18
	maxName    = 1 << 12
)

// A ggufText makes GGUFs by hand, right or wrong.
type ggufText struct{ bytes.Buffer }

func (g *ggufText) u32(n uint32) { g.Write(binary.LittleEndian.AppendUint32(nil, n)) }
func (g *ggufText) u64(n uint64) { g.Write(binary.LittleEndian.AppendUint64(nil, n)) }
func (g *ggufText) str(s string) { g.u64(uint64(len(s))); g.WriteString(s) }

func (g *ggufText) head(version uint32, tensors, keys uint64) *ggufText {
	g.WriteString("GGUF")
	g.u32(version)
	g.u64(tensors)
	g.u64(keys)
	return g
}

func (g *ggufText) text(key, value string) *ggufText {
	g.str(key)
	g.u32(ggufString)
	g.str(value)
	return g
}

func (g *ggufText) array(key string, of uint32, n uint64) *ggufText {
	g.str(key)
	g.u32(ggufArray)
	g.u32(of)
	g.u64(n)
	return g
}

func (g *ggufText) tensor(name string, kind uint32, offset uint64, dims ...uint64) *ggufText {
	g.str(name)
	g.u32(uint32(len(dims)))
	for _, d := range dims {
		g.u64(d)
	}
	g.u32(kind)
	g.u64(offset)
	return g
}

func gguf(version uint32, tensors, keys uint64) *ggufText {
	return new(ggufText).head(version, tensors, keys)
}

// A BadFile is a file that no engine may take, and a word of the error.
type BadFile struct {
	Name string
	Data []byte
	Want string
}

// BadFiles are GGUFs that are wrong in as many ways as are known.
func BadFiles() []BadFile {
	cut := func(n int) []byte { return demo.Demo[:n] }
	patched := func(old, new string) []byte { return bytes.Replace(demo.Demo, []byte(old), []byte(new), 1) }
	return []BadFile{
		{"empty", nil, "empty file"},
		{"text", []byte("In the beginning God created the heaven and the earth."), "not a GGUF file"},
		{"three bytes", []byte("GGU"), "truncated"},
		{"magic alone", []byte("GGUF"), "truncated"},
		{"half a count", cut(14), "truncated"},
		{"header cut", cut(300), "truncated"},
		{"tokens cut", cut(20000), "truncated"},
		{"data cut", cut(len(demo.Demo) - 1), "truncated: tensor"},
		{"half", cut(len(demo.Demo) / 2), "truncated: tensor"},
		{"version 1", gguf(1, 0, 0).Bytes(), "version 1"},
		{"version 4", gguf(4, 0, 0).Bytes(), "version 4"},
		{"big endian", gguf(0x03000000, 0, 0).Bytes(), "version"},
		{"huge counts", gguf(3, math.MaxUint64, math.MaxUint64).Bytes(), "make sense"},
		{"many keys", gguf(3, 0, maxKeys).Bytes(), "truncated"},
		{"many tensors", gguf(3, maxTensors, 0).Bytes(), "truncated"},
		{"long key", gguf(3, 0, 1).text(strings.Repeat("k", maxName+1), "v").Bytes(), "make sense"},
		{"unknown type", func() []byte { g := gguf(3, 0, 1); g.str("k"); g.u32(77); g.u32(0); return g.Bytes() }(), "unknown type 77"},
		{"array of arrays", gguf(3, 0, 1).array("k", ggufArray, 1).Bytes(), "unknown type 9"},
		{"huge array", gguf(3, 0, 1).array("k", 0, 1<<62).Bytes(), "more than the file can hold"},
		{"huge array of strings", gguf(3, 0, 1).array("k", ggufString, 1<<62).Bytes(), "more than the file can hold"},
		{"five dimensions", gguf(3, 1, 0).tensor("t", 0, 0, 1, 1, 1, 1, 1).Bytes(), "5 dimensions"},
		{"no elements", gguf(3, 1, 0).tensor("t", 0, 0, 0).Bytes(), "impossible shape"},
		{"overflowing shape", gguf(3, 1, 0).tensor("t", 0, 0, 1<<40, 1<<40).Bytes(), "impossible shape"},
		{"offset beyond", gguf(3, 1, 0).tensor("t", 0, 1<<40, 4).Bytes(), "truncated: tensor"},
		{"impossible offset", gguf(3, 1, 0).tensor("t", 0, math.MaxUint64, 4).Bytes(), "impossible offset"},
		{"overlap", append(gguf(3, 2, 0).tensor("t", 0, 0, 32).tensor("u", 0, 0, 32).Bytes(), make([]byte, 160)...), "over each other"},
		{"alignment", patchAlignment(), "power of two"},
		{"no architecture", gguf(3, 0, 0).Bytes(), "no general.architecture"},
		{"projector", gguf(3, 0, 1).text("general.architecture", "clip").Bytes(), "vision projector"},
		{"adapter", gguf(3, 0, 2).text("general.architecture", "llama").text("general.type", "adapter").Bytes(), "general.type is adapter"},
		{"no tokenizer", gguf(3, 0, 1).text("general.architecture", "llama").Bytes(), "no tokenizer"},
		{"no tokens", gguf(3, 0, 2).text("general.architecture", "llama").text("tokenizer.ggml.model", "llama").Bytes(), "no tokenizer"},
		{"tokenizer renamed", patched("tokenizer.ggml.model", "tokenizer.ggml.medel"), "no tokenizer"},
		{"tokens renamed", patched("tokenizer.ggml.tokens", "tokenizer.ggml.tokenz"), "no tokenizer"},
	}
}

func patchAlignment() []byte {
	g := gguf(3, 0, 1)
	g.str("general.alignment")
	g.u32(4)
	g.u32(3)
	return g.Bytes()
}
