//go:build unix

package journal

import (
	"bytes"
	"os/signal"
	"testing"

	"golang.org/x/sys/unix"
)

// fullDisk appends to a journal where files may have 4096 bytes, and no more.
// It is run in a process of its own.
func fullDisk(t *testing.T, dir string) {
	signal.Ignore(unix.SIGXFSZ)
	l, _ := load(t, dir, Options{})
	add(t, l, "before")
	if err := unix.Setrlimit(unix.RLIMIT_FSIZE, &unix.Rlimit{Cur: 4096, Max: unix.RLIM_INFINITY}); err != nil {
		t.Fatal(err)
	}
	size := l.Size()
	if err := l.Append(bytes.Repeat([]byte("x"), 10000)); err == nil {
		t.Fatal("10000 bytes went into 4096")
	}
	if l.Size() != size {
		t.Fatalf("size %d, was %d", l.Size(), size)
	}
	add(t, l, "after")
	shut(t, l)
}
