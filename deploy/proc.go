package deploy

import (
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"runtime"
	"time"
)

// A proc is the process of a node: an isolate. It is in a process group of its
// own, gets the parent-death signal where there is one, and holds the end of a
// pipe whose other end ends with this process: that is how it knows.
type proc struct {
	cmd    *exec.Cmd
	pipe   *os.File // our end
	addr   string   // where it listens
	group  string   // its control group, "" none
	exited chan struct{}
	why    string // once exited is closed
}

// A spawner starts processes from one thread, which lives as long as they may:
// the parent-death signal comes when the thread that made a child ends.
type spawner struct {
	work chan func()
	end  chan struct{}
}

func newSpawner() *spawner {
	s := &spawner{make(chan func()), make(chan struct{})}
	go func() {
		runtime.LockOSThread() // never unlocked: the thread ends with this
		for {
			select {
			case f := <-s.work:
				f()
			case <-s.end:
				return
			}
		}
	}()
	return s
}

// close ends the thread. No child is left.
func (s *spawner) close() { close(s.end) }

// exitFD is the descriptor of the pipe in a child, the first after the
// standard ones.
const exitFD = 3

// start starts a node. What it prints goes to out.
func (s *spawner) start(program string, spec *Spec, group string, out io.Writer) (*proc, error) {
	theirs, ours, err := os.Pipe()
	if err != nil {
		return nil, err
	}
	defer theirs.Close()
	args := append(spec.Args[:len(spec.Args):len(spec.Args)], "--exit-with", fmt.Sprint(exitFD))
	p := &proc{cmd: exec.Command(program, args...), pipe: ours, addr: spec.Addr, group: group, exited: make(chan struct{})}
	p.cmd.Env = append(os.Environ(), spec.Env...)
	p.cmd.Stdout, p.cmd.Stderr = out, out
	p.cmd.ExtraFiles = []*os.File{theirs}
	p.cmd.WaitDelay = time.Second
	done := make(chan error, 1)
	s.work <- func() { done <- startIsolate(p.cmd, spec, group) }
	if err := <-done; err != nil {
		ours.Close()
		return nil, err
	}
	go func() {
		err := p.cmd.Wait()
		killGroup(p.cmd.Process) // what it may have left
		ours.Close()
		p.why = "exit status 0"
		if exit, ok := errors.AsType[*exec.ExitError](err); ok {
			p.why = exit.ProcessState.String()
		} else if err != nil && !errors.Is(err, exec.ErrWaitDelay) {
			p.why = err.Error()
		}
		close(p.exited)
	}()
	return p, nil
}

func (p *proc) pid() int { return p.cmd.Process.Pid }
