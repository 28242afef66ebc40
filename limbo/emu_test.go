package limbo

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"llama9/tests/proc"
)

// deadline is how long anything may take that happens by itself. It is never
// waited for where all is well.
const deadline = 60 * time.Second

// built is what the tests make once: the program llama9, our modules and
// commands for Dis, and keys.
var built struct {
	dir     string
	program func() (string, error)
	dis     func() (string, error)
	keys    func() (string, error)
}

func TestMain(m *testing.M) { os.Exit(testMain(m)) }

func testMain(m *testing.M) int {
	dir, err := os.MkdirTemp("", "llama9-limbo-")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer os.RemoveAll(dir)
	built.dir = dir
	built.program = sync.OnceValues(func() (string, error) { return proc.Build(dir) })
	built.dis = sync.OnceValues(compile)
	built.keys = sync.OnceValues(makeKeys)
	return m.Run()
}

// An inferno is an emu, and the Inferno tree that it runs on.
type inferno struct{ emu, root string }

// findInferno gives the Inferno to test with. There is none in any
// distribution, so that a test without one is left out even where nothing else
// may be. (A variable called EMU would be emu's own.)
func findInferno(t *testing.T) inferno {
	t.Helper()
	i := inferno{os.Getenv("INFERNO_EMU"), os.Getenv("INFERNO_ROOT")}
	if i.emu == "" || i.root == "" {
		t.Skip("LEFT OUT, there is no Inferno: set INFERNO_EMU to an emu and INFERNO_ROOT to its tree")
	}
	return i
}

// compile makes .dis files of all of our Limbo, by the compiler in emu. A
// warning is an error.
func compile() (string, error) {
	i := inferno{os.Getenv("INFERNO_EMU"), os.Getenv("INFERNO_ROOT")}
	src, err := filepath.Abs(".")
	if err != nil {
		return "", err
	}
	dis := filepath.Join(built.dir, "dis")
	for _, d := range []string{"lib", "cmd/llama9", "cmd/test"} {
		if err := os.MkdirAll(filepath.Join(dis, d), 0o777); err != nil {
			return "", err
		}
	}
	// ours come first: the tree may have others, of another version
	var script strings.Builder
	for _, d := range []struct{ from, to string }{{".", "lib"}, {"cmd", "cmd/llama9"}, {"test", "cmd/test"}} {
		files, err := filepath.Glob(filepath.Join(d.from, "*.b"))
		if err != nil {
			return "", err
		}
		for _, f := range files {
			if b, err := os.ReadFile(f); err != nil {
				return "", err
			} else if !bytes.HasPrefix(b, []byte("implement ")) {
				continue // included by another
			}
			fmt.Fprintf(&script, "limbo -gw -I/n/local%s/module -I/module -o /n/local%s/%s/%s.dis %s\n",
				src, dis, d.to, strings.TrimSuffix(filepath.Base(f), ".b"), "/n/local"+filepath.Join(src, f))
		}
	}
	out, err := i.run(script.String())
	if err == nil && strings.TrimSpace(out) != "" {
		err = errors.New("the compiler is not silent")
	}
	if err != nil {
		return "", fmt.Errorf("limbo: %v\n%s", err, out)
	}
	return dis, nil
}

// makeKeys makes key and other, of two signers. It looks for large primes, which
// takes long on a busy machine.
func makeKeys() (string, error) {
	i := inferno{os.Getenv("INFERNO_EMU"), os.Getenv("INFERNO_ROOT")}
	out, err := i.runFor(5*deadline, strings.ReplaceAll(
		"auth/createsignerkey -k DIR/key glenda\nauth/createsignerkey -k DIR/other glenda\n", "DIR", "/n/local"+built.dir))
	if err == nil && out != "" {
		err = errors.New("it is not silent")
	}
	if err != nil {
		return "", fmt.Errorf("createsignerkey: %v\n%s", err, out)
	}
	return "/n/local" + built.dir, nil
}

// keys gives the directory of makeKeys, as emu has it.
func keys(t *testing.T) string {
	t.Helper()
	dir, err := built.keys()
	if err != nil {
		t.Fatal(err)
	}
	return dir
}

// exec runs script by Inferno's sh with our commands and modules in place, and
// gives what it prints. The script finds its arguments in $1 ...
func (i inferno) exec(t *testing.T, script string, args ...string) (string, error) {
	t.Helper()
	dis, err := built.dis()
	if err != nil {
		t.Fatal(err)
	}
	src, err := filepath.Abs(".")
	if err != nil {
		t.Fatal(err)
	}
	var set strings.Builder
	fmt.Fprintf(&set, "bind -b /n/local%s/lib /dis/lib\nbind -b /n/local%s/cmd /dis\nsrc='/n/local%s'\n", dis, dis, src)
	for n, a := range args {
		fmt.Fprintf(&set, "%c='%s'\n", 'a'+n, strings.ReplaceAll(a, "'", "''"))
	}
	return i.run(set.String() + script)
}

// run runs script by Inferno's sh, with the host's files at /n/local, /net, and
// mount points on demand in /n.
//
// Emu lives on while any of its processes does (mntgen here), so it is told to
// halt. It ends by a kill of its process group, so that its own exit status
// says nothing; the script's travels in the output. A first process that
// breaks leaves it hanging for ever.
func (i inferno) run(script string) (string, error) { return i.runFor(2*deadline, script) }

func (i inferno) runFor(d time.Duration, script string) (string, error) {
	file := filepath.Join(built.dir, fmt.Sprintf("script%d", time.Now().UnixNano()))
	if err := os.WriteFile(file, []byte(script), 0o666); err != nil {
		return "", err
	}
	defer os.Remove(file)
	ctx, cancel := context.WithTimeout(context.Background(), d)
	defer cancel()
	cmd := exec.CommandContext(ctx, i.emu, "-r"+i.root, "/dis/sh.dis", "-c", `
		load std
		bind -a '#I' /net >[2] /dev/null
		mount -ac {mntgen} /n
		bind '#U*' /n/local
		sh /n/local`+file+`
		echo inferno-status: $status
		echo halt >/dev/sysctl
	`)
	for _, e := range os.Environ() {
		if !strings.HasPrefix(e, "EMU=") { // it would be options of emu
			cmd.Env = append(cmd.Env, e)
		}
	}
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) }
	out, err := cmd.StdoutPipe()
	if err != nil {
		return "", err
	}
	cmd.Stderr = cmd.Stdout
	if err := cmd.Start(); err != nil {
		return "", err
	}
	b, _ := io.ReadAll(out)
	cmd.Wait() // always killed
	text, status, ok := strings.Cut(string(b), "inferno-status: ")
	if !ok && !strings.HasSuffix(text, "inferno-status:\n") {
		return text, fmt.Errorf("emu ended without a status (%v)", ctx.Err())
	}
	text = strings.TrimPrefix(strings.TrimSuffix(text, "inferno-status:\n"), "fs: fsqid: top-bit dev: 0xfe00\n")
	if status = strings.TrimSpace(status); status != "" {
		return text, errors.New(status)
	}
	return text, nil
}

// A server is a llama9 that listens on loopback TCP.
type server struct {
	*proc.Process
	addr    string
	stopped atomic.Bool // by the test's end
}

func (s *server) stop() {
	s.stopped.Store(true)
	s.Cmd.Process.Kill()
	<-s.Ended
}

var listening = regexp.MustCompile(`msg=listening addr=(\S+)`)

// serve starts llama9 with these arguments. It is killed at the test's end.
func serve(t *testing.T, args ...string) *server {
	t.Helper()
	program, err := built.program()
	if err != nil {
		t.Fatal(err)
	}
	s := &server{Process: proc.Command(program, append(args, "--listen", "tcp!127.0.0.1!0")...)}
	s.Start(t)
	for end := time.Now().Add(deadline); ; time.Sleep(5 * time.Millisecond) {
		if m := listening.FindStringSubmatch(s.Out.String()); m != nil {
			s.addr = m[1]
			return s
		}
		select {
		case <-s.Ended:
			t.Fatal("llama9 ended")
		default:
		}
		if time.Now().After(end) {
			t.Fatal("llama9 does not listen")
		}
	}
}

// node starts a node with a model that computes nothing; a step takes as long
// as step says.
func node(t *testing.T, step string) *server {
	t.Helper()
	return serve(t, "node", "--engine", "fake", "-m", "fake:tiny,step="+step)
}
