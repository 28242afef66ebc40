//go:build linux && amd64 && !race

package kernel

import (
	"os/exec"
	"path/filepath"
	"regexp"
	"testing"
)

// build makes the llama9 that machines get, as it is handed out: without cgo.
func build(t testing.TB) (program string) {
	t.Helper()
	program = filepath.Join(t.TempDir(), "llama9")
	cmd := exec.Command("go", "build", "-ldflags=-s -w", "-o", program, "llama9/cmd/llama9")
	cmd.Env = append(cmd.Environ(), "CGO_ENABLED=0")
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("go build: %v\n%s", err, out)
	}
	return program
}

// libffi finds the library without which llama9 does not start.
func libffi(t testing.TB) string {
	t.Helper()
	out, err := exec.Command("/sbin/ldconfig", "-p").Output()
	m := regexp.MustCompile(`libffi\.so\.8 \(libc6,x86-64\) => (\S+)`).FindSubmatch(out)
	if err != nil || m == nil {
		t.Fatalf("no libffi.so.8 (apt-get install libffi8), %v", err)
	}
	return string(m[1])
}

// transcript is what has to work at $n, however it was mounted.
const transcript = `
echo why is the sky blue > $n/infer/new; cat $n/infer/last/out >out; test -s out || echo no answer
test "$(readlink $n/infer/last)" != "" || echo no link
id=$(cat $n/infer/new); echo temperature 0 > $n/infer/$id/ctl; echo hello > $n/infer/$id/prompt; cat $n/infer/$id/out >out
test -s out || echo no second answer
grep -q state=done $n/infer/$id/status || echo not done
ls -lR $n >/dev/null; find $n >/dev/null; df $n >/dev/null
rm -r $n/infer/$id; test ! -e $n/infer/$id || echo not removed
`

// command tries llama9 mount -t kernel and llama9 umount in the machine, by
// each way that the kernel has to a server.
func command(t *testing.T, m *machine) {
	s := serveFake(t)
	sh := m.shells[0]
	vars := "n=/n/k a=tcp!10.0.2.2!" + s.port + `
node="llama9 node --engine fake -m fake:tiny --log-level error"
`
	must := func(t testing.TB, script string) { t.Helper(); sh.prints(t, vars+script, "") }
	fails := func(t testing.TB, script, word string) { t.Helper(); sh.fails(t, vars+script, word) }
	run := func(name string, f func(*testing.T)) {
		t.Run(name, func(t *testing.T) {
			defer sh.run(t, vars+"while umount -l $n 2>/dev/null; do :; done") // of what failed
			f(t)
		})
	}
	must(t, "mkdir -p $n; cd /tmp; $node --listen unix!/tmp/s >/dev/null & echo $! >/tmp/pid; until llama9 read -a unix!/tmp/s status >/dev/null 2>&1; do :; done")
	for _, w := range []struct{ name, args, entry string }{
		{"tcp", "-t kernel -a $a", "^10.0.2.2 $n 9p .*,trans=tcp,port=" + s.port},
		{"auto", "-a $a", "^10.0.2.2 $n 9p rw,.*nosuid,nodev,.*trans=tcp"},
		{"unix", "-t kernel -a unix!/tmp/s", "^/tmp/s $n 9p .*,trans=unix"},
		{"relative", "-t kernel -a unix!s", "^unix!s $n 9p .*,trans=fd"}, // the kernel cannot dial that
		{"command", `-t kernel --command "$node --stdio"`,
			"^llama9.040node.*--stdio $n 9p .*,trans=fd"},
	} {
		run(w.name, func(t *testing.T) {
			must(t, "cd /tmp; llama9 mount "+w.args+` $n && grep -q "`+w.entry+`" /proc/mounts || { cat /proc/mounts; exit; }`+transcript)
			fails(t, "llama9 mount "+w.args+" $n", "mounted there already")
			fails(t, "cd $n; llama9 umount $n", "busy")
			must(t, "llama9 umount $n; test -z $(ls $n)")
			fails(t, "llama9 umount $n", "not mounted")
			must(t, "until ! ps | grep -q '[-]-stdio'; do :; done") // a command ends with its mount
		})
	}
	run("flags", func(t *testing.T) {
		must(t, "llama9 mount -t kernel -r -A infer -o msize=8192,access=any -a $a $n; cat $n/new >out; test -s out; grep -q \"$n 9p ro,.*access=any\" /proc/mounts; grep -q msize=8192 /proc/mounts")
		fails(t, "echo x > $n/new", "Read-only")
		must(t, "cd $n; llama9 umount -l $n; ls >/dev/null")
	})
	run("server gone", func(t *testing.T) {
		must(t, "llama9 mount -a unix!/tmp/s $n; ls $n >/dev/null; kill -9 $(cat /tmp/pid); until ! ls $n >/dev/null 2>&1; do :; done")
		fails(t, "cat $n/status", "Input/output error")
		fails(t, "llama9 mount -a $a $n", "mounted there already")
		must(t, "llama9 umount $n; llama9 mount -a $a $n; ls $n >/dev/null; llama9 umount $n")
	})
	run("errors", func(t *testing.T) {
		fails(t, "llama9 mount -t kernel -a unix!/tmp/s $n", "no server at unix!/tmp/s")
		fails(t, "llama9 mount -t kernel -a tcp!10.0.2.15!1 $n", "connection refused")
		fails(t, "llama9 mount -t kernel -A nothing -a $a $n", "does not exist")
		fails(t, "llama9 mount -t kernel -o msize=1 -a $a $n", "the kernel does not take")
		fails(t, "llama9 mount -t kernel --command 'echo it broke >&2; exit 3' $n", "it broke")
		fails(t, "llama9 mount -t kernel --timeout 2s --command 'exec sleep 1000' $n", "no answer in 2s")
		fails(t, "llama9 mount -t kernel -f -a $a $n", "for FUSE")
		fails(t, "mkdir -p /tmp/g; chown 1000 /tmp/g; su glenda -s /bin/sh -c \"PATH=$PATH; llama9 mount -t kernel -a $a /tmp/g\"", "only root may mount")
		must(t, "grep -c ' 9p ' /proc/mounts | grep -qx 0")
	})
	run("modules", func(t *testing.T) {
		must(t, "rmmod 9pnet_fd")
		fails(t, "llama9 mount -t kernel -a $a $n", "modprobe 9pnet_fd?")
		// Debian's 6.12 has FUSE built in, its 6.1 a module.
		must(t, "! test -e /dev/fuse || { llama9 mount -a $a $n; grep -q \"$n fuse.llama9\" /proc/mounts; llama9 umount $n; }")
		must(t, "rmmod 9p")
		must(t, "! test -e /dev/fuse || { llama9 mount -a $a $n; grep -q \"$n fuse.llama9\" /proc/mounts; llama9 umount $n; }")
		must(t, "rm -f /dev/fuse")
		fails(t, "llama9 mount -t fuse -a $a $n", "no /dev/fuse")
		fails(t, "llama9 mount -t kernel -a $a $n", "the kernel has no 9P client")
		fails(t, "llama9 mount -a $a $n", "the kernel has no 9P client (modprobe 9p; Debian's cloud kernels lack it); no /dev/fuse")
		must(t, "insmod /mod/9pnet_fd.ko; insmod /mod/9p.ko; llama9 mount -t kernel -a $a $n; ls $n >/dev/null; llama9 umount $n")
	})
}
