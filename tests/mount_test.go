package tests

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"llama9/tests/proc"
)

// needFUSE skips a test on a machine that has no FUSE, but where nothing may
// be skipped it fails.
func needFUSE(t testing.TB) {
	t.Helper()
	_, err := os.Stat("/dev/fuse")
	if err == nil {
		_, err = exec.LookPath("fusermount3")
	}
	if err == nil {
		return
	}
	leave(t, err.Error())
}

func leave(t testing.TB, why string) {
	t.Helper()
	if os.Getenv("CI") == "true" {
		t.Fatal("LEFT OUT, " + why)
	}
	t.Skip("LEFT OUT, " + why)
}

// mountDir makes a directory to mount at. Whatever is mounted there at the
// test's end is unmounted.
func mountDir(t testing.TB) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "l9m")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		exec.Command(program, "umount", "-l", dir).Run() // fails where all is well
		if err := os.Remove(dir); err != nil {
			t.Error(err)
		}
	})
	return dir
}

// shell runs a script to its end, with $n the directory and $a the address,
// and gives what it printed. It is killed if it hangs.
func shell(t testing.TB, dir, addr, script string) (out string, ok bool) {
	t.Helper()
	cmd := exec.Command("sh", "-c", script)
	cmd.Env = append(os.Environ(), "n="+dir, "a="+addr, "LC_ALL=C")
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	var text proc.Log
	cmd.Stdout, cmd.Stderr = &text, &text
	cmd.WaitDelay = time.Second
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	timer := time.AfterFunc(deadline, func() { syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) })
	err := cmd.Wait()
	if !timer.Stop() {
		t.Fatalf("%s: hangs\n%s", script, &text)
	}
	return text.String(), err == nil
}

// good runs a script that must succeed.
func good(t testing.TB, dir, addr, script string) string {
	t.Helper()
	out, ok := shell(t, dir, addr, script)
	if !ok {
		t.Fatalf("%s\n%s", script, out)
	}
	return out
}

// bad runs a script that must fail and say text.
func bad(t testing.TB, dir, addr, script, text string) {
	t.Helper()
	if out, ok := shell(t, dir, addr, script); ok || !strings.Contains(out, text) {
		t.Errorf("%s\n%swant %q", script, out, text)
	}
}

// The transcript of llama9(4) that any mount must do.
const transcript = `
	echo why is the sky blue > $n/infer/new; cat $n/infer/last/out > /dev/null
	id=$(cat $n/infer/new); echo temperature 0 > $n/infer/$id/ctl; echo hello > $n/infer/$id/prompt; cat $n/infer/$id/out | wc -c
	ls -lR $n > /dev/null; find $n > /dev/null; df $n > /dev/null
	grep -rq --exclude=event --exclude=new state=done $n/infer/$id
	rm -r $n/infer/$id
	test ! -e $n/infer/$id`

// TestMount: mounting returns when the mount is live, unmounting ends the
// process that served it.
func TestMount(t *testing.T) {
	needFUSE(t)
	addr, _, node := serve(t, "--engine", "fake", "-m", "fake:tiny")
	dir := mountDir(t)
	if out := good(t, dir, addr, "llama9 mount -t fuse -a $a $n && set -e\n"+transcript); strings.TrimSpace(out) == "0" {
		t.Errorf("no answer: %q", out)
	}
	good(t, dir, addr, `grep -q " $n fuse.llama9 " /proc/mounts`)
	bad(t, dir, addr, "llama9 mount -t fuse -a $a $n", "mounted there already")
	bad(t, dir, addr, "cd $n && llama9 umount $n", "busy")
	good(t, dir, addr, "cd $n; llama9 umount -l $n; ls > /dev/null") // what is open works on
	bad(t, dir, addr, "llama9 umount $n", "not mounted")
	until(t, "no process is left", func() bool {
		out, _ := shell(t, dir, addr, "cat /proc/[0-9]*/cmdline 2>/dev/null | tr '\\0' ' ' | grep -c [r]eady-fd.*$n")
		return strings.TrimSpace(out) == "0"
	})
	bad(t, dir, addr, "llama9 umount /proc", "not of llama9")
	bad(t, dir, addr, "llama9 umount $n/nosuch", "no such file")

	// The directory by another name.
	good(t, dir, addr, "ln -s $n $n.link; cd ${n%/*}; llama9 mount -t fuse -a $a ${n##*/}; ls $n.link/infer/new; llama9 umount $n.link/; rm $n.link")

	// A subtree, and nothing to write.
	good(t, dir, addr, "llama9 mount -t fuse -a $a -A infer -r $n; cat $n/new")
	bad(t, dir, addr, "echo x > $n/new", "Read-only")
	good(t, dir, addr, "llama9 umount $n")

	// A server that goes, and comes back.
	good(t, dir, addr, "llama9 mount -t fuse -a $a $n; ls $n")
	gone := func(node *process) {
		t.Helper()
		node.stop(t)
		bad(t, dir, addr, "ls $n", "not connected")
		bad(t, dir, addr, "cat $n/status", "not connected")
		bad(t, dir, addr, "llama9 mount -t fuse -a $a $n", "mounted there already")
	}
	gone(node)
	node = start(t, "node", "--engine", "fake", "-m", "fake:tiny", "--listen", addr)
	until(t, "the mount is live again", func() bool {
		_, ok := shell(t, dir, addr, "ls $n/infer/new")
		return ok
	})
	good(t, dir, addr, "set -e\n"+transcript)
	gone(node)
	good(t, dir, addr, "llama9 umount $n; ls $n")
	bad(t, dir, addr, "llama9 mount -t fuse -a $a $n", "no server at unix!")

	// A process that is killed leaves a dead mount, which can be unmounted.
	addr, _, _ = serve(t, "--engine", "fake", "-m", "fake:tiny")
	good(t, dir, addr, "llama9 mount -t fuse -a $a $n; kill -9 $(grep -al [r]eady-fd.*$n /proc/[0-9]*/cmdline | cut -d/ -f3)")
	until(t, "the mount is dead", func() bool { // while it dies a call can be aborted, or an I/O error
		out, ok := shell(t, dir, addr, "ls $n")
		return !ok && strings.Contains(out, "not connected")
	})
	bad(t, dir, addr, "llama9 mount -t fuse -a $a $n", "mounted there already")
	good(t, dir, addr, "llama9 umount $n; llama9 mount -t fuse -a $a $n; ls $n/infer; llama9 umount $n")
}

// TestMountForeground: the process stays, and an interrupt unmounts.
func TestMountForeground(t *testing.T) {
	needFUSE(t)
	addr, _, _ := serve(t, "--engine", "fake", "-m", "fake:tiny")
	dir := mountDir(t)
	for _, busy := range []bool{false, true} {
		p := start(t, "mount", "-f", "-D", "-a", addr, dir)
		until(t, "it says that it is mounted", func() bool { return strings.Contains(p.Out.String(), " is mounted at "+dir) })
		good(t, dir, addr, "ls $n/infer")
		if !strings.Contains(p.Out.String(), "Twalk") {
			t.Error("--trace shows nothing")
		}
		if busy {
			cat := exec.Command("cat", dir+"/event")
			if err := cat.Start(); err != nil {
				t.Fatal(err)
			}
			defer cat.Wait()
			until(t, "cat has the file open", func() bool {
				return strings.Contains(p.Out.String(), "Topen") && strings.Contains(p.Out.String(), "0:event")
			})
		}
		p.stop(t)
		bad(t, dir, addr, "llama9 umount $n", "not mounted")
	}
}

// TestMountForegroundAgain: the process says that the server is gone, why it is,
// and that it is there again.
func TestMountForegroundAgain(t *testing.T) {
	needFUSE(t)
	addr, _, node := serve(t, "--engine", "fake", "-m", "fake:tiny")
	dir := mountDir(t)
	p := start(t, "mount", "-f", "-a", addr, dir)
	says := func(text string) {
		t.Helper()
		until(t, "it says "+text, func() bool { return strings.Contains(p.Out.String(), text) })
	}
	says(" is mounted at " + dir + "\n")
	node.stop(t)
	says("connection lost: ")
	says("no server at " + addr)
	start(t, "node", "--engine", "fake", "-m", "fake:tiny", "--listen", addr)
	says(" is mounted at " + dir + " again\n")
	good(t, dir, addr, "ls $n/infer")
	p.stop(t)
	bad(t, dir, addr, "llama9 umount $n", "not mounted")
}

// TestMountCommand: the server is a command.
func TestMountCommand(t *testing.T) {
	needFUSE(t)
	dir := mountDir(t)
	good(t, dir, "", "llama9 mount -t fuse --command 'llama9 node --engine fake -m fake:tiny --stdio --log-level error' $n && set -e\n"+transcript+"\nllama9 umount $n")
	// One that ends is run again.
	pid := strings.TrimSpace(good(t, dir, "", `
		llama9 mount -t fuse --command 'echo $$ > $n.pid; exec llama9 node --engine fake -m fake:tiny --stdio --log-level error' $n
		cat $n.pid; kill $(cat $n.pid)`))
	defer os.Remove(dir + ".pid")
	until(t, "the mount is live again", func() bool {
		_, ok := shell(t, dir, "", "test $(cat $n.pid) != "+pid+" && ls $n/infer/new")
		return ok
	})
	good(t, dir, "", "llama9 umount $n")
	bad(t, dir, "", "llama9 mount -t fuse --command 'echo it broke >&2; exit 3' $n", "it broke")
	bad(t, dir, "", "llama9 mount -t fuse --command 'exit 3' $n", "exit status 3")
	bad(t, dir, "", "llama9 mount -t fuse --timeout 100ms --command 'exec sleep 1000' $n", "no answer in 100ms")
	bad(t, dir, "", "llama9 mount -t fuse --command x -a y $n", "exclude each other")
}

// TestMountErrors: what can be missing is named.
func TestMountErrors(t *testing.T) {
	needFUSE(t)
	addr, _, _ := serve(t, "--engine", "fake", "-m", "fake:tiny")
	dir := mountDir(t)
	bad(t, dir, addr, "llama9 mount -a $a $n/nosuch", "no such directory")
	bad(t, dir, addr, "llama9 mount -a $a /etc/passwd", "not a directory")
	bad(t, dir, addr, "llama9 mount -a $a /etc", "not empty")
	bad(t, dir, addr, "llama9 mount -a unix!$n.no $n", "no server at unix!")
	bad(t, dir, addr, "llama9 mount -a tcp!127.0.0.1!1 $n", "connection refused")
	bad(t, dir, addr, "llama9 mount -a x!y!z $n", "--addr")
	bad(t, dir, addr, "llama9 mount -t nfs -a $a $n", "--type nfs")
	bad(t, dir, addr, "llama9 mount -t fuse -A nosuch -a $a $n", "subtree nosuch of unix!")
	bad(t, dir, addr, "llama9 mount -t fuse -D -a $a $n", "--foreground")
	bad(t, dir, addr, "llama9 mount -t fuse -o cache=loose -a $a $n", "--options")
	// Something that is no 9P server, and one that never answers.
	bad(t, dir, addr, "llama9 mount -t fuse --command 'echo HTTP/1.0 400 Bad Request; cat > /dev/null' $n", "bad server")
	good(t, dir, addr, "ls $n; ! grep $n /proc/mounts")
}

// TestMountUser mounts as a user who is not root, by fusermount3. The
// device's mode is its usual one there, whatever it is on this machine.
func TestMountUser(t *testing.T) {
	needFUSE(t)
	if os.Geteuid() != 0 {
		addr, _, _ := serve(t, "--engine", "fake", "-m", "fake:tiny")
		good(t, mountDir(t), addr, "llama9 mount -a $a $n && set -e\n"+transcript+"\nllama9 umount $n")
		return
	}
	const private = `mount -t tmpfs none /mnt && mknod /mnt/fuse c 10 229 && chmod 666 /mnt/fuse && mount --bind /mnt/fuse /dev/fuse`
	if out, ok := shell(t, "", "", "unshare -m sh -c '"+private+" && : < /dev/fuse'"); !ok {
		leave(t, "no name space to mount in: "+out)
	}
	tmp, err := os.MkdirTemp("", "l9")
	if err != nil {
		t.Fatal(err)
	}
	defer os.RemoveAll(tmp)
	bin := filepath.Join(tmp, "llama9") // where anyone may run it
	good(t, tmp, "", fmt.Sprintf("chmod 755 $n; cp %s %s; mkdir $n/n $n/no; chown 65534:65534 $n/n", program, bin))
	p := start(t, "node", "--engine", "fake", "-m", "fake:tiny", "--listen", "unix!"+tmp+"/s", "--socket-mode", "0666")
	until(t, "the node answers", func() bool {
		_, ok := shell(t, "", "unix!"+tmp+"/s", "llama9 read -a $a status")
		return ok
	})
	script := `PATH=` + tmp + `:$PATH
		llama9 mount -a $a $n || exit
		set -e
		test $(id -u) = 65534
		grep -q " $n fuse.llama9 .*user_id=65534" /proc/mounts` + transcript + `
		test $(stat -c %u $n/infer/last/out) = 65534
		if (cd $n && llama9 umount $n); then exit 1; fi
		llama9 umount $n
		! llama9 umount $n
		! llama9 mount -a $a ${n%n}no
		! llama9 mount -t kernel -a $a $n
		! PATH=/nonexistent ` + bin + ` mount -a $a $n
		set +e; umask 0
		llama9 mount -a $a --allow-other $n && llama9 umount $n
		llama9 mount -a $a $n; cd $n && llama9 umount -l $n; cat infer/last/status > /dev/null && echo whole`
	if err := os.WriteFile(tmp+"/script", []byte(script), 0o644); err != nil {
		t.Fatal(err)
	}
	out := good(t, tmp+"/n", "unix!"+tmp+"/s", "unshare -m sh -c '"+private+" && exec setpriv --reuid 65534 --regid 65534 --clear-groups sh "+tmp+"/script'")
	for _, want := range []string{"busy", "not mounted", "only who may write", "only root may mount", "no fusermount3", "whole"} {
		if !strings.Contains(out, want) {
			t.Errorf("%q is not in\n%s", want, out)
		}
	}
	p.stop(t)
}
