package tests

import (
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"llama9/mnt"
	"llama9/styxfs"
)

// A deployment is one that runs for a test.
type deployment struct {
	t    *testing.T
	dir  string // of all that it has
	file string
	addr string // of the cluster
	p    *process
	fs   *mnt.Fsys
}

// deployDirs points what deployments keep to a directory of the test's own,
// whose path is short enough for sockets.
func deployDirs(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "l9")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	t.Setenv("XDG_RUNTIME_DIR", dir)
	t.Setenv("XDG_STATE_HOME", filepath.Join(dir, "state"))
	return dir
}

// deployConfig is a configuration with the fake engine. rest is more of it.
func deployConfig(dir, model string, count int, rest string) string {
	return fmt.Sprintf(`name: lab
engine: fake
network:
  listen: ["unix!%s/lab"]
models:
  - {name: tiny, file: %q}
nodes:
  - {name: node, count: %d}
%s`, dir, model, count, rest)
}

// deploy starts a deployment, in the foreground, and waits until its nodes are
// ready if wait is.
func deploy(t *testing.T, model string, count int, rest string, wait bool) *deployment {
	t.Helper()
	return deployWith(t, "", "", model, count, rest, wait)
}

// deployWith is deploy with a text of the configuration replaced.
func deployWith(t *testing.T, old, text, model string, count int, rest string, wait bool) *deployment {
	t.Helper()
	dir := deployDirs(t)
	d := &deployment{t: t, dir: dir, file: filepath.Join(dir, "lab.yaml"), addr: "unix!" + dir + "/lab"}
	d.write(strings.Replace(deployConfig(dir, model, count, rest), old, text, 1))
	d.start(wait)
	return d
}

func (d *deployment) write(config string) {
	d.t.Helper()
	if err := os.WriteFile(d.file, []byte(config), 0o600); err != nil {
		d.t.Fatal(err)
	}
}

func (d *deployment) start(wait bool) {
	d.t.Helper()
	d.p = start(d.t, "deploy", "start", "-f", d.file)
	until(d.t, "the deployment answers", func() bool {
		select {
		case <-d.p.ended:
			d.t.Fatalf("the deployment ended: %v\n%s", d.p.err, &d.p.out)
		default:
		}
		fs, err := mnt.Dial(context.Background(), d.addr, mnt.Options{})
		d.fs = fs
		return err == nil
	})
	d.t.Cleanup(func() { d.fs.Close() })
	if wait {
		until(d.t, "the nodes are ready", func() bool { return d.whole("state") == "running" })
	}
}

// startOut is start with the standard output in out, too.
func startOut(t *testing.T, args ...string) *process {
	t.Helper()
	return startOutWith(t, nil, args...)
}

// startOutWith is startOut with f as descriptor 3.
func startOutWith(t *testing.T, f *os.File, args ...string) *process {
	t.Helper()
	p := &process{cmd: exec.Command(program, args...), ended: make(chan struct{})}
	if f != nil {
		p.cmd.ExtraFiles = []*os.File{f}
	}
	p.cmd.Stdout, p.cmd.Stderr = &p.out, &p.out
	if err := p.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	go func() {
		p.err = p.cmd.Wait()
		close(p.ended)
	}()
	t.Cleanup(func() {
		p.cmd.Process.Kill()
		<-p.ended
	})
	return p
}

// status is deploy/status: the whole, then the nodes.
func (d *deployment) status() [][]styxfs.Attr {
	d.t.Helper()
	var all [][]styxfs.Attr
	for line := range strings.Lines(readFile(d.t, d.fs, "deploy/status")) {
		attrs, err := styxfs.ParseAttrs(line)
		if err != nil {
			d.t.Fatal(err)
		}
		all = append(all, attrs)
	}
	return all
}

func (d *deployment) whole(name string) string {
	d.t.Helper()
	return styxfs.FindAttr(d.status()[0], name)
}

// node gives an attribute of a node, "" if there is no such node.
func (d *deployment) node(node, name string) string {
	d.t.Helper()
	for _, n := range d.status()[1:] {
		if styxfs.FindAttr(n, "node") == node {
			return styxfs.FindAttr(n, name)
		}
	}
	return ""
}

// pids are those of the nodes' processes.
func (d *deployment) pids() []int {
	d.t.Helper()
	var l []int
	for _, n := range d.status()[1:] {
		if pid, err := strconv.Atoi(styxfs.FindAttr(n, "pid")); err == nil {
			l = append(l, pid)
		}
	}
	return l
}

// do runs a command of the deployment.
func (d *deployment) do(args ...string) string {
	d.t.Helper()
	return command(d.t, "", append([]string{"deploy", args[0], "--file", d.file}, args[1:]...)...)
}

// refused runs one that must fail, and gives what it says.
func (d *deployment) refused(args ...string) string {
	d.t.Helper()
	return refused(d.t, append([]string{"deploy", args[0], "--file", d.file}, args[1:]...)...)
}

func refused(t *testing.T, args ...string) string {
	t.Helper()
	out, err := exec.Command(program, args...).CombinedOutput()
	if err == nil {
		t.Fatalf("llama9 %s: no error\n%s", strings.Join(args, " "), out)
	}
	return string(out)
}

// gone waits until none of the processes is, and looks for what they left.
func (d *deployment) gone(pids []int) {
	d.t.Helper()
	until(d.t, "no process is left", func() bool {
		for _, pid := range pids {
			if alive(pid) {
				return false
			}
		}
		return true
	})
}

// alive says whether a process is there, and no zombie.
func alive(pid int) bool {
	if syscall.Kill(pid, 0) != nil {
		return false
	}
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return !os.IsNotExist(err)
	}
	_, rest, _ := strings.Cut(string(b), ") ")
	return !strings.HasPrefix(rest, "Z")
}

// sockets are the sockets that are left.
func (d *deployment) sockets() []string {
	var l []string
	filepath.WalkDir(d.dir, func(path string, e os.DirEntry, err error) error {
		if err == nil && e.Type() == os.ModeSocket {
			l = append(l, path)
		}
		return nil
	})
	return l
}

// ask makes a turn and gives its answer.
func (d *deployment) ask(settings, prompt string) (string, error) {
	fs, err := mnt.Dial(context.Background(), d.addr, mnt.Options{})
	if err != nil {
		return "", err
	}
	defer fs.Close()
	return askAt(fs, settings, prompt)
}

func askAt(fs *mnt.Fsys, settings, prompt string) (string, error) {
	ctx, cancel := context.WithTimeout(context.Background(), deadline)
	defer cancel()
	turn, err := mnt.StartTurn(ctx, fs, settings, []byte(prompt))
	if err != nil {
		return "", err
	}
	defer fs.Remove(ctx, "infer/"+turn.ID)
	defer turn.Close()
	var b strings.Builder
	buf := make([]byte, 4096)
	for {
		n, err := turn.Read(ctx, buf)
		b.Write(buf[:n])
		if err == io.EOF {
			return b.String(), nil
		}
		if err != nil {
			return b.String(), err
		}
	}
}

// A crowd asks without end, and wants the same answer each time.
type crowd struct {
	turns atomic.Int64
	end   chan struct{}
	all   sync.WaitGroup
}

// crowdSettings are those of a crowd: the fake engine then gives the same text
// wherever a turn runs, and goes on.
const crowdSettings = "seed 7\nn_predict 40\nignore_eos on\n"

func (d *deployment) crowd(n int) *crowd {
	d.t.Helper()
	want, err := d.ask(crowdSettings, "hello")
	if err != nil || want == "" {
		d.t.Fatalf("%q, %v", want, err)
	}
	c := &crowd{end: make(chan struct{})}
	for range n {
		c.all.Go(func() {
			fs, err := mnt.Dial(context.Background(), d.addr, mnt.Options{})
			if err != nil {
				d.t.Error(err)
				return
			}
			defer fs.Close()
			for {
				select {
				case <-c.end:
					return
				default:
				}
				if got, err := askAt(fs, crowdSettings, "hello"); err != nil || got != want {
					d.t.Errorf("a turn failed: %v\n got  %q\n want %q", err, got, want)
					return
				}
				c.turns.Add(1)
			}
		})
	}
	return c
}

// more waits until so many further turns were answered.
func (c *crowd) more(t *testing.T, n int64) {
	t.Helper()
	from := c.turns.Load()
	until(t, "turns are answered", func() bool { return c.turns.Load() >= from+n || t.Failed() })
}

func (c *crowd) stop() {
	close(c.end)
	c.all.Wait()
}

// ends waits for the end of the deployment's process.
func (d *deployment) ends() error {
	d.t.Helper()
	select {
	case <-d.p.ended:
	case <-time.After(deadline):
		d.t.Fatal("the deployment does not end")
	}
	return d.p.err
}
