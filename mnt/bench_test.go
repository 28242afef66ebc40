package mnt

import (
	"fmt"
	"testing"

	"llama9/ninep"
)

func BenchmarkReadAt(b *testing.B) {
	for _, size := range []int{16, 64 << 10, 1 << 20} {
		b.Run(fmt.Sprint(size), func(b *testing.B) {
			fs := serveTree(b, dir("/", newFile("f", 0666, string(make([]byte, size)))), Options{})
			f, err := fs.Open(b.Context(), "f", ninep.OREAD)
			if err != nil {
				b.Fatal(err)
			}
			p := make([]byte, size)
			b.SetBytes(int64(size))
			b.ReportAllocs()
			for b.Loop() {
				if n, err := f.ReadAt(b.Context(), p, 0); n != size || err != nil {
					b.Fatal(n, err)
				}
			}
		})
	}
}

func BenchmarkReadFile(b *testing.B) {
	fs := serveTree(b, dir("/", dir("a", newFile("f", 0666, "hello"))), Options{})
	b.ReportAllocs()
	for b.Loop() {
		if p, err := fs.ReadFile(b.Context(), "a/f"); len(p) != 5 || err != nil {
			b.Fatal(p, err)
		}
	}
}

func BenchmarkStat(b *testing.B) {
	fs := serveTree(b, dir("/", dir("a", newFile("f", 0666, "hello"))), Options{})
	b.ReportAllocs()
	for b.Loop() {
		if _, err := fs.Stat(b.Context(), "a/f"); err != nil {
			b.Fatal(err)
		}
	}
}
