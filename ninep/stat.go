package ninep

import (
	"encoding/binary"
	"math"
	"time"
	"unicode/utf8"
)

// statFixed is the size of a stat's fields before its four strings, without
// the size field itself.
const statFixed = 2 + 4 + 13 + 4 + 4 + 4 + 8

// maxStatString bounds each string of a stat, so that one always fits the
// 65535 bytes that its size field can tell.
const maxStatString = 16000

// AppendStat adds s as 9P2000 has it, its size field first. Times before 1970
// are 0, strings longer than 16000 bytes are cut. See stat(5).
func AppendStat(b []byte, s *Stat) []byte {
	return appendStat(b, s.Qid, s.Mode, seconds(s.Atime), seconds(s.Mtime), s.Length, 0, 0,
		s.Name, s.Uid, s.Gid, s.Muid)
}

// AppendStatChange adds c as the stat of a Twstat: what c leaves alone has the
// value that says so. See wstat in stat(5).
func AppendStatChange(b []byte, c *StatChange) []byte {
	mode, atime, mtime, length := uint32(math.MaxUint32), uint32(math.MaxUint32), uint32(math.MaxUint32), uint64(math.MaxUint64)
	if c.Mode != nil {
		mode = *c.Mode
	}
	if c.Atime != nil {
		atime = seconds(*c.Atime)
	}
	if c.Mtime != nil {
		mtime = seconds(*c.Mtime)
	}
	if c.Length != nil {
		length = *c.Length
	}
	return appendStat(b, Qid{math.MaxUint8, math.MaxUint32, math.MaxUint64}, mode, atime, mtime, length,
		math.MaxUint16, math.MaxUint32, text(c.Name), text(c.Uid), text(c.Gid), "")
}

func text(p *string) string {
	if p == nil {
		return ""
	}
	return *p
}

func appendStat(b []byte, q Qid, mode, atime, mtime uint32, length uint64, typ uint16, dev uint32,
	names ...string) []byte {
	le := binary.LittleEndian
	start := len(b)
	b = append(b, 0, 0)
	b = le.AppendUint16(b, typ)
	b = le.AppendUint32(b, dev)
	b = appendQid(b, q)
	b = le.AppendUint32(b, mode)
	b = le.AppendUint32(b, atime)
	b = le.AppendUint32(b, mtime)
	b = le.AppendUint64(b, length)
	for _, s := range names {
		b = appendString(b, cut(s))
	}
	le.PutUint16(b[start:], uint16(len(b)-start-2))
	return b
}

// cut shortens s to maxStatString at a rune's end.
func cut(s string) string {
	if len(s) <= maxStatString {
		return s
	}
	i := maxStatString
	for i > 0 && !utf8.RuneStart(s[i]) {
		i--
	}
	return s[:i]
}

// StatSize is how many bytes AppendStat adds for s.
func StatSize(s *Stat) int {
	return 2 + statFixed + 4*2 + len(cut(s.Name)) + len(cut(s.Uid)) + len(cut(s.Gid)) + len(cut(s.Muid))
}

// seconds is t as 9P2000 has it. The largest value means "leave alone" in a
// Twstat, so it is never given.
func seconds(t time.Time) uint32 {
	switch n := t.Unix(); {
	case n < 0:
		return 0
	case n >= math.MaxUint32:
		return math.MaxUint32 - 1
	default:
		return uint32(n)
	}
}

// wireStat is a stat with all that is in it.
type wireStat struct {
	typ          uint16
	dev          uint32
	qid          Qid
	mode         uint32
	atime, mtime uint32
	length       uint64
	name         string
	uid          string
	gid          string
	muid         string
}

func decodeStat(b []byte) (w wireStat, rest []byte, err error) {
	r := reader{b: b}
	body := r.bytes(uint64(r.u16()))
	if r.err != nil {
		return w, nil, errStat
	}
	rest = r.b
	r = reader{b: body}
	w = wireStat{r.u16(), r.u32(), r.qid(), r.u32(), r.u32(), r.u32(), r.u64(), r.str(), r.str(), r.str(), r.str()}
	if r.err == errString {
		return wireStat{}, nil, errString
	}
	if r.err != nil || len(r.b) > 0 {
		return wireStat{}, nil, errStat
	}
	return w, rest, nil
}

// DecodeStat reads the first stat of b and gives what is behind it: nothing
// in an Rstat, more stats in an Rread of a directory. The bytes of stat.type
// and stat.dev are the server's own business and are left out.
func DecodeStat(b []byte) (s Stat, rest []byte, err error) {
	w, rest, err := decodeStat(b)
	if err != nil {
		return Stat{}, nil, err
	}
	return Stat{
		Qid:    w.qid,
		Mode:   w.mode,
		Atime:  time.Unix(int64(w.atime), 0),
		Mtime:  time.Unix(int64(w.mtime), 0),
		Length: w.length,
		Name:   w.name,
		Uid:    w.uid,
		Gid:    w.gid,
		Muid:   w.muid,
	}, rest, nil
}

// DecodeStatChange reads the stat of a Twstat. The fields that nobody can
// change (type, dev, qid, muid) are not looked at: clients repeat there what
// they have seen, or say "leave alone".
func DecodeStatChange(b []byte) (StatChange, error) {
	w, rest, err := decodeStat(b)
	if err != nil {
		return StatChange{}, err
	}
	if len(rest) > 0 {
		return StatChange{}, errLong
	}
	var c StatChange
	if w.mode != math.MaxUint32 {
		c.Mode = &w.mode
	}
	if w.length != math.MaxUint64 {
		c.Length = &w.length
	}
	c.Atime = whenSet(w.atime)
	c.Mtime = whenSet(w.mtime)
	c.Name = textSet(w.name)
	c.Uid = textSet(w.uid)
	c.Gid = textSet(w.gid)
	return c, nil
}

func whenSet(n uint32) *time.Time {
	if n == math.MaxUint32 {
		return nil
	}
	t := time.Unix(int64(n), 0)
	return &t
}

func textSet(s string) *string {
	if s == "" {
		return nil
	}
	return &s
}
