//go:build linux || darwin

package ninep

import (
	"syscall"
	"testing"
)

// raiseFiles makes room for n connections in this process, and gives how many
// of them there is room for.
func raiseFiles(t *testing.T, n int) int {
	const others = 200
	need := uint64(n + others)
	var l syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &l); err != nil {
		t.Fatal(err)
	}
	if l.Cur >= need {
		return n
	}
	if l.Max < need { // only root may raise that
		more := syscall.Rlimit{Cur: need, Max: need}
		if syscall.Setrlimit(syscall.RLIMIT_NOFILE, &more) == nil {
			return n
		}
	}
	more := syscall.Rlimit{Cur: min(need, l.Max), Max: l.Max}
	if syscall.Setrlimit(syscall.RLIMIT_NOFILE, &more) == nil {
		l = more
	}
	return min(n, int(l.Cur)-others)
}
