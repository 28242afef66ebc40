//go:build linux || darwin

package ninep

import (
	"syscall"
	"testing"
)

// raiseFiles makes room for n connections in this process, or skips the test.
func raiseFiles(t *testing.T, n int) {
	var l syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &l); err != nil {
		t.Fatal(err)
	}
	if need := uint64(n + 200); l.Cur < need {
		l.Cur = need
		if l.Max < need {
			l.Max = need
		}
		if err := syscall.Setrlimit(syscall.RLIMIT_NOFILE, &l); err != nil {
			t.Skipf("SKIP: %d connections need %d open files: %v", n, need, err)
		}
	}
}
