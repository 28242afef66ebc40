package limbo

import "testing"

// TestIsolate runs test/isotest.b.
func TestIsolate(t *testing.T) {
	i := findInferno(t)
	out, err := i.exec(t, "test/isotest $a $src/mkfile\n", node(t, "1ms").addr)
	checked(t, out, err, 50)
}
