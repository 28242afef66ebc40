package tests

import (
	"os"
	"os/exec"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

// alone gives a process a network of its own, without an interface that is up.
// See network_namespaces(7).
var alone = &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWNET}

// needNetworks leaves a test out where processes cannot have networks of their
// own.
func needNetworks(t testing.TB) {
	t.Helper()
	if os.Geteuid() != 0 {
		leave(t, "a network namespace is for root to make: run it as root")
	}
	for tool, pkg := range map[string]string{"ip": "iproute2", "nsenter": "util-linux"} {
		if _, err := exec.LookPath(tool); err != nil {
			leave(t, err.Error()+": apt install "+pkg)
		}
	}
	cmd := exec.Command("ip", "link", "add", "l9a", "type", "veth", "peer", "name", "l9b")
	cmd.SysProcAttr = alone
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Skipf("LEFT OUT, this machine refuses even root a network namespace with a line in it: %v %s", err, out)
	}
}

// ip runs ip(8) in the network of p.
func (p *process) ip(t testing.TB, args ...string) {
	t.Helper()
	args = append([]string{"--net=/proc/" + strconv.Itoa(p.Cmd.Process.Pid) + "/ns/net", "ip"}, args...)
	if out, err := exec.Command("nsenter", args...).CombinedOutput(); err != nil {
		t.Fatalf("nsenter %s: %v\n%s", strings.Join(args, " "), err, out)
	}
}

// newLine is a cluster with a line to node a: both it and the coordinator have
// networks of their own, and one interface each. They are gone with them. Node
// b is on this machine.
func newLine(t testing.TB, flagsA, flagsB []string) *cluster {
	t.Helper()
	c := newNodes(t)
	c.addr = "unix!" + c.dir + "/coord"
	c.start("b", flagsB...)
	a := startAs(t, alone, append([]string{"node", "--listen", "tcp!0.0.0.0!5640", "--insecure", "--log-level", "warn"}, flagsA...)...)
	c.coord = startAs(t, alone, "coord", "--listen", c.addr, "--node", "b="+c.at("b"))
	c.nodes["a"] = a
	c.coord.ip(t, "link", "add", "l9", "type", "veth", "peer", "name", "l9", "netns", strconv.Itoa(a.Cmd.Process.Pid))
	for p, addr := range map[*process]string{c.coord: "10.9.9.1/24", a: "10.9.9.2/24"} {
		p.ip(t, "addr", "add", addr, "dev", "l9")
		p.ip(t, "link", "set", "l9", "up")
	}
	c.fs = c.coord.dial(t, c.addr)
	writeFile(t, c.fs, "ctl", "mount a tcp!10.9.9.2!5640\n")
	for _, name := range []string{"a", "b"} {
		until(t, name+" is up", func() bool { return c.attr(name, "state") == "up" })
	}
	return c
}

// TestLineCut: the line to a node is cut, at the node's end: no packet comes
// through, and none comes back to say so. The stream that it makes goes on on
// another node, and when the line is there again so is the node, whether it was
// missed for a while or given up.
func TestLineCut(t *testing.T) {
	needNetworks(t)
	const tokens = 100
	want := unbroken(t, 2, tokens, words("0")...)[1]

	c := newLine(t, words("100ms", "-c", "8192"), words("10ms", "-c", "8192"))
	for _, state := range []string{"slow", "down"} {
		writeFile(t, c.fs, "ctl", "drain b\n")
		dir := c.session(settings(1, tokens))
		writeFile(t, c.fs, dir+"/prompt", question(1))
		c.tokens(dir, 5)
		c.nodes["a"].ip(t, "link", "set", "l9", "down")
		cut := time.Now()
		writeFile(t, c.fs, "ctl", "undrain b\n")
		if got := readFile(t, c.fs, dir+"/out"); got != want {
			t.Errorf("%s: got\n%q, want\n%q", state, got, want)
		}
		if d := time.Since(cut); d > mostLost {
			t.Errorf("%s: it took %v", state, d)
		}
		if s := readFile(t, c.fs, dir+"/status"); attr(t, s, "node") != "b" || !strings.Contains(attr(t, s, "route"), ",resumed") {
			t.Errorf("%s: status %s", state, s)
		}
		// A new turn pays nothing: it is not tried there.
		lost := lostTurns(t, c)
		c.begin(settings(2, 5), "x").wait()
		if now := lostTurns(t, c); now != lost {
			t.Errorf("%s: the next turn was lost too: %s, then %s", state, lost, now)
		}
		until(t, "a is "+state, func() bool { return c.attr("a", "state") == state })
		c.nodes["a"].ip(t, "link", "set", "l9", "up")
		until(t, "a is used again", func() bool {
			served := c.attr("a", "served")
			c.begin(settings(3, 5), "x").wait()
			return c.attr("a", "state") == "up" && c.attr("a", "served") != served
		})
		// What a made of the old turn comes to nothing, and is not left there.
		if again := readFile(t, c.fs, dir+"/out"); again != want {
			t.Errorf("%s: then it is\n%q", state, again)
		}
		until(t, "a has let go of it", func() bool { return c.attr("a", "busy") == "0" && c.attr("a", "inflight") == "0" })
	}
}
