//go:build ollama && cgoflags && cgo

package ollama

import (
	"reflect"
	"slices"
	"strings"
	"testing"

	upstream "github.com/ollama/ollama/llama"
	"github.com/ollama/ollama/ml"

	"llama9/node"
	"llama9/node/enginetest"
)

// What the package keeps to itself is where upstream.go takes it from.
func TestUpstreamLayout(t *testing.T) {
	m := reflect.TypeFor[upstream.Model]()
	if f := m.Field(0); m.NumField() != 1 || f.Type.Kind() != reflect.Pointer || !strings.HasSuffix(f.Type.Elem().Name(), "llama_model") {
		t.Errorf("a Model is %v", m)
	}
	b := reflect.TypeFor[upstream.Batch]()
	f := b.Field(0)
	if f.Offset != 0 || !strings.HasSuffix(f.Type.Name(), "llama_batch") {
		t.Fatalf("a Batch is %v", b)
	}
	ours := reflect.TypeOf(*batchOf(new(upstream.Batch)))
	if ours.NumField() != f.Type.NumField() {
		t.Fatalf("a llama_batch has %d fields there, %d here", f.Type.NumField(), ours.NumField())
	}
	for i := range ours.NumField() {
		if x, y := ours.Field(i), f.Type.Field(i); x.Name != y.Name || x.Offset != y.Offset || x.Type.Kind() != y.Type.Kind() {
			t.Errorf("field %d of a llama_batch is %v here, %v there", i, x, y)
		}
	}
}

// The engine says what the package says by itself: the vocabulary, the tokens
// of a text, and a greedy text, to the bit.
func TestAsUpstream(t *testing.T) {
	e, file := openEngine(t), enginetest.DemoFile(t)
	m := enginetest.Load(t, e, file)
	pkg, err := upstream.LoadModelFromFile(file, upstream.ModelParams{UseMmap: true})
	if err != nil {
		t.Fatal(err)
	}
	if arch, err := upstream.GetModelArch(file); err != nil || arch != m.Info().Arch {
		t.Errorf("architecture %s, and %s by the package; %v", m.Info().Arch, arch, err)
	}
	i := m.Info()
	if i.NVocab != pkg.NumVocab() || i.AddBOS != pkg.AddBOSToken() {
		t.Errorf("%d tokens, and %d by the package", i.NVocab, pkg.NumVocab())
	}
	for id := range i.NVocab {
		if m.EOG(node.Token(id)) != pkg.TokenIsEog(id) {
			t.Errorf("token %d: an end %v, and %v by the package", id, m.EOG(node.Token(id)), pkg.TokenIsEog(id))
		}
		piece := strings.TrimRight(string(m.Piece(nil, node.Token(id), true)), "\x00") // as the package cuts it
		if got := pkg.TokenToPiece(id); got != piece {
			t.Errorf("token %d: %q, and %q by the package", id, piece, got)
		}
	}
	c := enginetest.NewContext(t, m, node.ContextOptions{NCtx: 512, FlashAttn: "off"})
	// The package has no way to free it.
	other, err := upstream.NewContextWithModel(pkg, upstream.NewContextParams(512, 512, 1, 1, ml.FlashAttentionDisabled, ""))
	if err != nil {
		t.Fatal(err)
	}
	batch, err := upstream.NewBatch(512, 1, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer batch.Free()
	s := &speaker{t, m, c}
	pos := 0
	for _, text := range []string{"And the LORD said unto", " and then \u00e9\u4e2d\U0001f600 </s>", " It is a truth"} {
		ids, err := m.Tokenize(text, true)
		if err != nil {
			t.Fatal(err)
		}
		want, err := pkg.Tokenize(text, false, true)
		if err != nil {
			t.Fatal(err)
		}
		if !slices.EqualFunc(ids, want, func(a node.Token, b int) bool { return int(a) == b }) {
			t.Fatalf("%q is %v, and %v by the package", text, ids, want)
		}
		for range 32 {
			batch.Clear()
			for k, id := range ids {
				batch.Add(int(id), nil, pos, k == len(ids)-1, 0)
				pos++
			}
			if err := other.Decode(batch); err != nil {
				t.Fatal(err)
			}
			got, want := s.next(ids), other.GetLogitsIth(batch.NumTokens()-1)
			if !slices.Equal(got, want) {
				t.Fatalf("after %d tokens the logits differ from the package's", pos)
			}
			ids = []node.Token{best(got)}
		}
	}
}
