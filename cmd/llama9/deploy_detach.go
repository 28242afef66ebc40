package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"time"

	"llama9/mnt"
	"llama9/styxfs"
)

// background starts the deployment as a process of its own, in a session of
// its own, and returns when its nodes are ready, or it has ended.
func (d *deployStart) background(ctx context.Context, out io.Writer) error {
	cfg, err := deployConfig(d.file)
	if err != nil {
		return err
	}
	state, err := deployState(cfg.Name)
	if err != nil {
		return err
	}
	if err := os.MkdirAll(state, 0o700); err != nil {
		return err
	}
	said, err := os.OpenFile(filepath.Join(state, "start.log"), os.O_RDWR|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return err
	}
	defer said.Close()
	program, err := os.Executable()
	if err != nil {
		return err
	}
	args := []string{"deploy", "start", "--log-level", d.level}
	if d.verbose {
		args = append(args, "-v")
	}
	if cfg.File() != "" {
		args = append(args, "-f", cfg.File())
	}
	cmd := exec.Command(program, args...)
	cmd.Stdout, cmd.Stderr = said, said
	cmd.SysProcAttr = ownSession()
	if err := cmd.Start(); err != nil {
		return err
	}
	ended := make(chan error, 1)
	go func() { ended <- cmd.Wait() }() // it ends with the deployment, or with this process
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	settled := make(chan error, 1)
	go func() { settled <- deployUp(ctx, deploySocket(cfg.Name), cmd.Process.Pid) }()
	select {
	case err := <-settled:
		if err != nil {
			return err
		}
	case err := <-ended:
		return fmt.Errorf("the deployment ended: %w\n%s", err, tail(said))
	}
	_, err = fmt.Fprintf(out, "%s runs at %s (process %d)\n", cfg.Name, cfg.Network.Listen[0], cmd.Process.Pid)
	return err
}

// deployUp waits until the deployment of process pid answers at addr, and its
// nodes are ready.
func deployUp(ctx context.Context, addr string, pid int) error {
	for {
		fs, err := mnt.Dial(ctx, addr, mnt.Options{})
		if err == nil {
			defer fs.Close()
			if all, err := readStatus(ctx, fs); err == nil && styxfs.FindAttr(all[0], "pid") == strconv.Itoa(pid) {
				return deploySettled(ctx, fs)
			}
			fs.Close()
		}
		select {
		case <-time.After(20 * time.Millisecond):
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}

// tail gives the end of what a process has said.
func tail(f *os.File) string {
	const most = 2 << 10
	fi, err := f.Stat()
	if err != nil {
		return ""
	}
	buf := make([]byte, most)
	n, err := f.ReadAt(buf, max(0, fi.Size()-most))
	if err != nil && !errors.Is(err, io.EOF) {
		return ""
	}
	return string(buf[:n])
}
