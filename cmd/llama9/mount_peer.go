//go:build linux

package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"strings"
	"sync/atomic"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// peerTime is how long a command may take to end once its input has.
const peerTime = 3 * time.Second

// A peer is a command that speaks 9P on its standard input and output, and
// our end of the socket that they both are.
type peer struct {
	*net.UnixConn
	cmd    *exec.Cmd
	said   *os.File // its standard error
	done   chan struct{}
	killed atomic.Bool // by us
}

// startPeer runs a shell command in a session of its own: it outlives us, if
// the kernel has the socket.
func startPeer(command string) (*peer, error) {
	pair, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return nil, os.NewSyscallError("socketpair", err)
	}
	ours, theirs := os.NewFile(uintptr(pair[0]), "socketpair"), os.NewFile(uintptr(pair[1]), "socketpair")
	defer theirs.Close()
	defer ours.Close()
	c, err := net.FileConn(ours)
	if err != nil {
		return nil, err
	}
	said, err := os.CreateTemp("", "llama9-command-")
	if err != nil {
		c.Close()
		return nil, err
	}
	os.Remove(said.Name())
	p := &peer{UnixConn: c.(*net.UnixConn), cmd: exec.Command("/bin/sh", "-c", command), said: said, done: make(chan struct{})}
	p.cmd.Stdin, p.cmd.Stdout, p.cmd.Stderr = theirs, theirs, said
	p.cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	if err := p.cmd.Start(); err != nil {
		c.Close()
		said.Close()
		return nil, err
	}
	go func() {
		p.cmd.Wait()
		close(p.done)
	}()
	return p, nil
}

// file is our end as the kernel wants it: a descriptor that blocks.
func (p *peer) file() (*os.File, error) {
	f, err := p.UnixConn.File()
	if err != nil {
		return nil, err
	}
	p.UnixConn.Close()
	if err := unix.SetNonblock(int(f.Fd()), false); err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return f, nil
}

// kill ends the command, and what it started.
func (p *peer) kill() {
	select {
	case <-p.done: // its number may be another's by now
	default:
		p.killed.Store(true)
		unix.Kill(-p.cmd.Process.Pid, unix.SIGKILL)
	}
}

// end waits for the command, whose input has ended, and gives what it
// complained of. One that does not end is killed.
func (p *peer) end() (said string) {
	ctx, cancel := context.WithTimeout(context.Background(), peerTime)
	defer cancel()
	select {
	case <-p.done:
		if st := p.cmd.ProcessState; !st.Success() && !p.killed.Load() {
			said = st.String()
		}
	case <-ctx.Done():
		p.kill()
		<-p.done
	}
	defer p.said.Close()
	b := make([]byte, 4<<10)
	n, _ := p.said.ReadAt(b, 0)
	if text := strings.TrimSpace(string(b[:n])); text != "" {
		said = text
	}
	return said
}

// failed is the error of a peer that did not come to be of use: it says best
// why.
func (p *peer) failed(err error) error {
	p.UnixConn.Close()
	if said := p.end(); said != "" {
		return fmt.Errorf("--command: %s: %s (%w)", p.cmd.Args[2], said, err)
	}
	return fmt.Errorf("--command: %s: %w", p.cmd.Args[2], err)
}
