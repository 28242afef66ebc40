//go:build !linux

package ninep

// sysErrno knows no numbers here: an Error has those of Linux.
func sysErrno(error) (uint32, bool) { return 0, false }
