package tests

import (
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"llama9/mnt"
	"llama9/ninep"
)

// kill ends p as nothing else does.
func (p *process) kill(t testing.TB) {
	t.Helper()
	if err := p.cmd.Process.Signal(syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	select {
	case <-p.ended:
	case <-time.After(deadline):
		t.Fatal("a process outlives SIGKILL")
	}
}

// A stream is the out of a turn, of which some is read.
type stream struct {
	dir  string
	text []byte
}

// read reads on from where the stream is, until it has n bytes or its end.
func (s *stream) read(t testing.TB, fs *mnt.Fsys, n int) {
	t.Helper()
	f, err := fs.Open(t.Context(), s.dir+"/out", ninep.OREAD)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Forget()
	buf := make([]byte, 512)
	for n < 0 || len(s.text) < n {
		m, err := f.ReadAt(t.Context(), buf, int64(len(s.text)))
		s.text = append(s.text, buf[:m]...)
		if err != nil && err != io.EOF {
			t.Fatal(err)
		}
		if m == 0 {
			return
		}
	}
}

// begin makes a session of a seed, with a turn.
func begin(t testing.TB, fs *mnt.Fsys, seed int) *stream {
	t.Helper()
	s := &stream{dir: "infer/" + strings.TrimSpace(readFile(t, fs, "infer/new"))}
	writeFile(t, fs, s.dir+"/ctl", fmt.Sprintf("seed %d\nn_predict 60\nignore_eos on\n", seed))
	writeFile(t, fs, s.dir+"/prompt", "Call me Ishmael.")
	return s
}

// TestRestart: sessions outlive kill -9 of the node in the middle of their
// turns, at several tokens, and an interrupt; who reads on from his offset has
// the answer of a node that was never killed.
func TestRestart(t *testing.T) {
	node := []string{"--engine", "fake", "-m", "fake:talk,step=2ms", "-np", "4"}
	_, fs, _ := serve(t, node...)
	const streams = 4
	want := make([]string, streams)
	for i := range want {
		s := begin(t, fs, i)
		s.read(t, fs, -1)
		want[i] = string(s.text)
		if len(want[i]) < 100 {
			t.Fatalf("an answer of %d bytes: %q", len(want[i]), want[i])
		}
	}
	keep := append(node, "--state", filepath.Join(t.TempDir(), "state"))
	addr, fs, p := serve(t, keep...)
	if s := readFile(t, fs, "status"); attr(t, s, "journal") != "on" {
		t.Fatalf("status %s", s)
	}
	ended := begin(t, fs, 0)
	ended.read(t, fs, -1)
	chat, status := readFile(t, fs, ended.dir+"/chat"), readFile(t, fs, ended.dir+"/status")
	var all []*stream
	for i := range want {
		all = append(all, begin(t, fs, i))
	}
	// Read a byte, some tokens, more ... and nothing between two kills.
	for _, n := range []int{0, 1, 7, 20, 20, 60, 99} {
		for _, s := range all {
			s.read(t, fs, n)
		}
		if n == 20 {
			p.stop(t)
		} else {
			p.kill(t)
		}
		fs.Close()
		addr, fs, p = serve(t, keep...)
	}
	for i, s := range all {
		s.read(t, fs, -1)
		if string(s.text) != want[i] {
			t.Errorf("stream %d is\n%q, without a kill\n%q", i, s.text, want[i])
		}
		st := readFile(t, fs, s.dir+"/status")
		if attr(t, st, "turn") != "1" || attr(t, st, "tokens") != "60" || attr(t, st, "reason") != "limit" || attr(t, st, "state") != "done" {
			t.Errorf("stream %d: %s", i, st)
		}
		if out := readFile(t, fs, s.dir+"/out"); out != want[i] {
			t.Errorf("stream %d: read again it is %q", i, out)
		}
		if n := strings.Count(readFile(t, fs, s.dir+"/token"), "\n"); n != 60 {
			t.Errorf("stream %d has %d tokens", i, n)
		}
	}
	if now := readFile(t, fs, ended.dir+"/chat"); now != chat {
		t.Errorf("chat %q, was %q", now, chat)
	}
	if now := readFile(t, fs, ended.dir+"/status"); now != status {
		t.Errorf("status %q, was %q", now, status)
	}
	if next := begin(t, fs, 0); next.dir <= all[streams-1].dir {
		t.Errorf("%s comes after %s", next.dir, all[streams-1].dir)
	}

	// Another process on the same directory is refused, and does no harm.
	out, err := exec.Command(program, append([]string{"node", "--listen", addr + "2"}, keep...)...).CombinedOutput()
	if err == nil || !strings.Contains(string(out), fmt.Sprintf("in use by another process, %d", p.cmd.Process.Pid)) {
		t.Errorf("a second node: %v\n%s", err, out)
	}
	for _, s := range all {
		if err := fs.Remove(context.Background(), s.dir); err != nil {
			t.Error(err)
		}
	}
	p.kill(t)
	_, fs, _ = serve(t, keep...)
	if _, err := fs.Stat(t.Context(), all[0].dir); err == nil {
		t.Error("a removed session came back")
	}
}

// TestRestartCoordinator: the same of a coordinator that is killed, whose
// nodes live on, and of one whose nodes are killed with it.
func TestRestartCoordinator(t *testing.T) {
	dir, err := os.MkdirTemp("", "l9")
	if err != nil {
		t.Fatal(err)
	}
	defer os.RemoveAll(dir)
	model := []string{"--engine", "fake", "-m", "fake:talk,step=2ms", "-np", "4"}
	_, alone, _ := serve(t, model...)
	const streams = 6
	want := make([]string, streams)
	for i := range want {
		s := begin(t, alone, i)
		s.read(t, alone, -1)
		want[i] = string(s.text)
	}

	nodes := make(map[string]*process)
	node := func(name string) {
		nodes[name] = start(t, append([]string{"node", "--listen", "unix!" + dir + "/" + name}, model...)...)
	}
	var fs *mnt.Fsys
	coordinator := func() *process {
		addr := "unix!" + dir + "/coord"
		p := start(t, "coord", "--listen", addr, "--state", dir+"/state", "--node", "a=unix!"+dir+"/a", "--node", "b=unix!"+dir+"/b")
		until(t, "the coordinator answers", func() bool {
			fs, err = mnt.Dial(context.Background(), addr, mnt.Options{})
			return err == nil
		})
		return p
	}
	node("a")
	node("b")
	c := coordinator()
	defer func() { fs.Close() }()
	if j := attr(t, readFile(t, fs, "status"), "journal"); j != "on" {
		t.Fatalf("journal=%s", j)
	}
	var all []*stream
	for i := range want {
		all = append(all, begin(t, fs, i))
	}
	for _, n := range []int{1, 15, 60} {
		for _, s := range all {
			s.read(t, fs, n)
		}
		c.kill(t)
		fs.Close()
		if n == 15 { // and all else
			nodes["a"].kill(t)
			nodes["b"].kill(t)
			node("a")
		}
		c = coordinator()
	}
	for i, s := range all {
		s.read(t, fs, -1)
		if string(s.text) != want[i] {
			t.Errorf("stream %d is\n%q, without a kill\n%q", i, s.text, want[i])
		}
		st := readFile(t, fs, s.dir+"/status")
		if attr(t, st, "turn") != "1" || attr(t, st, "tokens") != "60" || attr(t, st, "reason") != "limit" {
			t.Errorf("stream %d: %s", i, st)
		}
	}
	// A conversation goes on.
	writeFile(t, fs, all[0].dir+"/prompt", "And then?")
	next := &stream{dir: all[0].dir}
	next.read(t, fs, -1)
	if st := readFile(t, fs, next.dir+"/status"); attr(t, st, "turn") != "2" || attr(t, st, "state") != "done" || len(next.text) == 0 {
		t.Errorf("the next turn: %s", st)
	}
}
