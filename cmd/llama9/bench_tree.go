package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"time"

	"llama9/mnt"
	"llama9/ninep"
)

// A tree is a node in a process of its own, and the clients of a benchmark: a
// connection for each session, as users have.
type tree struct {
	b     *benchmark
	addr  string
	cmd   *exec.Cmd
	ended chan error // gets the process's end
	log   bytes.Buffer
	conns []*mnt.Fsys
}

// startTree starts this program as a node and waits until it answers.
func startTree(ctx context.Context, b *benchmark, dir string) (*tree, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	sessions := 0
	for _, n := range b.sessions {
		sessions = max(sessions, n)
	}
	t := &tree{b: b, addr: "unix!" + filepath.Join(dir, "node"), ended: make(chan error, 1)}
	args := []string{"node", "-m", b.file, "--listen", t.addr, "--parallel", strconv.Itoa(sessions),
		"--ctx-size", strconv.Itoa(b.nctx()), "--threads", strconv.Itoa(b.threads), "--engine", b.engine.engine}
	if b.engine.lib != "" {
		args = append(args, "--llama-lib", b.engine.lib)
	}
	t.cmd = exec.Command(self, args...)
	t.cmd.Stdout, t.cmd.Stderr = &t.log, &t.log
	if err := t.cmd.Start(); err != nil {
		return nil, err
	}
	go func() { t.ended <- t.cmd.Wait() }() // stop takes it
	for {
		fs, err := mnt.Dial(ctx, t.addr, mnt.Options{})
		if err == nil {
			t.conns = append(t.conns, fs)
			break
		}
		select {
		case err := <-t.ended:
			t.ended <- err
			return nil, fmt.Errorf("the node ended: %v: %s", err, bytes.TrimSpace(t.log.Bytes()))
		case <-ctx.Done():
			t.stop()
			return nil, context.Cause(ctx)
		case <-time.After(20 * time.Millisecond):
		}
	}
	for len(t.conns) < sessions {
		fs, err := mnt.Dial(ctx, t.addr, mnt.Options{})
		if err != nil {
			t.stop()
			return nil, err
		}
		t.conns = append(t.conns, fs)
	}
	return t, nil
}

// stop hangs up and ends the node.
func (t *tree) stop() {
	for _, fs := range t.conns {
		fs.Close()
	}
	t.cmd.Process.Signal(os.Interrupt)
	select {
	case <-t.ended:
	case <-time.After(10 * time.Second):
		t.cmd.Process.Kill()
		<-t.ended
	}
}

// A benchSession is one of the node's, by a connection of its own.
type benchSession struct {
	fs *mnt.Fsys
	id string
}

// open makes a session whose turns are of predict tokens.
func (t *tree) open(ctx context.Context, fs *mnt.Fsys, predict int) (*benchSession, error) {
	n, err := fs.ReadFile(ctx, "infer/new")
	if err != nil {
		return nil, err
	}
	s := &benchSession{fs, strings.TrimSpace(string(n))}
	p := t.b.params()
	ctl := fmt.Sprintf("temperature %v\nseed %d\nignore_eos on\ncache_prompt off\ntemplate none\nn_predict %d\n",
		p.Temperature, p.Seed, predict)
	return s, fs.WriteFile(ctx, s.file("ctl"), []byte(ctl))
}

func (s *benchSession) file(name string) string { return "infer/" + s.id + "/" + name }

func (s *benchSession) close(ctx context.Context) error {
	return s.fs.WriteFile(ctx, s.file("ctl"), []byte("close\n"))
}

// turn commits text and reads its answer to the end. It says when the first
// bytes of it were there.
func (s *benchSession) turn(ctx context.Context, text string) (first time.Time, err error) {
	out, err := mnt.SayTurn(ctx, s.fs, s.id, "", []byte(text))
	if err != nil {
		return first, err
	}
	defer out.Close()
	buf := make([]byte, 8192)
	for {
		n, err := out.Read(ctx, buf)
		if n > 0 && first.IsZero() {
			first = time.Now()
		}
		if errors.Is(err, io.EOF) {
			return first, nil
		}
		if err != nil {
			return first, err
		}
	}
}

// check says whether the last turn was the one that was asked for.
func (s *benchSession) check(ctx context.Context, p prompt, predict int) error {
	status, err := s.fs.ReadFile(ctx, s.file("status"))
	if err != nil {
		return err
	}
	want := map[string]string{"state": "done", "prompt_tokens": strconv.Itoa(len(p.ids)), "cached_tokens": "0", "tokens": strconv.Itoa(predict)}
	for _, field := range strings.Fields(string(status)) {
		name, value, _ := strings.Cut(field, "=")
		if w, ok := want[name]; ok && w != value {
			return fmt.Errorf("%s: %s, want %s=%s", s.file("status"), field, name, w)
		}
	}
	return nil
}

// run answers prompts at once, a session each, from the first commit to the
// last byte. Sessions are made before, and looked at after.
func (t *tree) run(ctx context.Context, ps []prompt, predict int) (time.Duration, error) {
	ss := make([]*benchSession, len(ps))
	for i := range ps {
		var err error
		if ss[i], err = t.open(ctx, t.conns[i], predict); err != nil {
			return 0, err
		}
		defer ss[i].close(ctx)
	}
	var wait sync.WaitGroup
	errs := make([]error, len(ps))
	began := time.Now()
	for i, p := range ps {
		wait.Go(func() { _, errs[i] = ss[i].turn(ctx, p.text) })
	}
	wait.Wait()
	took := time.Since(began)
	if err := errors.Join(errs...); err != nil {
		return 0, err
	}
	for i, p := range ps {
		if err := ss[i].check(ctx, p, predict); err != nil {
			return 0, err
		}
	}
	return took, nil
}

// first is the time from the commit of p to its first token.
func (t *tree) first(ctx context.Context, p prompt) (time.Duration, error) {
	s, err := t.open(ctx, t.conns[0], 1)
	if err != nil {
		return 0, err
	}
	defer s.close(ctx)
	began := time.Now()
	first, err := s.turn(ctx, p.text)
	if err == nil && first.IsZero() {
		err = fmt.Errorf("no token came")
	}
	return first.Sub(began), err
}

// roundTrips counts what a user turn of one token sends, and how often its
// client waited for an answer before it sent more.
func (t *tree) roundTrips(ctx context.Context) (trips, error) {
	var c trips
	var mu sync.Mutex
	waited := true
	fs, err := mnt.Dial(ctx, t.addr, mnt.Options{Trace: func(dir string, _ *ninep.Fcall) {
		mu.Lock()
		defer mu.Unlock()
		if dir == "->" {
			waited = true
			return
		}
		c.Messages++
		if waited {
			c.Rounds++
		}
		waited = false
	}})
	if err != nil {
		return c, err
	}
	defer fs.Close()
	s, err := t.open(ctx, fs, 1)
	if err != nil {
		return c, err
	}
	mu.Lock()
	c = trips{}
	mu.Unlock()
	_, err = s.turn(ctx, "in the beginning")
	mu.Lock()
	defer mu.Unlock()
	return c, err
}

// idleCPU is the processor time, in milliseconds a second, that the node
// spends while nothing is asked of it.
func (t *tree) idleCPU(ctx context.Context, interval time.Duration) (float64, error) {
	before, err := cpuTime(t.cmd.Process.Pid)
	if err != nil {
		return 0, err
	}
	began := time.Now()
	select {
	case <-time.After(interval):
	case <-ctx.Done():
		return 0, context.Cause(ctx)
	}
	after, err := cpuTime(t.cmd.Process.Pid)
	return (after - before).Seconds() * 1000 / time.Since(began).Seconds(), err
}

// cpuTime is what a process has spent of the processors. See schedstat in
// proc_pid(5); each task has one, in nanoseconds.
func cpuTime(pid int) (time.Duration, error) {
	tasks, err := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/schedstat", pid))
	if err != nil || len(tasks) == 0 {
		return 0, fmt.Errorf("no processor times of process %d", pid)
	}
	var sum time.Duration
	for _, name := range tasks {
		data, err := os.ReadFile(name)
		if err != nil {
			continue // a thread that has ended
		}
		var ns time.Duration
		if _, err := fmt.Sscan(string(data), &ns); err != nil {
			return 0, err
		}
		sum += ns
	}
	return sum, nil
}
