package ninep

import (
	"context"
	"errors"
	"io/fs"
	"strings"
	"unicode/utf8"
)

// A dialect is how requests and answers look on the wire. Tversion, Rversion
// and Rread are the same in all.
type dialect interface {
	// decode reads a frame into r; the tag, unless the frame has none. It
	// returns ErrFrame for what is no request, and any other error for one
	// that is to be answered by it. Only data may alias frame.
	decode(frame []byte, r *request) error
	// answer adds the frame that says that r was done.
	answer(b []byte, r *request) ([]byte, error)
	// fail adds the frame that says err.
	fail(b []byte, tag uint16, err error) []byte
	// shape makes s what a client of the dialect can understand.
	shape(s *Stat)
	// print is a frame in a line.
	print(frame []byte) string
}

// negotiate gives the dialect for a Tversion and the name that says so. Nil,
// "unknown" is none. What follows a period is dropped, as version(5) has it.
func negotiate(version string) (dialect, string) {
	if version == "9P2000.L" || strings.HasPrefix(version, "9P2000.L.") {
		return p2000L{}, "9P2000.L"
	}
	if name, _, _ := strings.Cut(version, "."); name == "9P2000" {
		return p2000{}, "9P2000"
	}
	return nil, "unknown"
}

// maxError is the longest text of an error, in bytes.
const maxError = 512

// asError gives the text and the number of err.
func asError(err error) (text string, errno uint32) {
	var e *Error
	no, numbered := sysErrno(err)
	switch {
	case errors.As(err, &e):
		text, errno = err.Error(), e.Errno
	case errors.Is(err, context.Canceled):
		text, errno = ErrInterrupted.Text, ErrInterrupted.Errno
	case errors.Is(err, context.DeadlineExceeded):
		text, errno = "Connection timed out", 110
	case errors.Is(err, fs.ErrNotExist):
		text, errno = ErrNotExist.Text, ErrNotExist.Errno
	case errors.Is(err, fs.ErrExist):
		text, errno = ErrExist.Text, ErrExist.Errno
	case errors.Is(err, fs.ErrPermission):
		text, errno = ErrPermission.Text, ErrPermission.Errno
	case numbered:
		text, errno = err.Error(), no
	default:
		text, errno = err.Error(), ErrIO.Errno
	}
	return wireText(text), errno
}

// wireText makes s a string of 9P: UTF-8 without NUL, not empty, not long.
func wireText(s string) string {
	s = strings.ReplaceAll(strings.ToValidUTF8(s, "\ufffd"), "\x00", "\ufffd")
	if s == "" {
		s = ErrIO.Text
	}
	if len(s) > maxError {
		s = s[:maxError]
		for !utf8.ValidString(s) {
			s = s[:len(s)-1]
		}
	}
	return s
}
