package styxfs

import (
	"context"
	"sync"
	"testing"

	"llama9/mnt"
	"llama9/ninep"

	"net"
)

// BenchmarkToken is what a token costs the goroutine that makes it, while a
// reader follows.
func BenchmarkToken(b *testing.B) {
	for _, readers := range []int{0, 1, 32} {
		b.Run(map[int]string{0: "readers=0", 1: "readers=1", 32: "readers=32"}[readers], func(b *testing.B) {
			f, err := New(Config{Backend: newFake()})
			if err != nil {
				b.Fatal(err)
			}
			defer f.Close(context.Background())
			s := newSession(f, 1, owner{})
			t := newTurn(s)
			t.phase = running
			s.cur = t
			var wg sync.WaitGroup
			for range readers {
				h := s.openOut(false)
				wg.Go(func() {
					p := make([]byte, 8192)
					for off := int64(0); ; {
						n, err := h.ReadAt(context.Background(), p, off)
						if n == 0 || err != nil {
							return
						}
						off += int64(n)
					}
				})
			}
			b.ReportAllocs()
			for b.Loop() {
				t.Token(Token{ID: 17, Text: " word"})
			}
			t.mu.Lock()
			t.finish(ended, nil)
			t.mu.Unlock()
			wg.Wait()
		})
	}
}

// BenchmarkStream is 32 sessions whose tokens are read through connections,
// one token a Token call: tokens/s of all together.
func BenchmarkStream(b *testing.B) {
	fake := newFake()
	f, err := New(Config{Backend: fake})
	if err != nil {
		b.Fatal(err)
	}
	srv := &ninep.Server{FS: f}
	const sessions = 32
	var turns []*fakeTurn
	var readers sync.WaitGroup
	for range sessions {
		x, y := net.Pipe()
		go srv.ServeConn(context.Background(), y)
		c, err := mnt.NewConn(ctx, x, mnt.Options{})
		if err != nil {
			b.Fatal(err)
		}
		defer c.Close()
		fs, err := c.Attach(ctx, "ann", "")
		if err != nil {
			b.Fatal(err)
		}
		if err := fs.WriteFile(ctx, "infer/new", []byte("hi")); err != nil {
			b.Fatal(err)
		}
		turns = append(turns, <-fake.turns)
		out, err := fs.Open(ctx, "infer/last/out", ninep.OREAD)
		if err != nil {
			b.Fatal(err)
		}
		readers.Go(func() {
			p := make([]byte, 8192)
			for {
				if _, err := out.Read(ctx, p); err != nil {
					return
				}
			}
		})
	}
	for b.Loop() {
		for _, t := range turns {
			t.Token(Token{ID: 17, Text: " word"})
		}
	}
	for _, t := range turns {
		t.done()
	}
	readers.Wait()
	b.ReportMetric(float64(b.N)*sessions/b.Elapsed().Seconds(), "tokens/s")
	f.Close(context.Background())
}
