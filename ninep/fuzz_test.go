package ninep

import (
	"bytes"
	"encoding/binary"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
)

// How a session has begun before what FuzzConn plays.
const (
	begunNot byte = iota
	begun9P2000
	begunLinux
)

func begunOf(begun bool) byte {
	if begun {
		return begun9P2000
	}
	return begunNot
}

// transcriptRequests gives the messages that a transcript sends.
func transcriptRequests(t testing.TB, name string) (in []string) {
	b, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(b)) {
		if line[0] == 'T' {
			in = append(in, line)
		}
	}
	return in
}

// FuzzConn plays any bytes to a server, without a session begun before them,
// and with one of either dialect. Whatever they are: what comes back is frames that answer
// requests, each tag at most as often as it was sent, and at the end no handle
// is open and no goroutine left.
func FuzzConn(f *testing.F) {
	names, _ := filepath.Glob("testdata/*.p9")
	if len(names) == 0 {
		f.Fatal("no seeds")
	}
	for _, name := range names {
		in := transcriptRequests(f, name)
		f.Add(frames(f, in...), begunOf(!strings.HasPrefix(in[0], "Tversion")))
	}
	for _, line := range requestsOfAll {
		f.Add(frames(f, line), begun9P2000)
	}
	for _, in := range seedsOfLinux(f) {
		f.Add(in, begunLinux)
	}
	f.Add([]byte("0001\n1"), begunNot)
	f.Add([]byte{7, 0, 0, 0, Tread, 1, 0}, begun9P2000)
	begins := [][]byte{
		begun9P2000: frames(f, lineVersion, lineAttach),
		begunLinux: lframes(f, "Tversion tag 65535 msize 8192 version '9P2000.L'",
			"Tattach tag 1 fid 0 afid -1 uname glenda aname '' n_uname -1"),
	}
	f.Fuzz(func(t *testing.T, in []byte, begun byte) {
		if len(in) > 1<<16 {
			return
		}
		before := runtime.NumGoroutine()
		fs := newMemFS()
		close(fs.deaf) // else it would be waited for
		in = append(bytes.Clone(begins[begun%byte(len(begins))]), in...)
		c := &scriptConn{in: bytes.NewReader(in)}
		(&Server{FS: fs}).ServeConn(t.Context(), c)
		if n := fs.handles.Load(); n != 0 {
			t.Errorf("%d handles open at the end", n)
		}
		if n := fs.twice.Load(); n != 0 {
			t.Errorf("handles closed twice or used after: %d times", n)
		}
		asked := make(map[uint16]int)
		for b := in; len(b) >= HeaderSize; {
			n := int(min(binary.LittleEndian.Uint32(b), uint32(len(b))))
			if n < HeaderSize {
				break
			}
			asked[binary.LittleEndian.Uint16(b[5:])]++
			b = b[n:]
		}
		for b := bytes.Join(c.writes, nil); len(b) > 0; {
			// In either dialect: which one is for the session to know.
			var m Fcall
			var l Lcall
			n := int(binary.LittleEndian.Uint32(b))
			if n > len(b) || m.Decode(b[:n]) != nil && l.Decode(b[:n]) != nil || b[4]%2 == 0 {
				t.Fatalf("bad frame %x", b)
			}
			tag := binary.LittleEndian.Uint16(b[5:])
			if asked[tag]--; asked[tag] < 0 {
				t.Errorf("tag %d answered more often than sent: %x", tag, b[:n])
			}
			b = b[n:]
		}
		settle(t, before)
	})
}
