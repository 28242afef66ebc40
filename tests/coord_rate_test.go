package tests

import (
	"fmt"
	"io"
	"slices"
	"sync"
	"testing"
	"time"

	"llama9/mnt"
)

// BenchmarkCluster: tokens a second of three nodes through a coordinator,
// beside those of the same three nodes, with the same turns, read by the same
// client at the nodes themselves: all three at once, for they share the
// processors with the client either way. The engine is given its pace by a
// clock, some 50,000 tokens a second in all.
func BenchmarkCluster(b *testing.B) {
	for _, v := range []struct {
		slots int
		step  time.Duration
	}{{4, 240 * time.Microsecond}, {16, 960 * time.Microsecond}, {64, 3840 * time.Microsecond}} {
		b.Run(fmt.Sprintf("turns=%d", 3*v.slots), func(b *testing.B) { benchmarkCluster(b, v.slots, v.step) })
	}
}

func benchmarkCluster(b *testing.B, slots int, step time.Duration) {
	c := newCluster(b, "a b c", "--engine", "fake", "-m", "fake:words,step="+step.String(), "--alias", "words", "-np", fmt.Sprint(slots), "-c", "12000")
	tokens := int(2 * time.Second / step)
	var nodes []*mnt.Fsys
	for name := range c.nodes {
		fs, err := mnt.Dial(b.Context(), c.at(name), mnt.Options{})
		if err != nil {
			b.Fatal(err)
		}
		defer fs.Close()
		nodes = append(nodes, fs)
	}
	// rate makes turns, so many at each tree, and gives tokens a second.
	rate := func(each int, trees ...*mnt.Fsys) float64 {
		begun := time.Now()
		var all sync.WaitGroup
		for _, fs := range trees {
			for range each {
				all.Go(func() { speak(b, fs, tokens) })
			}
		}
		all.Wait()
		return float64(each*len(trees)*tokens) / time.Since(begun).Seconds()
	}
	var ratios, alone, through []float64
	b.ResetTimer()
	for range b.N {
		alone = append(alone, rate(slots, nodes...))
		through = append(through, rate(3*slots, c.fs))
		ratios = append(ratios, through[len(through)-1]/alone[len(alone)-1])
	}
	b.ReportMetric(median(alone), "alone-tokens/s")
	b.ReportMetric(median(through), "through-tokens/s")
	b.ReportMetric(median(ratios), "through/alone")
}

// speak makes a turn of so many tokens, reads it and removes its session.
func speak(b *testing.B, fs *mnt.Fsys, tokens int) {
	t, err := mnt.StartTurn(b.Context(), fs, fmt.Sprintf("n_predict %d\nignore_eos on\ntemperature 0\n", tokens), []byte("x"))
	for p := make([]byte, 8192); err == nil; {
		_, err = t.Read(b.Context(), p)
	}
	if err != io.EOF {
		b.Error(err)
		return
	}
	t.Close()
	fs.Remove(b.Context(), "infer/"+t.ID)
}

func median(v []float64) float64 {
	slices.Sort(v)
	return v[len(v)/2]
}
