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

// FuzzConn plays any bytes to a server, with and without a session begun
// before them. Whatever they are: what comes back is frames that answer
// requests, each tag at most as often as it was sent, and at the end no handle
// is open and no goroutine left.
func FuzzConn(f *testing.F) {
	names, _ := filepath.Glob("testdata/*.p9")
	if len(names) == 0 {
		f.Fatal("no seeds")
	}
	for _, name := range names {
		b, err := os.ReadFile(name)
		if err != nil {
			f.Fatal(err)
		}
		var in []string
		for line := range strings.Lines(string(b)) {
			if line[0] == 'T' {
				in = append(in, line)
			}
		}
		f.Add(frames(f, in...), !strings.HasPrefix(in[0], "Tversion"))
	}
	for _, line := range requestsOfAll {
		f.Add(frames(f, line), true)
	}
	f.Add([]byte("0001\n1"), false)
	f.Add([]byte{7, 0, 0, 0, Tread, 1, 0}, true)
	begin := frames(f, lineVersion, lineAttach)
	f.Fuzz(func(t *testing.T, in []byte, begun bool) {
		if len(in) > 1<<16 {
			return
		}
		before := runtime.NumGoroutine()
		fs := newMemFS()
		close(fs.deaf) // else it would be waited for
		if begun {
			in = append(bytes.Clone(begin), in...)
		}
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
			var m Fcall
			n := int(binary.LittleEndian.Uint32(b))
			if n > len(b) || m.Decode(b[:n]) != nil || m.Type%2 == 0 {
				t.Fatalf("bad frame %x", b)
			}
			if asked[m.Tag]--; asked[m.Tag] < 0 {
				t.Errorf("tag %d answered more often than sent: %v", m.Tag, &m)
			}
			b = b[n:]
		}
		settle(t, before)
	})
}
