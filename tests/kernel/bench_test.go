//go:build linux && amd64 && !race

package kernel

import (
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// BenchmarkMount measures the kernels' 9P client beside our own, with the
// server in the machine too. The ratio of a row is the median of its rounds'.
func BenchmarkMount(b *testing.B) {
	all, err := kernels()
	if err != nil {
		b.Fatal(err)
	}
	self, err := os.Executable()
	if err != nil {
		b.Fatal(err)
	}
	for _, k := range all {
		b.Run(k.release, func(b *testing.B) {
			m := boot(b, k, self, libffi(b))
			for _, transport := range []string{"unix", "tcp"} {
				row(b, m, "token "+transport+" 1048576", "us")
			}
			for _, pace := range []string{"50ms", "0"} {
				row(b, m, "tokens unix 1048576 "+pace, "tokens/s")
			}
			for _, transport := range []string{"unix", "tcp", "fd"} {
				for _, msize := range []string{"8192", "131072", "1048576"} {
					row(b, m, "out "+transport+" "+msize, "MiB/s")
				}
			}
		})
	}
}

// row has a machine measure a thing of both clients.
func row(b *testing.B, m *machine, what, unit string) {
	b.Run(strings.ReplaceAll(what, " ", "/"), func(b *testing.B) {
		for b.Loop() {
			got := map[string][]float64{}
			for line := range strings.Lines(m.shells[0].must(b, "KERNEL_TEST='"+what+"' "+filepath.Base(os.Args[0]))) {
				client, number, _ := strings.Cut(strings.TrimSpace(line), " ")
				v, err := strconv.ParseFloat(number, 64)
				if err != nil {
					b.Fatal(err)
				}
				got[client] = append(got[client], v)
			}
			var ratios []float64
			for i, v := range got["mount"] {
				ratios = append(ratios, v/got["socket"][i])
			}
			for _, client := range clients {
				b.ReportMetric(median(got[client]), unit+"-"+client)
			}
			b.ReportMetric(median(ratios), "mount/socket")
			b.ReportMetric(ratios[0], "least") // median has sorted them
			b.ReportMetric(ratios[len(ratios)-1], "most")
		}
	})
}

func median(v []float64) float64 {
	slices.Sort(v)
	return v[len(v)/2]
}
