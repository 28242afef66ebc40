package ninep

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"strings"
	"testing"
)

func errNotExist() error {
	_, err := os.Stat("testdata/nowhere")
	if !errors.Is(err, fs.ErrNotExist) {
		panic(err)
	}
	return err
}

// requestsOfAll is a message of each type that a client sends.
var requestsOfAll = []string{
	"Tauth tag 3 afid 1 uname glenda aname ''",
	"Tattach tag 3 fid 9 afid -1 uname glenda aname ''",
	"Tflush tag 3 oldtag 9",
	"Twalk tag 3 fid 0 newfid 1 nwname 2 0:dir 1:file00",
	"Topen tag 3 fid 1 mode 0",
	"Tcreate tag 3 fid 1 name x perm --rw-r--r-- mode 0",
	"Tread tag 3 fid 1 offset 0 count 10",
	"Twrite tag 3 fid 1 offset 0 count 3 \"abc\"",
	"Tclunk tag 3 fid 8",
	"Tremove tag 3 fid 8",
	"Tstat tag 3 fid 8",
	"Twstat tag 3 fid 8 stat (length 0)",
}

// A body that is too short or too long is answered with an error; nothing is
// done, and the connection goes on.
func TestBodies(t *testing.T) {
	w := dial(t, nil).start()
	for _, line := range requestsOfAll {
		good := frames(t, line)
		for n := HeaderSize; n <= len(good)+3; n++ {
			if n == len(good) {
				continue
			}
			bad := append([]byte(nil), good[:min(n, len(good))]...)
			bad = append(bad, make([]byte, n-len(bad))...)
			binary.LittleEndian.PutUint32(bad, uint32(n))
			w.write(bad)
			if f := w.recv(); f.Type != Rerror || f.Tag != 3 || !strings.HasPrefix(f.Ename, "malformed message") {
				t.Fatalf("%s, %d of %d bytes: %v", line, n, len(good), f)
			}
		}
	}
	w.do("Tstat tag 3 fid 9", "Rerror tag 3 ename 'fid unknown or out of range'")
	w.do("Tstat tag 3 fid 0", "Rstat tag 3*")
}

// raw is a frame of any bytes with the right size.
func raw(typ byte, tag uint16, body ...byte) []byte {
	b := binary.LittleEndian.AppendUint32(nil, uint32(HeaderSize+len(body)))
	b = append(b, typ)
	b = binary.LittleEndian.AppendUint16(b, tag)
	return append(b, body...)
}

// What is in a body can be wrong, too.
func TestContents(t *testing.T) {
	w := dial(t, nil).start()
	u16, u32 := binary.LittleEndian.AppendUint16, binary.LittleEndian.AppendUint32
	walk := func(names ...string) []byte {
		b := u16(u32(u32(nil, 0), 1), uint16(len(names)))
		for _, n := range names {
			b = append(u16(b, uint16(len(n))), n...)
		}
		return raw(Twalk, 3, b...)
	}
	seventeen := make([]string, 17)
	for i := range seventeen {
		seventeen[i] = ".."
	}
	for name, frame := range map[string][]byte{
		"walk of 17":         walk(seventeen...),
		"not UTF-8":          walk("\xff\xfe"),
		"NUL":                walk("a\x00b"),
		"surrogate":          walk("\xed\xa0\x80"),
		"count over frame":   raw(Twrite, 3, append(u32(make([]byte, 12), 4000), "abc"...)...),
		"count of 4 GiB":     raw(Twrite, 3, append(u32(make([]byte, 12), 1<<32-1), "abc"...)...),
		"string over frame":  raw(Tattach, 3, u16(make([]byte, 8), 65535)...),
		"names over frame":   raw(Twalk, 3, u16(make([]byte, 8), 5)...),
		"stat within stat":   raw(Twstat, 3, append(u32(nil, 0), 4, 0, 9, 0, 1, 2)...),
		"no stat":            raw(Twstat, 3, append(u32(nil, 0), 0, 0)...),
		"UTF-8 of the aname": raw(Tattach, 3, append(u32(u32(nil, 5), NoFid), 1, 0, 'a', 1, 0, 0xc0)...),
	} {
		w.write(frame)
		if f := w.recv(); f.Type != Rerror || f.Tag != 3 || !strings.HasPrefix(f.Ename, "malformed message") {
			t.Errorf("%s: %v", name, f)
		}
	}
	w.do("Twalk tag 3 fid 0 newfid 1 nwname 0", "Rwalk tag 3 nwqid 0")
}

// What ends a connection.
func TestFatal(t *testing.T) {
	cases := map[string][]byte{
		"over msize":    binary.LittleEndian.AppendUint32(nil, 65561),
		"4 GiB":         binary.LittleEndian.AppendUint32(nil, 1<<32-1),
		"duplicate tag": frames(t, "Tread tag 3 fid 1 offset 0 count 1", "Tstat tag 3 fid 0"),
		"tag of a bad one": append(frames(t, "Tread tag 3 fid 1 offset 0 count 1"),
			raw(Tstat, 3)...),
		"tag of a flush": frames(t, "Tread tag 3 fid 1 offset 0 count 1", "Tflush tag 3 oldtag 9"),
	}
	for n := range uint32(HeaderSize) {
		cases[fmt.Sprint("size ", n)] = append(binary.LittleEndian.AppendUint32(nil, n), make([]byte, 20)...)
	}
	for typ := range 256 {
		if typ < Tversion || typ > Twstat || typ%2 == 1 || typ == terror {
			cases[fmt.Sprint("type ", typ)] = raw(byte(typ), 3)
		}
	}
	for _, line := range []string{
		"Rversion tag 3 msize 8192 version '9P2000'", "Rauth tag 3 aqid (0000000000000001 0 )",
		"Rattach tag 3 qid (0000000000000001 0 d)", "Rerror tag 3 ename x", "Rflush tag 3", "Rwalk tag 3 nwqid 0",
		"Ropen tag 3 qid (0000000000000001 0 d) iounit 0", "Rcreate tag 3 qid (0000000000000001 0 d) iounit 0",
		"Rread tag 3 count 1 \"x\"", "Rwrite tag 3 count 1", "Rclunk tag 3", "Rremove tag 3",
		"Rstat tag 3 stat (length 0)", "Rwstat tag 3",
	} {
		cases[line] = frames(t, line)
	}
	for name, b := range cases {
		t.Run(name, func(t *testing.T) {
			w := dial(t, nil).start()
			w.do("Twalk tag 1 fid 0 newfid 1 nwname 1 0:pipe", "Rwalk tag 1*")
			w.do("Topen tag 1 fid 1 mode 0", "Ropen tag 1*")
			w.write(b)
			w.eof()
			if err := w.end(); err == nil {
				t.Error("no error")
			}
		})
	}
}

// What may come first.
func TestFirst(t *testing.T) {
	for name, tt := range map[string]struct {
		in   string
		want error
	}{
		"no Tversion":    {string(frames(t, lineAttach)), errVersion},
		"too large":      {"\x01\x20\x00\x00d", errSize}, // 8193
		"R-message":      {string(raw(Rclunk, 1)), errVersion},
		"HTTP":           {"GET / HTTP/1.0\r\n\r\n", errSize},
		"Inferno":        {"0001\n1", errInferno},
		"a cut off one":  {lineVersionFrame(t)[:10], io.ErrUnexpectedEOF},
		"a cut off size": {"\x13\x00", io.ErrUnexpectedEOF},
		"nothing":        {"", nil},
	} {
		t.Run(name, func(t *testing.T) {
			w := dial(t, nil)
			w.write([]byte(tt.in))
			if tt.want != nil && tt.want != io.ErrUnexpectedEOF {
				w.eof()
			}
			if err := w.end(); err != tt.want {
				t.Errorf("ended by %v, want %v", err, tt.want)
			}
		})
	}
}

func lineVersionFrame(t *testing.T) string { return string(frames(t, lineVersion)) }

// Frames may come in any pieces.
func TestPieces(t *testing.T) {
	big := strings.Repeat("0123456789abcdef", 100)
	// A Tread waits for no Twrite, and a Tclunk for no Tread: where the machine
	// is busy they may be done in another order.
	steps := []struct{ in, want []string }{
		{[]string{lineVersion, lineAttach, "Twalk tag 6 fid 0 newfid 1 nwname 1 0:hello", "Topen tag 2 fid 1 mode 18",
			fmt.Sprintf("Twrite tag 3 fid 1 offset 0 count %d %q", len(big), big)},
			[]string{"Rversion tag 65535*", "Rattach tag 1*", "Rwalk tag 6*", "Ropen tag 2*", "Rwrite tag 3 count 1600"}},
		{[]string{"Tread tag 4 fid 1 offset 0 count 8000", "Tstat tag 5 fid 1"}, []string{fmt.Sprintf("Rread tag 4 count 1600 %q", big), "Rstat tag 5*"}},
		{[]string{"Tclunk tag 1 fid 1"}, []string{"Rclunk tag 1"}},
	}
	for _, size := range []int{1, 2, 3, 5, 7, 11, 500, 513, 4000} {
		w := dial(t, nil)
		for _, step := range steps {
			in := frames(t, step.in...)
			go func() {
				for b := in; len(b) > 0; {
					n := min(size, len(b))
					w.conn.Write(b[:n])
					b = b[n:]
				}
			}()
			w.wantAll(fmt.Sprint("pieces of ", size), step.want...)
		}
		w.end()
	}
}

// The largest frames there can be.
func TestLargest(t *testing.T) {
	w := dial(t, nil)
	w.do("Tversion tag 65535 msize 4294967295 version '9P2000'", "Rversion tag 65535 msize 1048600 version '9P2000'")
	w.do(lineAttach, "Rattach tag 1*")
	w.do("Twalk tag 1 fid 0 newfid 1 nwname 1 0:hello", "Rwalk tag 1*")
	w.do("Topen tag 1 fid 1 mode 2", "Ropen tag 1 qid (0000000000000002 0 ) iounit 1048576")
	data := string(pattern(1<<20 + 1)) // TwriteSize is one less than IOSize
	m := Fcall{Type: Twrite, Tag: 1, Fid: 1, Data: []byte(data)}
	b, err := m.Append(nil)
	if err != nil || len(b) != MaxMsize {
		t.Fatal(len(b), err)
	}
	w.write(b)
	w.want("Rwrite tag 1 count 1048577")
	for _, count := range []uint32{1 << 20, 1<<20 + 1, 1<<32 - 1} {
		w.send(fmt.Sprintf("Tread tag 1 fid 1 offset 1 count %d", count))
		if f := w.recv(); f.Type != Rread || string(f.Data) != data[1:] {
			t.Errorf("count %d: %d bytes", count, len(f.Data))
		}
	}
}
