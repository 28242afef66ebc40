//go:build linux && amd64 && !race

package kernel

import (
	"context"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"llama9/mnt"
)

// deployment mounts a deployment that runs here: two nodes, processes of their
// own, and the directory that steers them.
func deployment(t *testing.T, m *machine, program string) {
	dir, err := os.MkdirTemp("", "l9") // short enough for sockets
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	_, port, _ := net.SplitHostPort(ln.Addr().String())
	ln.Close()
	file := filepath.Join(dir, "lab.yaml")
	config := fmt.Sprintf("name: lab\nengine: fake\nnetwork:\n  listen: [tcp!127.0.0.1!%s]\nmodels:\n  - {name: tiny, file: 'fake:tiny'}\nnodes:\n  - {name: node, count: 2}\n", port)
	if err := os.WriteFile(file, []byte(config), 0o600); err != nil {
		t.Fatal(err)
	}
	deploy := func(ctx context.Context, args ...string) {
		cmd := exec.CommandContext(ctx, program, append([]string{"deploy"}, args...)...)
		cmd.Env = append(cmd.Environ(), "XDG_RUNTIME_DIR="+dir, "XDG_STATE_HOME="+dir)
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("deploy %s: %v\n%s", args, err, out)
		}
	}
	deploy(t.Context(), "start", "-f", file, "--detach")
	t.Cleanup(func() { deploy(context.Background(), "stop", "-f", file) })
	fs, err := mnt.Dial(t.Context(), "127.0.0.1:"+port, mnt.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer fs.Close()
	s := &server{port: port, fs: fs}
	mt := mounts(m.kernel)[0]
	sh := m.shells[0]
	sh.mount(t, s, mt)
	c := &client{server: s, machine: m, mount: mt, sh: sh}
	c.prints(t, "n=$M\n"+transcript, "")
	c.prints(t, "grep -c ' state=ready ' $M/deploy/status", "2\n")
	// Its status says so when it is, and event tells of a change.
	c.must(t, "exec 3<$M/deploy/event; echo scale 3 > $M/deploy/ctl; until grep -q 'node-3 .*state=ready ' $M/deploy/status; do head -n 1 <&3; done; exec 3<&-")
	c.fails(t, "echo scale many > $M/deploy/ctl", "write error")
	sh.must(t, "umount "+mt.dir())
}
