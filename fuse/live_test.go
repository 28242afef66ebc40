//go:build linux

package fuse

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"time"

	"llama9/mnt"
	"llama9/node/fake"
	"llama9/styxfs"
)

// held is an engine whose every Decode waits for a value of the channel.
func held(text string) (*fake.Engine, chan struct{}) {
	step := make(chan struct{})
	return &fake.Engine{Next: fake.Say("?", text), OnDecode: func(d *fake.Decode) error {
		select {
		case <-step:
			return nil
		case <-d.Aborted:
			return errors.New("aborted")
		}
	}}, step
}

// TestStream: cat prints each token before the next is made, GNU cat with its
// 128 KiB buffer too.
func TestStream(t *testing.T) {
	e, step := held(answer)
	w := mountNode(t, e)
	w.sh("echo why is the sky blue? > $n/infer/new")
	w.closed()
	cats := []*shell{w.start("exec cat $n/infer/last/out"), w.start("exec dd bs=1M status=none if=$n/infer/last/out"), w.start("exec head -c 1000 $n/infer/last/out")}
	tokens := w.start("exec cat $n/infer/last/token")
	w.until("four readers", func() bool { return w.server.fs.files.count() == 4 })
	for i := range answer {
		step <- struct{}{} // the prompt's, or the last token's
		for _, c := range append(cats[:2:2], tokens) {
			got := c.next()
			if c == tokens {
				if !strings.Contains(got, fmt.Sprintf("%q", answer[i:i+1])) {
					t.Errorf("token %d: %q", i, got)
				}
			} else if got != answer[i:i+1] {
				t.Fatalf("cat printed %q where %q was made", got, answer[i:i+1])
			}
		}
	}
	close(step)
	for _, c := range cats {
		out, st := c.finish()
		if c == cats[2] {
			same(t, "head", out, answer)
		} else {
			same(t, "the end", out, "")
		}
		if st != 0 {
			t.Errorf("status %v: %s", st, &c.stderr)
		}
	}
	if _, st := tokens.finish(); st != 0 {
		t.Errorf("cat token: %v", st)
	}
}

// closed waits until no file is open. The kernel waits for no release: that of
// a file that a script has closed may come behind its end.
func (w *world) closed() {
	w.t.Helper()
	w.until("all files are closed", func() bool { return w.server.fs.files.count() == 0 })
}

func (t *files) count() int {
	t.mu.Lock()
	defer t.mu.Unlock()
	return len(t.open)
}

// TestInterrupt: a signal ends a program that waits for a stream, at once,
// and nothing else.
func TestInterrupt(t *testing.T) {
	// Who is started in the background by a shell ignores SIGINT, and so do
	// those that it starts, unless it has a use for it.
	c := make(chan os.Signal, 1)
	signal.Notify(c, syscall.SIGINT)
	defer signal.Stop(c)
	e, step := held(answer)
	w := mountNode(t, e)
	w.sh("echo why is the sky blue? > $n/infer/new")
	w.closed()
	other := w.start("exec cat $n/infer/last/out")
	for _, sig := range []syscall.Signal{syscall.SIGINT, syscall.SIGTERM, syscall.SIGKILL} {
		for _, file := range []string{"infer/last/out", "event", "infer/last/event"} {
			cat := w.start("exec cat $n/" + file)
			w.until("two readers wait", func() bool { return w.server.fs.files.count() == 2 && blocked(cat) && blocked(other) })
			begin := time.Now()
			cat.cmd.Process.Signal(sig)
			if _, st := cat.finish(); !st.Signaled() || st.Signal() != sig {
				t.Errorf("%v of cat %s: %v", sig, file, st)
			}
			if d := time.Since(begin); d > deadline/2 { // less than a Tflush may take
				t.Errorf("%v of cat %s took %v", sig, file, d)
			}
			w.until("it is closed", func() bool { return w.server.fs.files.count() == 1 })
		}
	}
	close(step)
	out, st := other.finish()
	if st != 0 || out != answer {
		t.Errorf("the other cat: %v, %q", st, out)
	}
}

// blocked says whether a process waits in a read of the mount.
func blocked(s *shell) bool {
	b, err := exec.Command("cat", fmt.Sprintf("/proc/%d/wchan", s.cmd.Process.Pid)).Output()
	return err == nil && strings.Contains(string(b), "request_wait_answer")
}

// TestServerGone: what waits fails, what comes fails, nothing hangs, and the
// mount can be unmounted, or given the server anew.
func TestServerGone(t *testing.T) {
	e, step := held(answer)
	w := mountNode(t, e)
	defer close(step)
	w.sh("echo why is the sky blue? > $n/infer/new")
	w.closed()
	cat := w.start("cat $n/infer/last/out")
	w.until("a reader waits", func() bool { return w.server.fs.files.count() == 1 })
	// One is in the mount meanwhile, one below, and has a file open.
	goOn := filepath.Join(t.TempDir(), "fifo")
	there := func(dir, script string) *shell {
		s := w.start("cd " + dir + "; exec 3< $n/status; echo; : < " + goOn + "; set +e; exec 2>&1; " + script)
		s.next()
		return s
	}
	if err := syscall.Mkfifo(goOn, 0o600); err != nil {
		t.Fatal(err)
	}
	above := there("$n", "cat status; ls infer/new")
	below := there("$n/infer", "ls; cat new; cat <&3; cd $n/infer; ls")
	w.kill()
	if _, st := cat.finish(); st == 0 || !strings.Contains(cat.stderr.String(), "not connected") && !strings.Contains(cat.stderr.String(), "Input/output") {
		t.Errorf("cat: %v, %q", st, &cat.stderr)
	}
	for _, s := range []string{"ls $n", "ls $n/infer", "cat $n/status", "echo x > $n/ctl", "stat $n", "df $n", "rm -r $n/infer/last", "mkdir $n/x", "cd $n/infer && ls"} {
		w.fails(s, "not connected")
	}
	tree, err := styxfs.New(styxfs.Config{Backend: idle{}, Version: "another"})
	if err != nil {
		t.Fatal(err)
	}
	defer tree.Close(context.Background())
	w.serve(tree)
	w.server.Use(w.dial(mnt.Options{}))
	w.sh("ls -lR $n >/dev/null; grep -q version=another $n/status; id=$(cat $n/infer/new); ls $n/infer/$id/ctl; rm -r $n/infer/$id")
	f, err := os.OpenFile(goOn, os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if said, st := above.finish(); st != 0 || !strings.Contains(said, "version=another") {
		t.Errorf("in the mount: %v, %s", st, said)
	}
	want := "ls: cannot open directory '.': Stale file handle\ncat: new: Stale file handle\ncat: -: Stale file handle\nnew\n"
	if said, st := below.finish(); st != 0 || said != want {
		t.Errorf("below it: %v, %s", st, said)
	}
}

// idle is a Backend that does nothing.
type idle struct{ styxfs.Backend }

func (idle) Models(context.Context) []styxfs.Model { return nil }
func (idle) Settings() [][]string                  { return nil }
func (idle) Status() []styxfs.Attr                 { return nil }

// TestUnmount: a busy mount stays, unless it is lazily unmounted; then what
// is open goes on.
func TestUnmount(t *testing.T) {
	before := runtime.NumGoroutine()
	t.Run("busy", func(t *testing.T) {
		e, step := held(answer)
		w := mountNode(t, e)
		w.sh("echo why is the sky blue? > $n/infer/new")
		w.closed()
		cat := w.start("exec cat $n/infer/last/out")
		w.until("a reader waits", func() bool { return w.server.fs.files.count() == 1 && blocked(cat) })
		if err := w.server.Unmount(false); err != ErrBusy {
			t.Errorf("unmount of a busy mount: %v", err)
		}
		w.sh("ls $n")
		if err := w.server.Unmount(true); err != nil {
			t.Errorf("lazy unmount: %v", err)
		}
		same(t, "the directory", w.sh("ls $n"), "")
		if err := w.server.Unmount(false); err != ErrNotMounted {
			t.Errorf("second unmount: %v", err)
		}
		close(step)
		if out, st := cat.finish(); st != 0 || out != answer {
			t.Errorf("cat: %v, %q", st, out)
		}
		w.wait("the mount ends with its last file", w.server.Done())
	})
	for end := time.Now().Add(deadline); runtime.NumGoroutine() > before; runtime.Gosched() {
		if time.Now().After(end) {
			buf := make([]byte, 1<<20)
			t.Fatalf("%d goroutines, were %d\n%s", runtime.NumGoroutine(), before, buf[:runtime.Stack(buf, true)])
		}
	}
}
