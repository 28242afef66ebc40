//go:build linux

package fuse

import (
	"context"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"llama9/mnt"
	"llama9/ninep"
	"llama9/styxfs"
)

// TestMain makes this program a cat over a socket, for the benchmarks to
// measure beside cat over a mount: both are processes that print to a pipe.
func TestMain(m *testing.M) {
	if addr := os.Getenv("FUSE_TEST_CAT"); addr != "" {
		if err := catSocket(addr, os.Args[1]); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		return
	}
	os.Exit(m.Run())
}

func catSocket(addr, path string) error {
	fs, err := mnt.Dial(context.Background(), addr, mnt.Options{})
	if err != nil {
		return err
	}
	defer fs.Close()
	f, err := fs.Open(context.Background(), path, ninep.OREAD)
	if err != nil {
		return err
	}
	_, err = io.CopyBuffer(os.Stdout, struct{ io.Reader }{f.WithContext(context.Background())}, make([]byte, 128<<10))
	return err
}

// A scripted backend makes the tokens that the benchmark sends.
type scripted struct{ tokens chan string }

func (s scripted) Generate(ctx context.Context, r *styxfs.Request, sink styxfs.Sink) (styxfs.Outcome, error) {
	sink.State(styxfs.Decode)
	for {
		select {
		case t, ok := <-s.tokens:
			if !ok {
				return styxfs.Outcome{}, nil
			}
			sink.Token(styxfs.Token{ID: 1, Text: t})
		case <-ctx.Done():
			return styxfs.Outcome{}, context.Cause(ctx)
		}
	}
}

func (s scripted) Models(context.Context) []styxfs.Model { return nil }
func (s scripted) Ctl(context.Context, [][]string) error { return nil }
func (s scripted) Settings() [][]string                  { return nil }
func (s scripted) Status() []styxfs.Attr                 { return nil }

// mountScript mounts a tree over a scripted backend and begins a turn.
func mountScript(b *testing.B) (*world, chan string) {
	s := scripted{make(chan string)}
	tree, err := styxfs.New(styxfs.Config{Backend: s, Version: "test"})
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { tree.Close(context.Background()) })
	w := mountFS(b, tree)
	if err := w.fs.WriteFile(b.Context(), "infer/new", []byte("go")); err != nil {
		b.Fatal(err)
	}
	return w, s.tokens
}

// clients are what reads: cat over the mount, and our client over a socket.
var clients = []string{"fuse", "socket"}

// cat starts one of them on the turn's answer, and returns when it has it open.
func (w *world) cat(client, more string) *shell {
	cmd := "exec cat $n/infer/last/out " + more
	if client == "socket" {
		addr := "unix!" + strings.TrimSuffix(w.dir, "/n") + "/s"
		cmd = fmt.Sprintf("FUSE_TEST_CAT=%s exec %s infer/last/out %s", addr, os.Args[0], more)
	}
	return w.start(cmd)
}

// BenchmarkToken is the time from a token's being made to its being printed.
func BenchmarkToken(b *testing.B) {
	for _, client := range clients {
		b.Run(client, func(b *testing.B) {
			w, tokens := mountScript(b)
			c := w.cat(client, "")
			tokens <- "x"
			c.next() // it runs and reads
			var all []time.Duration
			buf := make([]byte, 64)
			for b.Loop() {
				begin := time.Now()
				tokens <- "a token"
				if _, err := io.ReadFull(c.out, buf[:7]); err != nil {
					b.Fatal(err)
				}
				all = append(all, time.Since(begin))
			}
			close(tokens)
			c.finish()
			report(b, all)
		})
	}
}

// report gives the median and the slowest of a hundred.
func report(b *testing.B, all []time.Duration) {
	slices.Sort(all)
	b.ReportMetric(float64(all[len(all)/2].Nanoseconds())/1000, "us/median")
	b.ReportMetric(float64(all[len(all)*99/100].Nanoseconds())/1000, "us/p99")
}

// BenchmarkTokens is how many tokens a second come out of an answer that is
// made as fast as it can be, and of one made at a model's pace.
func BenchmarkTokens(b *testing.B) {
	for _, pace := range []time.Duration{0, time.Millisecond} {
		for _, client := range clients {
			b.Run(fmt.Sprintf("%v/%s", pace, client), func(b *testing.B) {
				w, tokens := mountScript(b)
				c := w.cat(client, "| cat > /dev/null")
				var tick <-chan time.Time
				if pace > 0 {
					t := time.NewTicker(pace)
					defer t.Stop()
					tick = t.C
				}
				n := 0
				for b.Loop() {
					if tick != nil {
						<-tick
					}
					tokens <- "a token"
					n++
				}
				begin := time.Now()
				close(tokens)
				if _, st := c.finish(); st != 0 {
					b.Fatalf("%v: %s", st, &c.stderr)
				}
				b.ReportMetric(float64(n)/(b.Elapsed()+time.Since(begin)).Seconds(), "tokens/s")
			})
		}
	}
}

// BenchmarkOut reads a finished answer of 16 MiB.
func BenchmarkOut(b *testing.B) {
	const size = 16 << 20
	for _, client := range []string{"cat", "dd bs=1M", "dd bs=64k", "socket"} {
		b.Run(client, func(b *testing.B) {
			w, tokens := mountScript(b)
			chunk := strings.Repeat("0123456789abcdef", 1<<12)
			for range size / len(chunk) {
				tokens <- chunk
			}
			close(tokens)
			if out, err := w.fs.ReadFile(b.Context(), "infer/last/out"); err != nil || len(out) != size {
				b.Fatalf("out has %d bytes, %v", len(out), err)
			}
			b.SetBytes(size)
			for b.Loop() {
				var s *shell
				switch client {
				case "cat", "socket":
					s = w.cat(map[string]string{"cat": "fuse", "socket": "socket"}[client], "> /dev/null")
				default:
					s = w.start("exec " + client + " status=none if=$n/infer/last/out of=/dev/null")
				}
				if _, st := s.finish(); st != 0 {
					b.Fatalf("%v: %s", st, &s.stderr)
				}
			}
		})
	}
}

// BenchmarkStat is the look at a file three directories down.
func BenchmarkStat(b *testing.B) {
	w, tokens := mountScript(b)
	defer close(tokens)
	const each = 1000
	n := 0
	for b.Loop() {
		w.sh(fmt.Sprintf("for ((i = 0; i < %d; i++)); do [ -e $n/infer/last/out ]; done", each))
		n += each
	}
	b.ReportMetric(b.Elapsed().Seconds()*1e6/float64(n), "us/stat")
}
