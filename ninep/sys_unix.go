//go:build unix

package ninep

import (
	"errors"
	"io/fs"
	"os"
	"syscall"
	"time"
)

// ownedByUs says whether fi is a file of this process's user.
func ownedByUs(fi fs.FileInfo) bool {
	st, ok := fi.Sys().(*syscall.Stat_t)
	return ok && int(st.Uid) == os.Getuid()
}

// refusedDial says whether err means that nobody listens.
func refusedDial(err error) bool { return errors.Is(err, syscall.ECONNREFUSED) }

// resetConn says whether err means that the client went without reading all.
func resetConn(err error) bool {
	return errors.Is(err, syscall.ECONNRESET) || errors.Is(err, syscall.EPIPE)
}

// socketMode gives a socket its mode before it has a name, so that there is no
// moment at which others may connect. Where that does nothing, the directory
// must keep them out.
func socketMode(mode fs.FileMode) func(string, string, syscall.RawConn) error {
	return func(_, _ string, raw syscall.RawConn) error {
		return raw.Control(func(fd uintptr) { syscall.Fchmod(int(fd), uint32(mode.Perm())) })
	}
}

// pollable is f such that Close ends a Read of it, if f is a pipe or a socket.
// f itself is closed then.
func pollable(f *os.File) *os.File {
	if f.SetReadDeadline(time.Time{}) == nil {
		return f // it is already
	}
	fi, err := f.Stat()
	if err != nil || fi.Mode()&(fs.ModeNamedPipe|fs.ModeSocket) == 0 {
		return f
	}
	fd, err := syscall.Dup(int(f.Fd()))
	if err != nil {
		return f
	}
	syscall.CloseOnExec(fd)
	if syscall.SetNonblock(fd, true) != nil {
		syscall.Close(fd)
		return f
	}
	f.Close()
	return os.NewFile(uintptr(fd), f.Name())
}
