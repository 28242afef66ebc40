//go:build !linux

package llama

// available gives the bytes a process can still get; 0: not known.
func available() uint64 { return 0 }
