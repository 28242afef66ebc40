//go:build linux

package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"
)

// daemon runs serve in a process of its own and returns when the mount is
// live, or with what that process said before it failed.
func (m *mountFlags) daemon(ctx context.Context) error {
	self, err := os.Executable()
	if err != nil {
		return err
	}
	r, w, err := os.Pipe()
	if err != nil {
		return err
	}
	defer r.Close()
	args := []string{"mount", "--type=fuse", "--foreground", "--ready-fd=3", "--nonempty", "--timeout=" + m.timeout.String(), "--aname=" + m.aname}
	if m.command != "" {
		args = append(args, "--command="+m.command)
	} else {
		args = append(args, "--addr="+m.address())
	}
	if m.readOnly {
		args = append(args, "--read-only")
	}
	if m.allowOther {
		args = append(args, "--allow-other")
	}
	cmd := exec.Command(self, append(args, "--", m.dir)...)
	cmd.ExtraFiles = []*os.File{w}
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	stderr, err := cmd.StderrPipe()
	if err != nil {
		w.Close()
		return err
	}
	err = cmd.Start()
	w.Close()
	if err != nil {
		return err
	}
	stop := context.AfterFunc(ctx, func() { cmd.Process.Signal(syscall.SIGTERM) })
	defer stop()
	if word, _ := io.ReadAll(r); string(word) == readyWord {
		return nil // and the process lives on
	}
	said, _ := io.ReadAll(stderr)
	err = cmd.Wait()
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	if text := strings.TrimPrefix(strings.TrimSpace(string(said)), "llama9: "); text != "" {
		return errors.New(text)
	}
	return fmt.Errorf("the process that was to serve the mount: %w", err)
}

const readyWord = "mounted\n"

// ready lets go of who started us, and tells him.
func (m *mountFlags) ready() error {
	null, err := os.OpenFile("/dev/null", os.O_RDWR, 0)
	if err != nil {
		return err
	}
	defer null.Close()
	for fd := range 3 {
		if err := unix.Dup3(int(null.Fd()), fd, 0); err != nil {
			return os.NewSyscallError("dup3", err)
		}
	}
	if err := os.Chdir("/"); err != nil {
		return err
	}
	f := os.NewFile(uintptr(m.readyFD), "ready")
	_, err = f.WriteString(readyWord)
	return errors.Join(err, f.Close())
}
