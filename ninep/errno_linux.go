package ninep

import (
	"errors"
	"syscall"
)

// sysErrno is the number of an error of the system.
func sysErrno(err error) (uint32, bool) {
	var no syscall.Errno
	if errors.As(err, &no) {
		return uint32(no), true
	}
	return 0, false
}
