package model

import (
	"bufio"
	"fmt"
	"io"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
)

// A shape is what a llama model's cost depends on.
type shape struct {
	name   string
	layers int
	embd   int
	heads  int
	kv     int // heads of keys and values
	ff     int
	vocab  int
	ctx    int
}

// shapes are those of two published models, so that what is measured on
// random weights is the work of a real one: stories15M and SmolLM-135M.
var shapes = []shape{
	{"15M", 6, 288, 6, 6, 768, 32000, 2048},
	{"135M", 30, 576, 9, 3, 1536, 49152, 2048},
}

// Sizes names the sizes that Random makes.
func Sizes() []string {
	var names []string
	for _, s := range shapes {
		names = append(names, s.name)
	}
	return names
}

// Quants names the quantizations that Random makes.
func Quants() []string { return []string{"q8_0", "q4_0"} }

// Random writes a GGUF of the llama architecture with random weights: size is
// one of Sizes, quant one of Quants. Equal arguments give equal files. Such a
// model babbles, but costs what a trained one of its shape costs, so that
// speed can be measured with nothing to download. Embeddings and output share
// a q8_0 matrix, as llama-quantize leaves them where a row is no multiple of
// 256. The tokenizer is SPM with byte fallback (see vocabulary).
func Random(w io.Writer, size, quant string, seed uint64) error {
	i := slices.IndexFunc(shapes, func(s shape) bool { return strings.EqualFold(s.name, size) })
	if i < 0 {
		return fmt.Errorf("no size %q: there are %s", size, strings.Join(Sizes(), " "))
	}
	s := shapes[i]
	kind, ok := map[string]ggmlType{"q8_0": q8_0, "q4_0": q4_0}[strings.ToLower(quant)]
	if !ok {
		return fmt.Errorf("no quantization %q: there are %s", quant, strings.Join(Quants(), " "))
	}
	tensors := s.tensors(kind)
	g := &ggufWriter{w: bufio.NewWriterSize(w, 1<<20)}
	g.header(len(tensors), s.metadata(kind))
	g.tensorInfos(tensors)
	fill := newFiller(seed)
	for _, t := range tensors {
		g.pad()
		fill.tensor(g, t)
	}
	g.pad()
	if g.err != nil {
		return g.err
	}
	return g.w.Flush()
}

// metadata lists what llama.cpp wants to know, in the order in which its own
// converter writes it.
func (s shape) metadata(kind ggmlType) []keyValue {
	tokens, scores, types := vocabulary(s.vocab)
	return []keyValue{
		{"general.architecture", "llama"},
		{"general.type", "model"},
		{"general.name", "Random " + s.name},
		{"general.description", "Random weights in the shape of a real model, to measure speed with."},
		{"general.license", "cc0-1.0"},
		{"general.file_type", kind.fileType()},
		{"general.quantization_version", uint32(2)},
		{"llama.block_count", uint32(s.layers)},
		{"llama.context_length", uint32(s.ctx)},
		{"llama.embedding_length", uint32(s.embd)},
		{"llama.feed_forward_length", uint32(s.ff)},
		{"llama.attention.head_count", uint32(s.heads)},
		{"llama.attention.head_count_kv", uint32(s.kv)},
		{"llama.attention.layer_norm_rms_epsilon", float32(1e-5)},
		{"llama.rope.dimension_count", uint32(s.embd / s.heads)},
		{"llama.rope.freq_base", float32(10000)},
		{"llama.vocab_size", uint32(s.vocab)},
		{"tokenizer.ggml.model", "llama"},
		{"tokenizer.ggml.pre", "default"},
		{"tokenizer.ggml.tokens", tokens},
		{"tokenizer.ggml.scores", scores},
		{"tokenizer.ggml.token_type", types},
		{"tokenizer.ggml.unknown_token_id", uint32(0)},
		{"tokenizer.ggml.bos_token_id", uint32(1)},
		{"tokenizer.ggml.eos_token_id", uint32(2)},
		{"tokenizer.ggml.add_bos_token", true},
		{"tokenizer.ggml.add_eos_token", false},
		{"tokenizer.ggml.add_space_prefix", true},
	}
}

// tensors lists the model's tensors by llama.cpp's names (llama-arch.cpp),
// with the fastest dimension first.
func (s shape) tensors(kind ggmlType) []tensor {
	head := s.embd / s.heads
	ts := []tensor{{"token_embd.weight", q8_0, []int{s.embd, s.vocab}}}
	for i := range s.layers {
		blk := func(name string, kind ggmlType, dims ...int) {
			ts = append(ts, tensor{fmt.Sprintf("blk.%d.%s.weight", i, name), kind, dims})
		}
		blk("attn_norm", f32, s.embd)
		blk("attn_q", kind, s.embd, s.heads*head)
		blk("attn_k", kind, s.embd, s.kv*head)
		blk("attn_v", kind, s.embd, s.kv*head)
		blk("attn_output", kind, s.heads*head, s.embd)
		blk("ffn_norm", f32, s.embd)
		blk("ffn_gate", kind, s.embd, s.ff)
		blk("ffn_up", kind, s.embd, s.ff)
		blk("ffn_down", kind, s.ff, s.embd)
	}
	return append(ts, tensor{"output_norm.weight", f32, []int{s.embd}})
}

// A filler makes the bytes of random tensors. A weight has the standard
// deviation 1/sqrt(row), so that what flows through the layers neither dies
// out nor overflows, however many there are.
type filler struct {
	r       *rand.ChaCha8
	buf     []byte
	q8, q4  [256]byte // what a random byte becomes: a weight, or two
	scratch []byte
}

// Standard deviations of a whole number drawn evenly from -127..127 and -7..7.
const (
	q8Dev = 73.6
	q4Dev = 4.3
)

func newFiller(seed uint64) *filler {
	var key [32]byte
	for i := range 8 {
		key[i] = byte(seed >> (8 * i))
	}
	f := &filler{r: rand.NewChaCha8(key), buf: make([]byte, 1<<16)}
	for i := range 256 {
		// llama.cpp never makes a q8_0 of -128; and a q4_0 of -8 would
		// leave the weights with a mean of -1/2.
		f.q8[i], f.q4[i] = byte(i), byte(i)
		if i == 0x80 {
			f.q8[i] = 0
		}
		if i&0x0f == 0 {
			f.q4[i] |= 0x08
		}
		if i&0xf0 == 0 {
			f.q4[i] |= 0x80
		}
	}
	return f
}

func (f *filler) tensor(g *ggufWriter, t tensor) {
	switch t.kind {
	case f32: // a norm
		for range t.elements() {
			g.u32(math.Float32bits(1))
		}
	case q8_0:
		f.blocks(g, t, 32, q8Dev, &f.q8)
	case q4_0:
		f.blocks(g, t, 16, q4Dev, &f.q4)
	}
}

// blocks writes blocks of 32 weights: a half-precision scale, then size bytes
// of them. See block_q8_0 and block_q4_0 in ggml-common.h.
func (f *filler) blocks(g *ggufWriter, t tensor, size int, dev float64, as *[256]byte) {
	d := half(1 / (dev * math.Sqrt(float64(t.dims[0]))))
	perBuf := len(f.buf) / size
	if f.scratch == nil {
		f.scratch = make([]byte, 0, perBuf*(size+2))
	}
	for left := t.elements() / 32; left > 0; {
		n := min(left, perBuf)
		raw := f.buf[:n*size]
		f.r.Read(raw) // never fails
		out := f.scratch[:0]
		for ; len(raw) > 0; raw = raw[size:] {
			out = append(out, byte(d), byte(d>>8))
			for _, b := range raw[:size] {
				out = append(out, as[b])
			}
		}
		g.bytes(out)
		f.scratch = out[:0]
		left -= n
	}
}

// half gives the half-precision bits nearest below f, which must be a normal
// positive number of that precision.
func half(f float64) uint16 {
	frac, exp := math.Frexp(f) // frac in [1/2, 1)
	return uint16(exp-1+15)<<10 | uint16((frac*2-1)*1024)
}

// vocabulary makes n tokens with scores and types: <unk>, <s>, </s>, 256
// bytes, then pieces of rising length over a to z with and without the mark
// of a space before them. Each piece is a shorter one and a letter, so that
// SPM's merging reaches it, and any text has tokens.
func vocabulary(n int) (tokens []string, scores []float32, types []int32) {
	const normal, unknown, control, bytes = 1, 2, 3, 6 // llama_token_type
	add := func(tok string, typ int32) {
		if len(tokens) == n {
			return
		}
		score := float32(0)
		if typ == normal {
			score = -float32(len(tokens) - 259)
		}
		tokens, scores, types = append(tokens, tok), append(scores, score), append(types, typ)
	}
	add("<unk>", unknown)
	add("<s>", control)
	add("</s>", control)
	for b := range 256 {
		add(fmt.Sprintf("<0x%02X>", b), bytes)
	}
	const space = "\u2581"
	add(space, normal)
	level := []string{""}
	for len(tokens) < n {
		var next []string
		for _, p := range level {
			for c := 'a'; c <= 'z'; c++ {
				next = append(next, p+string(c))
			}
		}
		for _, mark := range []string{"", space} {
			for _, p := range next {
				add(mark+p, normal)
			}
		}
		level = next
	}
	return tokens, scores, types
}
