package ninep

import "sync"

// A fill is what Linux does to a stream: its read(2) sends one Tread after the
// other until the program's buffer is full, or an answer is empty. It would
// show a stream only at the end, and throw what it has got away if a later
// answer is an error (6.12 does).
//
// So a Tread that begins where the last answer ended and asks for just what
// that left over is taken for such a one, and answered with 0 bytes if there is
// nothing yet, or only an error: read(2) then returns what it has, and the next
// one is not taken for a part of it. That works for buffers smaller than a
// message only; in larger ones the kernel's second Tread looks as a first one.
// Of a file that was opened O_NONBLOCK a read(2) is one Tread anyway (Linux 5.6
// and later), and an empty answer would be taken for the end.
type fill struct {
	mu    sync.Mutex // guards below
	set   bool
	off   int64
	count uint32
}

// is says whether a Tread of count bytes at off is a part of a read(2) that got
// something already. It says so once.
func (f *fill) is(off int64, count uint32) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	is := f.set && f.off == off && f.count == count
	f.set = false
	return is
}

// got notes that a Tread of count bytes at off gave n.
func (f *fill) got(off int64, count uint32, n int) {
	if n <= 0 || uint32(n) >= count {
		return
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	f.set, f.off, f.count = true, off+int64(n), count-uint32(n)
}
