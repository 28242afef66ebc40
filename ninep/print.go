package ninep

import (
	"bytes"
	"fmt"
	"strconv"
	"strings"
	"unicode"
)

// typeNames are the names of the types from Tversion on.
var typeNames = [...]string{
	"Tversion", "Rversion", "Tauth", "Rauth", "Tattach", "Rattach", "", "Rerror",
	"Tflush", "Rflush", "Twalk", "Rwalk", "Topen", "Ropen", "Tcreate", "Rcreate", "Tread", "Rread",
	"Twrite", "Rwrite", "Tclunk", "Rclunk", "Tremove", "Rremove", "Tstat", "Rstat", "Twstat", "Rwstat",
}

// TypeName is the name of a message type, empty if there is no such type.
func TypeName(t uint8) string {
	if t < Tversion || t > Rwstat {
		return ""
	}
	return typeNames[t-Tversion]
}

// traceData is how much of the data of a read or write String shows.
const traceData = 64

// String is f in a line as Plan 9 prints it (see fcallfmt in Plan 9's
// fcall(2)), with strings quoted where they would be unclear. It shows the
// first 64 bytes of data only.
func (f *Fcall) String() string { return f.print(traceData) }

// Line is f as String gives it, but with all of its data, so that ParseFcall
// gives f back.
func (f *Fcall) Line() string { return f.print(-1) }

func (f *Fcall) print(most int) string {
	var b strings.Builder
	name := TypeName(f.Type)
	if name == "" {
		return fmt.Sprintf("unknown type %d tag %d", f.Type, f.Tag)
	}
	fmt.Fprintf(&b, "%s tag %d", name, f.Tag)
	switch f.Type {
	case Tversion, Rversion:
		fmt.Fprintf(&b, " msize %d version %s", f.Msize, quoted(f.Version))
	case Tauth:
		fmt.Fprintf(&b, " afid %s uname %s aname %s", fidText(f.Afid), word(f.Uname), word(f.Aname))
	case Rauth:
		fmt.Fprintf(&b, " aqid %v", f.Aqid)
	case Tattach:
		fmt.Fprintf(&b, " fid %d afid %s uname %s aname %s", f.Fid, fidText(f.Afid), word(f.Uname), word(f.Aname))
	case Rattach:
		fmt.Fprintf(&b, " qid %v", f.Qid)
	case Rerror:
		fmt.Fprintf(&b, " ename %s", word(f.Ename))
	case Tflush:
		fmt.Fprintf(&b, " oldtag %d", f.Oldtag)
	case Twalk:
		fmt.Fprintf(&b, " fid %d newfid %d nwname %d", f.Fid, f.Newfid, len(f.Wname))
		for i, n := range f.Wname {
			fmt.Fprintf(&b, " %d:%s", i, word(n))
		}
	case Rwalk:
		fmt.Fprintf(&b, " nwqid %d", len(f.Wqid))
		for i, q := range f.Wqid {
			fmt.Fprintf(&b, " %d:%v", i, q)
		}
	case Topen:
		fmt.Fprintf(&b, " fid %d mode %d", f.Fid, f.Mode)
	case Ropen, Rcreate:
		fmt.Fprintf(&b, " qid %v iounit %d", f.Qid, f.Iounit)
	case Tcreate:
		fmt.Fprintf(&b, " fid %d name %s perm %s mode %d", f.Fid, word(f.Name), permText(f.Perm), f.Mode)
	case Tread:
		fmt.Fprintf(&b, " fid %d offset %d count %d", f.Fid, f.Offset, f.Count)
	case Rread:
		fmt.Fprintf(&b, " count %d", len(f.Data))
		printData(&b, f.Data, most)
	case Twrite:
		fmt.Fprintf(&b, " fid %d offset %d count %d", f.Fid, f.Offset, len(f.Data))
		printData(&b, f.Data, most)
	case Rwrite:
		fmt.Fprintf(&b, " count %d", f.Count)
	case Tclunk, Tremove, Tstat:
		fmt.Fprintf(&b, " fid %d", f.Fid)
	case Rstat:
		b.WriteString(" stat ")
		printStat(&b, f.Stat)
	case Twstat:
		fmt.Fprintf(&b, " fid %d stat ", f.Fid)
		printStat(&b, f.Stat)
	}
	return b.String()
}

// fidText is an afid; the one that is none is -1, as Plan 9 prints it.
func fidText(fid uint32) string {
	if fid == NoFid {
		return "-1"
	}
	return strconv.FormatUint(uint64(fid), 10)
}

// printData shows a directory's data as stats, all other as a Go string.
func printData(b *strings.Builder, data []byte, most int) {
	if len(data) == 0 {
		return
	}
	b.WriteByte(' ')
	if isStats(data) {
		sep := ""
		for rest := data; len(rest) > 0; sep = " " {
			n := 2 + int(rest[0]) + int(rest[1])<<8
			b.WriteString(sep)
			printStat(b, rest[:n])
			rest = rest[n:]
		}
		return
	}
	if most >= 0 && len(data) > most {
		b.WriteString(strconv.Quote(string(data[:most])) + "...")
		return
	}
	b.WriteString(strconv.Quote(string(data)))
}

// isStats says whether data is whole stats that print without loss.
func isStats(data []byte) bool {
	for len(data) > 0 {
		w, rest, err := decodeStat(data)
		if err != nil || !bytes.Equal(w.append(nil), data[:len(data)-len(rest)]) {
			return false
		}
		data = rest
	}
	return true
}

func (w *wireStat) append(b []byte) []byte {
	return appendStat(b, w.qid, w.mode, w.atime, w.mtime, w.length, w.typ, w.dev, w.name, w.uid, w.gid, w.muid)
}

// printStat gives the fields of a stat in parentheses, without those that say
// "leave alone"; bytes that are no stat, as a Go string.
func printStat(b *strings.Builder, stat []byte) {
	w, rest, err := decodeStat(stat)
	if err != nil || len(rest) > 0 || !bytes.Equal(w.append(nil), stat) {
		b.WriteString(strconv.Quote(string(stat)))
		return
	}
	var f []string
	add := func(set bool, name, value string) {
		if set {
			f = append(f, name+" "+value)
		}
	}
	num := func(name string, v, none uint64) {
		add(v != none, name, strconv.FormatUint(v, 10))
	}
	add(w.name != "", "name", word(w.name))
	add(w.uid != "", "uid", word(w.uid))
	add(w.gid != "", "gid", word(w.gid))
	add(w.muid != "", "muid", word(w.muid))
	add(w.qid != noQid, "qid", w.qid.String())
	add(w.mode != ^uint32(0), "mode", permText(w.mode))
	num("atime", uint64(w.atime), 1<<32-1)
	num("mtime", uint64(w.mtime), 1<<32-1)
	num("length", w.length, 1<<64-1)
	num("type", uint64(w.typ), 1<<16-1)
	num("dev", uint64(w.dev), 1<<32-1)
	b.WriteString("(" + strings.Join(f, " ") + ")")
}

var noQid = Qid{^uint8(0), ^uint32(0), ^uint64(0)}

// qidBits are the letters of the type in a printed qid.
var qidBits = []struct {
	bit    uint8
	letter byte
}{{QTDIR, 'd'}, {QTAPPEND, 'a'}, {QTEXCL, 'l'}, {0x08, 'A'}, {QTTMP, 't'}, {QTSYMLINK, 'L'}}

// String is the qid as Plan 9 prints it: (path version type).
func (q Qid) String() string {
	s := ""
	left := q.Type
	for _, t := range qidBits {
		if left&t.bit != 0 {
			s += string(t.letter)
			left &^= t.bit
		}
	}
	if left != 0 {
		s = fmt.Sprintf("%#x", q.Type)
	}
	return fmt.Sprintf("(%.16x %d %s)", q.Path, q.Vers, s)
}

// permText is a mode as ls -l shows it, or in octal where that would lose bits.
func permText(m uint32) string {
	if m&^(DMDIR|DMAPPEND|DMEXCL|0777) != 0 || m&DMDIR != 0 && m&DMAPPEND != 0 {
		return "0" + strconv.FormatUint(uint64(m), 8)
	}
	b := []byte("--rwxrwxrwx")
	switch {
	case m&DMDIR != 0:
		b[0] = 'd'
	case m&DMAPPEND != 0:
		b[0] = 'a'
	}
	if m&DMEXCL != 0 {
		b[1] = 'l'
	}
	for i := range 9 {
		if m&(1<<(8-i)) == 0 {
			b[2+i] = '-'
		}
	}
	return string(b)
}

// word is s as it is if it cannot be mistaken, else quoted.
func word(s string) string {
	plain := func(r rune) bool {
		return r != unicode.ReplacementChar && r != ' ' && unicode.IsPrint(r) && !strings.ContainsRune(`'"()`, r)
	}
	if s != "" && strings.IndexFunc(s, func(r rune) bool { return !plain(r) }) < 0 {
		return s
	}
	return quoted(s)
}

// quoted is s in single quotes, or as a Go string where that would not do.
func quoted(s string) string {
	odd := func(r rune) bool { return r == '\'' || r == unicode.ReplacementChar || !unicode.IsPrint(r) }
	if strings.IndexFunc(s, odd) < 0 {
		return "'" + s + "'"
	}
	return strconv.Quote(s)
}
