//go:build linux

package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"strings"

	"golang.org/x/sys/unix"

	"llama9/fuse"
	"llama9/ninep"
)

// errKernel is what says that the kernel did not mount, though the server is
// there: FUSE may.
var errKernel = errors.New("mount")

// mountKernel mounts by the kernel's 9P client. No process stays, but the one
// of --command.
func (m *mountFlags) mountKernel(ctx context.Context, stderr io.Writer) error {
	if m.kind == "kernel" {
		if c := look(m); emptyReads(c.release) {
			fmt.Fprintf(stderr, "the 9P client of kernel %s reads streams as empty files; --type fuse does not\n", c.release)
		}
	}
	if m.command != "" {
		p, err := startPeer(m.command)
		if err != nil {
			return err
		}
		if err := m.mountPeer(ctx, p); err != nil {
			return p.failed(err)
		}
		return nil
	}
	// What is wrong with the server is said better by us than by mount(2).
	_, end, err := m.attach(ctx, stderr)
	if err != nil {
		return err
	}
	end()
	network, address, err := ninep.ParseAddr(m.address())
	if err != nil {
		return err
	}
	source, trans, err := transport(ctx, network, address)
	if err != nil {
		return err
	}
	if trans == "" {
		return m.mountSocket(ctx, network, address)
	}
	return m.mount9P(source, trans)
}

// mountPeer hands the kernel the socket of a command. mount(2) waits for its
// answer and hears no signal: only the end of the command ends that.
func (m *mountFlags) mountPeer(ctx context.Context, p *peer) error {
	fd, err := p.file()
	if err != nil {
		return err
	}
	defer fd.Close() // the kernel has it then
	ctx, cancel := context.WithTimeoutCause(ctx, m.timeout, fmt.Errorf("no answer in %v", m.timeout))
	defer cancel()
	stop := context.AfterFunc(ctx, p.kill)
	err = m.mount9P(m.command, fmt.Sprintf("trans=fd,rfdno=%d,wfdno=%[1]d", fd.Fd()))
	if stop() {
		return err
	}
	if err == nil { // at the last moment, of what is dead now
		return errors.Join(context.Cause(ctx), fuse.Unmount(m.dir, true))
	}
	return context.Cause(ctx)
}

// transport gives the device and the options for an address; "" where the
// kernel cannot dial it.
func transport(ctx context.Context, network, address string) (source, trans string, err error) {
	if network == "unix" {
		const most = 107 // sun_path
		if len(address) > most || !strings.HasPrefix(address, "/") {
			return "", "", nil
		}
		return address, "trans=unix", nil
	}
	host, port, err := net.SplitHostPort(address)
	if err != nil {
		return "", "", err
	}
	if host == "" {
		host = "127.0.0.1"
	}
	// The kernel takes numbers only, and before 6.15 those of IPv4.
	ips, err := net.DefaultResolver.LookupIP(ctx, "ip4", host)
	if err != nil || len(ips) == 0 {
		return "", "", nil
	}
	n, err := net.DefaultResolver.LookupPort(ctx, "tcp", port)
	if err != nil {
		return "", "", err
	}
	return ips[0].String(), fmt.Sprintf("trans=tcp,port=%d", n), nil
}

// mountSocket hands the kernel a connection that we made.
func (m *mountFlags) mountSocket(ctx context.Context, network, address string) error {
	var d net.Dialer
	ctx, cancel := context.WithTimeout(ctx, m.timeout)
	defer cancel()
	c, err := d.DialContext(ctx, network, address)
	if err != nil {
		return err
	}
	defer c.Close()
	f, err := c.(interface{ File() (*os.File, error) }).File()
	if err != nil {
		return err
	}
	defer f.Close()
	return m.mount9P(m.address(), fmt.Sprintf("trans=fd,rfdno=%d,wfdno=%[1]d", f.Fd()))
}

// mount9P is mount(2) with the options that a node's tree wants: no cache, for
// names come and go, and frames as large as the server has. See llama9-mount(8).
func (m *mountFlags) mount9P(source, trans string) error {
	user := username()
	if strings.ContainsAny(user+m.aname, ",\\") {
		return fmt.Errorf("%w: a comma in the user %q or the subtree %q", errKernel, user, m.aname)
	}
	o := trans + ",version=9p2000.L,msize=1048576,cache=none,uname=" + user
	if m.aname != "" {
		o += ",aname=" + m.aname
	}
	if m.options != "" {
		o += "," + m.options // the later of two counts
	}
	flags := uintptr(unix.MS_NOSUID | unix.MS_NODEV)
	if m.readOnly {
		flags |= unix.MS_RDONLY
	}
	err := unix.Mount(source, m.dir, "9p", flags, o)
	switch err {
	case nil:
		return nil
	case unix.EPERM:
		return fmt.Errorf("%w: %w: root of this container may not mount", errKernel, err)
	case unix.EINVAL, unix.EPROTONOSUPPORT:
		return fmt.Errorf("%w: %w: the kernel does not take %s (modprobe 9pnet_fd?)", errKernel, err, o)
	case unix.ENODEV:
		return fmt.Errorf("%w: the kernel has no 9P client", errKernel)
	}
	return fmt.Errorf("%w: %w", errKernel, err)
}
