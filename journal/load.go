package journal

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"io"
	"os"
	"slices"
)

// Load gives every record that counts, in order, and makes the journal ready
// for Append. What the end of a process or a loss of power has torn, which only
// the end can be, is cut off, and the log is told. All else that is wrong, what each returns too, is an error that names the file and
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
	for i, seq := range list {
		end, cut, err := l.loadSegment(seq, i == len(list)-1, each)
		if err != nil {
			return err
		}
		if cut > 0 {
			l.o.Log.Warn("journal: cut a torn write", "file", segmentFile(l.dir, seq), "offset", end, "bytes", cut)
		}
		if cut > 0 || i == len(list)-1 {
			return l.resume(seq, end, cut > 0)
		}
		l.below += end
	}
	return nil
}

// loadSegment gives the records of a segment, which becomes l.h, and where
// they end. cut is how many bytes of a torn write follow.
func (l *Log) loadSegment(seq uint64, last bool, each func(rec []byte) error) (end int64, cut int, err error) {
	file := segmentFile(l.dir, seq)
	data, err := os.ReadFile(file)
	if err != nil {
		return 0, 0, err
	}
	if err := l.h.parse(data); err != nil {
		return 0, 0, fmt.Errorf("%s: offset 0: %w", file, err)
	}
	if l.h.seq != seq {
		return 0, 0, fmt.Errorf("%s: offset 0: it is segment %d", file, l.h.seq)
	}
	size, sealed := int64(0), false
	if !last {
		size, sealed = sealOf(segmentFile(l.dir, seq+1))
	}
	for end = headerSize; end < int64(len(data)); {
		kind, body, err := l.h.frame(data, end)
		if err != nil {
			if sealed || l.h.follows(data, end) {
				return 0, 0, fmt.Errorf("%s: offset %d: %w, and there are more behind it", file, end, err)
			}
			return end, len(data) - int(end), nil
		}
		if kind == groupFrame {
			if err := split(body, each); err != nil {
				return 0, 0, fmt.Errorf("%s: offset %d: %w", file, end, err)
			}
		}
		end += frameSize + int64(len(body))
	}
	if sealed && end != size {
		return 0, 0, fmt.Errorf("%s: offset %d: records are missing, it had %d bytes", file, end, size)
	}
	return end, 0, nil
}

// sealOf gives the length of the segment before file, if file says that it is
// there for good.
func sealOf(file string) (size int64, ok bool) {
	data, err := os.ReadFile(file)
	var h header
	if err != nil || h.parse(data) != nil {
		return 0, false
	}
	for off := int64(headerSize); off < int64(len(data)); {
		kind, body, err := h.frame(data, off)
		if err != nil {
			return 0, false
		}
		if kind == sealFrame {
			return int64(binary.LittleEndian.Uint64(body)), true
		}
		off += frameSize + int64(len(body))
	}
	return 0, false
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

// resume opens segment seq, in which end is the end, and takes away what is
// torn there and what comes after.
func (l *Log) resume(seq uint64, end int64, torn bool) error {
	list, err := segments(l.dir)
	if err != nil {
		return err
	}
	for _, n := range slices.Backward(list) {
		if n <= seq {
			break
		}
		if torn {
			l.o.Log.Warn("journal: dropped a segment behind a torn write", "file", segmentFile(l.dir, n))
		}
		if err := os.Remove(segmentFile(l.dir, n)); err != nil {
			return err
		}
	}
	f, err := os.OpenFile(segmentFile(l.dir, seq), os.O_RDWR, 0)
	if err != nil {
		return err
	}
	if torn {
		err = f.Truncate(end)
	}
	if err == nil {
		_, err = f.Seek(end, io.SeekStart)
	}
	if err != nil {
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
