package tests

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"

	"llama9/mnt"
	"llama9/node/llama"
	"llama9/tests/proc"
)

var (
	buildFlags []string // -race, if the tests have it
	program    string   // the llama9 that is tested
)

func TestMain(m *testing.M) {
	os.Exit(testMain(m))
}

func testMain(m *testing.M) int {
	if os.Getenv("LLAMA9_TEST_HELPER") != "" { // see TestHelper, which needs no llama9
		return m.Run()
	}
	dir, err := os.MkdirTemp("", "llama9-tests-")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer os.RemoveAll(dir)
	if program, err = proc.Build(dir, buildFlags...); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	os.Setenv("PATH", dir+string(os.PathListSeparator)+os.Getenv("PATH"))
	os.Unsetenv("LLAMA9_ADDR")
	return m.Run()
}

// library gives the directory of llama.cpp's libraries. Without them the test
// is skipped, but where nothing may be it fails.
func library(t testing.TB) string {
	t.Helper()
	dir, err := llama.Find("")
	if err != nil {
		msg := fmt.Sprintf("LEFT OUT, %v: llama9 engine install", err)
		if os.Getenv("CI") == "true" {
			t.Fatal(msg)
		}
		t.Skip(msg)
	}
	return dir
}

// deadline is how long anything may take that happens by itself. It is never
// waited for where all is well.
const deadline = 60 * time.Second

// A process is a llama9 that runs.
type process struct{ *proc.Process }

// start runs the program. It is killed at the test's end.
func start(t testing.TB, args ...string) *process {
	t.Helper()
	return startAs(t, nil, args...)
}

func startAs(t testing.TB, attr *syscall.SysProcAttr, args ...string) *process {
	t.Helper()
	p := &process{proc.Command(program, args...)}
	p.Cmd.SysProcAttr = attr
	p.Start(t)
	return p
}

// stop interrupts p and waits for its end.
func (p *process) stop(t testing.TB) {
	t.Helper()
	p.Cmd.Process.Signal(syscall.SIGINT)
	select {
	case <-p.Ended:
		if p.Err != nil {
			t.Errorf("llama9 after an interrupt: %v\n%s", p.Err, &p.Out)
		}
	case <-time.After(deadline):
		t.Fatal("an interrupt did not end llama9")
	}
}

// serve starts a node on a Unix socket and gives its address and its tree,
// once the model is loaded.
func serve(t testing.TB, args ...string) (addr string, fs *mnt.Fsys, p *process) {
	t.Helper()
	dir, err := os.MkdirTemp("", "l9") // a socket's path is short
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	addr = "unix!" + dir + "/node"
	p = start(t, append([]string{"node", "--listen", addr}, args...)...)
	fs = p.dial(t, addr)
	until(t, "the model is loaded", func() bool { return strings.Contains(readFile(t, fs, "model"), " state=loaded ") })
	return addr, fs, p
}

// dial gives the tree that p serves at addr, once it does.
func (p *process) dial(t testing.TB, addr string) (fs *mnt.Fsys) {
	t.Helper()
	until(t, "it answers", func() (ok bool) {
		select {
		case <-p.Ended:
			t.Fatalf("llama9 ended: %v\n%s", p.Err, &p.Out)
		default:
		}
		var err error
		fs, err = mnt.Dial(context.Background(), addr, mnt.Options{})
		return err == nil
	})
	t.Cleanup(func() { fs.Close() })
	return fs
}

// until tries again until ok, for at most the deadline.
func until(t testing.TB, what string, ok func() bool) {
	t.Helper()
	for end := time.Now().Add(deadline); !ok(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("in vain: %s", what)
		}
	}
}

func readFile(t testing.TB, fs *mnt.Fsys, path string) string {
	t.Helper()
	b, err := fs.ReadFile(t.Context(), path)
	if err != nil {
		t.Fatalf("read %s: %v", path, err)
	}
	return string(b)
}

func writeFile(t testing.TB, fs *mnt.Fsys, path, text string) {
	t.Helper()
	if err := fs.WriteFile(t.Context(), path, []byte(text)); err != nil {
		t.Fatalf("write %s: %v", path, err)
	}
}

// attr gives an attribute of a status.
func attr(t testing.TB, status, name string) string {
	t.Helper()
	m := regexp.MustCompile(`(?:^| )` + regexp.QuoteMeta(name) + `=(\S*)`).FindStringSubmatch(status)
	if m == nil {
		t.Fatalf("no %s= in %q", name, status)
	}
	return m[1]
}

// command runs the program to its end and gives its standard output.
func command(t testing.TB, stdin string, args ...string) string {
	t.Helper()
	cmd := exec.Command(program, args...)
	cmd.Stdin = strings.NewReader(stdin)
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("llama9 %s: %v\n%s", strings.Join(args, " "), err, &stderr)
	}
	return string(out)
}
