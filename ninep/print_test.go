package ninep

import (
	"bytes"
	"strings"
	"testing"
)

func TestLine(t *testing.T) {
	for _, f := range everyFcall() {
		line := f.Line()
		if strings.ContainsAny(line, "\n") {
			t.Errorf("%q is not one line", line)
		}
		got, err := ParseFcall(line)
		if err != nil {
			t.Errorf("ParseFcall(%s): %v", line, err)
			continue
		}
		same(t, got, f)
	}
}

func TestString(t *testing.T) {
	stat := AppendStat(nil, &testStat)
	length := uint64(0)
	for _, tt := range []struct {
		f    *Fcall
		want string
	}{
		{&Fcall{Type: Tversion, Tag: NoTag, Msize: 8192, Version: "9P2000"}, "Tversion tag 65535 msize 8192 version '9P2000'"},
		{&Fcall{Type: Tattach, Tag: 1, Fid: 2, Afid: NoFid, Uname: "glenda"}, "Tattach tag 1 fid 2 afid -1 uname glenda aname ''"},
		{&Fcall{Type: Rattach, Tag: 1, Qid: Qid{QTDIR, 3, 255}}, "Rattach tag 1 qid (00000000000000ff 3 d)"},
		{&Fcall{Type: Rerror, Tag: 1, Ename: "file does not exist"}, "Rerror tag 1 ename 'file does not exist'"},
		{&Fcall{Type: Twalk, Tag: 1, Fid: 2, Newfid: 3, Wname: []string{"infer", "a b"}}, "Twalk tag 1 fid 2 newfid 3 nwname 2 0:infer 1:'a b'"},
		{&Fcall{Type: Rwalk, Tag: 1, Wqid: []Qid{{0, 1, 2}}}, "Rwalk tag 1 nwqid 1 0:(0000000000000002 1 )"},
		{&Fcall{Type: Tcreate, Tag: 1, Name: "x", Perm: DMDIR | DMEXCL | 0750, Mode: 1}, "Tcreate tag 1 fid 0 name x perm dlrwxr-x--- mode 1"},
		{&Fcall{Type: Tread, Tag: 1, Fid: 2, Offset: 3, Count: 4}, "Tread tag 1 fid 2 offset 3 count 4"},
		{&Fcall{Type: Rread, Tag: 1}, "Rread tag 1 count 0"},
		{&Fcall{Type: Rread, Tag: 1, Data: []byte("hi\n")}, `Rread tag 1 count 3 "hi\n"`},
		{&Fcall{Type: Rread, Tag: 1, Data: bytes.Repeat([]byte("x"), 65)}, `Rread tag 1 count 65 "` + strings.Repeat("x", 64) + `"...`},
		{&Fcall{Type: Rstat, Tag: 1, Stat: stat}, "Rstat tag 1 stat (name prompt uid glenda gid sys muid føø " +
			"qid (000000000000002a 0 ) mode -lrw-r----- atime 1700000000 mtime 1700000001 length 1099511627776 type 0 dev 0)"},
		{&Fcall{Type: Twstat, Tag: 1, Fid: 2, Stat: AppendStatChange(nil, &StatChange{Length: &length})}, "Twstat tag 1 fid 2 stat (length 0)"},
		{&Fcall{Type: 99, Tag: 1}, "unknown type 99 tag 1"},
	} {
		if got := tt.f.String(); got != tt.want {
			t.Errorf("got  %s\nwant %s", got, tt.want)
		}
	}
}

func TestParseFcall(t *testing.T) {
	for _, tt := range []struct {
		line string
		want *Fcall
	}{
		{"Tversion tag NOTAG msize 8192 version '9P2000'", &Fcall{Type: Tversion, Tag: NoTag, Msize: 8192, Version: "9P2000"}},
		{"Tattach  tag 1 afid NOFID fid 0x2 uname a", &Fcall{Type: Tattach, Tag: 1, Fid: 2, Afid: NoFid, Uname: "a"}},
		{"Topen tag 1 fid 2 mode OWRITE|OTRUNC", &Fcall{Type: Topen, Tag: 1, Fid: 2, Mode: OWRITE | OTRUNC}},
		{"Rerror tag 1 ename permission denied\n", &Fcall{Type: Rerror, Tag: 1, Ename: "permission denied"}},
		{`Twrite tag 1 fid 2 "it's"`, &Fcall{Type: Twrite, Tag: 1, Fid: 2, Data: []byte("it's")}},
		{"Twstat tag 1 fid 2 stat ()", &Fcall{Type: Twstat, Tag: 1, Fid: 2, Stat: AppendStatChange(nil, &StatChange{})}},
		{"Tcreate tag 1 name x perm 0644", &Fcall{Type: Tcreate, Tag: 1, Name: "x", Perm: 0644}},
		{"Rclunk tag 1", &Fcall{Type: Rclunk, Tag: 1}},
	} {
		got, err := ParseFcall(tt.line)
		if err != nil {
			t.Errorf("%s: %v", tt.line, err)
			continue
		}
		same(t, got, tt.want)
	}
	for _, line := range []string{
		"", "Terror tag 1", "Topen tag", "Topen tag x", "Topen tag 65536", "Topen colour 1", "Topen mode OFAST",
		"Topen mode 256", "Tversion version '9P", `Tversion version "9P`, "Twalk nwname 2 0:a", "Twalk nwname 1 1:a",
		"Rwalk nwqid 1 0:(1", "Rattach qid (1)", "Rattach qid (x 1 )", "Rattach qid (1 1 z)", "Tcreate perm rwx",
		"Tcreate perm --rwxrwxrwX", `Rread count 4 "abc"`, `Rread count 3 "abc"...`, "Rstat stat (", "Rstat stat (colour 1)",
		"Rstat stat (length x)", "Rread (name", "Tattach afid (",
	} {
		if f, err := ParseFcall(line); err == nil {
			t.Errorf("%q was parsed as %v", line, f)
		}
	}
}

func FuzzParseFcall(f *testing.F) {
	for _, c := range everyFcall() {
		f.Add(c.Line())
	}
	f.Fuzz(func(t *testing.T, line string) {
		parsed, err := ParseFcall(line)
		if err != nil {
			return
		}
		b, err := parsed.Append(nil)
		if err != nil {
			return
		}
		again, err := ParseFcall(parsed.Line())
		if err != nil {
			t.Fatalf("%q printed as %q: %v", line, parsed.Line(), err)
		}
		if out, err := again.Append(nil); err != nil || !bytes.Equal(out, b) {
			t.Fatalf("%q: %x, %v, want %x", line, out, err, b)
		}
	})
}
