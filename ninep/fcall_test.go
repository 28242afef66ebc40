package ninep

import (
	"bytes"
	"encoding/binary"
	"errors"
	"reflect"
	"strings"
	"testing"
	"time"
)

var (
	testQid  = Qid{QTDIR, 7, 0x1122334455667788}
	testStat = Stat{
		Qid:    Qid{QTFILE, 0, 42},
		Mode:   DMEXCL | 0640,
		Atime:  time.Unix(1700000000, 0),
		Mtime:  time.Unix(1700000001, 0),
		Length: 1 << 40,
		Name:   "prompt",
		Uid:    "glenda",
		Gid:    "sys",
		Muid:   "føø",
	}
)

// everyFcall has each type, with each of its fields set.
func everyFcall() []*Fcall {
	stat := AppendStat(nil, &testStat)
	length := uint64(0)
	wstat := AppendStatChange(nil, &StatChange{Length: &length})
	return []*Fcall{
		{Type: Tversion, Tag: NoTag, Msize: 8192, Version: "9P2000"},
		{Type: Rversion, Tag: NoTag, Msize: 8192, Version: "unknown"},
		{Type: Tauth, Tag: 1, Afid: 2, Uname: "glenda", Aname: ""},
		{Type: Tauth, Tag: 1, Afid: 1<<31 + 5, Uname: "x"},
		{Type: Rauth, Tag: 1, Aqid: Qid{0x08, 1, 2}},
		{Type: Tattach, Tag: 2, Fid: 3, Afid: NoFid, Uname: "o'hara", Aname: "node/a b"},
		{Type: Rattach, Tag: 2, Qid: testQid},
		{Type: Rerror, Tag: 3, Ename: "file does not exist"},
		{Type: Tflush, Tag: 4, Oldtag: 3},
		{Type: Rflush, Tag: 4},
		{Type: Twalk, Tag: 5, Fid: 1, Newfid: 2, Wname: []string{"infer", "..", "日本", "line\nbreak", `"`}},
		{Type: Twalk, Tag: 5, Fid: 1, Newfid: 2, Wname: []string{}},
		{Type: Twalk, Tag: 5, Fid: 1, Newfid: 2, Wname: strings.Split("abcdefghijklmnop", "")},
		{Type: Rwalk, Tag: 5, Wqid: []Qid{testQid, {QTAPPEND | QTEXCL, 1, 2}, {0xff, 3, 4}}},
		{Type: Rwalk, Tag: 5, Wqid: []Qid{}},
		{Type: Topen, Tag: 6, Fid: 9, Mode: OWRITE | OTRUNC},
		{Type: Ropen, Tag: 6, Qid: testQid, Iounit: 8168},
		{Type: Tcreate, Tag: 7, Fid: 9, Name: "new", Perm: DMDIR | 0755, Mode: OREAD},
		{Type: Tcreate, Tag: 7, Fid: 9, Name: "-", Perm: DMTMP | 0644, Mode: ORDWR},
		{Type: Rcreate, Tag: 7, Qid: testQid, Iounit: 0},
		{Type: Tread, Tag: 8, Fid: 9, Offset: 1 << 60, Count: 1 << 20},
		{Type: Rread, Tag: 8, Data: []byte("why is the sky blue\n\x00\xff")},
		{Type: Rread, Tag: 8, Data: bytes.Repeat([]byte("x"), 1000)},
		{Type: Rread, Tag: 8, Data: []byte{}},
		{Type: Rread, Tag: 8, Data: append(bytes.Clone(stat), stat...)},
		{Type: Twrite, Tag: 9, Fid: 9, Offset: 5, Data: []byte("temperature 0\n")},
		{Type: Rwrite, Tag: 9, Count: 14},
		{Type: Tclunk, Tag: 10, Fid: 9},
		{Type: Rclunk, Tag: 10},
		{Type: Tremove, Tag: 11, Fid: 9},
		{Type: Rremove, Tag: 11},
		{Type: Tstat, Tag: 12, Fid: 9},
		{Type: Rstat, Tag: 12, Stat: stat},
		{Type: Twstat, Tag: 13, Fid: 9, Stat: wstat},
		{Type: Twstat, Tag: 13, Fid: 9, Stat: []byte("no stat")},
		{Type: Rwstat, Tag: 13},
	}
}

func mustAppend(t testing.TB, f *Fcall) []byte {
	t.Helper()
	b, err := f.Append(nil)
	if err != nil {
		t.Fatalf("Append(%v): %v", f, err)
	}
	return b
}

// same compares what Append and Line make of two messages: nil and empty
// slices are one.
func same(t testing.TB, got, want *Fcall) {
	t.Helper()
	if !bytes.Equal(mustAppend(t, got), mustAppend(t, want)) || got.Line() != want.Line() {
		t.Errorf("got  %v\nwant %v", got.Line(), want.Line())
	}
}

func TestFcallRoundTrip(t *testing.T) {
	seen := map[uint8]bool{}
	var got Fcall // used again, as a server does
	for _, f := range everyFcall() {
		seen[f.Type] = true
		b := mustAppend(t, f)
		if err := got.Decode(b); err != nil {
			t.Errorf("Decode(%v): %v", f, err)
			continue
		}
		same(t, &got, f)
		// The fields of another type must not be left over.
		var fresh Fcall
		if err := fresh.Decode(b); err != nil {
			t.Fatal(err)
		}
		if got.Line() != fresh.Line() || got.Fid != fresh.Fid || len(got.Wname) != len(fresh.Wname) || got.Ename != fresh.Ename {
			t.Errorf("%v: decoding into a used Fcall differs", f)
		}
	}
	for ty := uint8(Tversion); ty <= Rwstat; ty++ {
		if ty != terror && !seen[ty] {
			t.Errorf("%s is not in the table", TypeName(ty))
		}
	}
}

// A message cut anywhere, or with a byte more, is malformed but can be
// answered; with a wrong size field it is no frame.
func TestDecodeTruncated(t *testing.T) {
	var got Fcall
	for _, f := range everyFcall() {
		whole := mustAppend(t, f)
		for n := HeaderSize; n <= len(whole)+1; n++ {
			b := append(bytes.Clone(whole), 0)[:n]
			if n == len(whole) {
				continue
			}
			if err := got.Decode(b); !errors.Is(err, ErrFrame) {
				t.Errorf("%v with %d of %d bytes: %v, want ErrFrame", f, n, len(whole), err)
			}
			binary.LittleEndian.PutUint32(b, uint32(n))
			err := got.Decode(b)
			var e *Error
			if !errors.As(err, &e) {
				t.Errorf("%v shortened to %d of %d bytes: %v, want an *Error", f, n, len(whole), err)
			}
			if got.Type != f.Type || got.Tag != f.Tag {
				t.Errorf("%v shortened: type %d tag %d are not those of the message", f, got.Type, got.Tag)
			}
		}
	}
}

func TestDecodeNoFrame(t *testing.T) {
	for n := range HeaderSize {
		b := make([]byte, n)
		if n >= 4 {
			b[0] = byte(n)
		}
		if err := new(Fcall).Decode(b); !errors.Is(err, ErrFrame) {
			t.Errorf("%d bytes: %v, want ErrFrame", n, err)
		}
	}
	for ty := 0; ty < 256; ty++ {
		if TypeName(uint8(ty)) != "" {
			continue
		}
		if err := new(Fcall).Decode([]byte{7, 0, 0, 0, byte(ty), 1, 0}); !errors.Is(err, ErrFrame) {
			t.Errorf("type %d: %v, want ErrFrame", ty, err)
		}
		if _, err := (&Fcall{Type: uint8(ty)}).Append(nil); err == nil {
			t.Errorf("type %d can be encoded", ty)
		}
	}
}

func TestDecodeMalformed(t *testing.T) {
	str := func(s string) []byte { return appendString(nil, s) }
	u16 := func(n uint16) []byte { return binary.LittleEndian.AppendUint16(nil, n) }
	u32 := func(n uint32) []byte { return binary.LittleEndian.AppendUint32(nil, n) }
	u64 := func(n uint64) []byte { return binary.LittleEndian.AppendUint64(nil, n) }
	names := func(n uint16) [][]byte {
		parts := [][]byte{u32(1), u32(2), u16(n)}
		for range n {
			parts = append(parts, str("a"))
		}
		return parts
	}
	for _, tt := range []struct {
		what  string
		typ   uint8
		parts [][]byte
		want  error
	}{
		{"NUL in a name", Twalk, [][]byte{u32(1), u32(2), u16(1), str("a\x00b")}, errString},
		{"not UTF-8 in a name", Twalk, [][]byte{u32(1), u32(2), u16(1), str("\xff")}, errString},
		{"a surrogate", Tcreate, [][]byte{u32(1), str("\xed\xa0\x80"), u32(0), {0}}, errString},
		{"not UTF-8 in uname", Tattach, [][]byte{u32(1), u32(2), str("\xc3"), str("")}, errString},
		{"17 names", Twalk, names(17), errNames},
		{"65535 names that are not there", Twalk, [][]byte{u32(1), u32(2), u16(65535)}, errNames},
		{"17 qids", Rwalk, [][]byte{u16(17), make([]byte, 17*13)}, errNames},
		{"a count of 4 GiB", Twrite, [][]byte{u32(1), u64(0), u32(1<<32 - 1), []byte("x")}, errShort},
		{"a count one too large", Twrite, [][]byte{u32(1), u64(0), u32(2), []byte("x")}, errShort},
		{"a count one too small", Twrite, [][]byte{u32(1), u64(0), u32(0), []byte("x")}, errLong},
		{"a read of 4 GiB", Rread, [][]byte{u32(1<<32 - 1)}, errShort},
		{"a string longer than the frame", Tversion, [][]byte{u32(8192), u16(65535), []byte("9P2000")}, errShort},
		{"a stat longer than the frame", Twstat, [][]byte{u32(1), u16(60000)}, errShort},
	} {
		body := bytes.Join(tt.parts, nil)
		b := append(u32(uint32(HeaderSize+len(body))), tt.typ, 9, 0)
		f := Fcall{}
		if err := f.Decode(append(b, body...)); err != tt.want {
			t.Errorf("%s: %v, want %v", tt.what, err, tt.want)
		}
		if f.Tag != 9 {
			t.Errorf("%s: the tag is lost", tt.what)
		}
	}
	f := Fcall{}
	b := mustAppend(t, &Fcall{Type: Twalk, Wname: make([]string, MaxWalk)})
	if err := f.Decode(b); err != nil {
		t.Errorf("%d empty names: %v", MaxWalk, err)
	}
}

func TestAppendRefuses(t *testing.T) {
	long := strings.Repeat("x", 65536)
	before := []byte("before")
	for _, f := range []*Fcall{
		{Type: Twalk, Wname: make([]string, MaxWalk+1)},
		{Type: Twalk, Wname: []string{"a", long}},
		{Type: Rwalk, Wqid: make([]Qid, MaxWalk+1)},
		{Type: Tversion, Version: long},
		{Type: Tattach, Uname: long},
		{Type: Tattach, Aname: long},
		{Type: Tcreate, Name: long},
		{Type: Rerror, Ename: long},
		{Type: Twstat, Stat: []byte(long)},
	} {
		b, err := f.Append(before)
		if err == nil {
			t.Errorf("%s with too much was encoded", TypeName(f.Type))
		}
		if !bytes.Equal(b, before) {
			t.Errorf("%s: left %q behind", TypeName(f.Type), b)
		}
	}
}

func TestHeaders(t *testing.T) {
	data := []byte("hello")
	b := make([]byte, RreadSize)
	PutRread(b, 5, len(data))
	if want := mustAppend(t, &Fcall{Type: Rread, Tag: 5, Data: data}); !bytes.Equal(append(b, data...), want) {
		t.Errorf("PutRread: %x, want %x", append(b, data...), want)
	}
	b = append(AppendTwrite(nil, 6, 7, 1<<33, len(data)), data...)
	if want := mustAppend(t, &Fcall{Type: Twrite, Tag: 6, Fid: 7, Offset: 1 << 33, Data: data}); !bytes.Equal(b, want) {
		t.Errorf("AppendTwrite: %x, want %x", b, want)
	}
	if len(b) != TwriteSize+len(data) {
		t.Errorf("a Twrite's header has %d bytes", len(b)-len(data))
	}
}

func TestHotPathAllocations(t *testing.T) {
	buf := make([]byte, 0, 1<<17)
	data := make([]byte, 1<<16)
	var got Fcall
	for _, f := range []*Fcall{
		{Type: Tread, Tag: 1, Fid: 2, Offset: 3, Count: 4},
		{Type: Rread, Tag: 1, Data: data},
		{Type: Twrite, Tag: 1, Fid: 2, Data: data},
		{Type: Rwrite, Tag: 1, Count: 3},
		{Type: Tclunk, Tag: 1, Fid: 2},
		{Type: Rclunk, Tag: 1},
		{Type: Topen, Tag: 1, Fid: 2},
		{Type: Rwalk, Tag: 1, Wqid: make([]Qid, 3)},
	} {
		run := func() {
			b, err := f.Append(buf)
			if err == nil {
				err = got.Decode(b)
			}
			if err != nil {
				t.Fatal(err)
			}
		}
		run() // Wqid grows once
		if n := testing.AllocsPerRun(100, run); n != 0 {
			t.Errorf("%s: %v allocations", TypeName(f.Type), n)
		}
	}
}

func FuzzDecode(f *testing.F) {
	for _, c := range everyFcall() {
		f.Add(mustAppend(f, c))
	}
	var first Fcall
	f.Fuzz(func(t *testing.T, b []byte) {
		err := first.Decode(b)
		if err != nil {
			var e *Error
			if err != ErrFrame && !errors.As(err, &e) {
				t.Fatalf("an error of no kind: %v", err)
			}
			return
		}
		out, err := first.Append(nil)
		if err != nil || !bytes.Equal(out, b) {
			t.Fatalf("%v: encoded again %x, %v, want %x", &first, out, err, b)
		}
		_ = first.String()
		line := first.Line()
		parsed, err := ParseFcall(line)
		if err != nil {
			t.Fatalf("ParseFcall(%s): %v", line, err)
		}
		if out, err := parsed.Append(nil); err != nil || !bytes.Equal(out, b) {
			t.Fatalf("%s: parsed and encoded %x, %v, want %x", line, out, err, b)
		}
	})
}

func BenchmarkDecodeTread(b *testing.B) {
	frame := mustAppend(b, &Fcall{Type: Tread, Tag: 1, Fid: 2, Offset: 3, Count: 4})
	var f Fcall
	b.ReportAllocs()
	for b.Loop() {
		if err := f.Decode(frame); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkAppendRread(b *testing.B) {
	f := Fcall{Type: Rread, Tag: 1, Data: make([]byte, 8192)}
	buf := make([]byte, 0, 9000)
	b.ReportAllocs()
	for b.Loop() {
		if _, err := f.Append(buf); err != nil {
			b.Fatal(err)
		}
	}
}

func TestStatRoundTrip(t *testing.T) {
	b := AppendStat(nil, &testStat)
	if len(b) != StatSize(&testStat) {
		t.Errorf("StatSize %d, want %d", StatSize(&testStat), len(b))
	}
	two := append(bytes.Clone(b), AppendStat(nil, &Stat{Name: "next", Mode: DMDIR})...)
	got, rest, err := DecodeStat(two)
	if err != nil || !reflect.DeepEqual(got, testStat) {
		t.Errorf("got %+v, %v, want %+v", got, err, testStat)
	}
	next, rest, err := DecodeStat(rest)
	if err != nil || next.Name != "next" || next.Mode != DMDIR || len(rest) != 0 {
		t.Errorf("the second: %+v, %d bytes left, %v", next, len(rest), err)
	}
	if !next.Atime.Equal(time.Unix(0, 0)) {
		t.Errorf("a zero time became %v", next.Atime)
	}
	for n := range len(b) {
		if _, _, err := DecodeStat(b[:n]); err == nil {
			t.Errorf("%d of %d bytes are a stat", n, len(b))
		}
	}
	// A size that disagrees with the contents, either way.
	for _, d := range []int{-1, 1} {
		c := append(bytes.Clone(b), 0)
		binary.LittleEndian.PutUint16(c, uint16(len(b)-2+d))
		if _, _, err := DecodeStat(c); err == nil {
			t.Errorf("a stat whose size is off by %d was taken", d)
		}
	}
	bad := bytes.Clone(b)
	bad[len(bad)-1] = 0
	if _, _, err := DecodeStat(bad); err != errString {
		t.Errorf("a NUL in muid: %v, want %v", err, errString)
	}
}

func TestStatBounds(t *testing.T) {
	long := strings.Repeat("ø", 40000)
	s := Stat{Name: long, Uid: long, Gid: long, Muid: long,
		Atime: time.Unix(-5, 0), Mtime: time.Unix(1<<40, 0)}
	b := AppendStat(nil, &s)
	got, rest, err := DecodeStat(b)
	if err != nil || len(rest) != 0 || len(b) > 65535 || len(b) != StatSize(&s) {
		t.Fatalf("%d bytes, %d left, %v", len(b), len(rest), err)
	}
	if !strings.HasPrefix(long, got.Name) || len(got.Name) < 15990 {
		t.Errorf("the name was cut to %d bytes", len(got.Name))
	}
	if got.Atime.Unix() != 0 || got.Mtime.Unix() != 1<<32-2 {
		t.Errorf("times out of range became %d and %d", got.Atime.Unix(), got.Mtime.Unix())
	}
}

func TestStatChange(t *testing.T) {
	mode, length := uint32(0600), uint64(0)
	when, name, uid, gid := time.Unix(0, 0), "new name", "u", "g"
	for _, c := range []StatChange{
		{},
		{Mode: &mode},
		{Length: &length},
		{Atime: &when, Mtime: &when},
		{Name: &name},
		{Uid: &uid, Gid: &gid},
		{&mode, &length, &when, &when, &name, &uid, &gid},
	} {
		b := AppendStatChange(nil, &c)
		got, err := DecodeStatChange(b)
		if err != nil || !reflect.DeepEqual(got, c) {
			t.Errorf("got %+v, %v, want %+v", got, err, c)
		}
		if _, err := DecodeStatChange(append(b, 0)); err == nil {
			t.Errorf("a byte behind the stat was taken")
		}
	}
	// A whole stat, as some clients send it, asks for all that can be asked.
	got, err := DecodeStatChange(AppendStat(nil, &testStat))
	if err != nil || got.Name == nil || *got.Name != "prompt" || *got.Length != 1<<40 {
		t.Errorf("a whole stat: %+v, %v", got, err)
	}
}
