package ninep

import (
	"bytes"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"strings"
	"testing"
)

// everyLcall has each type of 9P2000.L's own, with each of its fields set.
var everyLcall = []string{
	"Rlerror tag 1 ecode 95",
	"Tstatfs tag 1 fid 2",
	"Rstatfs tag 1 type 0x1021997 bsize 4096 blocks 1 bfree 2 bavail 3 files 4 ffree 5 fsid 6 namelen 255",
	"Tlopen tag 1 fid 2 flags 0101001",
	"Rlopen tag 1 qid (1122334455667788 7 d) iounit 65512",
	"Tlcreate tag 1 fid 2 name 'a b' flags 0102 mode 0100644 gid 1000",
	"Rlcreate tag 1 qid (0000000000000002 0 ) iounit 0",
	"Tsymlink tag 1 fid 2 name a target ../b gid 3",
	"Rsymlink tag 1 qid (0000000000000002 0 L)",
	"Tmknod tag 1 fid 2 name null mode 020666 major 1 minor 3 gid 0",
	"Rmknod tag 1 qid (0000000000000002 0 )",
	"Trename tag 1 fid 2 dfid 3 name x",
	"Rrename tag 1",
	"Treadlink tag 1 fid 2",
	"Rreadlink tag 1 target 'the last'",
	"Tgetattr tag 1 fid 2 mask 0x3fff",
	"Rgetattr tag 1 mask 0x7ff qid (0000000000000002 0 ) mode 0100644 uid 1000 gid -1 nlink 1 rdev 2 size 1099511627776 " +
		"blksize 4096 blocks 3 atime 4 atime_nsec 5 mtime 6 mtime_nsec 7 ctime 8 ctime_nsec 9 btime 10 btime_nsec 11 gen 12 data_version 13",
	"Tsetattr tag 1 fid 2 valid 0x1ff mode 0644 uid 1 gid 2 size 3 atime 4 atime_nsec 5 mtime 6 mtime_nsec 7",
	"Rsetattr tag 1",
	"Txattrwalk tag 1 fid 2 newfid 3 name security.capability",
	"Rxattrwalk tag 1 size 4",
	"Txattrcreate tag 1 fid 2 name user.x size 5 flags 01",
	"Rxattrcreate tag 1",
	"Treaddir tag 1 fid 2 offset 18446744073709551615 count 8168",
	"Rreaddir tag 1 count 0",
	"Rreaddir tag 1 count 55 (name . qid (0000000000000002 0 d) offset 1 type 4) (name 日本 qid (0000000000000003 0 ) offset 2 type 8)",
	`Rreaddir tag 1 count 4 "\x00\xff)("`,
	"Tfsync tag 1 fid 2 datasync 1",
	"Rfsync tag 1",
	"Tlock tag 1 fid 2 type 1 flags 01 start 2 length 3 proc 4 client 'a host'",
	"Rlock tag 1 status 1",
	"Tgetlock tag 1 fid 2 type 0 start 2 length 3 proc 4 client b",
	"Rgetlock tag 1 type 2 start 0 length 0 proc 4 client b",
	"Tlink tag 1 dfid 2 fid 3 name x",
	"Rlink tag 1",
	"Tmkdir tag 1 fid 2 name x mode 040755 gid 0",
	"Rmkdir tag 1 qid (0000000000000002 0 d)",
	"Trenameat tag 1 fid 2 name a dfid 3 newname b",
	"Rrenameat tag 1",
	"Tunlinkat tag 1 fid 2 name x flags 01000",
	"Runlinkat tag 1",
	"Tauth tag 1 afid 2 uname '' aname ctl n_uname 1000",
	"Tattach tag 1 fid 2 afid -1 uname glenda aname infer n_uname -1",
}

// Every message is the same after it was printed, parsed, encoded and decoded.
func TestLcallRoundTrip(t *testing.T) {
	seen := map[uint8]bool{}
	var got Lcall // used again, as a server does
	for _, line := range everyLcall {
		l, err := ParseLcall(line)
		if err != nil {
			t.Errorf("%s: %v", line, err)
			continue
		}
		seen[l.Type] = true
		b, err := l.Append([]byte("before"))
		if err != nil {
			t.Errorf("%s: %v", line, err)
			continue
		}
		if err := got.Decode(b[6:]); err != nil {
			t.Errorf("%s: %v", line, err)
		}
		if s := got.Line(); s != line || strings.Contains(s, "\n") {
			t.Errorf("got  %s\nwant %s", s, line)
		}
	}
	for typ, form := range lforms {
		if form.name != "" && !seen[uint8(typ)] {
			t.Errorf("%s is not in the table", form.name)
		}
	}
	// What the dialects share is the same in both.
	for _, f := range everyFcall() {
		if f.Type == Tauth || f.Type == Tattach {
			continue
		}
		b := mustAppend(t, f)
		err := got.Decode(b)
		switch f.Type {
		case Topen, Ropen, Tcreate, Rcreate, Tstat, Rstat, Twstat, Rwstat, Rerror:
			if err != errNotL {
				t.Errorf("%v: %v, want %v", f, err, errNotL)
			}
		default:
			if err != nil || got.Line() != f.Line() {
				t.Errorf("%v: %v, %v", f, &got, err)
			}
		}
	}
}

// Some whole frames, as diod's protocol.md has them field by field.
func TestLcallBytes(t *testing.T) {
	for line, want := range map[string]string{
		"Rlerror tag 1 ecode 2":                                              "0b000000 07 0100 02000000",
		"Tlopen tag 2 fid 3 flags 0100000":                                   "0f000000 0c 0200 03000000 00800000",
		"Tattach tag 1 fid 2 afid -1 uname '' aname a n_uname 1000":          "18000000 68 0100 02000000 ffffffff 0000 0100 61 e8030000",
		"Tunlinkat tag 1 fid 2 name x flags 01000":                           "12000000 4c 0100 02000000 0100 78 00020000",
		"Rreaddir tag 1 (name a qid (0000000000000005 0 d) offset 1 type 4)": "24000000 29 0100 19000000 80 00000000 0500000000000000 0100000000000000 04 0100 61",
		"Tlink tag 1 dfid 2 fid 3 name x":                                    "12000000 46 0100 02000000 03000000 0100 78",
		"Tlock tag 1 fid 2 type 1 flags 01 start 5 length 6 proc 7 client c": "27000000 34 0100 02000000 01 01000000 0500000000000000 0600000000000000 07000000 0100 63",
	} {
		want := strings.ReplaceAll(want, " ", "")
		if got := hex.EncodeToString(lframes(t, line)); got != want {
			t.Errorf("%s:\n%s, want\n%s", line, got, want)
		}
	}
}

// A message cut anywhere, or with a byte more, is malformed but can be
// answered; with a wrong size field it is no frame.
func TestLcallTruncated(t *testing.T) {
	var got Lcall
	for _, line := range everyLcall {
		whole := lframes(t, line)
		for n := HeaderSize; n <= len(whole)+1; n++ {
			b := append(bytes.Clone(whole), 0)[:n]
			if n == len(whole) {
				continue
			}
			if err := got.Decode(b); !errors.Is(err, ErrFrame) {
				t.Errorf("%s with %d of %d bytes: %v, want ErrFrame", line, n, len(whole), err)
			}
			binary.LittleEndian.PutUint32(b, uint32(n))
			err := got.Decode(b)
			if whole[4] == Tfsync && n == len(whole)-4 {
				if err != nil {
					t.Errorf("a Tfsync without datasync: %v", err)
				}
				continue
			}
			var e *Error
			if !errors.As(err, &e) {
				t.Errorf("%s shortened to %d of %d bytes: %v, want an *Error", line, n, len(whole), err)
			}
			if got.Type != whole[4] || got.Tag != 1 {
				t.Errorf("%s shortened: type %d tag %d are not those of the message", line, got.Type, got.Tag)
			}
		}
	}
	for n := range HeaderSize {
		if err := got.Decode(make([]byte, n)); !errors.Is(err, ErrFrame) {
			t.Errorf("%d bytes: %v", n, err)
		}
	}
}

func TestLcallRefuses(t *testing.T) {
	long := strings.Repeat("x", 65536)
	before := []byte("before")
	for _, l := range []*Lcall{
		{Fcall: Fcall{Type: Rreadlink}, Target: long},
		{Fcall: Fcall{Type: Tattach, Uname: long}},
		{Fcall: Fcall{Type: Trenameat}, Newname: long},
		{Fcall: Fcall{Type: tlerror}},
		{Fcall: Fcall{Type: 255}},
	} {
		if b, err := l.Append(before); err == nil || !bytes.Equal(b, before) {
			t.Errorf("%v: %q, %v", l.Type, b, err)
		}
	}
	for _, line := range []string{
		"", "Tlerror tag 1", "Tlopen flags", "Tlopen flags x", "Tlopen colour 1", "Tlopen tag 65536", "Rlopen qid (1)",
		"Rlock status 256", "Tlcreate name 'x", "Rreaddir count 3 \"xx\"", "Rreaddir \"xx\"...", "Rreaddir (name", "Rreaddir (colour 1)",
		"Rreaddir (type 256)", "Rreaddir \"x", "Tlopen ename x", "Tread colour 1",
	} {
		if l, err := ParseLcall(line); err == nil {
			t.Errorf("%q was parsed as %v", line, l)
		}
	}
	l := Lcall{Fcall: Fcall{Type: Rreaddir, Tag: 1, Data: bytes.Repeat([]byte("x"), 65)}}
	if got, want := l.String(), `Rreaddir tag 1 count 65 "`+strings.Repeat("x", 64)+`"...`; got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
}

// FuzzLcall decodes any bytes. What can be decoded is the same again after it
// was encoded, and after it was printed and parsed.
func FuzzLcall(f *testing.F) {
	for _, line := range everyLcall {
		f.Add(lframes(f, line))
	}
	for _, c := range everyFcall() {
		f.Add(mustAppend(f, c))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		var l Lcall
		if l.Decode(b) != nil {
			_ = l.String()
			return
		}
		want := b
		if l.Type == Tfsync && len(b) == HeaderSize+4 {
			want = append(bytes.Clone(b), 0, 0, 0, 0)
			want[0] += 4
		}
		if got, err := l.Append(nil); err != nil || !bytes.Equal(got, want) {
			t.Fatalf("%x was encoded as %x, %v", want, got, err)
		}
		again, err := ParseLcall(l.Line())
		if err != nil {
			t.Fatalf("%s: %v", l.Line(), err)
		}
		if got, err := again.Append(nil); err != nil || !bytes.Equal(got, want) {
			t.Fatalf("%s: %x, %v, want %x", l.Line(), got, err, want)
		}
	})
}
