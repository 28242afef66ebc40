//go:build linux

package fuse

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"
)

// The errors of what a machine lacks.
var (
	ErrNoDevice     = errors.New("no /dev/fuse: the kernel has no FUSE (modprobe fuse), or it is not to be had in this container")
	ErrNoFusermount = errors.New("no fusermount3, which mounts for users other than root: install the package fuse3")
	ErrBusy         = errors.New("busy: a file in it is open, or somebody's working directory")
	ErrNotMounted   = errors.New("not mounted")
)

// attach mounts an empty file system at dir, and gives the device that its
// requests are read from.
func attach(dir string, o Options) (fd int, err error) {
	fi, err := os.Stat(dir)
	switch {
	case err != nil:
		return 0, err
	case !fi.IsDir():
		return 0, &os.PathError{Op: "mount", Path: dir, Err: unix.ENOTDIR}
	}
	if _, err := os.Stat("/dev/fuse"); err != nil {
		return 0, ErrNoDevice
	}
	source := o.Source
	if source == "" {
		source = "llama9"
	}
	if root() {
		return attachRoot(dir, source, o)
	}
	return attachUser(dir, source, o)
}

// attachRoot does what fusermount3 does. See fuse(4) and mount(2).
func attachRoot(dir, source string, o Options) (int, error) {
	fd, err := unix.Open("/dev/fuse", unix.O_RDWR|unix.O_CLOEXEC, 0)
	if err != nil {
		return 0, fmt.Errorf("%w (%w)", ErrNoDevice, err)
	}
	opts := fmt.Sprintf("fd=%d,rootmode=%o,user_id=0,group_id=0,max_read=%d", fd, unix.S_IFDIR, maxIO)
	if o.AllowOther {
		opts += ",allow_other"
	}
	flags := uintptr(unix.MS_NOSUID | unix.MS_NODEV)
	if o.ReadOnly {
		flags |= unix.MS_RDONLY
	}
	if err := unix.Mount(source, dir, Type, flags, opts); err != nil {
		unix.Close(fd)
		if err == unix.EPERM {
			return 0, fmt.Errorf("mount: %w: root of this container may not mount", err)
		}
		return 0, fmt.Errorf("mount: %w", err)
	}
	return fd, nil
}

// attachUser has fusermount3 mount. It sends the device over a socket.
func attachUser(dir, source string, o Options) (int, error) {
	bin, err := fusermount()
	if err != nil {
		return 0, err
	}
	// A device that we may not open fusermount3 opens with its own rights.
	pair, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_SEQPACKET|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return 0, os.NewSyscallError("socketpair", err)
	}
	defer unix.Close(pair[0])
	theirs := os.NewFile(uintptr(pair[1]), "fusermount3")
	opts := []string{"fsname=" + escape(source), "subtype=llama9", "nosuid", "nodev", fmt.Sprintf("max_read=%d", maxIO)}
	if o.AllowOther {
		opts = append(opts, "allow_other")
	}
	if o.ReadOnly {
		opts = append(opts, "ro")
	}
	cmd := exec.Command(bin, "-o", strings.Join(opts, ","), "--", dir)
	cmd.Env = append(os.Environ(), "_FUSE_COMMFD=3")
	cmd.ExtraFiles = []*os.File{theirs}
	err = run(cmd)
	theirs.Close()
	if err != nil {
		return 0, err
	}
	return receive(pair[0])
}

// receive takes a descriptor from a socket.
func receive(sock int) (int, error) {
	data, oob := make([]byte, 16), make([]byte, unix.CmsgSpace(4))
	_, n, _, _, err := unix.Recvmsg(sock, data, oob, unix.MSG_CMSG_CLOEXEC)
	if err != nil {
		return 0, os.NewSyscallError("recvmsg", err)
	}
	msgs, err := unix.ParseSocketControlMessage(oob[:n])
	if err != nil || len(msgs) != 1 {
		return 0, errors.New("fusermount3 sent no descriptor")
	}
	fds, err := unix.ParseUnixRights(&msgs[0])
	if err != nil || len(fds) != 1 {
		return 0, errors.New("fusermount3 sent no descriptor")
	}
	return fds[0], nil
}

// escape keeps commas of an option's value from ending it.
func escape(s string) string { return strings.NewReplacer(`\`, `\\`, `,`, `\,`).Replace(s) }

// fusermount finds the program, also where PATH has no directory of it.
func fusermount() (string, error) {
	for _, name := range []string{"fusermount3", "/usr/bin/fusermount3", "/bin/fusermount3", "fusermount"} {
		if bin, err := exec.LookPath(name); err == nil {
			return bin, nil
		}
	}
	return "", ErrNoFusermount
}

// run runs fusermount3; what it says is the error.
func run(cmd *exec.Cmd) error {
	var said bytes.Buffer
	cmd.Stderr = &said
	cmd.Dir = "/"
	err := cmd.Run()
	if err == nil {
		return nil
	}
	text := strings.TrimSpace(said.String())
	name := filepath.Base(cmd.Path)
	text = strings.ReplaceAll(text, cmd.Args[0]+": ", "")
	text = strings.ReplaceAll(text, "\n", "; ")
	if text == "" {
		return fmt.Errorf("%s: %w", name, err)
	}
	return fmt.Errorf("%s: %s", name, text)
}

// Unmount ends the mount at dir, whoever made it. A lazy one is gone from the
// names at once, and ends when its last file is closed; one that is not lazy
// is ErrBusy while a file is open.
func Unmount(dir string, lazy bool) error {
	if root() {
		flags := unix.UMOUNT_NOFOLLOW
		if lazy {
			flags |= unix.MNT_DETACH
		}
		switch err := unix.Unmount(dir, flags); err {
		case nil:
			return nil
		case unix.EBUSY:
			return ErrBusy
		case unix.EINVAL:
			return ErrNotMounted
		default:
			return fmt.Errorf("umount: %w", err)
		}
	}
	bin, err := fusermount()
	if err != nil {
		return err
	}
	flag := "-u"
	if lazy {
		flag = "-uz"
	}
	err = run(exec.Command(bin, flag, "--", dir))
	switch {
	case err == nil:
		return nil
	case strings.Contains(err.Error(), "Device or resource busy"):
		return ErrBusy
	case strings.Contains(err.Error(), "not found in") || strings.Contains(err.Error(), "not mounted"):
		return ErrNotMounted
	}
	return err
}
