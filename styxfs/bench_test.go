package styxfs

import (
	"context"
	"sync"
	"testing"

	logs "llama9/journal"
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
// one token a Token call: tokens/s of all together, in memory and with a
// journal in a directory.
func BenchmarkStream(b *testing.B) {
	b.Run("memory", func(b *testing.B) { benchmarkStream(b, nil) })
	b.Run("journal", func(b *testing.B) {
		log, err := logs.Open(b.TempDir(), logs.Options{})
		if err != nil {
			b.Fatal(err)
		}
		defer log.Close()
		benchmarkStream(b, log)
	})
}

func benchmarkStream(b *testing.B, store Store) {
	fake := newFake()
	f, err := New(Config{Backend: fake, Store: store})
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

// BenchmarkTokenSeen is the time from a token that is made to a reader who has
// it, one after the other: what a journal adds to the latency of each.
func BenchmarkTokenSeen(b *testing.B) {
	b.Run("memory", func(b *testing.B) { benchmarkTokenSeen(b, nil) })
	b.Run("journal", func(b *testing.B) {
		log, err := logs.Open(b.TempDir(), logs.Options{})
		if err != nil {
			b.Fatal(err)
		}
		defer log.Close()
		benchmarkTokenSeen(b, log)
	})
}

func benchmarkTokenSeen(b *testing.B, store Store) {
	fake := newFake()
	f, err := New(Config{Backend: fake, Store: store})
	if err != nil {
		b.Fatal(err)
	}
	s, err := f.create(&attach{f: f, owner: owner{user: "ann"}})
	if err != nil {
		b.Fatal(err)
	}
	prompt := "hi"
	s.mu.Lock()
	s.begin(newTurn(s), &prompt)
	s.mu.Unlock()
	t := <-fake.turns
	h := s.openOut(false)
	p := make([]byte, 64)
	off := int64(0)
	for b.Loop() {
		t.Token(Token{ID: 17, Text: " word"})
		n, err := h.ReadAt(ctx, p, off)
		if err != nil {
			b.Fatal(err)
		}
		off += int64(n)
	}
	t.done()
	f.Close(ctx)
}
