package peers

import (
	"bufio"
	"fmt"
	"io"
	"math"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
)

type discard struct{}

func (discard) Write(p []byte) (int, error) { return len(p), nil }

func bufioReader(r io.Reader) *bufio.Reader { return bufio.NewReader(r) }

// A lane is one server of a row: its work, and what was measured of it.
type lane struct {
	name   string
	run    func(n int) error // does n operations
	ns     []float64         // an operation, of each slice
	allocs uint64
	ops    int
}

// slicesOfRow is how often a row turns from server to server: what else the
// machine does then falls on all of them.
const slicesOfRow = 12

// compare runs b.N operations on each lane in turns, and reports what report
// says of them.
func compare(b *testing.B, lanes []*lane) {
	measure(b, lanes)
	report(b, lanes)
}

func measure(b *testing.B, lanes []*lane) {
	for _, l := range lanes { // warm the pools
		if err := l.run(64); err != nil {
			b.Fatalf("%s: %v", l.name, err)
		}
	}
	n := max(b.N/slicesOfRow, 1)
	var before, after runtime.MemStats
	b.ResetTimer()
	for i := range slicesOfRow {
		for j := range lanes {
			l := lanes[(i+j)%len(lanes)]
			runtime.ReadMemStats(&before)
			t := time.Now()
			if err := l.run(n); err != nil {
				b.Fatalf("%s: %v", l.name, err)
			}
			l.ns = append(l.ns, float64(time.Since(t))/float64(n))
			runtime.ReadMemStats(&after)
			l.allocs += after.Mallocs - before.Mallocs
			l.ops += n
		}
	}
	b.StopTimer()
	b.ReportMetric(0, "ns/op") // it would be the sum of all
}

// report gives for each lane the median time of an operation and the
// allocations of one (the client has none); and how often our better time fits
// in the best of the others: above 1 we are ahead.
func report(b *testing.B, lanes []*lane) {
	ours, best := math.Inf(1), math.Inf(1)
	for _, l := range lanes {
		ns := median(l.ns)
		b.ReportMetric(ns, l.name+"-ns")
		b.ReportMetric(float64(l.allocs)/float64(l.ops), l.name+"-allocs")
		if strings.HasPrefix(l.name, "ours") {
			ours = min(ours, ns)
		} else {
			best = min(best, ns)
		}
	}
	b.ReportMetric(best/ours, "x-best-peer")
}

func median(v []float64) float64 {
	v = slices.Sorted(slices.Values(v))
	return v[len(v)/2]
}

// lanesOf starts every contender that takes messages of need bytes.
func lanesOf(b *testing.B, need int, run func(s served) func(n int) error) []*lane {
	var lanes []*lane
	data := content()
	for _, c := range contenders() {
		if c.msize < need {
			continue // go9p has no 1 MiB messages
		}
		s := start(b, c, data)
		lanes = append(lanes, &lane{name: c.name, run: run(s)})
	}
	return lanes
}

// BenchmarkRead reads 64 bytes, 64 KiB and 1 MiB (less the header) with one
// and with eight requests under way on one connection.
func BenchmarkRead(b *testing.B) {
	for _, row := range []struct {
		name  string
		count int
		depth int
	}{
		{"64B/depth=1", 64, 1},
		{"64B/depth=8", 64, 8},
		{"64KiB/depth=1", 64<<10 - 24, 1},
		{"64KiB/depth=8", 64<<10 - 24, 8},
		{"1MiB/depth=1", mib - 24, 1},
		{"1MiB/depth=8", mib - 24, 8},
	} {
		b.Run(row.name, func(b *testing.B) {
			compare(b, lanesOf(b, row.count+24, func(s served) func(int) error {
				c := s.opened(b)
				var reads [][]byte
				for tag := range row.depth {
					reads = append(reads, readFrame(uint16(tag), 1, row.count))
				}
				return func(n int) error { return c.pipeline(reads, n, row.count) }
			}))
		})
	}
}

// BenchmarkReadLatency gives the median and the 99th percentile of a read of
// 64 bytes, one at a time.
func BenchmarkReadLatency(b *testing.B) {
	lat := map[string][]float64{}
	lanes := lanesOf(b, 0, func(s served) func(int) error {
		c := s.opened(b)
		t := readFrame(0, 1, 64)
		return func(n int) error {
			for range n {
				began := time.Now()
				if err := c.rpc(t); err != nil {
					return err
				}
				lat[s.name] = append(lat[s.name], float64(time.Since(began)))
			}
			return nil
		}
	})
	for _, l := range lanes {
		lat[l.name] = make([]float64, 0, b.N+slicesOfRow+64)
	}
	measure(b, lanes)
	for _, l := range lanes {
		v := slices.Sorted(slices.Values(lat[l.name]))
		b.ReportMetric(v[len(v)/2], l.name+"-p50-ns")
		b.ReportMetric(v[len(v)*99/100], l.name+"-p99-ns")
	}
}

// BenchmarkWalkOpenReadClunk does the four on 1 and on 32 connections at once.
func BenchmarkWalkOpenReadClunk(b *testing.B) {
	for _, conns := range []int{1, 32} {
		b.Run(fmt.Sprintf("conns=%d", conns), func(b *testing.B) {
			compare(b, lanesOf(b, 0, func(s served) func(int) error {
				s.msize = min(s.msize, 64<<10)
				cs := make([]*rawClient, conns)
				for i := range cs {
					cs[i] = s.dial(b)
				}
				frames := [][]byte{walkFrame(0, 1, "data"), s.wire.open(1), readFrame(0, 1, 64), clunkFrame(1)}
				return func(n int) error {
					var wait sync.WaitGroup
					errs := make(chan error, conns)
					for i, c := range cs {
						share := n / conns
						if i < n%conns {
							share++
						}
						wait.Go(func() {
							for range share {
								for _, t := range frames {
									if err := c.rpc(t); err != nil {
										errs <- err
										return
									}
								}
							}
						})
					}
					wait.Wait()
					close(errs)
					return <-errs
				}
			}))
		})
	}
}
