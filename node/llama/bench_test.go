//go:build !nollama && (((linux || windows || darwin) && (amd64 || arm64)) || (linux && riscv64))

package llama

import (
	"strconv"
	"testing"

	"llama9/node"
	"llama9/node/enginetest"
	"llama9/styxfs"
)

// What the calls of every token cost: the way into C, beside which the
// computing of a token takes a hundred microseconds at least.
func BenchmarkCall(b *testing.B) {
	m := enginetest.Load(b, openEngine(b), enginetest.DemoFile(b))
	c := enginetest.NewContext(b, m, node.ContextOptions{NCtx: 256})
	if err := c.Decode([]node.Row{{Token: 1}, {Token: 300, Pos: 1}, {Token: 400, Pos: 2, Logits: true}}); err != nil {
		b.Fatal(err)
	}
	b.Run("logits", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			if _, err := c.Logits(2); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("eog", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			m.EOG(5)
		}
	})
	b.Run("piece", func(b *testing.B) {
		b.ReportAllocs()
		buf := make([]byte, 0, 64)
		for b.Loop() {
			buf = m.Piece(buf[:0], 700, false)
		}
	})
	p := styxfs.DefaultParams()
	ch, err := m.NewChain([]string{"top_k", "top_p", "min_p", "temperature"}, &p)
	if err != nil {
		b.Fatal(err)
	}
	defer ch.Close()
	for _, n := range []int{1, 2048, 49152} {
		data := make([]node.TokenData, n)
		b.Run("chain/"+strconv.Itoa(n), func(b *testing.B) {
			b.ReportAllocs()
			cand := new(node.Candidates)
			for b.Loop() {
				for i := range data {
					data[i] = node.TokenData{ID: int32(i), Logit: float32(i * 7919 % 1000)}
				}
				cand.Data, cand.Sorted = data, false
				ch.Apply(cand)
			}
		})
	}
}

func BenchmarkDecodeDemo(b *testing.B) {
	m := enginetest.Load(b, openEngine(b), enginetest.DemoFile(b))
	for _, n := range []int{1, 8} {
		b.Run(strconv.Itoa(n), func(b *testing.B) {
			c := enginetest.NewContext(b, m, node.ContextOptions{NCtx: 256, NSeq: n})
			rows := make([]node.Row, n)
			for i := range rows {
				q := node.Seq(i)
				if err := c.Decode([]node.Row{{Token: 1, Seq: q}, {Token: 300, Pos: 1, Seq: q}, {Token: 400, Pos: 2, Seq: q}}); err != nil {
					b.Fatal(err)
				}
				rows[i] = node.Row{Token: 500, Pos: 3, Seq: q, Logits: true}
			}
			b.ReportAllocs()
			for b.Loop() {
				if err := c.Decode(rows); err != nil {
					b.Fatal(err)
				}
				for i := range rows {
					c.RemoveSeq(node.Seq(i), 3, -1)
				}
			}
		})
	}
}
