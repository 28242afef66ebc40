package ninep

import (
	"errors"
	"fmt"
)

// An Error is an answer of a file server: a text for 9P2000 and a number for
// 9P2000.L. The texts of the sentinels below are those that the Linux kernel
// maps to the same number (net/9p/error.c); a text that is not in its table
// reaches a program there as errno 526.
type Error struct {
	Text  string
	Errno uint32 // as Linux numbers them
}

func (e *Error) Error() string { return e.Text }

// Is makes errors.Is(err, ErrInvalid) true for what Errorf(ErrInvalid, ...) made,
// and for what a remote server said in the same words.
func (e *Error) Is(target error) bool {
	t, ok := target.(*Error)
	return ok && (t.Text == e.Text || t.Errno == e.Errno && isSentinel(t))
}

// The errors of the field. They are compared with errors.Is.
var (
	ErrNotExist    = &Error{"file does not exist", 2}               // ENOENT
	ErrInterrupted = &Error{"Interrupted system call", 4}           // EINTR: flushed
	ErrIO          = &Error{"i/o error", 5}                         // EIO
	ErrBadFid      = &Error{"fid unknown or out of range", 9}       // EBADF
	ErrAgain       = &Error{"Resource temporarily unavailable", 11} // EAGAIN
	ErrNoMem       = &Error{"Cannot allocate memory", 12}           // ENOMEM
	ErrPermission  = &Error{"permission denied", 13}                // EACCES
	ErrBusy        = &Error{"Device or resource busy", 16}          // EBUSY
	ErrExist       = &Error{"file exists", 17}                      // EEXIST
	ErrNotDir      = &Error{"not a directory", 20}                  // ENOTDIR
	ErrIsDir       = &Error{"Is a directory", 21}                   // EISDIR
	ErrInvalid     = &Error{"Invalid argument", 22}                 // EINVAL
	ErrTooMany     = &Error{"Too many open files", 24}              // EMFILE
	ErrTooBig      = &Error{"File too large", 27}                   // EFBIG
	ErrNoSpace     = &Error{"No space left on device", 28}          // ENOSPC
	ErrProto       = &Error{"Protocol error", 71}                   // EPROTO
	ErrNotSupp     = &Error{"Operation not supported", 95}          // EOPNOTSUPP
	ErrStale       = &Error{"Stale file handle", 116}               // ESTALE
	ErrQuota       = &Error{"Disk quota exceeded", 122}             // EDQUOT
)

var sentinels = []*Error{ErrNotExist, ErrInterrupted, ErrIO, ErrBadFid, ErrAgain, ErrNoMem, ErrPermission,
	ErrBusy, ErrExist, ErrNotDir, ErrIsDir, ErrInvalid, ErrTooMany, ErrTooBig, ErrNoSpace, ErrProto,
	ErrNotSupp, ErrStale, ErrQuota}

func isSentinel(e *Error) bool {
	for _, s := range sentinels {
		if s == e {
			return true
		}
	}
	return false
}

// ErrHangup is the cause (context.Cause) of a connection's contexts once the
// client is gone.
var ErrHangup = errors.New("hung up")

// Errorf gives an error with a text of its own and the number of kind.
func Errorf(kind *Error, format string, args ...any) error {
	return &Error{fmt.Sprintf(format, args...), kind.Errno}
}
