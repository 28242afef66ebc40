package ninep

import (
	"encoding/binary"
	"errors"
	"unicode/utf8"
)

// The types of 9P2000's messages. See intro(5); 106 (Terror) does not exist.
const (
	Tversion = 100 + iota
	Rversion
	Tauth
	Rauth
	Tattach
	Rattach
	terror
	Rerror
	Tflush
	Rflush
	Twalk
	Rwalk
	Topen
	Ropen
	Tcreate
	Rcreate
	Tread
	Rread
	Twrite
	Rwrite
	Tclunk
	Rclunk
	Tremove
	Rremove
	Tstat
	Rstat
	Twstat
	Rwstat
)

const (
	NoTag = ^uint16(0) // the tag of Tversion
	NoFid = ^uint32(0) // the afid of an attach without authentication

	// MaxWalk is how many names a Twalk may hold. See walk(5).
	MaxWalk = 16

	// HeaderSize is the size[4] type[1] tag[2] before every body.
	HeaderSize = 7
	// RreadSize and TwriteSize are what precedes the data of these two.
	RreadSize  = HeaderSize + 4
	TwriteSize = HeaderSize + 4 + 8 + 4
	// IOSize is what a client subtracts from msize to get the largest count
	// of data: the room for the larger header, TwriteSize, and one more for
	// luck. See IOHDRSZ in Plan 9's fcall.h.
	IOSize = 24
)

// An Fcall is a message of 9P2000. Type says which of the fields are meant.
type Fcall struct {
	Type    uint8
	Tag     uint16
	Fid     uint32
	Afid    uint32   // Tauth, Tattach
	Newfid  uint32   // Twalk
	Msize   uint32   // Tversion, Rversion
	Version string   // Tversion, Rversion
	Oldtag  uint16   // Tflush
	Ename   string   // Rerror
	Uname   string   // Tauth, Tattach
	Aname   string   // Tauth, Tattach
	Qid     Qid      // Rattach, Ropen, Rcreate
	Aqid    Qid      // Rauth
	Wname   []string // Twalk
	Wqid    []Qid    // Rwalk
	Mode    OpenMode // Topen, Tcreate
	Perm    uint32   // Tcreate
	Name    string   // Tcreate
	Iounit  uint32   // Ropen, Rcreate
	Offset  uint64   // Tread, Twrite
	Count   uint32   // Tread, Rwrite
	Data    []byte   // Twrite, Rread
	Stat    []byte   // Twstat, Rstat: one whole stat, see DecodeStat
}

// ErrFrame is Decode's answer to bytes that are no frame: the size is not
// that of the frame, or the type is unknown. What follows on the connection
// cannot be trusted. Any other error of Decode is an *Error, and the message
// can be answered with it: Type and Tag are then known.
var ErrFrame = errors.New("malformed frame")

// The errors of a body; EPROTO all.
var (
	errShort  = &Error{"malformed message: too short", 71}
	errLong   = &Error{"malformed message: trailing bytes", 71}
	errString = &Error{"malformed message: a string that is not UTF-8 or holds NUL", 71}
	errNames  = &Error{"malformed message: too many names in walk", 71}
	errStat   = &Error{"malformed message: bad stat", 71}
)

// Decode reads one whole frame, size field included. It never panics and
// allocates strings only, of bytes that are there. Data and Stat alias frame;
// Wname and Wqid keep their capacity, so an Fcall is best used again.
func (f *Fcall) Decode(frame []byte) error {
	*f = Fcall{Wname: f.Wname[:0], Wqid: f.Wqid[:0]}
	if len(frame) < HeaderSize || uint64(binary.LittleEndian.Uint32(frame)) != uint64(len(frame)) {
		return ErrFrame
	}
	f.Type = frame[4]
	f.Tag = binary.LittleEndian.Uint16(frame[5:])
	r := reader{b: frame[HeaderSize:]}
	switch f.Type {
	default:
		return ErrFrame
	case Tversion, Rversion:
		f.Msize = r.u32()
		f.Version = r.str()
	case Tauth:
		f.Afid = r.u32()
		f.Uname = r.str()
		f.Aname = r.str()
	case Rauth:
		f.Aqid = r.qid()
	case Tattach:
		f.Fid = r.u32()
		f.Afid = r.u32()
		f.Uname = r.str()
		f.Aname = r.str()
	case Rattach:
		f.Qid = r.qid()
	case Rerror:
		f.Ename = r.str()
	case Tflush:
		f.Oldtag = r.u16()
	case Rflush, Rclunk, Rremove, Rwstat:
	case Twalk:
		f.Fid = r.u32()
		f.Newfid = r.u32()
		n := r.u16()
		if n > MaxWalk {
			return errNames
		}
		for range n {
			f.Wname = append(f.Wname, r.str())
		}
	case Rwalk:
		n := r.u16()
		if n > MaxWalk {
			return errNames
		}
		for range n {
			f.Wqid = append(f.Wqid, r.qid())
		}
	case Topen:
		f.Fid = r.u32()
		f.Mode = OpenMode(r.u8())
	case Ropen, Rcreate:
		f.Qid = r.qid()
		f.Iounit = r.u32()
	case Tcreate:
		f.Fid = r.u32()
		f.Name = r.str()
		f.Perm = r.u32()
		f.Mode = OpenMode(r.u8())
	case Tread:
		f.Fid = r.u32()
		f.Offset = r.u64()
		f.Count = r.u32()
	case Rread:
		f.Data = r.bytes(uint64(r.u32()))
	case Twrite:
		f.Fid = r.u32()
		f.Offset = r.u64()
		f.Data = r.bytes(uint64(r.u32()))
	case Rwrite:
		f.Count = r.u32()
	case Tclunk, Tremove, Tstat:
		f.Fid = r.u32()
	case Rstat:
		f.Stat = r.bytes(uint64(r.u16()))
	case Twstat:
		f.Fid = r.u32()
		f.Stat = r.bytes(uint64(r.u16()))
	}
	if r.err == nil && len(r.b) > 0 {
		return errLong
	}
	if r.err != nil {
		return r.err
	}
	return nil
}

// Append adds the frame of f to b. It fails on a type that does not exist, a
// string or stat of more than 65535 bytes and a walk of more than MaxWalk
// names, and then gives b back as it was.
func (f *Fcall) Append(b []byte) ([]byte, error) {
	le := binary.LittleEndian
	start := len(b)
	b = append(b, 0, 0, 0, 0, f.Type)
	b = le.AppendUint16(b, f.Tag)
	switch f.Type {
	default:
		return b[:start], errors.New("no such message type")
	case Tversion, Rversion:
		b = le.AppendUint32(b, f.Msize)
		b = appendString(b, f.Version)
	case Tauth:
		b = le.AppendUint32(b, f.Afid)
		b = appendString(b, f.Uname)
		b = appendString(b, f.Aname)
	case Rauth:
		b = appendQid(b, f.Aqid)
	case Tattach:
		b = le.AppendUint32(b, f.Fid)
		b = le.AppendUint32(b, f.Afid)
		b = appendString(b, f.Uname)
		b = appendString(b, f.Aname)
	case Rattach:
		b = appendQid(b, f.Qid)
	case Rerror:
		b = appendString(b, f.Ename)
	case Tflush:
		b = le.AppendUint16(b, f.Oldtag)
	case Rflush, Rclunk, Rremove, Rwstat:
	case Twalk:
		if len(f.Wname) > MaxWalk {
			return b[:start], errNames
		}
		b = le.AppendUint32(b, f.Fid)
		b = le.AppendUint32(b, f.Newfid)
		b = le.AppendUint16(b, uint16(len(f.Wname)))
		for _, name := range f.Wname {
			if len(name) > 65535 {
				return b[:start], errTooLong
			}
			b = appendString(b, name)
		}
	case Rwalk:
		if len(f.Wqid) > MaxWalk {
			return b[:start], errNames
		}
		b = le.AppendUint16(b, uint16(len(f.Wqid)))
		for _, q := range f.Wqid {
			b = appendQid(b, q)
		}
	case Topen:
		b = le.AppendUint32(b, f.Fid)
		b = append(b, byte(f.Mode))
	case Ropen, Rcreate:
		b = appendQid(b, f.Qid)
		b = le.AppendUint32(b, f.Iounit)
	case Tcreate:
		b = le.AppendUint32(b, f.Fid)
		b = appendString(b, f.Name)
		b = le.AppendUint32(b, f.Perm)
		b = append(b, byte(f.Mode))
	case Tread:
		b = le.AppendUint32(b, f.Fid)
		b = le.AppendUint64(b, f.Offset)
		b = le.AppendUint32(b, f.Count)
	case Rread:
		b = le.AppendUint32(b, uint32(len(f.Data)))
		b = append(b, f.Data...)
	case Twrite:
		b = le.AppendUint32(b, f.Fid)
		b = le.AppendUint64(b, f.Offset)
		b = le.AppendUint32(b, uint32(len(f.Data)))
		b = append(b, f.Data...)
	case Rwrite:
		b = le.AppendUint32(b, f.Count)
	case Tclunk, Tremove, Tstat:
		b = le.AppendUint32(b, f.Fid)
	case Rstat:
		b = le.AppendUint16(b, uint16(len(f.Stat)))
		b = append(b, f.Stat...)
	case Twstat:
		b = le.AppendUint32(b, f.Fid)
		b = le.AppendUint16(b, uint16(len(f.Stat)))
		b = append(b, f.Stat...)
	}
	if f.tooLong() {
		return b[:start], errTooLong
	}
	le.PutUint32(b[start:], uint32(len(b)-start))
	return b, nil
}

var errTooLong = errors.New("a string of more than 65535 bytes in a message")

// tooLong looks at the strings that f's type does not have as well: a caller
// that fills in those has a fault of its own.
func (f *Fcall) tooLong() bool {
	const most = 65535
	return len(f.Version) > most || len(f.Ename) > most || len(f.Uname) > most ||
		len(f.Aname) > most || len(f.Name) > most || len(f.Stat) > most
}

// PutRread fills the first RreadSize bytes of b with the header of an Rread
// of n bytes, which follow it in b: so data is read where it is sent from.
func PutRread(b []byte, tag uint16, n int) {
	le := binary.LittleEndian
	le.PutUint32(b, uint32(RreadSize+n))
	b[4] = Rread
	le.PutUint16(b[5:], tag)
	le.PutUint32(b[7:], uint32(n))
}

// AppendTwrite adds the header of a Twrite of n bytes, which the caller sends
// after it.
func AppendTwrite(b []byte, tag uint16, fid uint32, off uint64, n int) []byte {
	le := binary.LittleEndian
	b = le.AppendUint32(b, uint32(TwriteSize+n))
	b = append(b, Twrite)
	b = le.AppendUint16(b, tag)
	b = le.AppendUint32(b, fid)
	b = le.AppendUint64(b, off)
	return le.AppendUint32(b, uint32(n))
}

func appendString(b []byte, s string) []byte {
	b = binary.LittleEndian.AppendUint16(b, uint16(len(s)))
	return append(b, s...)
}

func appendQid(b []byte, q Qid) []byte {
	b = append(b, q.Type)
	b = binary.LittleEndian.AppendUint32(b, q.Vers)
	return binary.LittleEndian.AppendUint64(b, q.Path)
}

// A reader takes fields off the front of a body. After the first that is not
// there, err is set and all further ones are zero.
type reader struct {
	b   []byte
	err *Error
}

func (r *reader) bytes(n uint64) []byte {
	if r.err != nil {
		return nil
	}
	if n > uint64(len(r.b)) {
		r.err = errShort
		return nil
	}
	p := r.b[:n:n]
	r.b = r.b[n:]
	return p
}

func (r *reader) u8() uint8 {
	if p := r.bytes(1); p != nil {
		return p[0]
	}
	return 0
}

func (r *reader) u16() uint16 {
	if p := r.bytes(2); p != nil {
		return binary.LittleEndian.Uint16(p)
	}
	return 0
}

func (r *reader) u32() uint32 {
	if p := r.bytes(4); p != nil {
		return binary.LittleEndian.Uint32(p)
	}
	return 0
}

func (r *reader) u64() uint64 {
	if p := r.bytes(8); p != nil {
		return binary.LittleEndian.Uint64(p)
	}
	return 0
}

func (r *reader) qid() Qid {
	return Qid{Type: r.u8(), Vers: r.u32(), Path: r.u64()}
}

func (r *reader) str() string {
	p := r.bytes(uint64(r.u16()))
	if r.err != nil {
		return ""
	}
	if !goodText(p) {
		r.err = errString
		return ""
	}
	return string(p)
}

// goodText says whether p may be a string in a message. See intro(5).
func goodText(p []byte) bool {
	for _, c := range p {
		if c == 0 {
			return false
		}
	}
	return utf8.Valid(p)
}
