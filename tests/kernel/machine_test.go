//go:build linux && amd64 && !race

package kernel

import (
	"bytes"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// deadline is how long anything may take that happens by itself, on an
// emulated machine that shares its cores. It is never waited for where all is
// well.
const deadline = 3 * time.Minute

// shells are how many shells a machine has: qemu gives it four serial lines,
// and the first is the kernel's.
const shells = 3

// tools are the programs of this machine that the guest gets, in /gnu; it has
// busybox for all else.
var tools = []string{"bash", "cat", "ls", "find", "grep", "df", "dd", "stat", "rm", "head", "readlink", "cp", "tail", "od", "mkdir"}

// A kernel is one of those that fetch has brought.
type kernel struct {
	dir     string
	release string
}

// atLeast says whether the kernel's version is major.minor or newer.
func (k kernel) atLeast(major, minor int) bool {
	var a, b int
	fmt.Sscanf(k.release, "%d.%d", &a, &b)
	return a > major || a == major && b >= minor
}

// cache is where fetch puts kernels.
func cache() string {
	if dir := os.Getenv("LLAMA9_KERNELS"); dir != "" {
		return dir
	}
	dir, err := os.UserCacheDir()
	if err != nil {
		return ""
	}
	return filepath.Join(dir, "llama9", "kernels")
}

// kernels gives what can be booted here, or says what is missing.
func kernels() ([]kernel, error) {
	if _, err := exec.LookPath("qemu-system-x86_64"); err != nil {
		return nil, fmt.Errorf("%w (apt-get install qemu-system-x86)", err)
	}
	if b, err := exec.LookPath("busybox"); err != nil || !static(b) {
		return nil, errors.New("no static busybox (apt-get install busybox-static)")
	}
	found, err := filepath.Glob(filepath.Join(cache(), "*", "load"))
	if err != nil || len(found) == 0 {
		return nil, fmt.Errorf("no kernel in %s (tests/kernel/fetch)", cache())
	}
	var all []kernel
	for _, f := range found {
		dir := filepath.Dir(f)
		all = append(all, kernel{dir, filepath.Base(dir)})
	}
	return all, nil
}

// initramfs makes the file system of the machine, with more programs and
// libraries in /gnu.
func (k kernel) initramfs(programs []string) ([]byte, error) {
	var a archive
	busybox, err := exec.LookPath("busybox")
	if err != nil {
		return nil, err
	}
	if err := a.copy(busybox, "/bin/busybox"); err != nil {
		return nil, err
	}
	for _, name := range tools {
		path, err := exec.LookPath(name)
		if err != nil {
			return nil, err
		}
		if err := a.program(path); err != nil {
			return nil, err
		}
	}
	for _, path := range programs {
		if err := a.program(path); err != nil {
			return nil, err
		}
	}
	load, err := os.ReadFile(filepath.Join(k.dir, "load"))
	if err != nil {
		return nil, err
	}
	for _, m := range strings.Fields(string(load)) {
		if err := a.copy(filepath.Join(k.dir, m), "/mod/"+m); err != nil {
			return nil, err
		}
	}
	a.add("/mod/load", 0o100644, load)
	for _, dir := range []string{"/proc", "/sys", "/dev", "/tmp", "/n"} {
		a.add(dir, modeDir, nil)
	}
	a.add("/etc/passwd", 0o100644, []byte("root:x:0:0::/tmp:/bin/sh\nglenda:x:1000:1000::/tmp:/bin/sh\n"))
	for name, mode := range map[string]uint32{"init": modeExec, "agent": modeExec} {
		b, err := os.ReadFile(filepath.Join("testdata", name))
		if err != nil {
			return nil, err
		}
		a.add("/"+name, mode, b)
	}
	a.add("/etc/mtab", modeLink, []byte("/proc/mounts"))
	return a.bytes(), nil
}

// A machine is a booted kernel.
type machine struct {
	kernel
	cmd    *exec.Cmd
	ended  chan struct{} // closed when qemu has
	shells [shells]*shell
}

// boot starts k, with programs and libraries of this machine in it. It is killed at the
// test's end.
func boot(t testing.TB, k kernel, programs ...string) *machine {
	t.Helper()
	began := time.Now()
	image, err := k.initramfs(programs)
	if err != nil {
		t.Fatal(err)
	}
	dir, err := os.MkdirTemp("", "l9") // a socket's path is short
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	initrd, console := filepath.Join(dir, "initrd"), filepath.Join(dir, "console")
	if err := os.WriteFile(initrd, image, 0o600); err != nil {
		t.Fatal(err)
	}
	args := []string{
		"-nodefaults", "-no-user-config", "-no-reboot", "-display", "none", "-accel", "tcg", "-m", "512",
		"-kernel", filepath.Join(k.dir, "vmlinuz"), "-initrd", initrd,
		"-append", "console=ttyS0 quiet panic=-1 rdinit=/init mitigations=off nokaslr",
		"-netdev", "user,id=n", "-device", "virtio-net-pci,netdev=n,romfile=", "-serial", "file:" + console,
	}
	var lines []net.Listener
	for i := range shells {
		ln, err := net.Listen("unix", filepath.Join(dir, fmt.Sprint(i)))
		if err != nil {
			t.Fatal(err)
		}
		defer ln.Close()
		lines = append(lines, ln)
		args = append(args, "-serial", "unix:"+ln.Addr().String())
	}
	m := &machine{kernel: k, cmd: exec.Command("qemu-system-x86_64", args...), ended: make(chan struct{})}
	m.cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL} // should the test be killed
	var stderr bytes.Buffer
	m.cmd.Stderr = &stderr
	if err := m.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	go func() {
		m.cmd.Wait()
		close(m.ended)
	}()
	t.Cleanup(func() {
		m.cmd.Process.Kill()
		<-m.ended
		log, _ := os.ReadFile(console)
		if t.Failed() {
			t.Logf("qemu: %s\nthe kernel's log:\n%s", &stderr, log)
		}
	})
	for i, ln := range lines {
		ln.(*net.UnixListener).SetDeadline(time.Now().Add(deadline))
		conn, err := ln.Accept()
		if err != nil {
			t.Fatalf("qemu: %v\n%s", err, &stderr)
		}
		t.Cleanup(func() { conn.Close() })
		m.shells[i] = &shell{conn: conn}
	}
	for _, s := range m.shells {
		s.expect(t, "llama9-ready\n")
	}
	t.Logf("%s is up after %.1f s", k.release, time.Since(began).Seconds())
	return m
}
