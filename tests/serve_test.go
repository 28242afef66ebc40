package tests

import (
	"context"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"

	"llama9/mnt"
)

// A pipe is both ends of a --stdio connection.
type pipe struct {
	io.Reader
	io.WriteCloser
}

// TestStdio: a node on its standard input and output ends with the
// connection, and at a signal while that is open.
func TestStdio(t *testing.T) {
	for _, how := range []string{"hangup", "signal"} {
		t.Run(how, func(t *testing.T) {
			cmd := exec.Command(program, "node", "--engine", "fake", "-m", "fake:tiny", "--stdio", "--log-level", "error")
			cmd.Stderr = os.Stderr
			in, err := cmd.StdinPipe()
			if err != nil {
				t.Fatal(err)
			}
			out, err := cmd.StdoutPipe()
			if err != nil {
				t.Fatal(err)
			}
			if err := cmd.Start(); err != nil {
				t.Fatal(err)
			}
			defer cmd.Process.Kill()
			conn, err := mnt.NewConn(t.Context(), pipe{out, in}, mnt.Options{})
			if err != nil {
				t.Fatal(err)
			}
			fs, err := conn.Attach(t.Context(), "glenda", "")
			if err != nil {
				t.Fatal(err)
			}
			if s := readFile(t, fs, "status"); !strings.Contains(s, "state=ready") {
				t.Errorf("status %q", s)
			}
			if how == "hangup" {
				in.Close()
			} else {
				cmd.Process.Signal(syscall.SIGTERM)
			}
			ended := make(chan error, 1)
			go func() { ended <- cmd.Wait() }()
			select {
			case err := <-ended:
				if err != nil {
					t.Errorf("the node: %v", err)
				}
			case <-time.After(deadline):
				t.Fatal("the node did not end")
			}
			in.Close()
			conn.Close()
		})
	}
}

// TestAddresses: one node at several addresses, all gone at its end.
func TestAddresses(t *testing.T) {
	dir, err := os.MkdirTemp("", "l9")
	if err != nil {
		t.Fatal(err)
	}
	defer os.RemoveAll(dir)
	t.Setenv("NAMESPACE", dir)
	p := start(t, "node", "--engine", "fake", "-m", "fake:tiny", "--listen", "tcp!127.0.0.1!0", "--listen", "unix!"+dir+"/other",
		"--srv", "llama", "--socket-mode", "0640")
	addrs := []string{"unix!" + dir + "/other", "unix!" + dir + "/llama", ""}
	until(t, "the log names the port", func() bool {
		m := regexp.MustCompile(`addr=(tcp!127\.0\.0\.1!\d+)`).FindStringSubmatch(p.Out.String())
		if m != nil {
			addrs[2] = m[1]
		}
		return m != nil
	})
	for _, addr := range addrs {
		until(t, addr+" answers", func() bool {
			fs, err := mnt.Dial(context.Background(), addr, mnt.Options{})
			if err == nil {
				fs.Close()
			}
			return err == nil
		})
		if got := command(t, "", "run", "-a", addr, "-n", "3", "hello"); got == "" {
			t.Errorf("no answer at %s", addr)
		}
	}
	fi, err := os.Stat(filepath.Join(dir, "llama"))
	if err != nil || fi.Mode().Perm() != 0o640 {
		t.Errorf("the socket: %v, %v", fi, err)
	}
	p.stop(t)
	if left, _ := os.ReadDir(dir); len(left) > 0 {
		t.Errorf("left behind: %v", left)
	}
	if fs, err := mnt.Dial(context.Background(), addrs[2], mnt.Options{}); err == nil {
		fs.Close()
		t.Errorf("%s still answers", addrs[2])
	}
}
