package ninep

import (
	"bufio"
	"context"
	"encoding/binary"
	"io"
	"net"
	"slices"
	"strings"
	"testing"
	"time"
)

// testWait is how long a test waits for what must come. It is only ever waited
// for in a test that fails.
const testWait = time.Minute

// A wire is a connection to a server under test, one frame at a time.
type wire struct {
	t    testing.TB
	conn net.Conn
	r    *bufio.Reader
	fs   *memFS
	done chan error // ServeConn's result
	stop context.CancelFunc
	dotl bool // it speaks 9P2000.L
}

// dial serves fs on one end of a pair of sockets and gives the other.
func dial(t testing.TB, srv *Server) *wire {
	t.Helper()
	ours, theirs := socketPair(t)
	return dialOver(t, srv, ours, theirs)
}

// dialPipe is dial over a pipe, for bubbles of synctest.
func dialPipe(t testing.TB, srv *Server) *wire {
	t.Helper()
	ours, theirs := net.Pipe()
	return dialOver(t, srv, ours, theirs)
}

func dialOver(t testing.TB, srv *Server, ours, theirs net.Conn) *wire {
	t.Helper()
	fs := newMemFS()
	if srv == nil {
		srv = &Server{}
	}
	if srv.FS == nil {
		srv.FS = fs
	} else {
		fs, _ = srv.FS.(*memFS)
	}
	ctx, stop := context.WithCancel(context.Background())
	w := newWire(t, ours, fs)
	w.stop = stop
	go func() { w.done <- srv.ServeConn(ctx, theirs) }()
	t.Cleanup(func() {
		w.end()
		if fs != nil {
			if n := fs.handles.Load(); n != 0 {
				t.Errorf("%d handles open at the end", n)
			}
			if n := fs.twice.Load(); n != 0 {
				t.Errorf("handles closed twice or used after: %d times", n)
			}
		}
	})
	return w
}

func newWire(t testing.TB, conn net.Conn, fs *memFS) *wire {
	return &wire{t: t, conn: conn, r: bufio.NewReaderSize(conn, 1<<16), fs: fs, done: make(chan error, 1)}
}

func socketPair(t testing.TB) (a, b net.Conn) {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	a, err = net.Dial("tcp", ln.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	b, err = ln.Accept()
	if err != nil {
		t.Fatal(err)
	}
	return a, b
}

// end hangs up and waits for the server.
func (w *wire) end() error {
	w.conn.Close()
	select {
	case err := <-w.done:
		w.done <- err
		return err
	case <-time.After(testWait):
		w.t.Fatal("the server does not end")
		return nil
	}
}

func (w *wire) write(b []byte) {
	w.t.Helper()
	w.conn.SetWriteDeadline(time.Now().Add(testWait))
	if _, err := w.conn.Write(b); err != nil {
		w.t.Fatal("write: ", err)
	}
}

// send sends the messages of lines, in one write.
func (w *wire) send(lines ...string) {
	w.t.Helper()
	if len(lines) > 0 && strings.HasPrefix(lines[0], "Tversion") {
		w.dotl = strings.Contains(lines[0], "'9P2000.L")
	}
	if w.dotl {
		w.write(lframes(w.t, lines...))
	} else {
		w.write(frames(w.t, lines...))
	}
}

// lframes are messages of 9P2000.L.
func lframes(t testing.TB, lines ...string) (b []byte) {
	t.Helper()
	for _, line := range lines {
		l, err := ParseLcall(line)
		if err != nil {
			t.Fatalf("%s: %v", line, err)
		}
		if b, err = l.Append(b); err != nil {
			t.Fatalf("%s: %v", line, err)
		}
	}
	return b
}

func frames(t testing.TB, lines ...string) (b []byte) {
	t.Helper()
	for _, line := range lines {
		f, err := ParseFcall(line)
		if err != nil {
			t.Fatalf("%s: %v", line, err)
		}
		if b, err = f.Append(b); err != nil {
			t.Fatalf("%s: %v", line, err)
		}
	}
	return b
}

// recv gives the next message.
func (w *wire) recv() *Fcall {
	w.t.Helper()
	b := w.frame()
	var f Fcall
	if err := f.Decode(b); err != nil {
		w.t.Fatalf("bad frame from the server: %x: %v", b, err)
	}
	return &f
}

// recvL gives the next message, which is of 9P2000.L.
func (w *wire) recvL() *Lcall {
	w.t.Helper()
	b := w.frame()
	var l Lcall
	if err := l.Decode(b); err != nil {
		w.t.Fatalf("bad frame from the server: %x: %v", b, err)
	}
	return &l
}

// line gives the next message in a line.
func (w *wire) line() string {
	w.t.Helper()
	if w.dotl {
		return w.recvL().Line()
	}
	return w.recv().Line()
}

func (w *wire) frame() []byte {
	w.t.Helper()
	w.conn.SetReadDeadline(time.Now().Add(testWait))
	var size [4]byte
	if _, err := io.ReadFull(w.r, size[:]); err != nil {
		w.t.Fatal("read: ", err)
	}
	b := make([]byte, binary.LittleEndian.Uint32(size[:]))
	copy(b, size[:])
	if _, err := io.ReadFull(w.r, b[4:]); err != nil {
		w.t.Fatal("read: ", err)
	}
	return b
}

// want checks that the next message is line. A "*" at its end stands for any
// rest.
func (w *wire) want(line string) {
	w.t.Helper()
	if got := w.line(); !matches(got, line) {
		w.t.Fatalf("got  %s\nwant %s", got, line)
	}
}

// wantAll checks that the next messages are lines, in any order: requests that
// are not of one fid may be answered so, where one of them takes a while.
func (w *wire) wantAll(where string, lines ...string) {
	w.t.Helper()
	for want := lines; len(want) > 0; {
		got := w.line()
		i := slices.IndexFunc(want, func(s string) bool { return matches(got, s) })
		if i < 0 {
			w.t.Fatalf("%s: got\n\t%s\nwant of\n\t%s", where, got, strings.Join(want, "\n\t"))
		}
		want = slices.Concat(want[:i], want[i+1:])
	}
}

func matches(got, want string) bool {
	if p, ok := strings.CutSuffix(want, "*"); ok {
		return strings.HasPrefix(got, p)
	}
	return got == want
}

// tries sends line and says whether it is answered at all.
func (w *wire) tries(line string) bool {
	if _, err := w.conn.Write(frames(w.t, line)); err != nil {
		return false
	}
	w.conn.SetReadDeadline(time.Now().Add(testWait))
	_, err := w.r.Peek(4)
	return err == nil
}

// do sends t and wants r.
func (w *wire) do(t, r string) {
	w.t.Helper()
	w.send(t)
	w.want(r)
}

// eof wants the connection to end, with nothing more said.
func (w *wire) eof() {
	w.t.Helper()
	w.conn.SetReadDeadline(time.Now().Add(testWait))
	if n, err := w.r.Read(make([]byte, 1)); err == nil || n > 0 {
		w.t.Fatalf("got %d bytes more, want the end", n)
	} else if ne, ok := err.(net.Error); ok && ne.Timeout() {
		w.t.Fatal("the server does not hang up")
	}
}

// start says version and attaches as glenda.
func (w *wire) start() *wire {
	w.t.Helper()
	w.do("Tversion tag 65535 msize 65560 version '9P2000'", "Rversion tag 65535 msize 65560 version '9P2000'")
	w.do("Tattach tag 1 fid 0 afid -1 uname glenda aname ''", "Rattach tag 1*")
	return w
}

// startL is start in 9P2000.L.
func (w *wire) startL() *wire {
	w.t.Helper()
	w.do("Tversion tag 65535 msize 65560 version '9P2000.L'", "Rversion tag 65535 msize 65560 version '9P2000.L'")
	w.do("Tattach tag 1 fid 0 afid -1 uname glenda aname '' n_uname -1", "Rattach tag 1*")
	return w
}

// entered waits until a blocking operation of the tree has begun.
func (w *wire) entered(name string) {
	w.t.Helper()
	select {
	case got := <-w.fs.entered:
		if got != name {
			w.t.Fatalf("%s began, want %s", got, name)
		}
	case <-time.After(testWait):
		w.t.Fatalf("%s does not begin", name)
	}
}
