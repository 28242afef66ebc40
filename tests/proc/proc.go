// Package proc builds llama9 and runs it, for tests of the whole program.
package proc

import (
	"bytes"
	"fmt"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
)

// Build makes llama9 in dir, with more flags for go build, and gives its path.
func Build(dir string, flags ...string) (path string, err error) {
	path = filepath.Join(dir, "llama9")
	args := append(append([]string{"build", "-o", path}, flags...), "llama9/cmd/llama9")
	if out, err := exec.Command("go", args...).CombinedOutput(); err != nil {
		return "", fmt.Errorf("go build: %v\n%s", err, out)
	}
	return path, nil
}

// A Process is a program that runs.
type Process struct {
	Cmd   *exec.Cmd
	Ended chan struct{} // closed when Err is set
	Err   error
	Out   Log // its standard error
}

// Command is a process that is not started yet.
func Command(path string, args ...string) *Process {
	p := &Process{Cmd: exec.Command(path, args...), Ended: make(chan struct{})}
	p.Cmd.Stderr = &p.Out
	return p
}

// Start starts p. It is killed at the test's end, and what it has said is told
// if the test has failed.
func (p *Process) Start(t testing.TB) {
	t.Helper()
	if err := p.Cmd.Start(); err != nil {
		t.Fatal(err)
	}
	go func() {
		p.Err = p.Cmd.Wait()
		close(p.Ended)
	}()
	t.Cleanup(func() {
		p.Cmd.Process.Kill()
		<-p.Ended
		if t.Failed() {
			t.Logf("llama9 %s: %v\n%s", strings.Join(p.Cmd.Args[1:], " "), p.Err, &p.Out)
		}
	})
}

// A Log is written by one and read by another.
type Log struct {
	mu sync.Mutex
	b  bytes.Buffer
}

// Write adds to the log.
func (l *Log) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

// String gives what was written so far.
func (l *Log) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}
