package node_test

import (
	"context"
	"fmt"
	"sync"
	"testing"

	"llama9/node"
	"llama9/node/fake"
	"llama9/styxfs"
)

type quiet struct{}

func (quiet) State(styxfs.State)             {}
func (quiet) Note(styxfs.Note)               {}
func (quiet) Token(styxfs.Token)             {}
func (quiet) Progress(done, cached, all int) {}

// BenchmarkTokens is the time of one token through the scheduler, beside the
// same engine, samplers and picks without it.
func BenchmarkTokens(b *testing.B) {
	for _, sessions := range []int{1, 8, 32} {
		params := func(p *styxfs.Params, n int) {
			p.Seed, p.NPredict, p.IgnoreEOS = 1, n, true
		}
		b.Run(fmt.Sprintf("node/sessions=%d", sessions), func(b *testing.B) {
			n, err := node.New(node.Config{Engine: &fake.Engine{}, Models: []node.Spec{{Name: "m", File: "fake:m"}}, CtxSize: 1 << 15, Parallel: sessions})
			if err != nil {
				b.Fatal(err)
			}
			defer n.Close(context.Background())
			b.ReportAllocs()
			for done := 0; done < b.N; {
				k := min((b.N-done+sessions-1)/sessions, 1<<14)
				var wg sync.WaitGroup
				for i := range sessions {
					wg.Go(func() {
						r := request(uint64(i+1), fmt.Sprint("prompt ", i), func(r *styxfs.Request) { r.Params = styxfs.DefaultParams(); params(&r.Params, k) })
						if _, err := n.Generate(context.Background(), r, quiet{}); err != nil {
							b.Error(err)
						}
					})
				}
				wg.Wait()
				done += k * sessions
			}
		})
		b.Run(fmt.Sprintf("bare/sessions=%d", sessions), func(b *testing.B) {
			m, err := (&fake.Engine{}).Load(context.Background(), "fake:m", node.LoadOptions{}, nil)
			if err != nil {
				b.Fatal(err)
			}
			bare, err := node.NewBare(m, node.ContextOptions{NCtx: 1 << 15, NSeq: sessions})
			if err != nil {
				b.Fatal(err)
			}
			var prompts [][]node.Token
			for i := range sessions {
				ids, _ := m.Tokenize(fmt.Sprint("prompt ", i), false)
				prompts = append(prompts, ids)
			}
			b.ReportAllocs()
			b.ResetTimer()
			for done := 0; done < b.N; {
				k := min((b.N-done+sessions-1)/sessions, 1<<14)
				p := styxfs.DefaultParams()
				params(&p, k)
				if _, err := bare.Run(prompts, &p); err != nil {
					b.Fatal(err)
				}
				done += k * sessions
			}
		})
	}
}
