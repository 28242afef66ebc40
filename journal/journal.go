package journal

import (
	"cmp"
	"encoding/binary"
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

	turn sync.Mutex // held by a rotation; before mu

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
	total := 0
	for _, r := range recs {
		total += len(r)
	}
	if total > maxGroup {
		return fmt.Errorf("journal: records of %d bytes are longer than %d", total, maxGroup)
	}
	b := appendGroup(append(l.buf[:0], make([]byte, frameSize)...), recs)
	if cap(b) <= 1<<20 {
		l.buf = b
	}
	return l.write(groupFrame, b)
}

// write writes a frame, for whose head b has room. mu is held.
func (l *Log) write(kind byte, b []byte) error {
	l.h.seal(b, l.size, kind)
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

// rotate begins a new segment, in which base is the first that counts, and
// gives its number. Nobody who appends waits for the disk meanwhile. When the
// old segment is there for good, a frame of the new one says so: before that, a
// loss of power may tear the old one, and then what follows does not count.
// turn is held.
func (l *Log) rotate(base uint64) (seq uint64, err error) {
	l.mu.Lock()
	old, h := l.f, newHeader(l.h.seq+1, base)
	l.mu.Unlock()
	if old == nil {
		return 0, errNotLoaded
	}
	if err := old.Sync(); err != nil {
		return 0, err
	}
	f, err := h.create(l.dir)
	if err != nil {
		return 0, err
	}
	l.mu.Lock()
	size := l.size
	l.below += size
	l.h, l.f, l.size = h, f, headerSize
	l.mu.Unlock()
	if err := errors.Join(old.Sync(), old.Close()); err != nil {
		return 0, err
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.err != nil {
		return 0, l.err
	}
	return h.seq, l.write(sealFrame, binary.LittleEndian.AppendUint64(make([]byte, frameSize, frameSize+8), uint64(size)))
}

// Sync makes what was appended last through a loss of power.
func (l *Log) Sync() error {
	l.turn.Lock()
	defer l.turn.Unlock()
	l.mu.Lock()
	f, base, full := l.f, l.h.base, l.size >= l.o.Segment
	l.mu.Unlock()
	switch {
	case f == nil:
		return errNotLoaded
	case full:
		_, err := l.rotate(base)
		return err
	}
	return f.Sync()
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
	l.turn.Lock()
	defer l.turn.Unlock()
	err := l.compact(write)
	l.mu.Lock()
	defer l.mu.Unlock()
	l.base = l.below + l.size // after a failure it is not due again at once
	return err
}

func (l *Log) compact(write func() error) error {
	l.mu.Lock()
	base := l.h.base
	l.mu.Unlock()
	first, err := l.rotate(base)
	if err != nil {
		return err
	}
	l.mu.Lock()
	before := l.below
	l.mu.Unlock()
	if err := write(); err != nil {
		return err
	}
	if _, err := l.rotate(first); err != nil {
		return err
	}
	l.mu.Lock()
	l.below -= before
	l.mu.Unlock()
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
	l.turn.Lock()
	defer l.turn.Unlock()
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
