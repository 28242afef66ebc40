//go:build linux

package fuse

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"llama9/mnt"
	"llama9/ninep"
	served "llama9/node"
	"llama9/node/fake"
	"llama9/styxfs"
)

// deadline is how long anything may take that happens by itself. It is never
// waited for where all is well.
const deadline = time.Minute

// need skips a test that this machine cannot run, but where nothing may be
// skipped it fails.
func need(t testing.TB) {
	t.Helper()
	why := ""
	if _, err := os.Stat("/dev/fuse"); err != nil {
		why = "no /dev/fuse"
	} else if _, err := fusermount(); err != nil && !root() {
		why = err.Error()
	}
	switch {
	case why == "":
	case os.Getenv("CI") == "true":
		t.Fatal("LEFT OUT: " + why)
	default:
		t.Skip("LEFT OUT: " + why)
	}
}

// A world is a served tree and its mount. The test's own process must not use
// files of dir: sh does.
type world struct {
	t      testing.TB
	dir    string
	addr   string
	fs     *mnt.Fsys // beside the mount, for what is quicker without it
	server *Server
	kill   func() // ends the server at once
	fids   fids
}

// A fids watches messages to know which fids a client holds.
type fids struct {
	mu    sync.Mutex // guards below
	asked map[uint16]*ninep.Fcall
	live  map[uint32]string
}

func (f *fids) see(dir string, m *ninep.Fcall) {
	f.mu.Lock()
	defer f.mu.Unlock()
	switch m.Type {
	case ninep.Twalk, ninep.Tclunk, ninep.Tremove:
		c := *m
		f.asked[m.Tag] = &c
	case ninep.Rwalk:
		if w := f.asked[m.Tag]; len(m.Wqid) == len(w.Wname) {
			f.live[w.Newfid] = strings.Join(w.Wname, "/")
		}
	case ninep.Rclunk, ninep.Rremove:
		delete(f.live, f.asked[m.Tag].Fid)
	}
}

func (f *fids) list() string {
	f.mu.Lock()
	defer f.mu.Unlock()
	return fmt.Sprint(f.live)
}

func (f *fids) count() int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return len(f.live)
}

// mountFS serves tree and mounts it.
func mountFS(t testing.TB, tree ninep.FS) *world {
	t.Helper()
	need(t)
	tmp, err := os.MkdirTemp("", "l9") // a socket's path is short
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.Remove(tmp) }) // not what is in it, should it be mounted still
	w := &world{t: t, dir: filepath.Join(tmp, "n"), fids: fids{asked: map[uint16]*ninep.Fcall{}, live: map[uint32]string{}}}
	if err := os.Mkdir(w.dir, 0o755); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.Remove(w.dir) })
	w.addr = "unix!" + filepath.Join(tmp, "s")
	w.serve(tree)
	w.fs = w.dial(mnt.Options{})
	mounted := w.dial(mnt.Options{Trace: w.fids.see, FlushTimeout: 2 * deadline})
	if w.server, err = Mount(mounted, w.dir, Options{Source: w.addr, Uname: "root", Log: testLog{t}}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := w.server.Unmount(false); err != nil && err != ErrNotMounted {
			t.Errorf("unmount: %v", err)
			w.server.Unmount(true)
		}
		w.wait("the mount ends", w.server.Done())
		if mounted.Conn().Err() == nil {
			w.until("every fid is given back", func() bool { return w.fids.count() == 0 })
		}
	})
	return w
}

// serve serves tree at the address, until kill.
func (w *world) serve(tree ninep.FS) {
	w.t.Helper()
	ln, err := ninep.Listen(w.t.Context(), w.addr, ninep.ListenOptions{Mode: 0o600})
	if err != nil {
		w.t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		(&ninep.Server{FS: tree}).Serve(ctx, ln)
	}()
	w.kill = func() {
		cancel()
		<-ended
	}
	w.t.Cleanup(w.kill)
}

// dial gives a tree that is closed at the end of the test.
func (w *world) dial(o mnt.Options) *mnt.Fsys {
	w.t.Helper()
	fs, err := mnt.Dial(context.Background(), w.addr, o)
	if err != nil {
		w.t.Fatal(err)
	}
	w.t.Cleanup(func() { fs.Close() })
	return fs
}

// A testLog shows what go-fuse complains of.
type testLog struct{ t testing.TB }

func (l testLog) Write(p []byte) (int, error) {
	l.t.Logf("%s", bytes.TrimSpace(p))
	return len(p), nil
}

// mountNode mounts a node with one model over the engine.
func mountNode(t testing.TB, e *fake.Engine) *world {
	t.Helper()
	need(t)
	n, err := served.New(served.Config{Engine: e, Models: []served.Spec{{Name: "m", File: "fake:m"}}, CtxSize: 1 << 18})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { n.Close(context.Background()) })
	tree, err := styxfs.New(styxfs.Config{Backend: n, Version: "test"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { tree.Close(context.Background()) })
	return mountFS(t, tree)
}

func (w *world) wait(what string, c <-chan struct{}) {
	w.t.Helper()
	select {
	case <-c:
	case <-time.After(deadline):
		w.t.Fatalf("in vain: %s; fids %s", what, w.fids.list())
	}
}

func (w *world) until(what string, ok func() bool) {
	w.t.Helper()
	for end := time.Now().Add(deadline); !ok(); time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			w.t.Fatalf("in vain: %s; fids %s", what, w.fids.list())
		}
	}
}

// A shell is a script that runs, with $n the mount.
type shell struct {
	w      *world
	cmd    *exec.Cmd
	out    *os.File // its standard output
	stderr bytes.Buffer
	done   chan struct{}
	err    error
}

// start runs a script in the background. Its first command should be exec, if
// it is to be signalled.
func (w *world) start(script string) *shell {
	w.t.Helper()
	r, out, err := os.Pipe()
	if err != nil {
		w.t.Fatal(err)
	}
	s := &shell{w: w, cmd: exec.Command("bash", "-ec", script), out: r, done: make(chan struct{})}
	s.cmd.Env = append(os.Environ(), "n="+w.dir, "LC_ALL=C")
	s.cmd.Stdout = out
	s.cmd.Stderr = &s.stderr
	if err := s.cmd.Start(); err != nil {
		w.t.Fatal(err)
	}
	out.Close()
	go func() {
		s.err = s.cmd.Wait()
		close(s.done)
	}()
	w.t.Cleanup(func() {
		s.cmd.Process.Kill()
		w.wait("the end of "+script, s.done)
		r.Close()
	})
	return s
}

// finish waits for the end and gives the rest of the output and what wait(2)
// said.
func (s *shell) finish() (out string, st syscall.WaitStatus) {
	s.w.t.Helper()
	s.out.SetReadDeadline(time.Now().Add(deadline))
	b, err := io.ReadAll(s.out)
	if err != nil {
		s.w.t.Fatalf("%s: %v; printed %q", s.cmd.Args, err, b)
	}
	s.w.wait("the end of a script", s.done)
	return string(b), s.cmd.ProcessState.Sys().(syscall.WaitStatus)
}

// next reads what comes next, at least one byte.
func (s *shell) next() string {
	s.w.t.Helper()
	s.out.SetReadDeadline(time.Now().Add(deadline))
	buf := make([]byte, 1<<16)
	n, err := s.out.Read(buf)
	if err != nil {
		s.w.t.Fatalf("%s: %v", s.cmd.Args, err)
	}
	return string(buf[:n])
}

// sh runs a script, which must succeed, and gives its output.
func (w *world) sh(script string) string {
	w.t.Helper()
	s := w.start(script)
	out, st := s.finish()
	if st != 0 {
		w.t.Fatalf("%s: %v\n%s%s", script, s.err, out, &s.stderr)
	}
	return out
}

// fails runs a script, which must fail and say text.
func (w *world) fails(script, text string) {
	w.t.Helper()
	s := w.start(script)
	out, st := s.finish()
	if st == 0 || !strings.Contains(s.stderr.String(), text) {
		w.t.Errorf("%s: status %v, printed %q and %q, want %q", script, st, out, s.stderr.String(), text)
	}
}

// same compares.
func same(t testing.TB, what, got, want string) {
	t.Helper()
	if got != want {
		t.Errorf("%s: %q, want %q", what, got, want)
	}
}
