package journal

import (
	"bytes"
	"crypto/rand"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
)

const (
	magic      = "l9 log 1"
	headerSize = 40
	mark       = "\xfe\xffL" // a byte that no UTF-8 text has begins it
	frameSize  = 12
	maxGroup   = 1 << 30
	suffix     = ".log"
)

// Kinds of a frame.
const (
	groupFrame = '9' // records
	sealFrame  = 's' // how long the segment before is, which is there for good
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// A header is the beginning of a segment.
type header struct {
	seq  uint64 // its number
	base uint64 // the first segment that counted when it was begun
	salt [8]byte
}

func newHeader(seq, base uint64) header {
	h := header{seq: seq, base: base}
	rand.Read(h.salt[:])
	return h
}

func (h *header) bytes() []byte {
	b := make([]byte, headerSize)
	copy(b, magic)
	binary.LittleEndian.PutUint64(b[16:], h.seq)
	binary.LittleEndian.PutUint64(b[24:], h.base)
	copy(b[32:], h.salt[:])
	binary.LittleEndian.PutUint32(b[8:], crc32.Checksum(b[16:], castagnoli))
	return b
}

var errHeader = errors.New("not a journal's segment")

func (h *header) parse(b []byte) error {
	if len(b) < headerSize || string(b[:len(magic)]) != magic || binary.LittleEndian.Uint32(b[8:]) != crc32.Checksum(b[16:headerSize], castagnoli) {
		return errHeader
	}
	h.seq, h.base = binary.LittleEndian.Uint64(b[16:]), binary.LittleEndian.Uint64(b[24:])
	copy(h.salt[:], b[32:])
	return nil
}

// sum is the checksum of the frame at off.
func (h *header) sum(off int64, kind byte, body []byte) uint32 {
	var b [21]byte
	copy(b[:], h.salt[:])
	binary.LittleEndian.PutUint64(b[8:], uint64(off))
	binary.LittleEndian.PutUint32(b[16:], uint32(len(body)))
	b[20] = kind
	return crc32.Update(crc32.Checksum(b[:], castagnoli), castagnoli, body)
}

// seal makes a frame of b, which has room for its head and then its body, to
// stand at off.
func (h *header) seal(b []byte, off int64, kind byte) {
	body := b[frameSize:]
	copy(b, mark)
	b[len(mark)] = kind
	binary.LittleEndian.PutUint32(b[4:], uint32(len(body)))
	binary.LittleEndian.PutUint32(b[8:], h.sum(off, kind, body))
}

// appendGroup appends recs to b, each with its length.
func appendGroup(b []byte, recs [][]byte) []byte {
	for _, r := range recs {
		b = append(binary.AppendUvarint(b, uint64(len(r))), r...)
	}
	return b
}

// frame gives the body of the frame at off of data, a segment.
func (h *header) frame(data []byte, off int64) (kind byte, body []byte, err error) {
	b := data[off:]
	if len(b) < frameSize || string(b[:len(mark)]) != mark {
		return 0, nil, errors.New("no record")
	}
	n := int64(binary.LittleEndian.Uint32(b[4:]))
	if n > int64(len(b))-frameSize {
		return 0, nil, fmt.Errorf("records of %d bytes, %d are there", n, len(b)-frameSize)
	}
	kind, body = b[len(mark)], b[frameSize:frameSize+n]
	switch {
	case h.sum(off, kind, body) != binary.LittleEndian.Uint32(b[8:]):
		return 0, nil, fmt.Errorf("records of %d bytes with a wrong checksum", n)
	case kind == sealFrame && n != 8, kind != sealFrame && kind != groupFrame:
		return 0, nil, errors.New("records of another version")
	}
	return kind, body, nil
}

// split calls each with the records of a group.
func split(group []byte, each func(rec []byte) error) error {
	for len(group) > 0 {
		n, w := binary.Uvarint(group)
		if w <= 0 || n > uint64(len(group)-w) {
			return errors.New("a record longer than its group")
		}
		if err := each(group[w : w+int(n) : w+int(n)]); err != nil {
			return err
		}
		group = group[w+int(n):]
	}
	return nil
}

// follows says whether a whole frame is in data behind off.
func (h *header) follows(data []byte, off int64) bool {
	for off++; off < int64(len(data)); off++ {
		i := bytes.Index(data[off:], []byte(mark))
		if i < 0 {
			return false
		}
		off += int64(i)
		if _, _, err := h.frame(data, off); err == nil {
			return true
		}
	}
	return false
}

func segmentFile(dir string, seq uint64) string {
	return filepath.Join(dir, fmt.Sprintf("%016d%s", seq, suffix))
}

// segments lists the numbers of the segments in dir.
func segments(dir string) ([]uint64, error) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil, err
	}
	var l []uint64
	for _, e := range entries {
		name, ok := strings.CutSuffix(e.Name(), suffix)
		if seq, err := strconv.ParseUint(name, 10, 64); ok && err == nil && segmentFile(dir, seq) == filepath.Join(dir, e.Name()) {
			l = append(l, seq)
		}
	}
	slices.Sort(l)
	return l, nil
}

// create makes segment h in dir, and its name lasts.
func (h *header) create(dir string) (*os.File, error) {
	f, err := os.OpenFile(segmentFile(dir, h.seq), os.O_RDWR|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return nil, err
	}
	if _, err = f.Write(h.bytes()); err == nil {
		err = errors.Join(f.Sync(), syncDir(dir))
	}
	if err != nil {
		return nil, errors.Join(err, f.Close(), os.Remove(f.Name()))
	}
	return f, nil
}

// syncDir makes what was made and removed in dir last.
func syncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	err = d.Sync()
	if errors.Is(err, errors.ErrUnsupported) {
		err = nil
	}
	return errors.Join(err, d.Close())
}
