package model

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"io"
	"math"
	"testing"
)

// A ggufReader reads back what ggufWriter wrote, by the format's own rules.
type ggufReader struct {
	t *testing.T
	r *bytes.Reader
}

func (g ggufReader) num(p any) {
	if err := binary.Read(g.r, binary.LittleEndian, p); err != nil {
		g.t.Fatal(err)
	}
}

func (g ggufReader) u32() (v uint32) { g.num(&v); return }
func (g ggufReader) u64() (v uint64) { g.num(&v); return }

func (g ggufReader) str() string {
	p := make([]byte, g.u64())
	if _, err := io.ReadFull(g.r, p); err != nil {
		g.t.Fatal(err)
	}
	return string(p)
}

func (g ggufReader) value(typ uint32) any {
	switch typ {
	case 4:
		return g.u32()
	case 5:
		return int32(g.u32())
	case 6:
		return math.Float32frombits(g.u32())
	case 7:
		b, _ := g.r.ReadByte()
		return b == 1
	case 8:
		return g.str()
	case 9:
		of, list := g.u32(), []any(nil)
		for range g.u64() {
			list = append(list, g.value(of))
		}
		return list
	}
	g.t.Fatalf("value type %d", typ)
	return nil
}

func TestRandomReadsBack(t *testing.T) {
	for _, tt := range []struct {
		size, quant string
		parameters  int
		kind        uint32 // of the layers' matrices
	}{
		{"15M", "q8_0", 15_191_712, 8},
		{"15M", "q4_0", 15_191_712, 2},
		{"135M", "q4_0", 134_515_008, 2},
	} {
		t.Run(tt.size+" "+tt.quant, func(t *testing.T) {
			var b bytes.Buffer
			if err := Random(&b, tt.size, tt.quant, 1); err != nil {
				t.Fatal(err)
			}
			all := b.Bytes()
			g := ggufReader{t, bytes.NewReader(all)}
			if magic, version := g.u32(), g.u32(); magic != 0x46554747 || version != 3 {
				t.Fatalf("begins with %#x, version %d", magic, version)
			}
			tensors, pairs := g.u64(), g.u64()
			meta := map[string]any{}
			for range pairs {
				k := g.str()
				meta[k] = g.value(g.u32())
			}
			vocab := meta["llama.vocab_size"].(uint32)
			seen := map[any]bool{}
			for _, tok := range meta["tokenizer.ggml.tokens"].([]any) {
				seen[tok] = true
			}
			if len(seen) != int(vocab) {
				t.Errorf("%d different tokens, want %d", len(seen), vocab)
			}
			parameters, end := 0, uint64(0)
			for range tensors {
				name, n := g.str(), 1
				for range g.u32() {
					n *= int(g.u64())
				}
				kind, off := g.u32(), g.u64()
				if off != end || off%align != 0 {
					t.Fatalf("%s at %d, want %d", name, off, end)
				}
				if name == "blk.0.ffn_up.weight" && kind != tt.kind {
					t.Errorf("%s is of type %d, want %d", name, kind, tt.kind)
				}
				size := map[uint32]int{0: n * 4, 2: n / 32 * 18, 8: n / 32 * 34}[kind]
				end = off + uint64((size+align-1)/align*align)
				parameters += n
			}
			if parameters != tt.parameters {
				t.Errorf("%d parameters, want %d", parameters, tt.parameters)
			}
			data := (len(all) - g.r.Len() + align - 1) / align * align
			if len(all) != data+int(end) {
				t.Errorf("file of %d bytes, want %d", len(all), data+int(end))
			}
		})
	}
}

func TestRandomIsOfItsSeed(t *testing.T) {
	sum := func(seed uint64) [32]byte {
		h := sha256.New()
		if err := Random(h, "15M", "q8_0", seed); err != nil {
			t.Fatal(err)
		}
		return [32]byte(h.Sum(nil))
	}
	first := sum(1)
	if again := sum(1); again != first {
		t.Error("one seed gave two files")
	}
	if sum(2) == first {
		t.Error("two seeds gave one file")
	}
}

func TestRandomRefuses(t *testing.T) {
	for _, tt := range [][2]string{{"7T", "q8_0"}, {"15M", "q5_1"}, {"", ""}} {
		var b bytes.Buffer
		if err := Random(&b, tt[0], tt[1], 1); err == nil || b.Len() > 0 {
			t.Errorf("Random(%q, %q) wrote %d bytes, error %v", tt[0], tt[1], b.Len(), err)
		}
	}
}

func TestHalf(t *testing.T) {
	for _, tt := range []struct {
		f    float64
		bits uint16
	}{{1, 0x3c00}, {1.5, 0x3e00}, {0.5, 0x3800}, {0.000566, 0x10a2}, {0.01, 0x211e}} {
		if got := half(tt.f); got != tt.bits {
			t.Errorf("half(%v) = %#04x, want %#04x", tt.f, got, tt.bits)
		}
	}
}
