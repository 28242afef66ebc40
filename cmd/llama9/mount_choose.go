//go:build linux

package main

import (
	"bufio"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/user"
	"strings"

	"golang.org/x/sys/unix"
)

// A machine is what decides how to mount.
type machine struct {
	root    bool
	release string // of the kernel
	ninep   bool   // the kernel has a 9P client
	fuse    error  // why FUSE cannot be had; nil if it can
}

// look looks at this machine.
func look(m *mountFlags) machine {
	c := machine{root: os.Geteuid() == 0}
	var u unix.Utsname
	if unix.Uname(&u) == nil {
		c.release = unix.ByteSliceToString(u.Release[:])
	}
	if c.root && m.kind != "fuse" {
		c.ninep = haveNinep()
	}
	_, fusermount3 := exec.LookPath("fusermount3")
	_, fusermount := exec.LookPath("fusermount")
	switch _, err := os.Stat("/dev/fuse"); {
	case err != nil:
		c.fuse = errors.New("no /dev/fuse: the kernel has no FUSE (modprobe fuse), or this container was not given it")
	case !c.root && unix.Access("/dev/fuse", unix.R_OK|unix.W_OK) != nil:
		c.fuse = errors.New("/dev/fuse: permission denied (its usual mode is 0666)")
	case !c.root && fusermount3 != nil && fusermount != nil:
		c.fuse = errors.New("no fusermount3: install the package fuse3")
	}
	return c
}

// haveNinep says whether the kernel knows 9P, after it was asked to.
func haveNinep() bool {
	if !knows("9p") {
		modprobe("9p")
	}
	if !knows("9p") {
		return false
	}
	modprobe("9pnet_fd") // older kernels do not load it by themselves
	return true
}

func modprobe(name string) {
	for _, bin := range []string{"modprobe", "/sbin/modprobe"} {
		if exec.Command(bin, "-q", name).Run() == nil {
			return
		}
	}
}

// knows looks for a file system's type. See proc_filesystems(5).
func knows(kind string) bool {
	f, err := os.Open("/proc/filesystems")
	if err != nil {
		return false
	}
	defer f.Close()
	for s := bufio.NewScanner(f); s.Scan(); {
		if w := strings.Fields(s.Text()); len(w) > 0 && w[len(w)-1] == kind {
			return true
		}
	}
	return false
}

// emptyReads says whether a kernel's 9P client takes a file whose length is 0
// for an empty one: from 6.8 until the mend in a release candidate of 6.11
// (e3786b29c54c).
func emptyReads(release string) bool {
	var major, minor int
	if n, _ := fmt.Sscanf(release, "%d.%d", &major, &minor); n < 2 || major != 6 {
		return false
	}
	return minor >= 8 && minor <= 10 || minor == 11 && strings.Contains(release, "-rc")
}

// choose gives what mounts: kernel or fuse.
func choose(m *mountFlags, c machine) (string, error) {
	why := "" // the kernel's client does not
	switch {
	case !c.root:
		why = "only root may mount with the kernel's 9P client"
	case !c.ninep:
		why = "the kernel has no 9P client (modprobe 9p; Debian's cloud kernels lack it)"
	}
	switch m.kind {
	case "kernel":
		switch {
		case why != "":
			return "", fmt.Errorf("--type kernel: %s", why)
		case m.foreground || m.allowOther:
			return "", errors.New("--type kernel: --foreground and --allow-other are for FUSE: no process stays, and other users attach by themselves")
		}
		return "kernel", nil
	case "fuse":
		if m.options != "" {
			return "", errors.New("--options: for the kernel's client only")
		}
		if c.fuse != nil {
			return "", fmt.Errorf("--type fuse: %w", c.fuse)
		}
		return "fuse", nil
	case "auto":
	default:
		return "", fmt.Errorf("--type %s: want kernel, fuse or auto", m.kind)
	}
	switch {
	case why != "":
	case m.foreground || m.allowOther:
		why = "--foreground and --allow-other are for FUSE"
	case emptyReads(c.release):
		why = "the 9P client of kernel " + c.release + " reads streams as empty files"
	default:
		return "kernel", nil
	}
	switch {
	case c.fuse != nil:
		return "", fmt.Errorf("cannot mount: %s; %w", why, c.fuse)
	case m.options != "":
		return "", fmt.Errorf("--options: for the kernel's client only: %s", why)
	}
	return "fuse", nil
}

// username is how this process attaches: as mnt does.
func username() string {
	if u, err := user.Current(); err == nil {
		return u.Username
	}
	return os.Getenv("USER")
}
