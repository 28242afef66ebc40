package journal

import (
	"bytes"
	"fmt"
	"io"
	"os"
)

// Load gives every record that counts, in order, and makes the journal ready
// for Append. What the end of a process or a loss of power has torn, which only
// the last write can be, is cut off, and the log is told. All else that is wrong, what each returns too, is an error that names the file and
// the offset; then nothing was changed. each must not keep rec.
func (l *Log) Load(each func(rec []byte) error) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.lock == nil || l.f != nil {
		return fmt.Errorf("%s: loaded already, or closed", l.dir)
	}
	list, err := segments(l.dir)
	if err != nil {
		return err
	}
	var torn uint64 // a segment that was being made
	for n := len(list); n > 0; n = len(list) {
		file := segmentFile(l.dir, list[n-1])
		h, err := readHeader(file)
		if err == nil {
			if h.seq != list[n-1] {
				return fmt.Errorf("%s: offset 0: it is segment %d", file, h.seq)
			}
			l.h = h
			break
		}
		if torn != 0 || !unwritten(file) {
			return fmt.Errorf("%s: offset 0: %w", file, err)
		}
		torn, list = list[n-1], list[:n-1]
	}
	if len(list) == 0 {
		if torn > 1 {
			return fmt.Errorf("%s: the segments before it are missing", segmentFile(l.dir, torn))
		}
		return l.begin(torn)
	}
	for len(list) > 0 && list[0] < l.h.base { // a compaction was not ended
		list = list[1:]
	}
	for i, seq := range list {
		if want := l.h.base + uint64(i); seq != want {
			return fmt.Errorf("%s: missing", segmentFile(l.dir, want))
		}
	}
	var end int64
	var cut int
	for i, seq := range list {
		if end, cut, err = l.loadSegment(seq, i == len(list)-1, each); err != nil {
			return err
		}
		l.below += end
	}
	l.below -= end
	return l.resume(end, cut, torn)
}

// loadSegment gives the records of a segment, and where they end. cut is how
// many bytes of a torn record follow, which only the last segment may have.
func (l *Log) loadSegment(seq uint64, last bool, each func(rec []byte) error) (end int64, cut int, err error) {
	file := segmentFile(l.dir, seq)
	data, err := os.ReadFile(file)
	if err != nil {
		return 0, 0, err
	}
	var h header
	if err := h.parse(data); err != nil {
		return 0, 0, fmt.Errorf("%s: offset 0: %w", file, err)
	}
	if h.seq != seq {
		return 0, 0, fmt.Errorf("%s: offset 0: it is segment %d", file, h.seq)
	}
	for end = headerSize; end < int64(len(data)); {
		group, err := h.frame(data, end)
		if err != nil {
			if last && !h.follows(data, end) {
				return end, len(data) - int(end), nil
			}
			return 0, 0, fmt.Errorf("%s: offset %d: %w, and there are more behind it", file, end, err)
		}
		if err := split(group, each); err != nil {
			return 0, 0, fmt.Errorf("%s: offset %d: %w", file, end, err)
		}
		end += frameSize + int64(len(group))
	}
	return end, 0, nil
}

// begin makes the first segment.
func (l *Log) begin(torn uint64) (err error) {
	if torn != 0 {
		if err := os.Remove(segmentFile(l.dir, torn)); err != nil {
			return err
		}
	}
	l.h = newHeader(1, 1)
	l.size = headerSize
	l.f, err = l.h.create(l.dir)
	return err
}

// resume opens the newest segment, in which end is the end, and takes away
// what is torn.
func (l *Log) resume(end int64, cut int, torn uint64) error {
	if torn != 0 {
		if err := os.Remove(segmentFile(l.dir, torn)); err != nil {
			return err
		}
	}
	file := segmentFile(l.dir, l.h.seq)
	f, err := os.OpenFile(file, os.O_RDWR, 0)
	if err != nil {
		return err
	}
	if cut > 0 {
		l.o.Log.Warn("journal: cut a torn write", "file", file, "offset", end, "bytes", cut)
		if err := f.Truncate(end); err != nil {
			f.Close()
			return err
		}
	}
	if _, err := f.Seek(end, io.SeekStart); err != nil {
		f.Close()
		return err
	}
	l.f, l.size = f, end
	return l.drop(l.h.base)
}

func readHeader(file string) (h header, err error) {
	f, err := os.Open(file)
	if err != nil {
		return h, err
	}
	defer f.Close()
	b := make([]byte, headerSize)
	n, err := io.ReadFull(f, b)
	if err != nil && err != io.EOF && err != io.ErrUnexpectedEOF {
		return h, err
	}
	return h, h.parse(b[:n])
}

// unwritten says whether a segment without a header is one that was being
// made: too short for one, or nothing but zeros.
func unwritten(file string) bool {
	data, err := os.ReadFile(file)
	return err == nil && (len(data) < headerSize || len(bytes.Trim(data, "\x00")) == 0)
}
