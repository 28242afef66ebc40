package tests

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"llama9/mnt"
)

// TestTop: top on a terminal while a node works, goes and comes back, and
// where there is no terminal.
func TestTop(t *testing.T) {
	dir, err := os.MkdirTemp("", "l9")
	if err != nil {
		t.Fatal(err)
	}
	defer os.RemoveAll(dir)
	addr := "unix!" + filepath.Join(dir, "node")
	node := []string{"node", "--listen", addr, "--engine", "fake", "-m", "fake:talk,step=5ms", "-np", "2", "-c", "100000"}
	connect := func() (fs *mnt.Fsys) {
		t.Helper()
		until(t, "the node answers", func() bool {
			fs, err = mnt.Dial(context.Background(), addr, mnt.Options{})
			return err == nil
		})
		t.Cleanup(func() { fs.Close() })
		return fs
	}
	p := start(t, node...)
	fs := connect()

	once := command(t, "", "top", addr)
	if !strings.Contains(once, "llama9 top "+addr) || !strings.Contains(once, "slots 2 [") || strings.Contains(once, "\x1b") {
		t.Errorf("without a terminal: %q", once)
	}

	term := onTerminal(t, "top", "-d", "50ms", addr)
	term.see(t, `ready  slots 2 \[\.+\] busy 0  queue 0`)
	s := &stream{dir: "infer/" + strings.TrimSpace(readFile(t, fs, "infer/new"))}
	id := strings.TrimPrefix(s.dir, "infer/")
	term.see(t, id) // made
	writeFile(t, fs, s.dir+"/ctl", "ignore_eos on\n")
	writeFile(t, fs, s.dir+"/prompt", "on and on")
	term.see(t, `#`) // of the bar of slots
	term.see(t, `running`)
	writeFile(t, fs, s.dir+"/ctl", "cancel\n")
	term.see(t, `cancel`)

	// Another size, and it is drawn anew.
	if err := unix.IoctlSetWinsize(int(term.master.Fd()), unix.TIOCSWINSZ, &unix.Winsize{Row: 30, Col: 100}); err != nil {
		t.Fatal(err)
	}
	term.see(t, `SESSION`)

	p.kill(t)
	term.see(t, `no server.*trying again`)
	start(t, node...)
	connect()
	term.see(t, `sessions 0`) // of the new one
	term.enter(t, "q")
	<-term.done
	if err := term.cmd.Wait(); err != nil {
		t.Errorf("after q: %v", err)
	}

	if out, err := commandOutput("top", "unix!"+dir+"/none"); err == nil || !strings.Contains(out, "no server at unix!") {
		t.Errorf("without a server: %v, %q", err, out)
	}
}

// commandOutput runs the program to its end and gives all that it writes.
func commandOutput(args ...string) (string, error) {
	out, err := exec.Command(program, args...).CombinedOutput()
	return string(out), err
}
