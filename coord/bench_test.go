package coord

import (
	"fmt"
	"runtime"
	"runtime/debug"
	"slices"
	"strings"
	"testing"
	"time"

	"llama9/styxfs"
)

// BenchmarkPick places a turn of a long prompt among many nodes, of which some
// have seen its beginning, and tells the 99th percentile.
func BenchmarkPick(b *testing.B) {
	for _, strategy := range Strategies {
		for _, nodes := range []int{10, 100, 1000, 10000} {
			b.Run(fmt.Sprintf("%s/%d", strategy, nodes), func(b *testing.B) {
				c := newCluster(1)
				c.strategy = strategy
				now := time.Date(2026, 11, 24, 12, 0, 0, 0, time.UTC)
				prompts := make([][]styxfs.Message, 64)
				for i := range prompts {
					prompts[i] = []styxfs.Message{{Role: "user", Content: strings.Repeat(fmt.Sprint("prompt ", i, " "), 4000)}}
				}
				for i := range nodes {
					n := &node{name: fmt.Sprintf("n%05d", i), weight: 1}
					c.mount(n)
					c.up(n, now, &Status{ID: n.name, State: "ready", Slots: 8}, []styxfs.Model{{Name: "m", State: "loaded"}})
				}
				var turns []*turn
				for i := range prompts {
					r := &styxfs.Request{Session: uint64(i + 1), User: "u", Messages: prompts[i]}
					r.Params.Model = "m"
					turns = append(turns, newTurn(r, nil, now))
				}
				took := make([]time.Duration, 0, b.N)
				// Turns come here by the tens of thousands a second, and so do
				// collections: they are not a pick's.
				runtime.GC()
				defer debug.SetGCPercent(debug.SetGCPercent(-1))
				busy := make([]*turn, 0, 4*nodes)
				at := make([]*node, 0, 4*nodes)
				b.ResetTimer()
				for i := range b.N {
					t := turns[i%len(turns)]
					begun := time.Now()
					n, _ := c.pick(t, now)
					took = append(took, time.Since(begun))
					if n == nil {
						b.Fatal("no place")
					}
					c.queue.Add(t)
					c.dispatch(n, t, now)
					busy, at = append(busy, t), append(at, n)
					if len(busy) == 4*nodes { // half full: all end
						for j, t := range busy {
							c.returned(at[j], t)
						}
						busy, at = busy[:0], at[:0]
					}
				}
				b.StopTimer()
				slices.Sort(took)
				b.ReportMetric(float64(took[len(took)*99/100])/1e3, "p99-µs")
				b.ReportMetric(float64(took[len(took)/2])/1e3, "p50-µs")
			})
		}
	}
}
