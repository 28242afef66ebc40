//go:build !linux || !amd64

package kernel

import "testing"

func TestKernels(t *testing.T) {
	t.Skip("LEFT OUT: the kernels that are booted are Debian's for amd64")
}
