package peers

import (
	"bytes"
	"fmt"
	"reflect"
	"testing"
	"time"

	"9fans.net/go/plan9"
	"github.com/knusbaum/go9p/proto"

	"llama9/ninep"
)

// messages are of every type, with every field set to something.
var messages = []string{
	"Tversion tag NOTAG msize 8192 version '9P2000'",
	"Rversion tag NOTAG msize 256 version 'unknown'",
	"Tauth tag 1 afid 2 uname glenda aname ''",
	"Rauth tag 1 aqid (0000000000000002 1 A)",
	"Tattach tag 2 fid 3 afid NOFID uname o'hara aname 'node/a b'",
	"Rattach tag 2 qid (1122334455667788 7 d)",
	"Rerror tag 3 ename file does not exist",
	"Tflush tag 4 oldtag 3",
	"Rflush tag 4",
	"Twalk tag 5 fid 1 newfid 2 nwname 4 0:infer 1:.. 2:日本 3:'a b'",
	"Twalk tag 5 fid 1 newfid 2 nwname 0",
	"Rwalk tag 5 nwqid 3 0:(1122334455667788 7 d) 1:(2 1 al) 2:(3 4294967295 )",
	"Rwalk tag 5 nwqid 0",
	"Topen tag 6 fid 9 mode OWRITE|OTRUNC",
	"Ropen tag 6 qid (1122334455667788 7 d) iounit 8168",
	"Tcreate tag 7 fid 9 name new perm d-rwxr-xr-x mode ORDWR",
	"Rcreate tag 7 qid (5 6 ) iounit 0",
	"Tread tag 8 fid 9 offset 1152921504606846976 count 65000",
	`Rread tag 8 "why is the sky blue\n\x00\xff"`,
	"Rread tag 8",
	`Twrite tag 9 fid 9 offset 4294967296 "temperature 0\n"`,
	"Rwrite tag 9 count 14",
	"Tclunk tag 10 fid 4294967294",
	"Rclunk tag 10",
	"Tremove tag 11 fid 9",
	"Rremove tag 11",
	"Tstat tag 12 fid 9",
	"Rstat tag 12 stat (name prompt uid glenda gid sys muid føø qid (42 3 l) mode -lrw-r----- atime 1700000000 mtime 1700000001 length 1099511627776 type 1 dev 2)",
	"Twstat tag 13 fid 9 stat (length 0)",
	"Twstat tag 13 fid 9 stat (name new mode --rw-rw-rw- mtime 1)",
	"Rwstat tag 13",
}

func message(t *testing.T, line string) (*ninep.Fcall, []byte) {
	t.Helper()
	f, err := ninep.ParseFcall(line)
	if err != nil {
		t.Fatalf("%s: %v", line, err)
	}
	b, err := f.Append(nil)
	if err != nil {
		t.Fatalf("%s: %v", line, err)
	}
	return f, b
}

// What ninep encodes, 9fans.net/go/plan9 decodes to the same fields and encodes
// to the same bytes.
func TestPlan9Codec(t *testing.T) {
	for _, line := range messages {
		ours, b := message(t, line)
		theirs, err := plan9.UnmarshalFcall(b)
		if err != nil {
			t.Errorf("%s: %v", line, err)
			continue
		}
		sameFields(t, line, reflect.ValueOf(*ours), reflect.ValueOf(*theirs))
		back, err := theirs.Bytes()
		if err != nil || !bytes.Equal(back, b) {
			t.Errorf("%s: encoded by plan9 %x, %v, by ninep %x", line, back, err, b)
		}
	}
}

// go9p's codec does as well. It is only ever given whole messages here: on a
// short Twrite, Rread or Tcreate its ParseCall panics, or makes room for 4 GiB.
func TestGo9pCodec(t *testing.T) {
	for _, line := range messages {
		_, b := message(t, line)
		theirs, err := proto.ParseCall(bytes.NewReader(b))
		if err != nil {
			t.Errorf("%s: %v", line, err)
			continue
		}
		if back := theirs.Compose(); !bytes.Equal(back, b) {
			t.Errorf("%s: encoded by go9p %x, by ninep %x", line, back, b)
		}
	}
}

// sameFields compares the fields that both structs have, but for the length of
// what is empty.
func sameFields(t *testing.T, line string, ours, theirs reflect.Value) {
	t.Helper()
	for i := range ours.NumField() {
		name := ours.Type().Field(i).Name
		their := theirs.FieldByName(name)
		if !their.IsValid() {
			t.Errorf("%s: plan9 has no %s", line, name)
			continue
		}
		if got, want := fmt.Sprint(numbers(their)), fmt.Sprint(numbers(ours.Field(i))); got != want {
			t.Errorf("%s: %s: plan9 has %s, ninep %s", line, name, got, want)
		}
	}
}

// numbers is v without names of types: qids as their three numbers.
func numbers(v reflect.Value) any {
	switch x := v.Interface().(type) {
	case ninep.Qid:
		return [3]uint64{uint64(x.Type), uint64(x.Vers), x.Path}
	case plan9.Qid:
		return [3]uint64{uint64(x.Type), uint64(x.Vers), x.Path}
	case plan9.Perm:
		return uint32(x)
	}
	switch v.Kind() {
	case reflect.Slice:
		list := []any{}
		for i := range v.Len() {
			list = append(list, numbers(v.Index(i)))
		}
		return list
	case reflect.Uint8:
		return v.Uint()
	}
	return v.Interface()
}

func TestStatCodecs(t *testing.T) {
	for _, s := range []ninep.Stat{
		{Name: "/", Mode: ninep.DMDIR | 0555, Qid: ninep.Qid{Type: ninep.QTDIR, Path: 1}, Uid: "none", Gid: "none",
			Atime: time.Unix(0, 0), Mtime: time.Unix(0, 0)},
		{Name: "prompt", Mode: ninep.DMEXCL | 0600, Qid: ninep.Qid{Type: ninep.QTEXCL, Vers: 9, Path: 1 << 63}, Uid: "glenda",
			Gid: "sys", Muid: "føø", Atime: time.Unix(1700000000, 0), Mtime: time.Unix(1<<32-2, 0), Length: 1 << 50},
	} {
		b := ninep.AppendStat(nil, &s)
		d, err := plan9.UnmarshalDir(b)
		if err != nil {
			t.Errorf("%s: plan9: %v", s.Name, err)
			continue
		}
		if d.Name != s.Name || d.Uid != s.Uid || d.Gid != s.Gid || d.Muid != s.Muid || uint32(d.Mode) != s.Mode ||
			d.Length != s.Length || int64(d.Atime) != s.Atime.Unix() || int64(d.Mtime) != s.Mtime.Unix() ||
			d.Qid.Path != s.Qid.Path || d.Qid.Vers != s.Qid.Vers || d.Qid.Type != s.Qid.Type {
			t.Errorf("plan9 has %v of %+v", d, s)
		}
		g, err := proto.ParseStats(append(bytes.Clone(b), b...))
		if err != nil || len(g) != 2 {
			t.Errorf("%s: go9p: %d stats, %v", s.Name, len(g), err)
			continue
		}
		for _, theirs := range [][]byte{mustBytes(d.Bytes()), g[1].Compose()} {
			back, rest, err := ninep.DecodeStat(theirs)
			if err != nil || len(rest) > 0 || !reflect.DeepEqual(back, s) {
				t.Errorf("back came %+v, %d bytes, %v; want %+v", back, len(rest), err, s)
			}
		}
	}

	// What plan9 calls a Dir that leaves all alone, and ours.
	var d plan9.Dir
	d.Null()
	if b := ninep.AppendStatChange(nil, &ninep.StatChange{}); !bytes.Equal(b, mustBytes(d.Bytes())) {
		t.Errorf("no change: ninep has %x, plan9 %x", b, mustBytes(d.Bytes()))
	}
	d.Length = 0
	c, err := ninep.DecodeStatChange(mustBytes(d.Bytes()))
	if err != nil || c.Length == nil || *c.Length != 0 || c.Mode != nil || c.Name != nil || c.Mtime != nil || c.Uid != nil {
		t.Errorf("a truncation: %+v, %v", c, err)
	}
}

func mustBytes(b []byte, err error) []byte {
	if err != nil {
		panic(err)
	}
	return b
}
