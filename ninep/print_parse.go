package ninep

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
)

// ParseFcall is the inverse of Fcall.Line, for transcripts: `Topen tag 1 fid 2
// mode 0`. Fields may stand in any order and may be left out (a number is then
// 0, a string empty); modes may be written OREAD|OTRUNC, and the fid and tag
// that are none NOFID and NOTAG; a bare ename goes to the end of the line.
func ParseFcall(line string) (*Fcall, error) {
	s := scanner{s: line}
	name, err := s.word()
	if err != nil {
		return nil, err
	}
	f := &Fcall{}
	for i, n := range typeNames {
		if n != "" && n == name {
			f.Type = uint8(Tversion + i)
		}
	}
	if f.Type == 0 {
		return nil, fmt.Errorf("unknown message %q", name)
	}
	count := uint64(0)
	counted := false
	for {
		s.space()
		if s.s == "" {
			break
		}
		if c := s.s[0]; c == '"' || c == '(' {
			// The data of a read or write stands without a name.
			if f.Data, err = s.data(); err != nil {
				return nil, err
			}
			continue
		}
		field, err := s.word()
		if err != nil {
			return nil, err
		}
		if field == "count" {
			counted = true
			count, err = s.number(32)
			f.Count = uint32(count)
		} else {
			err = f.parseField(field, &s)
		}
		if err != nil {
			return nil, fmt.Errorf("%s: %w", field, err)
		}
	}
	if f.Type == Rread || f.Type == Twrite {
		f.Count = 0
		if counted && count != uint64(len(f.Data)) {
			return nil, fmt.Errorf("count %d of %d bytes of data", count, len(f.Data))
		}
	}
	return f, nil
}

func (f *Fcall) parseField(name string, s *scanner) (err error) {
	u16 := func(p *uint16) error {
		n, err := s.number(16)
		*p = uint16(n)
		return err
	}
	u32 := func(p *uint32) error {
		n, err := s.number(32)
		*p = uint32(n)
		return err
	}
	str := func(p *string) error {
		*p, err = s.text()
		return err
	}
	switch name {
	case "tag":
		return u16(&f.Tag)
	case "oldtag":
		return u16(&f.Oldtag)
	case "fid":
		return u32(&f.Fid)
	case "afid":
		return u32(&f.Afid)
	case "newfid":
		return u32(&f.Newfid)
	case "msize":
		return u32(&f.Msize)
	case "iounit":
		return u32(&f.Iounit)
	case "version":
		return str(&f.Version)
	case "uname":
		return str(&f.Uname)
	case "aname":
		return str(&f.Aname)
	case "name":
		return str(&f.Name)
	case "ename":
		return s.ename(&f.Ename)
	case "offset":
		f.Offset, err = s.number(64)
	case "mode":
		f.Mode, err = s.mode()
	case "perm":
		f.Perm, err = s.perm()
	case "qid":
		f.Qid, err = s.qid()
	case "aqid":
		f.Aqid, err = s.qid()
	case "stat":
		f.Stat, err = s.stat()
	case "nwname":
		var n uint64
		n, err = s.number(16)
		for i := uint64(0); i < n && err == nil; i++ {
			var w string
			if err = s.index(i); err == nil {
				w, err = s.text()
			}
			f.Wname = append(f.Wname, w)
		}
	case "nwqid":
		var n uint64
		n, err = s.number(16)
		for i := uint64(0); i < n && err == nil; i++ {
			var q Qid
			if err = s.index(i); err == nil {
				q, err = s.qid()
			}
			f.Wqid = append(f.Wqid, q)
		}
	default:
		return errors.New("no such field")
	}
	return err
}

// A scanner takes words off the front of a line.
type scanner struct{ s string }

func (s *scanner) space() { s.s = strings.TrimLeft(s.s, " \t\r\n") }

// word takes what goes to the next space or parenthesis.
func (s *scanner) word() (string, error) {
	s.space()
	i := strings.IndexAny(s.s, " \t\r\n()")
	if i < 0 {
		i = len(s.s)
	}
	if i == 0 {
		return "", errors.New("a word is missing")
	}
	w := s.s[:i]
	s.s = s.s[i:]
	return w, nil
}

// text takes a bare or quoted string.
func (s *scanner) text() (string, error) {
	s.space()
	switch {
	case strings.HasPrefix(s.s, "'"):
		t, rest, ok := strings.Cut(s.s[1:], "'")
		if !ok {
			return "", errors.New("no closing quote")
		}
		s.s = rest
		return t, nil
	case strings.HasPrefix(s.s, `"`):
		q, err := strconv.QuotedPrefix(s.s)
		if err != nil {
			return "", errors.New("bad quoted string")
		}
		s.s = s.s[len(q):]
		return strconv.Unquote(q)
	default:
		return s.word()
	}
}

func (s *scanner) ename(p *string) (err error) {
	s.space()
	if strings.HasPrefix(s.s, "'") || strings.HasPrefix(s.s, `"`) {
		*p, err = s.text()
		return err
	}
	*p, s.s = strings.TrimSpace(s.s), ""
	return nil
}

func (s *scanner) number(bits int) (uint64, error) {
	w, err := s.word()
	if err != nil {
		return 0, err
	}
	if w == "-1" || w == "NOFID" && bits == 32 || w == "NOTAG" && bits == 16 {
		return 1<<bits - 1, nil // of 64 too: the shift gives 0
	}
	return strconv.ParseUint(w, 0, bits)
}

func (s *scanner) mode() (OpenMode, error) {
	w, err := s.word()
	if err != nil {
		return 0, err
	}
	if n, err := strconv.ParseUint(w, 0, 8); err == nil {
		return OpenMode(n), nil
	}
	names := map[string]OpenMode{"OREAD": OREAD, "OWRITE": OWRITE, "ORDWR": ORDWR, "OEXEC": OEXEC,
		"OTRUNC": OTRUNC, "OCEXEC": 0x20, "ORCLOSE": ORCLOSE}
	var m OpenMode
	for _, n := range strings.Split(w, "|") {
		bit, ok := names[n]
		if !ok {
			return 0, fmt.Errorf("unknown mode %q", n)
		}
		m |= bit
	}
	return m, nil
}

func (s *scanner) perm() (uint32, error) {
	w, err := s.word()
	if err != nil {
		return 0, err
	}
	if n, err := strconv.ParseUint(w, 0, 32); err == nil {
		return uint32(n), nil
	}
	var m uint32
	if len(w) == 11 {
		m = map[byte]uint32{'d': DMDIR, 'a': DMAPPEND}[w[0]] | map[byte]uint32{'l': DMEXCL}[w[1]]
		for i := range 9 {
			if w[2+i] != '-' {
				m |= 1 << (8 - i)
			}
		}
	}
	if permText(m) != w {
		return 0, fmt.Errorf("bad permissions %q", w)
	}
	return m, nil
}

// open takes a parenthesis.
func (s *scanner) open() error {
	s.space()
	if !strings.HasPrefix(s.s, "(") {
		return errors.New("a ( is missing")
	}
	s.s = s.s[1:]
	return nil
}

func (s *scanner) qid() (q Qid, err error) {
	if err := s.open(); err != nil {
		return q, err
	}
	in, rest, ok := strings.Cut(s.s, ")")
	f := strings.Fields(in)
	if !ok || len(f) < 2 || len(f) > 3 {
		return q, errors.New("bad qid")
	}
	s.s = rest
	if q.Path, err = strconv.ParseUint(f[0], 16, 64); err != nil {
		return q, err
	}
	vers, err := strconv.ParseUint(f[1], 10, 32)
	q.Vers = uint32(vers)
	if err != nil || len(f) == 2 {
		return q, err
	}
	if n, err := strconv.ParseUint(f[2], 0, 8); err == nil {
		q.Type = uint8(n)
		return q, nil
	}
letters:
	for _, c := range []byte(f[2]) {
		for _, t := range qidBits {
			if t.letter == c {
				q.Type |= t.bit
				continue letters
			}
		}
		return q, fmt.Errorf("unknown qid type %q", c)
	}
	return q, nil
}

// index takes the "i:" before the names and qids of a walk.
func (s *scanner) index(i uint64) error {
	s.space()
	rest, ok := strings.CutPrefix(s.s, strconv.FormatUint(i, 10)+":")
	if !ok {
		return fmt.Errorf("element %d is missing", i)
	}
	s.s = rest
	return nil
}

// stat takes one stat in parentheses, its missing fields "leave alone", or its
// bytes as a quoted string.
func (s *scanner) stat() ([]byte, error) {
	s.space()
	if strings.HasPrefix(s.s, `"`) {
		t, err := s.text()
		return []byte(t), err
	}
	if err := s.open(); err != nil {
		return nil, err
	}
	w := wireStat{typ: ^uint16(0), dev: ^uint32(0), qid: noQid, mode: ^uint32(0), atime: ^uint32(0),
		mtime: ^uint32(0), length: ^uint64(0)}
	for {
		s.space()
		if rest, ok := strings.CutPrefix(s.s, ")"); ok {
			s.s = rest
			return w.append(nil), nil
		}
		name, err := s.word()
		if err != nil {
			return nil, errors.New("bad stat")
		}
		var n uint64
		switch name {
		case "name":
			w.name, err = s.text()
		case "uid":
			w.uid, err = s.text()
		case "gid":
			w.gid, err = s.text()
		case "muid":
			w.muid, err = s.text()
		case "qid":
			w.qid, err = s.qid()
		case "mode":
			w.mode, err = s.perm()
		case "atime":
			n, err = s.number(32)
			w.atime = uint32(n)
		case "mtime":
			n, err = s.number(32)
			w.mtime = uint32(n)
		case "length":
			w.length, err = s.number(64)
		case "type":
			n, err = s.number(16)
			w.typ = uint16(n)
		case "dev":
			n, err = s.number(32)
			w.dev = uint32(n)
		default:
			return nil, fmt.Errorf("stat has no field %q", name)
		}
		if err != nil {
			return nil, fmt.Errorf("%s: %w", name, err)
		}
	}
}

// data takes a quoted string or a directory's stats.
func (s *scanner) data() ([]byte, error) {
	if s.s[0] == '"' {
		t, err := s.text()
		if err == nil && strings.HasPrefix(s.s, "...") {
			err = errors.New("data that was cut short")
		}
		return []byte(t), err
	}
	var b []byte
	for {
		s.space()
		if !strings.HasPrefix(s.s, "(") {
			return b, nil
		}
		st, err := s.stat()
		if err != nil {
			return nil, err
		}
		b = append(b, st...)
	}
}
