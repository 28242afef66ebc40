package journal

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"sync"
)

// Options of a Log; zero numbers are the defaults named.
type Options struct {
	Segment int64        // bytes of a segment, about; 0 is 64 MiB
	Slack   int64        // bytes that may be added to twice what lives before a compaction is due; 0 is 16 MiB
	Log     *slog.Logger // told of a torn record that is cut; nil is silence
}

// A Log is an open journal. Its methods may be called from several goroutines
// at once, but for Load, which is the first.
type Log struct {
	dir  string
	o    Options
	lock *os.File

	mu    sync.Mutex // guards below
	h     header     // of f
	f     *os.File   // the newest segment; nil before Load and after Close
	size  int64      // of f
	below int64      // bytes of the segments before it
	base  int64      // bytes in all after the last compaction
	err   error      // f can be written no more
	buf   []byte
}

// Open takes dir, which is made if it is not there. It is an error if another
// process has it. See flock(2).
func Open(dir string, o Options) (*Log, error) {
	o.Segment = cmp.Or(o.Segment, 64<<20)
	o.Slack = cmp.Or(o.Slack, 16<<20)
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, err
	}
	lock, err := lockDir(dir)
	if err != nil {
		return nil, err
	}
	return &Log{dir: dir, o: o, lock: lock}, nil
}

var errNotLoaded = errors.New("journal: not open")

// Append adds records by one write. All of them are there again after a
// restart, or none.
func (l *Log) Append(recs ...[]byte) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	switch {
	case l.err != nil:
		return l.err
	case l.f == nil:
		return errNotLoaded
	}
	if l.size >= l.o.Segment {
		if err := l.rotate(l.h.base); err != nil {
			return err
		}
	}
	total := 0
	for _, r := range recs {
		total += len(r)
	}
	if total > maxGroup {
		return fmt.Errorf("journal: records of %d bytes are longer than %d", total, maxGroup)
	}
	b := l.h.appendFrame(l.buf[:0], l.size, recs)
	if cap(b) <= 1<<20 {
		l.buf = b
	}
	if _, err := l.f.Write(b); err != nil {
		// What was written of it must not stay before what comes.
		terr := l.f.Truncate(l.size)
		if terr == nil {
			_, terr = l.f.Seek(l.size, io.SeekStart)
		}
		if terr != nil {
			l.err = errors.Join(err, terr)
		}
		return err
	}
	l.size += int64(len(b))
	return nil
}

// rotate begins a new segment. What is in the old one lasts before it is
// there: only the newest can be torn. mu is held.
func (l *Log) rotate(base uint64) error {
	if err := l.f.Sync(); err != nil {
		return err
	}
	h := newHeader(l.h.seq+1, base)
	f, err := h.create(l.dir)
	if err != nil {
		return err
	}
	old := l.f
	l.below += l.size
	l.h, l.f, l.size = h, f, headerSize
	return old.Close()
}

// Sync makes what was appended last through a loss of power.
func (l *Log) Sync() error {
	l.mu.Lock()
	f := l.f
	l.mu.Unlock()
	if f == nil {
		return errNotLoaded
	}
	if err := f.Sync(); !errors.Is(err, os.ErrClosed) { // as it is by a rotation, which has done it
		return err
	}
	return nil
}

// Due says whether a compaction is worth its while.
func (l *Log) Due() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.below+l.size > 2*l.base+l.o.Slack
}

// Compact drops what was appended before it was called. Write has to append
// anew what of it still counts; others may append meanwhile. If the process
// ends within, or write fails, all is still there, the old and the new.
func (l *Log) Compact(write func() error) error {
	l.mu.Lock()
	if l.f == nil {
		l.mu.Unlock()
		return errNotLoaded
	}
	before := l.below + l.size
	err := l.rotate(l.h.base)
	first := l.h.seq
	l.mu.Unlock()
	if err == nil {
		err = write()
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if err == nil && l.f == nil {
		err = errNotLoaded
	}
	if err == nil {
		err = l.rotate(first)
	}
	if err != nil {
		l.base = l.below + l.size // not again at once
		return err
	}
	l.below -= before
	l.base = l.below + l.size
	return l.drop(first)
}

// drop removes the segments before first.
func (l *Log) drop(first uint64) error {
	list, err := segments(l.dir)
	if err != nil {
		return err
	}
	removed := false
	for _, seq := range list {
		if seq < first {
			if err := os.Remove(segmentFile(l.dir, seq)); err != nil {
				return err
			}
			removed = true
		}
	}
	if !removed {
		return nil
	}
	return syncDir(l.dir)
}

// Size is how many bytes the journal has.
func (l *Log) Size() int64 {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.below + l.size
}

// Close ends the use of the directory.
func (l *Log) Close() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.lock == nil {
		return nil
	}
	var err error
	if l.f != nil {
		err = errors.Join(l.f.Sync(), l.f.Close())
		l.f = nil
	}
	err = errors.Join(err, l.lock.Close())
	l.lock = nil
	return err
}
