package ninep

import (
	"errors"
	"io"
	"net"
	"syscall"
	"testing"
)

// A badListener gives these errors, one after the other.
type badListener struct{ errs []error }

func (l *badListener) Accept() (net.Conn, error) {
	err := l.errs[0]
	l.errs = l.errs[1:]
	return nil, err
}
func (l *badListener) Close() error   { return nil }
func (l *badListener) Addr() net.Addr { return nil }

// Serve outlives what passes, as too many open files, and returns what does
// not.
func TestServeAccept(t *testing.T) {
	passes := &net.OpError{Op: "accept", Err: syscall.EMFILE}
	fatal := errors.New("no more")
	for _, last := range []error{fatal, net.ErrClosed} {
		ln := &badListener{[]error{passes, passes, last}}
		if err := (&Server{FS: newMemFS()}).Serve(t.Context(), ln); err != last {
			t.Errorf("Serve: %v, want %v", err, last)
		}
		if len(ln.errs) != 0 {
			t.Errorf("%d accepts were not made", len(ln.errs))
		}
	}
}

// A large frame that never comes whole leaves nothing behind.
func TestLargeCut(t *testing.T) {
	for _, n := range []int{600, 5000, firstGrab, firstGrab + 1, firstGrab + 5000} {
		w := dial(t, nil)
		w.do("Tversion tag 65535 msize 1048600 version '9P2000'", "Rversion*")
		m := Fcall{Type: Twrite, Data: make([]byte, 1<<20)}
		b, err := m.Append(nil)
		if err != nil {
			t.Fatal(err)
		}
		w.write(b[:n])
		if err := w.end(); err != io.ErrUnexpectedEOF {
			t.Errorf("after %d bytes: %v", n, err)
		}
	}
}

// The msize that is offered.
func TestServerMsize(t *testing.T) {
	for in, want := range map[uint32]uint32{0: MaxMsize, 1: MinMsize, 8216: 8216, 1 << 30: MaxMsize} {
		if got := (&Server{Msize: in}).msize(); got != want {
			t.Errorf("Msize %d offers %d, want %d", in, got, want)
		}
	}
}
