package ninep

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// A scriptConn gives what is in it in one Read, and keeps what is written.
type scriptConn struct {
	in     *bytes.Reader
	mu     sync.Mutex
	writes [][]byte
}

func (c *scriptConn) Read(p []byte) (int, error) { return c.in.Read(p) }
func (c *scriptConn) Close() error               { return nil }
func (c *scriptConn) Write(p []byte) (int, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.writes = append(c.writes, bytes.Clone(p))
	return len(p), nil
}

// lines is what was written, a line a message.
func lines(t *testing.T, b []byte) (all []string) {
	t.Helper()
	for len(b) > 0 {
		n := int(b[0]) | int(b[1])<<8 | int(b[2])<<16
		var f Fcall
		if err := f.Decode(b[:n]); err != nil {
			t.Fatal(err)
		}
		all = append(all, f.String())
		b = b[n:]
	}
	return all
}

const (
	lineVersion = "Tversion tag 65535 msize 8192 version '9P2000'"
	lineAttach  = "Tattach tag 1 fid 0 afid -1 uname glenda aname ''"
)

// Rversion goes out alone, in one write, although more answers follow it;
// these go out together. In a bubble, where no time passes, the watch does not
// strike.
func TestWrites(t *testing.T) {
	in := []string{lineVersion, lineAttach}
	for i := range 20 {
		in = append(in, fmt.Sprintf("Tstat tag %d fid 0", i+2))
	}
	c := &scriptConn{in: bytes.NewReader(frames(t, in...))}
	synctest.Test(t, func(t *testing.T) {
		if err := (&Server{FS: newMemFS()}).ServeConn(t.Context(), c); err != nil {
			t.Fatal(err)
		}
	})
	if got := lines(t, c.writes[0]); len(got) != 1 || !strings.HasPrefix(got[0], "Rversion") {
		t.Fatalf("the first write is %q", got)
	}
	if n := len(lines(t, bytes.Join(c.writes, nil))); n != 22 {
		t.Errorf("%d answers, want 22", n)
	}
	if n := len(c.writes); n != 2 {
		t.Errorf("%d writes for 22 answers", n)
	}
}

// Pipelined Twrites and the Tclunk behind them are done in order of arrival,
// although each makes way for the reader.
func TestOrder(t *testing.T) {
	w := dial(t, nil).start()
	w.do("Twalk tag 1 fid 0 newfid 1 nwname 1 0:log", "Rwalk tag 1*")
	w.do("Topen tag 1 fid 1 mode 1", "Ropen tag 1*")
	var in, want []string
	for i := range 200 {
		s := fmt.Sprint("line ", i)
		want = append(want, s)
		in = append(in, fmt.Sprintf("Twrite tag %d fid 1 offset 0 count %d %q", i+2, len(s), s))
	}
	in = append(in, "Tclunk tag 1 fid 1")
	w.send(in...)
	for range in {
		if f := w.recv(); f.Type == Rerror {
			t.Fatal(f)
		}
	}
	if want = append(want, "clunk"); !slices.Equal(w.fs.log, want) {
		t.Errorf("order of the writes: %q", w.fs.log)
	}
}

// A handler that blocks and does not look at its context holds up neither the
// other requests of its connection nor what it was given.
func TestBlocked(t *testing.T) {
	w := dial(t, nil).start()
	w.send("Twalk tag 1 fid 0 newfid 1 nwname 1 0:deaf", "Topen tag 2 fid 1 mode 0",
		"Twalk tag 3 fid 0 newfid 2 nwname 1 0:slow", "Topen tag 4 fid 2 mode 1")
	w.wantAll("two files", "Rwalk tag 1*", "Ropen tag 2*", "Rwalk tag 3*", "Ropen tag 4*")
	w.send("Tread tag 5 fid 1 offset 0 count 10", "Tstat tag 6 fid 0")
	w.entered("deaf")
	w.want("Rstat tag 6*")
	data := strings.Repeat("precious", 40)
	w.send(fmt.Sprintf("Twrite tag 7 fid 2 offset 0 count %d %q", len(data), data))
	w.entered("slow")
	for range 100 {
		w.do("Tstat tag 8 fid 0", "Rstat tag 8*")
	}
	close(w.fs.slow)
	w.want("Rwrite tag 7 count 320")
	close(w.fs.deaf)
	w.want("Rread tag 5 count 5 \"heard\"")
	if !slices.Equal(w.fs.log, []string{data}) {
		t.Errorf("written: %q", w.fs.log)
	}
}

// A write that waits in line keeps its data.
func TestQueuedData(t *testing.T) {
	w := dial(t, nil).start()
	w.do("Twalk tag 1 fid 0 newfid 1 nwname 1 0:slow", "Rwalk tag 1*")
	w.do("Topen tag 1 fid 1 mode 1", "Ropen tag 1*")
	w.send("Twrite tag 2 fid 1 offset 0 count 5 \"first\"")
	w.entered("slow")
	w.send("Twrite tag 3 fid 1 offset 0 count 6 \"second\"", "Twrite tag 4 fid 1 offset 0 count 5 \"third\"")
	for range 100 {
		w.do("Tstat tag 8 fid 0", "Rstat tag 8*")
	}
	close(w.fs.slow)
	for range 3 {
		if f := w.recv(); f.Type != Rwrite {
			t.Error(f)
		}
	}
	if !slices.Equal(w.fs.log, []string{"first", "second", "third"}) {
		t.Errorf("written: %q", w.fs.log)
	}
}

// At a hang-up all that runs is canceled, every handle is closed once, with a
// context that says why, and only then ServeConn returns. So it is when the
// server is told to stop.
func TestHangup(t *testing.T) {
	for _, how := range []string{"client", "server"} {
		t.Run(how, func(t *testing.T) {
			before := runtime.NumGoroutine()
			w := dial(t, nil).start()
			for i, name := range []string{"hello", "pipe", "stuck", "slow", "log", "dir", "bell"} {
				w.do(fmt.Sprintf("Twalk tag 1 fid 0 newfid %d nwname 1 0:%s", i+1, name), "Rwalk tag 1*")
				mode := 2
				if name == "dir" {
					mode = 0
				}
				w.do(fmt.Sprintf("Topen tag 1 fid %d mode %d", i+1, mode), "Ropen tag 1*")
			}
			w.send("Tread tag 10 fid 2 offset 0 count 10")
			w.entered("pipe")
			w.send("Tread tag 9 fid 7 offset 0 count 10")
			w.entered("bell")
			w.send("Tread tag 11 fid 3 offset 0 count 10")
			w.entered("stuck")
			w.send("Twrite tag 12 fid 4 offset 0 count 1 \"x\"")
			w.entered("slow")
			w.send("Twrite tag 13 fid 4 offset 0 count 1 \"y\"", "Tclunk tag 14 fid 4", "Tstat tag 15 fid 0")
			w.want("Rstat tag 15*")
			if how == "server" {
				w.stop()
				w.eof()
			}
			if err := w.end(); err != nil {
				t.Error(err)
			}
			if n := w.fs.closes.Load(); n != 7 {
				t.Errorf("%d handles closed, want 7", n)
			}
			for _, err := range w.fs.cause {
				if err != ErrHangup {
					t.Errorf("cause of the end at Close: %v", err)
				}
			}
			settle(t, before)
		})
	}
}

// settle waits until there are no more goroutines than before.
func settle(t testing.TB, before int) {
	t.Helper()
	for end := time.Now().Add(testWait); runtime.NumGoroutine() > before; runtime.Gosched() {
		if time.Now().After(end) {
			buf := make([]byte, 1<<16)
			t.Fatalf("%d goroutines, were %d\n%s", runtime.NumGoroutine(), before, buf[:runtime.Stack(buf, true)])
		}
	}
}

// A clunk that the client waits for commits: its context is alive.
func TestClunkContext(t *testing.T) {
	w := dial(t, nil).start()
	w.do("Twalk tag 1 fid 0 newfid 1 nwname 1 0:log", "Rwalk tag 1*")
	w.do("Topen tag 1 fid 1 mode 1", "Ropen tag 1*")
	w.do("Tclunk tag 1 fid 1", "Rclunk tag 1")
	w.end()
	if len(w.fs.cause) != 1 || w.fs.cause[0] != nil {
		t.Errorf("causes: %v", w.fs.cause)
	}
}

// Panics of a handler are answered, and told to the log.
func TestPanic(t *testing.T) {
	fs := newMemFS()
	fs.root.kid("panic").st.Name = "quiet"
	w := dial(t, &Server{FS: fs}).start()
	w.do("Twalk tag 1 fid 0 newfid 1 nwname 1 0:quiet", "Rwalk tag 1*")
	w.do("Topen tag 1 fid 1 mode 0", "Ropen tag 1*")
	fs.root.kid("quiet").st.Name = "panic"
	w.do("Tread tag 1 fid 1 offset 0 count 10", "Rerror tag 1 ename 'i/o error'")
	w.do("Tclunk tag 1 fid 1", "Rclunk tag 1")
}

// A blocked read holds no buffer.
func TestBlockedMemory(t *testing.T) {
	const n = 2000
	w := dial(t, nil).start()
	w.do("Twalk tag 1 fid 0 newfid 1 nwname 1 0:pipe", "Rwalk tag 1*")
	w.do("Topen tag 1 fid 1 mode 0", "Ropen tag 1*")
	before := memory()
	for i := range n {
		w.send(fmt.Sprintf("Tread tag %d fid 1 offset 0 count 65536", i+2))
	}
	for range n {
		w.entered("pipe")
	}
	each := (memory() - before) / n
	t.Logf("%d bytes a blocked read", each)
	if each > 16<<10 {
		t.Errorf("a blocked read of 65536 bytes holds %d", each)
	}
	w.fs.say("x")
	for range n {
		if f := w.recv(); string(f.Data) != "x" {
			t.Fatal(f)
		}
	}
}

// memory is what heap and stacks hold.
func memory() int64 {
	var m runtime.MemStats
	runtime.GC()
	runtime.GC()
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc + m.StackInuse)
}

// A gate is a connection that takes nothing until it is opened.
type gate struct {
	scriptConn
	open chan struct{}
}

func (g *gate) Write(p []byte) (int, error) {
	<-g.open
	return g.scriptConn.Write(p)
}

// Reads wait while too much waits to be sent.
func TestHold(t *testing.T) {
	g := &gate{open: make(chan struct{})}
	c := &conn{srv: &Server{}, rw: g}
	c.cond.L = &c.mu
	c.srv.setup()
	for range holdAt>>20 + 1 {
		c.out.add(newBlock(1 << 20))
	}
	done := make(chan int)
	go func() {
		c.hold() // writes itself
		done <- 1
	}()
	go func() {
		c.hold()
		done <- 1
	}()
	select {
	case <-done:
		t.Fatal("no waiting")
	default:
	}
	close(g.open)
	<-done
	<-done
	if c.out.bytes != 0 {
		t.Errorf("%d bytes are left", c.out.bytes)
	}
}

// Every message is in the trace, in the words of the printer.
func TestTrace(t *testing.T) {
	var b bytes.Buffer
	c := &scriptConn{in: bytes.NewReader(frames(t, lineVersion, lineAttach, "Tclunk tag 2 fid 5"))}
	synctest.Test(t, func(t *testing.T) { // as in TestWrites
		if err := (&Server{FS: newMemFS(), Trace: &b}).ServeConn(t.Context(), c); err != nil {
			t.Fatal(err)
		}
	})
	want := "<- " + lineVersion + "\n-> Rversion tag 65535 msize 8192 version '9P2000'\n" +
		"<- " + lineAttach + "\n-> Rattach tag 1 qid (0000000000000001 0 d)\n" +
		"<- Tclunk tag 2 fid 5\n-> Rerror tag 2 ename 'fid unknown or out of range'\n"
	if b.String() != want {
		t.Errorf("trace:\n%s\nwant:\n%s", b.String(), want)
	}
}

// Who is attached.
func TestUser(t *testing.T) {
	for _, tt := range []struct {
		known, uname, want string
	}{
		{"", "rob", "rob"}, {"ken", "rob", "ken"}, {"", "", "none"}, {"ken", "", "ken"},
	} {
		fs := newMemFS()
		c := struct {
			*scriptConn
			knows
		}{&scriptConn{in: bytes.NewReader(frames(t, lineVersion,
			fmt.Sprintf("Tattach tag 1 fid 0 afid -1 uname '%s' aname ''", tt.uname)))}, knows(tt.known)}
		if err := (&Server{FS: fs}).ServeConn(t.Context(), c); err != nil {
			t.Fatal(err)
		}
		if a := fs.last; a == nil || a.User != tt.want || a.Known != (tt.known != "") || a.Uname != tt.uname || a.NUname != NoUid {
			t.Errorf("%+v: attached as %+v", tt, a)
		}
	}
	if got := loginName(0); got != "root" {
		t.Errorf("user 0 is %q", got)
	}
	if got := loginName(4000000000); got != "4000000000" {
		t.Errorf("user 4000000000 is %q", got)
	}
}

type knows string

func (k knows) PeerUser() (string, bool) { return string(k), k != "" }

// The log says why a connection ended, and never what was read or written.
func TestLog(t *testing.T) {
	for in, want := range map[string]string{
		"0001\n1": "level=WARN msg=\"connection ended\" peer=\"\" err=\"client wants Inferno authentication, use mount -A\"\n",
		string(frames(t, lineVersion, lineAttach, "Twalk tag 4 fid 0 newfid 1 nwname 1 0:hello", "Topen tag 2 fid 1 mode 1",
			"Twrite tag 3 fid 1 offset 0 count 6 \"secret\"")) + "\x03\x00\x00\x00": "level=INFO msg=\"connection ended\" peer=\"\" err=\"bad message size\"\n",
		string(frames(t, lineVersion)): "",
	} {
		var b bytes.Buffer
		log := slog.New(slog.NewTextHandler(&b, &slog.HandlerOptions{ReplaceAttr: func(_ []string, a slog.Attr) slog.Attr {
			if a.Key == slog.TimeKey {
				return slog.Attr{}
			}
			return a
		}}))
		(&Server{FS: newMemFS(), Log: log}).ServeConn(t.Context(), &scriptConn{in: bytes.NewReader([]byte(in))})
		if b.String() != want {
			t.Errorf("log %q, want %q", b.String(), want)
		}
	}
}

// What errors look like on the wire.
func TestErrors(t *testing.T) {
	for _, tt := range []struct {
		err   error
		text  string
		errno uint32
	}{
		{ErrBusy, "Device or resource busy", 16},
		{fmt.Errorf("prompt: %w", ErrBusy), "prompt: Device or resource busy", 16},
		{Errorf(ErrInvalid, "bad %s", "word"), "bad word", 22},
		{context.Canceled, "Interrupted system call", 4},
		{context.DeadlineExceeded, "Connection timed out", 110},
		{fmt.Errorf("open: %w", errNotExist()), "file does not exist", 2},
		{errors.New("odd"), "odd", 5},
		{errors.New(""), "i/o error", 5},
		{errors.New("a\x00b\xff"), "a\ufffdb\ufffd", 5},
		{errors.New(strings.Repeat("é", 400)), strings.Repeat("é", 256), 5},
		{errors.New("x" + strings.Repeat("é", 400)), "x" + strings.Repeat("é", 255), 5},
		{io.ErrUnexpectedEOF, "unexpected EOF", 5},
	} {
		if text, errno := asError(tt.err); text != tt.text || errno != tt.errno {
			t.Errorf("%q: %q %d, want %q %d", tt.err, text, errno, tt.text, tt.errno)
		}
	}
}
