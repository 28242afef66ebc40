package ninep

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"testing"
	"testing/synctest"
	"time"
)

// Requests beyond the limit are answered with an error; flush and clunk pass.
func TestLimitRequests(t *testing.T) {
	w := dial(t, &Server{Limits: Limits{Requests: 3}}).start()
	w.do("Twalk tag 1 fid 0 newfid 1 nwname 1 0:pipe", "Rwalk tag 1*")
	w.do("Topen tag 1 fid 1 mode 0", "Ropen tag 1*")
	for i := range 3 {
		w.send(fmt.Sprintf("Tread tag %d fid 1 offset 0 count 1", 10+i))
		w.entered("pipe")
	}
	w.do("Tread tag 20 fid 1 offset 0 count 1", "Rerror tag 20 ename 'Resource temporarily unavailable'")
	w.do("Tstat tag 20 fid 0", "Rerror tag 20 ename 'Resource temporarily unavailable'")
	w.send("Tflush tag 20 oldtag 10")
	w.want("Rerror tag 10*")
	w.want("Rflush tag 20")
	w.do("Tstat tag 20 fid 0", "Rstat tag 20*")
	w.send("Tread tag 10 fid 1 offset 0 count 1")
	w.entered("pipe")
	w.send("Tclunk tag 20 fid 1")
	for range 3 {
		if f := w.recv(); f.Type != Rerror || f.Tag < 10 || f.Tag > 12 {
			t.Error(f)
		}
	}
	w.want("Rclunk tag 20")
}

func TestLimitFids(t *testing.T) {
	w := dial(t, &Server{Limits: Limits{Fids: 2}}).start()
	w.do("Twalk tag 1 fid 0 newfid 1 nwname 0", "Rwalk tag 1 nwqid 0")
	w.do("Twalk tag 1 fid 0 newfid 2 nwname 0", "Rerror tag 1 ename 'Too many open files'")
	w.do("Tattach tag 1 fid 2 afid -1 uname glenda aname ''", "Rerror tag 1 ename 'Too many open files'")
	w.do("Twalk tag 1 fid 1 newfid 1 nwname 0", "Rwalk tag 1 nwqid 0")
	w.do("Tclunk tag 1 fid 1", "Rclunk tag 1")
	w.do("Twalk tag 1 fid 0 newfid 2 nwname 0", "Rwalk tag 1 nwqid 0")
}

// Writes that wait behind another are held in memory, up to a bound.
func TestLimitData(t *testing.T) {
	w := dial(t, &Server{Limits: Limits{Data: 10}}).start()
	fs := w.fs
	w.do("Twalk tag 1 fid 0 newfid 1 nwname 1 0:slow", "Rwalk tag 1*")
	w.do("Topen tag 1 fid 1 mode 1", "Ropen tag 1*")
	w.send(`Twrite tag 1 fid 1 offset 0 count 4 "abcd"`)
	w.entered("slow")
	w.send(`Twrite tag 2 fid 1 offset 4 count 6 "efghij"`)
	w.do(`Twrite tag 3 fid 1 offset 10 count 1 "k"`, "Rerror tag 3 ename 'Resource temporarily unavailable'")
	fs.slow <- struct{}{}
	w.want("Rwrite tag 1 count 4")
	w.entered("slow")
	w.send(`Twrite tag 3 fid 1 offset 10 count 4 "klmn"`)
	fs.slow <- struct{}{}
	w.want("Rwrite tag 2 count 6")
	w.entered("slow")
	fs.slow <- struct{}{}
	w.want("Rwrite tag 3 count 4")
}

// The directories that a connection reads are held in memory, up to a bound.
func TestLimitEntries(t *testing.T) {
	w := dial(t, &Server{Limits: Limits{Entries: len(newMemFS().root.kids) + 1}}).start()
	for _, fid := range []string{"1", "2"} {
		w.do("Twalk tag 1 fid 0 newfid "+fid+" nwname 0", "Rwalk tag 1 nwqid 0")
		w.do("Topen tag 1 fid "+fid+" mode 0", "Ropen tag 1*")
	}
	w.do("Tread tag 1 fid 1 offset 0 count 80", "Rread tag 1*")
	w.do("Tread tag 1 fid 2 offset 0 count 80", "Rerror tag 1 ename 'Cannot allocate memory'")
	w.do("Tread tag 1 fid 1 offset 0 count 80", "Rread tag 1*")   // the same again
	w.do("Tread tag 1 fid 1 offset 0 count 8000", "Rread tag 1*") // to the end
	w.do("Tread tag 1 fid 2 offset 0 count 80", "Rread tag 1*")
	w.do("Tclunk tag 1 fid 2", "Rclunk tag 1")
	w.do("Tread tag 1 fid 1 offset 0 count 80", "Rread tag 1*")
}

// A client that says nothing is hung up on, and one that went on after its
// Tversion is not. The time is a bubble's, and so a busy machine is not too slow.
func TestLimitFirst(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const limit = 20 * time.Millisecond
		srv := &Server{FS: newMemFS(), Limits: Limits{FirstFrame: limit}}
		begun := time.Now()
		w := dialPipe(t, srv)
		w.eof()
		if err := w.end(); err != errSilent || time.Since(begun) != limit {
			t.Errorf("ended by %v after %v", err, time.Since(begun))
		}
		w = dialPipe(t, srv)
		w.write([]byte{19, 0})
		w.eof()
		w = dialPipe(t, srv).start()
		silent := dialPipe(t, srv)
		silent.eof() // the time is over for w as well
		w.do("Tstat tag 1 fid 0", "Rstat tag 1*")
	})
}

// A client that never reads is hung up on. See TestLimitFirst of the time.
func TestLimitWrite(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := dialPipe(t, &Server{Limits: Limits{Write: 500 * time.Millisecond}}).start()
		w.do("Twalk tag 1 fid 0 newfid 1 nwname 1 0:big", "Rwalk tag 1*")
		w.do("Topen tag 1 fid 1 mode 0", "Ropen tag 1*")
		begun := time.Now()
		go func() {
			for tag := uint16(2); ; tag++ {
				m := Fcall{Type: Tread, Tag: tag, Fid: 1, Count: 65536}
				b, _ := m.Append(nil)
				if _, err := w.conn.Write(b); err != nil {
					return
				}
			}
		}()
		err := <-w.done
		w.done <- err
		if ne, ok := err.(net.Error); !ok || !ne.Timeout() {
			t.Errorf("ended by %v", err)
		}
		if d := time.Since(begun); d < 500*time.Millisecond || d > time.Second {
			t.Errorf("after %v", d)
		}
	})
}

// serve runs Serve at addr and gives its address, and a way to end it.
func serve(t testing.TB, srv *Server, addr string) (string, func()) {
	t.Helper()
	ln, err := Listen(t.Context(), addr, ListenOptions{})
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- srv.Serve(ctx, ln) }()
	end := func() {
		stop()
		select {
		case err := <-done:
			done <- err
			if err != nil {
				t.Error("Serve: ", err)
			}
		case <-time.After(testWait):
			t.Fatal("Serve does not end")
		}
	}
	t.Cleanup(end)
	return ln.Addr().String(), end
}

// connect is dial for a server that Serve runs.
func connect(t testing.TB, network, addr string, fs *memFS) *wire {
	t.Helper()
	conn, err := net.Dial(network, addr)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	return newWire(t, conn, fs)
}

func TestLimitConns(t *testing.T) {
	for name, l := range map[string]Limits{"in all": {Conns: 2}, "an address": {ConnsPerAddr: 2}} {
		t.Run(name, func(t *testing.T) {
			before := runtime.NumGoroutine()
			addr, end := serve(t, &Server{FS: newMemFS(), Limits: l}, "tcp!127.0.0.1!0")
			a := connect(t, "tcp", addr, nil).start()
			connect(t, "tcp", addr, nil).start()
			connect(t, "tcp", addr, nil).eof()
			a.conn.Close()
			// The place is free once the server has noticed.
			for try := time.Now().Add(testWait); ; {
				w := connect(t, "tcp", addr, nil)
				if w.tries("Tversion tag 65535 msize 65560 version '9P2000'") {
					break
				}
				if time.Now().After(try) {
					t.Fatal("no place is free again")
				}
			}
			end()
			settle(t, before)
		})
	}
}

// 10,000 clients that say nothing cost little, and hold nobody up. They live in
// a process of their own, for the sake of the limit of open files; where that
// is low they are fewer.
func TestIdle(t *testing.T) {
	const want = 10_000
	n := raiseFiles(t, want)
	if n < want {
		t.Logf("ONLY %d CONNECTIONS OF %d: the hard limit of open files is low (ulimit -Hn)", n, want)
	}
	if n < 100 {
		t.Fatal("too few to measure by")
	}
	fs := newMemFS()
	srv := &Server{FS: fs, Limits: Limits{FirstFrame: time.Hour}}
	addr, end := serve(t, srv, "unix!"+filepath.Join(t.TempDir(), "idle"))
	before := memory()
	cmd := exec.Command(os.Args[0], "-test.run=^TestIdleClients$")
	cmd.Env = append(os.Environ(), "NINEP_IDLE="+addr, fmt.Sprint("NINEP_IDLE_N=", n))
	stdin, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	defer cmd.Wait()
	defer stdin.Close()
	said := bufio.NewReader(stdout)
	if line, err := said.ReadString('\n'); line != "all are there\n" {
		rest, _ := io.ReadAll(said)
		t.Fatalf("the clients say %q: %v", line+string(rest), err)
	}
	w := connect(t, "unix", addr, fs).start()
	w.do("Tstat tag 1 fid 0", "Rstat tag 1*")
	each := (memory() - before) / int64(n)
	t.Logf("%d bytes an idle connection", each)
	if each > 16<<10 {
		t.Errorf("an idle connection costs %d bytes", each)
	}
	end()
}

// TestIdleClients is the other end of TestIdle.
func TestIdleClients(t *testing.T) {
	addr := os.Getenv("NINEP_IDLE")
	if addr == "" {
		t.Skip("run by TestIdle")
	}
	n, err := strconv.Atoi(os.Getenv("NINEP_IDLE_N"))
	if err != nil {
		t.Fatal(err)
	}
	if room := raiseFiles(t, n); room < n {
		t.Fatalf("room for %d connections, not %d", room, n)
	}
	for range n {
		dialUnix(t, addr)
	}
	// The server has accepted them all once it answers one more.
	newWire(t, dialUnix(t, addr), nil).start()
	fmt.Println("all are there")
	io.Copy(io.Discard, os.Stdin)
}

func dialUnix(t *testing.T, addr string) net.Conn {
	t.Helper()
	conn, err := net.Dial("unix", addr)
	for end := time.Now().Add(testWait); err != nil; conn, err = net.Dial("unix", addr) {
		if time.Now().After(end) { // until then the backlog may be full
			t.Fatal(err)
		}
		runtime.Gosched()
	}
	t.Cleanup(func() { conn.Close() })
	return conn
}
