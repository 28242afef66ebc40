//go:build linux

package fuse

import (
	"context"
	"errors"

	gofuse "github.com/hanwen/go-fuse/v2/fuse"
	"golang.org/x/sys/unix"

	"llama9/ninep"
)

// maxErrno is the largest error number that the kernel takes.
const maxErrno = 511

// status is the kernel's number for an error of mnt.
func status(err error) gofuse.Status {
	var e *ninep.Error
	switch {
	case err == nil:
		return gofuse.OK
	case errors.Is(err, ninep.ErrHangup):
		return gofuse.Status(unix.ENOTCONN)
	case errors.Is(err, context.Canceled):
		return gofuse.EINTR
	case errors.As(err, &e) && e.Errno == uint32(unix.EREMOTEIO):
		return gofuse.EIO // a text that no table knows
	case errors.As(err, &e) && e.Errno > 0 && e.Errno <= maxErrno:
		return gofuse.Status(e.Errno)
	}
	return gofuse.EIO
}

// writeStatus is that of a write. A server that refuses one in words of its
// own (the name of a parameter, what is wrong with its value) means EINVAL.
func writeStatus(err error) gofuse.Status {
	if e := (*ninep.Error)(nil); errors.As(err, &e) && e.Errno == uint32(unix.EREMOTEIO) {
		return gofuse.EINVAL
	}
	return status(err)
}
