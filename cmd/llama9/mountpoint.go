//go:build linux

package main

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"
)

// mountPoint checks that something can be mounted at dir, and gives its
// absolute name.
func mountPoint(dir string, nonempty bool) (string, error) {
	abs, err := resolve(dir)
	if err != nil {
		return "", err
	}
	if e, err := mounted(abs); err != nil {
		return "", err
	} else if e != nil && ours(e.kind) {
		return "", fmt.Errorf("%s: %s is mounted there already (llama9 umount %[1]s)", dir, e.source)
	}
	fi, err := os.Stat(abs)
	switch {
	case errors.Is(err, os.ErrNotExist):
		return "", fmt.Errorf("%s: no such directory: make it first", dir)
	case err != nil:
		return "", fmt.Errorf("%s: %w", dir, errors.Unwrap(err))
	case !fi.IsDir():
		return "", fmt.Errorf("%s: not a directory", dir)
	}
	if os.Geteuid() != 0 && unix.Access(abs, unix.W_OK) != nil {
		return "", fmt.Errorf("%s: only who may write in a directory may mount there", dir)
	}
	d, err := os.Open(abs)
	if err != nil {
		return "", fmt.Errorf("%s: %w", dir, errors.Unwrap(err))
	}
	defer d.Close()
	if _, err := d.Readdirnames(1); err != io.EOF && !nonempty {
		return "", fmt.Errorf("%s: not empty: what is in it would be hidden (--nonempty mounts all the same)", dir)
	}
	return abs, nil
}

// resolve makes a name absolute and follows links, but does not look at what
// is mounted there: a dead mount answers nothing.
func resolve(dir string) (string, error) {
	abs, err := filepath.Abs(dir)
	if err != nil {
		return "", err
	}
	if abs == "/" {
		return abs, nil
	}
	for range 40 {
		up, err := filepath.EvalSymlinks(filepath.Dir(abs))
		if err != nil {
			return "", fmt.Errorf("%s: %w", dir, err)
		}
		abs = filepath.Join(up, filepath.Base(abs))
		to, err := os.Readlink(abs)
		if err != nil {
			return abs, nil // not a link, or nothing
		}
		if !filepath.IsAbs(to) {
			to = filepath.Join(up, to)
		}
		abs = to
	}
	return "", fmt.Errorf("%s: %w", dir, unix.ELOOP)
}

// A mountEntry is a line of /proc/self/mountinfo. See proc_pid_mountinfo(5).
type mountEntry struct{ dir, kind, source string }

// ours says whether llama9 mounts file systems of a type.
func ours(kind string) bool { return kind == "9p" || kind == "fuse.llama9" }

// mounted gives what is mounted at dir, the last of several; nil is nothing.
func mounted(dir string) (*mountEntry, error) {
	f, err := os.Open("/proc/self/mountinfo")
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return findMount(f, dir)
}

func findMount(r io.Reader, dir string) (found *mountEntry, err error) {
	s := bufio.NewScanner(r)
	s.Buffer(nil, 1<<20)
	for s.Scan() {
		head, tail, ok := strings.Cut(s.Text(), " - ")
		h, t := strings.Fields(head), strings.Fields(tail)
		if ok && len(h) >= 5 && len(t) >= 2 && unescape(h[4]) == dir {
			found = &mountEntry{dir, t[0], unescape(t[1])}
		}
	}
	return found, s.Err()
}

// unescape undoes what the kernel does to blanks and backslashes.
func unescape(s string) string {
	return strings.NewReplacer(`\040`, " ", `\011`, "\t", `\012`, "\n", `\134`, `\`, `\043`, "#").Replace(s)
}
