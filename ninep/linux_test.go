package ninep

import (
	"encoding/binary"
	"fmt"
	"os/user"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
)

// requestsOfLinux is a message of each type of 9P2000.L's own that a client
// sends.
var requestsOfLinux = []string{
	"Tauth tag 3 afid 1 uname glenda aname '' n_uname -1",
	"Tattach tag 3 fid 9 afid -1 uname glenda aname '' n_uname -1",
	"Tstatfs tag 3 fid 8",
	"Tlopen tag 3 fid 8 flags 0",
	"Tlcreate tag 3 fid 8 name x flags 01 mode 0644 gid 0",
	"Tsymlink tag 3 fid 8 name x target y gid 0",
	"Tmknod tag 3 fid 8 name x mode 0 major 0 minor 0 gid 0",
	"Trename tag 3 fid 8 dfid 8 name x",
	"Treadlink tag 3 fid 8",
	"Tgetattr tag 3 fid 8 mask 0x7ff",
	"Tsetattr tag 3 fid 8 valid 0x8 mode 0 uid 0 gid 0 size 0 atime 0 atime_nsec 0 mtime 0 mtime_nsec 0",
	"Txattrwalk tag 3 fid 8 newfid 7 name x",
	"Txattrcreate tag 3 fid 8 name x size 0 flags 0",
	"Treaddir tag 3 fid 8 offset 0 count 100",
	"Tfsync tag 3 fid 8 datasync 0",
	"Tlock tag 3 fid 8 type 1 flags 0 start 0 length 0 proc 1 client c",
	"Tgetlock tag 3 fid 8 type 1 start 0 length 0 proc 1 client c",
	"Tlink tag 3 dfid 8 fid 8 name x",
	"Tmkdir tag 3 fid 8 name x mode 0755 gid 0",
	"Trenameat tag 3 fid 8 name x dfid 8 newname y",
	"Tunlinkat tag 3 fid 8 name x flags 0",
}

// A body that is too short or too long is answered with EPROTO; nothing is
// done, and the connection goes on.
func TestLinuxBodies(t *testing.T) {
	w := dial(t, nil).startL()
	for _, line := range requestsOfLinux {
		good := lframes(t, line)
		for n := HeaderSize; n <= len(good)+3; n++ {
			if n == len(good) || good[4] == Tfsync && n == len(good)-4 {
				continue
			}
			bad := append([]byte(nil), good[:min(n, len(good))]...)
			bad = append(bad, make([]byte, n-len(bad))...)
			binary.LittleEndian.PutUint32(bad, uint32(n))
			w.write(bad)
			if l := w.recvL(); l.Type != Rlerror || l.Tag != 3 || l.Ecode != ErrProto.Errno {
				t.Fatalf("%s, %d of %d bytes: %v", line, n, len(good), l)
			}
		}
	}
	w.do("Tgetattr tag 3 fid 9 mask 0x7ff", "Rlerror tag 3 ecode 9")
	w.do("Tgetattr tag 3 fid 0 mask 0x7ff", "Rgetattr tag 3*")
}

// Every request of a fid that is not there is refused, and none makes one.
func TestLinuxBadFid(t *testing.T) {
	w := dial(t, nil).startL()
	for _, line := range requestsOfLinux[2:] {
		w.do(line, "Rlerror tag 3 ecode 9")
	}
	for fid := 1; fid < 9; fid++ {
		w.do(fmt.Sprintf("Tclunk tag 3 fid %d", fid), "Rlerror tag 3 ecode 9")
	}
}

// What ends a connection: a type that is not, an answer, a tag used twice.
func TestLinuxFatal(t *testing.T) {
	cases := map[string][]byte{
		"duplicate tag": lframes(t, "Tread tag 3 fid 1 offset 0 count 1", "Tgetattr tag 3 fid 0 mask 0"),
		"over msize":    binary.LittleEndian.AppendUint32(nil, 65561),
	}
	var shared = map[int]bool{Tversion: true, Tflush: true, Twalk: true, Topen: true, Tcreate: true, Tread: true, Twrite: true,
		Tclunk: true, Tremove: true, Tstat: true, Twstat: true}
	for typ := range 256 {
		form, own := formOf(uint8(typ))
		if !shared[typ] && !(own && form.name[0] == 'T') {
			cases[fmt.Sprint("type ", typ)] = raw(byte(typ), 3)
		}
	}
	for _, line := range everyLcall {
		if line[0] == 'R' {
			cases[line] = lframes(t, line)
		}
	}
	for name, b := range cases {
		t.Run(name, func(t *testing.T) {
			w := dial(t, nil).startL()
			w.do("Twalk tag 1 fid 0 newfid 1 nwname 1 0:pipe", "Rwalk tag 1*")
			w.do("Tlopen tag 1 fid 1 flags 0", "Rlopen tag 1*")
			w.write(b)
			w.eof()
			if err := w.end(); err == nil {
				t.Error("no error")
			}
		})
	}
}

// An answer is smaller than msize, or Linux ends the mount: the largest read,
// the fullest directory, the longest walk, a link that does not fit.
func TestLinuxFrames(t *testing.T) {
	fs := newMemFS()
	fs.node(fs.root, "far", DMSYMLINK|0777, strings.Repeat("x", 300))
	w := dial(t, &Server{FS: fs})
	w.do("Tversion tag 65535 msize 256 version '9P2000.L'", "Rversion tag 65535 msize 256 version '9P2000.L'")
	w.do("Tattach tag 1 fid 0 afid -1 uname glenda aname '' n_uname -1", "Rattach tag 1*")
	w.do("Twalk tag 1 fid 0 newfid 1 nwname 1 0:big", "Rwalk tag 1*")
	w.do("Tlopen tag 1 fid 1 flags 0", "Rlopen tag 1 qid (0000000000000003 0 ) iounit 232")
	w.do("Twalk tag 1 fid 0 newfid 2 nwname 1 0:dir", "Rwalk tag 1*")
	w.do("Tlopen tag 1 fid 2 flags 0", "Rlopen tag 1*")
	w.do("Twalk tag 1 fid 0 newfid 3 nwname 1 0:far", "Rwalk tag 1*")
	w.do("Treadlink tag 1 fid 3", "Rlerror tag 1 ecode 90")
	up := ""
	for i := range MaxWalk {
		up += fmt.Sprintf(" %d:..", i)
	}
	for _, line := range []string{
		"Tread tag 1 fid 1 offset 0 count 4294967295", "Treaddir tag 1 fid 2 offset 0 count 4294967295",
		"Twalk tag 1 fid 0 newfid 5 nwname 16" + up, "Tgetattr tag 1 fid 0 mask 0x7ff", "Tstatfs tag 1 fid 0",
	} {
		w.send(line)
		if b := w.frame(); len(b) >= 256 || b[4] == Rlerror {
			t.Errorf("%s: a frame of %d bytes, type %d", line, len(b), b[4])
		}
	}
}

// All of a directory comes, in whatever pieces it is read.
func TestLinuxDirectory(t *testing.T) {
	w := dial(t, nil).startL()
	w.do("Twalk tag 1 fid 0 newfid 1 nwname 1 0:dir", "Rwalk tag 1*")
	w.do("Tlopen tag 1 fid 1 flags 0200000", "Rlopen tag 1*")
	for _, count := range []int{30, 31, 61, 100, 1000, 65536} {
		var names []string
		seen := map[uint64]bool{}
		for off := uint64(0); ; {
			w.send(fmt.Sprintf("Treaddir tag 1 fid 1 offset %d count %d", off, count))
			l := w.recvL()
			if l.Type != Rreaddir || len(l.Data) > count {
				t.Fatal(l)
			}
			if len(l.Data) == 0 {
				break
			}
			for b := l.Data; len(b) > 0; {
				d, rest, err := DecodeDirent(b)
				if err != nil || seen[d.Offset] {
					t.Fatal(d, err)
				}
				names, off, b = append(names, d.Name), d.Offset, rest
				seen[off] = true
			}
		}
		if len(names) != 102 || names[0] != "." || names[1] != ".." || names[2] != "file00" || names[101] != "file99" {
			t.Errorf("count %d: %q", count, names)
		}
	}
}

// 9P2000 has no fill: there the same reads wait.
func TestFillIsLinuxOnly(t *testing.T) {
	w := dial(t, nil).start()
	w.do("Twalk tag 1 fid 0 newfid 1 nwname 1 0:pipe", "Rwalk tag 1*")
	w.do("Topen tag 1 fid 1 mode 0", "Ropen tag 1*")
	w.fs.say("one")
	w.do("Tread tag 1 fid 1 offset 0 count 100", `Rread tag 1 count 3 "one"`)
	w.send("Tread tag 1 fid 1 offset 3 count 97")
	w.entered("pipe")
	w.fs.say("two")
	w.want(`Rread tag 1 count 3 "two"`)
}

// The rest of a read(2) is remembered of each open file.
func TestFillOfTwo(t *testing.T) {
	w := dial(t, nil).startL()
	for fid := 1; fid <= 2; fid++ {
		w.do(fmt.Sprintf("Twalk tag 1 fid 0 newfid %d nwname 1 0:pipe", fid), "Rwalk tag 1*")
		w.do(fmt.Sprintf("Tlopen tag 1 fid %d flags 0", fid), "Rlopen tag 1*")
	}
	w.fs.say("one")
	w.do("Tread tag 1 fid 1 offset 0 count 100", `Rread tag 1 count 3 "one"`)
	w.send("Tread tag 2 fid 2 offset 3 count 97")
	w.entered("pipe")
	w.do("Tread tag 1 fid 1 offset 3 count 97", "Rread tag 1 count 0")
	w.fs.say("two")
	w.want(`Rread tag 2 count 3 "two"`)
	w.do("Tread tag 1 fid 2 offset 6 count 94", "Rread tag 1 count 0")
}

// Who is attached in 9P2000.L: the peer, else the number, else the name.
func TestLinuxUser(t *testing.T) {
	root := "0"
	if u, err := user.LookupId("0"); err == nil {
		root = u.Username
	}
	for _, tt := range []struct{ attach, want string }{
		{"uname rob n_uname -1", "rob"},
		{"uname '' n_uname 0", root},
		{"uname rob n_uname 0", root},
		{"uname '' n_uname 4000000000", "4000000000"},
		{"uname '' n_uname -1", "none"},
	} {
		w := dial(t, nil)
		w.do("Tversion tag 65535 msize 8192 version '9P2000.L'", "Rversion*")
		w.do("Tattach tag 1 fid 0 afid -1 aname '' "+tt.attach, "Rattach tag 1*")
		w.fs.mu.Lock()
		if got := w.fs.last.User; got != tt.want {
			t.Errorf("%s: user %q, want %q", tt.attach, got, tt.want)
		}
		w.fs.mu.Unlock()
		w.end()
	}
}

func TestIds(t *testing.T) {
	me, err := user.Current()
	if err != nil {
		t.Fatal(err)
	}
	uid, err := strconv.ParseUint(me.Uid, 10, 32)
	if err != nil {
		t.Skip("users have no numbers here")
	}
	var i ids
	for range 2 { // found, then remembered
		for name, want := range map[string]uint32{
			me.Username: uint32(uid), "4000000000": 4000000000, "no such user": nobody, "": nobody, "-1": nobody,
			"4294967295": nobody, "4294967296": nobody,
		} {
			if got := i.uid(name); got != want {
				t.Errorf("uid of %q: %d, want %d", name, got, want)
			}
		}
		if got := i.gid("no such group"); got != nobody {
			t.Errorf("gid %d", got)
		}
	}
	for n := range 2 * idsMost {
		i.uid(strconv.Itoa(n))
	}
	if len(i.uids) > idsMost {
		t.Errorf("%d users are remembered", len(i.uids))
	}
	if got := i.user(4000000000); got != "4000000000" {
		t.Errorf("user %q", got)
	}
	if got := i.group(4000000000); got != "4000000000" {
		t.Errorf("group %q", got)
	}
}

// A connection that is lost lets go of its locks, and they bind the others of
// the server until then.
func TestLocksOfConnections(t *testing.T) {
	srv := &Server{FS: newMemFS()}
	var ws []*wire
	for range 2 {
		w := dial(t, srv).startL()
		w.do("Twalk tag 1 fid 0 newfid 1 nwname 1 0:hello", "Rwalk tag 1*")
		w.do("Tlopen tag 1 fid 1 flags 02", "Rlopen tag 1*")
		ws = append(ws, w)
	}
	const take = "Tlock tag 1 fid 1 type 1 flags 0 start 0 length 0 proc 1 client a"
	ws[0].do(take, "Rlock tag 1 status 0")
	ws[1].do(take, "Rlock tag 1 status 1")
	if err := ws[0].end(); err != nil {
		t.Fatal(err)
	}
	ws[1].do(take, "Rlock tag 1 status 0")
	ws[1].end()
	if n := len(srv.locks.held); n != 0 {
		t.Errorf("%d files are locked at the end", n)
	}
}

// A client cannot make a server remember any number of locks.
func TestManyLocks(t *testing.T) {
	var ls locks
	l := lock{owner: lockOwner{client: "a"}}
	for n := range uint64(maxLocks) {
		l.start, l.end = 2*n, 2*n+1
		if s := ls.set(1, l, false); s != lockDone {
			t.Fatalf("lock %d: %d", n, s)
		}
	}
	l.start, l.end = 1<<40, 1<<41
	if s := ls.set(1, l, false); s != lockFailed {
		t.Errorf("one more: %d", s)
	}
	l.start, l.end = 0, 1<<63
	if s := ls.set(1, l, true); s != lockDone || len(ls.held) != 0 {
		t.Errorf("none: %d, %d held", s, len(ls.held))
	}
}

// The messages of streams cost no memory of their own in 9P2000.L either.
func TestLinuxAllocations(t *testing.T) {
	r := new(request)
	for _, line := range []string{
		"Tread tag 1 fid 2 offset 3 count 4", `Twrite tag 1 fid 2 offset 3 "x"`, "Tclunk tag 1 fid 2",
		"Tgetattr tag 1 fid 2 mask 0x7ff", "Tlopen tag 1 fid 2 flags 0",
	} {
		b := lframes(t, line)
		if err := (p2000L{}).decode(b, r); err != nil {
			t.Fatal(err)
		}
		if n := testing.AllocsPerRun(100, func() { p2000L{}.decode(b, r) }); n != 0 {
			t.Errorf("%s: %v allocations", line, n)
		}
	}
}

// The trace is in the dialect's words.
func TestLinuxTrace(t *testing.T) {
	var b strings.Builder
	w := dial(t, &Server{FS: newMemFS(), Trace: &b}).startL()
	w.do("Tlopen tag 2 fid 5 flags 0100000", "Rlerror tag 2 ecode 9")
	w.end()
	if want := "<- Tlopen tag 2 fid 5 flags 0100000\n-> Rlerror tag 2 ecode 9\n"; !strings.HasSuffix(b.String(), want) {
		t.Errorf("trace:\n%s\nwant at its end:\n%s", b.String(), want)
	}
}

// seedsOfLinux are the requests of the transcripts.
func seedsOfLinux(t testing.TB) (all [][]byte) {
	names, _ := filepath.Glob("testdata/linux/*.p9")
	if len(names) == 0 {
		t.Fatal("no seeds")
	}
	for _, name := range names {
		var in []byte
		for _, line := range transcriptRequests(t, name) {
			in = append(in, lframes(t, line)...)
		}
		all = append(all, in)
	}
	for _, line := range requestsOfLinux {
		all = append(all, lframes(t, line))
	}
	return all
}
