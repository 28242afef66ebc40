//go:build linux

package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/sys/unix"

	"llama9/fuse"
	"llama9/mnt"
	"llama9/ninep"
)

// mountCommands are those of systems that can mount.
func mountCommands() []*cobra.Command { return []*cobra.Command{mountCommand(), umountCommand()} }

// mountFlags are what `llama9 mount` was asked for.
type mountFlags struct {
	client
	kind       string // auto, kernel or fuse
	command    string
	options    string
	timeout    time.Duration
	foreground bool
	readOnly   bool
	allowOther bool
	nonempty   bool
	readyFD    int

	dir string // absolute
}

// mountCommand mounts a tree, by the kernel's 9P client or by FUSE.
func mountCommand() *cobra.Command {
	var m mountFlags
	c := &cobra.Command{
		Use:   "mount [-a ADDR] [flags] DIR",
		Short: "mount a tree at a directory",
		Long: `Mount shows a node's tree at a directory, for every program of this machine.
Root gets the kernel's own 9P client where there is one that works, everyone
else FUSE. Unmount it with llama9 umount.`,
		Args: cobra.ExactArgs(1),
		RunE: func(c *cobra.Command, args []string) error { return m.run(c.Context(), args[0], c.ErrOrStderr()) },
	}
	f := c.Flags()
	f.SortFlags = false
	m.client.flags(f)
	f.StringVar(&m.command, "command", "", "reach the server by a shell `command` that speaks 9P on its input and output,\nas \"ssh host llama9 node --stdio\"")
	f.StringVarP(&m.kind, "type", "t", "auto", "what mounts: kernel, fuse or auto, the best that there is")
	f.StringVarP(&m.options, "options", "o", "", "more mount `options` for the kernel's client, as cache=loose,access=any")
	f.BoolVarP(&m.foreground, "foreground", "f", false, "FUSE: stay in the foreground; an interrupt unmounts")
	f.BoolVarP(&m.readOnly, "read-only", "r", false, "refuse what would change a file")
	f.BoolVar(&m.allowOther, "allow-other", false, "FUSE: let other users of this machine in, as if they were you")
	f.BoolVar(&m.nonempty, "nonempty", false, "hide what is in the directory")
	f.DurationVar(&m.timeout, "timeout", 10*time.Second, "how long to wait for the server")
	f.IntVar(&m.readyFD, "ready-fd", -1, "descriptor to tell when the mount is live")
	f.MarkHidden("ready-fd")
	return c
}

func (m *mountFlags) run(ctx context.Context, dir string, stderr io.Writer) (err error) {
	ctx, stop := signal.NotifyContext(ctx, os.Interrupt, syscall.SIGTERM, syscall.SIGHUP)
	defer stop()
	if m.readyFD >= 0 {
		unix.CloseOnExec(m.readyFD) // who waits for its end does not wait for --command
	}
	if m.command != "" && m.addr != "" {
		return errors.New("--addr and --command exclude each other")
	}
	if _, _, err := ninep.ParseAddr(m.address()); err != nil {
		return fmt.Errorf("--addr: %w", err)
	}
	if m.trace && !m.foreground {
		return errors.New("--trace: needs --foreground")
	}
	if m.dir, err = mountPoint(dir, m.nonempty); err != nil {
		return err
	}
	how, err := choose(m, look(m))
	if err != nil {
		return err
	}
	if how == "kernel" {
		err := m.mountKernel(ctx, stderr)
		if err == nil || m.kind == "kernel" || m.options != "" || !errors.Is(err, errKernel) {
			return err
		}
		if e := m.mountFUSE(ctx, stderr); e != nil {
			return fmt.Errorf("kernel: %w; FUSE: %w", err, e)
		}
		return nil
	}
	return m.mountFUSE(ctx, stderr)
}

func (m *mountFlags) mountFUSE(ctx context.Context, stderr io.Writer) error {
	if m.foreground {
		return m.serve(ctx, stderr)
	}
	return m.daemon(ctx)
}

// source is what the mount tables call the device.
func (m *mountFlags) source() string {
	if m.command != "" {
		return m.command
	}
	return m.address()
}

// attach reaches the server in time, by an address or a command.
func (m *mountFlags) attach(ctx context.Context, stderr io.Writer) (fs *mnt.Fsys, end func(), err error) {
	ctx, cancel := context.WithTimeoutCause(ctx, m.timeout, fmt.Errorf("no answer in %v", m.timeout))
	defer cancel()
	if m.command == "" {
		if fs, err = m.dial(ctx); err != nil {
			return nil, nil, err
		}
		return fs, func() { fs.Close() }, nil
	}
	p, err := startPeer(m.command)
	if err != nil {
		return nil, nil, err
	}
	conn, err := mnt.NewConn(ctx, p, m.client.options(stderr))
	if err == nil {
		if fs, err = conn.Attach(ctx, "", m.aname); err != nil {
			conn.Close()
		}
	}
	if err != nil {
		return nil, nil, p.failed(err)
	}
	return fs, func() { conn.Close(); p.end() }, nil
}

// serve mounts by FUSE and answers the kernel until the mount is gone or ctx
// is done.
func (m *mountFlags) serve(ctx context.Context, stderr io.Writer) error {
	fs, end, err := m.attach(ctx, stderr)
	if err != nil {
		return err
	}
	s, err := fuse.Mount(fs, m.dir, fuse.Options{Source: m.source(), Uname: username(), AllowOther: m.allowOther, ReadOnly: m.readOnly, Log: stderr})
	if err != nil {
		end()
		return fmt.Errorf("%s: %w", m.dir, err)
	}
	// An interrupt unmounts first, for which there has to be a connection.
	mounted, cancel := context.WithCancel(context.WithoutCancel(ctx))
	kept := make(chan struct{})
	go func() {
		defer close(kept)
		m.keep(mounted, s, fs, end, stderr)
	}()
	defer func() {
		cancel()
		<-kept
	}()
	if m.readyFD >= 0 {
		if err := m.ready(); err != nil {
			return errors.Join(err, s.Unmount(true))
		}
	} else {
		fmt.Fprintf(stderr, "%s is mounted at %s\n", m.source(), m.dir)
	}
	select {
	case <-s.Done():
		return nil
	case <-ctx.Done():
		err := s.Unmount(false)
		if errors.Is(err, fuse.ErrBusy) {
			return s.Unmount(true) // and what is open fails when we end
		}
		if err == nil {
			s.Wait()
		}
		return err
	}
}
