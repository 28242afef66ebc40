package ninep

import (
	"bytes"
	"errors"
	"fmt"
	"math"
	"strconv"
	"strings"
)

// String is l in a line, as Fcall.String has it.
func (l *Lcall) String() string { return l.print(traceData) }

// Line is l as String gives it, but with all of its data, so that ParseLcall
// gives l back.
func (l *Lcall) Line() string { return l.print(-1) }

func (l *Lcall) print(most int) string {
	form, own := formOf(l.Type)
	if !own {
		return l.Fcall.print(most)
	}
	var b strings.Builder
	fmt.Fprintf(&b, "%s tag %d", form.name, l.Tag)
	for _, f := range form.fields {
		b.WriteString(" " + f.name + " ")
		switch p := f.at(l).(type) {
		case *uint8:
			b.WriteString(strconv.Itoa(int(*p)))
		case *uint32:
			if *p == math.MaxUint32 {
				b.WriteString("-1") // NOFID, and no user
			} else {
				b.WriteString(numberText(uint64(*p), f.base))
			}
		case *uint64:
			b.WriteString(numberText(*p, f.base))
		case *string:
			b.WriteString(word(*p))
		case *Qid:
			b.WriteString(p.String())
		case *[]byte:
			b.WriteString(strconv.Itoa(len(*p)))
			printDirents(&b, *p, most)
		}
	}
	return b.String()
}

// numberText is n in base, marked so that Go reads it.
func numberText(n uint64, base int) string {
	switch {
	case n == 0, base == 10:
		return strconv.FormatUint(n, 10)
	case base == 8:
		return "0" + strconv.FormatUint(n, 8)
	}
	return "0x" + strconv.FormatUint(n, 16)
}

// printDirents shows the data of an Rreaddir, each entry in parentheses; bytes
// that are none, as a Go string.
func printDirents(b *strings.Builder, data []byte, most int) {
	if len(data) == 0 {
		return
	}
	var again []byte
	var text strings.Builder
	for rest := data; len(rest) > 0; {
		d, r, err := DecodeDirent(rest)
		if err != nil {
			break
		}
		rest = r
		again = AppendDirent(again, &d)
		fmt.Fprintf(&text, " (name %s qid %v offset %d type %d)", word(d.Name), d.Qid, d.Offset, d.Type)
	}
	if bytes.Equal(again, data) {
		b.WriteString(text.String())
		return
	}
	b.WriteByte(' ')
	if most >= 0 && len(data) > most {
		b.WriteString(strconv.Quote(string(data[:most])) + "...")
		return
	}
	b.WriteString(strconv.Quote(string(data)))
}

// ParseLcall is the inverse of Lcall.Line, by the rules of ParseFcall; a -1
// stands for the largest number.
func ParseLcall(line string) (*Lcall, error) {
	s := scanner{s: line}
	name, err := s.word()
	if err != nil {
		return nil, err
	}
	l := &Lcall{}
	for typ, form := range lforms {
		if form.name != "" && form.name == name {
			l.Type = uint8(typ)
		}
	}
	if l.Type == 0 {
		f, err := ParseFcall(line)
		if err != nil {
			return nil, err
		}
		l.Fcall = *f
		return l, nil
	}
	count := uint64(0)
	counted := false
	for {
		s.space()
		if s.s == "" {
			break
		}
		if c := s.s[0]; (c == '"' || c == '(') && l.Type == Rreaddir {
			if l.Data, err = s.dirents(); err != nil {
				return nil, err
			}
			continue
		}
		field, err := s.word()
		if err == nil && field == "count" && l.Type == Rreaddir {
			counted = true
			count, err = s.number(32)
		} else if err == nil {
			err = l.parseField(field, &s)
		}
		if err != nil {
			return nil, fmt.Errorf("%s: %w", field, err)
		}
	}
	if counted && count != uint64(len(l.Data)) {
		return nil, fmt.Errorf("count %d of %d bytes of data", count, len(l.Data))
	}
	return l, nil
}

func (l *Lcall) parseField(name string, s *scanner) (err error) {
	if name == "tag" {
		n, err := s.number(16)
		l.Tag = uint16(n)
		return err
	}
	for _, f := range lforms[l.Type].fields {
		if f.name != name {
			continue
		}
		var n uint64
		switch p := f.at(l).(type) {
		case *uint8:
			n, err = s.number(8)
			*p = uint8(n)
		case *uint32:
			n, err = s.number(32)
			*p = uint32(n)
		case *uint64:
			*p, err = s.number(64)
		case *string:
			*p, err = s.text()
		case *Qid:
			*p, err = s.qid()
		}
		return err
	}
	return errors.New("no such field")
}

// dirents takes the entries of a directory, or their bytes as a quoted string.
func (s *scanner) dirents() (b []byte, err error) {
	if s.s[0] == '"' {
		t, err := s.text()
		if err == nil && strings.HasPrefix(s.s, "...") {
			err = errors.New("data that was cut short")
		}
		return []byte(t), err
	}
	for {
		s.space()
		if !strings.HasPrefix(s.s, "(") {
			return b, nil
		}
		d, err := s.dirent()
		if err != nil {
			return nil, err
		}
		b = AppendDirent(b, &d)
	}
}

func (s *scanner) dirent() (d Dirent, err error) {
	s.s = s.s[1:]
	for {
		s.space()
		if rest, ok := strings.CutPrefix(s.s, ")"); ok {
			s.s = rest
			return d, nil
		}
		field, err := s.word()
		if err != nil {
			return d, errors.New("bad entry")
		}
		var n uint64
		switch field {
		case "name":
			d.Name, err = s.text()
		case "qid":
			d.Qid, err = s.qid()
		case "offset":
			d.Offset, err = s.number(64)
		case "type":
			n, err = s.number(8)
			d.Type = uint8(n)
		default:
			err = errors.New("no such field")
		}
		if err != nil {
			return d, fmt.Errorf("%s: %w", field, err)
		}
	}
}
