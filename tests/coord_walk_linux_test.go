package tests

import (
	"bytes"
	"context"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"
)

// TestCoordWalk follows the example of the manual, three nodes by hand, word
// for word, in a network where all of its ports are free.
func TestCoordWalk(t *testing.T) {
	needNetworks(t)
	library(t) // which nodes find as the test does
	_, example, ok := strings.Cut(page(t, "llama9-coord.8"), "\nThree nodes by hand, and a node taken out of service:\n.IP\n.EX\n")
	example, _, end := strings.Cut(example, ".EE")
	if !ok || !end || strings.Count(example, "llama9 node ") != 3 {
		t.Fatalf("no example in docs/llama9-coord.8: %q", example)
	}
	// Its threads spin, and these are many. Who types is slower than a shell:
	// all nodes are up by then.
	nodes, rest, _ := strings.Cut(strings.ReplaceAll(example, "llama9 node ", "llama9 node -t 1 "), "llama9 read ")
	script := "ip link set lo up\n" + nodes + "until [ $(llama9 read node/index 2>/dev/null | grep -c ' state=up ') = 3 ]; do sleep 0.1; done\nset -e\nllama9 read " + rest +
		"llama9 read infer/last/status node/index\nkill $(jobs -p)\nwait\n"
	ctx, cancel := context.WithTimeout(t.Context(), deadline)
	defer cancel()
	cmd := exec.CommandContext(ctx, "bash", "-c", script)
	cmd.SysProcAttr = &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWNET, Setpgid: true}
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) }
	cmd.WaitDelay = time.Second // what it has begun may hold its output
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) // nobody, where all is well
	if err != nil {
		t.Fatalf("%v\n%s\n%s", err, out, &stderr)
	}
	first, after, _ := strings.Cut(string(out), "state=done ")
	if strings.Count(first, "name=") != 3 || strings.Count(after, " state=up ") != 2 || !strings.Contains(after, "name=a addr=127.0.0.1:5641 state=draining ") {
		t.Errorf("it prints\n%s", out)
	}
	if _, answer, _ := strings.Cut(first, "name=c "); strings.Count(answer, "\n") < 2 {
		t.Errorf("there is no answer in\n%s", out)
	}
}
