package tests

import (
	"context"
	"fmt"
	"os"
	"regexp"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"

	"llama9/mnt"
)

// TestDeployKilled: when the supervisor is killed no process is left, and what
// it leaves else does not hinder the next start.
func TestDeployKilled(t *testing.T) {
	d := deploy(t, "fake:tiny", 3, "", true)
	pids := d.pids()
	d.p.cmd.Process.Kill()
	d.gone(pids)
	<-d.p.ended
	d.start(true)
	if got, err := d.ask("n_predict 4", "hello"); err != nil || got == "" {
		t.Errorf("%q, %v", got, err)
	}
	d.do("stop")
	if err := d.ends(); err != nil {
		t.Error(err)
	}
	if l := d.sockets(); len(l) > 0 {
		t.Errorf("left behind: %v", l)
	}
}

// TestNodeExitWith: a node ends with the pipe of --exit-with, without a signal.
func TestNodeExitWith(t *testing.T) {
	dir := deployDirs(t)
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer w.Close()
	p := startOutWith(t, r, "node", "--engine", "fake", "--load", "tiny fake:tiny parallel=2", "--listen", "unix!"+dir+"/node", "--exit-with", "3")
	r.Close()
	until(t, "the node answers", func() bool {
		fs, err := mnt.Dial(context.Background(), "unix!"+dir+"/node", mnt.Options{})
		if err == nil {
			defer fs.Close()
			return attr(t, readFile(t, fs, "status"), "slots") == "2"
		}
		return false
	})
	w.Close()
	<-p.ended
	if p.err != nil {
		t.Errorf("%v\n%s", p.err, &p.out)
	}
	if _, err := os.Stat(dir + "/node"); err == nil {
		t.Error("its socket is left")
	}
}

// TestDeployDies: a node that dies each time is failed after its restarts, and
// it is said why; the others go on.
func TestDeployDies(t *testing.T) {
	d := deployWith(t, "nodes:\n", "  - {name: broken, file: \"fake:x,nonsense=1\"}\nnodes:\n", "fake:tiny", 1, `  - {name: bad, models: [broken]}
limits: {restarts: 2, backoff: 10ms, backoff_max: 20ms}`, false)
	until(t, "it is called failed", func() bool { return d.node("bad", "state") == "failed" })
	if s := d.node("bad", "starts"); s != "3" {
		t.Errorf("started %s times", s)
	}
	if s := d.node("bad", "error"); !strings.Contains(s, "exit status 1: ") || !strings.Contains(s, "nonsense") {
		t.Errorf("error %q", s)
	}
	if s := d.whole("state"); s != "degraded" {
		t.Errorf("state %s", s)
	}
	if out := d.refused("restart", "bad", "--wait"); !strings.Contains(out, "node bad failed: exit status 1: ") {
		t.Errorf("restart --wait: %s", out)
	}
	until(t, "the log says so", func() bool {
		return strings.Contains(d.p.out.String(), "level=ERROR msg=\"node failed\" node=bad failures=3")
	})
	d.stopNow()
}

// stopNow stops a deployment and waits for its end.
func (d *deployment) stopNow() {
	d.t.Helper()
	d.do("stop")
	if err := d.ends(); err != nil {
		d.t.Errorf("the deployment: %v", err)
	}
}

// TestDeployNeverReady: a node that loads for ever is ended.
func TestDeployNeverReady(t *testing.T) {
	d := deploy(t, "fake:tiny,load=1h", 1, "limits: {ready_timeout: 200ms, restarts: 1, backoff: 10ms}", false)
	until(t, "it is called failed", func() bool { return d.node("node-1", "state") == "failed" })
	if s := d.node("node-1", "error"); s != "not ready within 200ms" {
		t.Errorf("error %q", s)
	}
	d.stopNow()
}

// TestDeployStopWhileStarting: nodes that load are ended at once.
func TestDeployStopWhileStarting(t *testing.T) {
	d := deploy(t, "fake:tiny,load=1h", 2, "", false)
	until(t, "they start", func() bool { return len(d.pids()) == 2 })
	if s := d.whole("state"); s != "changing" {
		t.Errorf("state %s", s)
	}
	pids := d.pids()
	d.stopNow()
	d.gone(pids)
	if l := d.sockets(); len(l) > 0 {
		t.Errorf("left behind: %v", l)
	}
}

// TestDeployBounds: a node has the processors, memory and files that it was
// given, and its variables.
func TestDeployBounds(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("LEFT OUT, bounds are of Linux")
	}
	d := deployWith(t, "count: 1}", `count: 1, cpus: "0", memory: 4G, env: {LLAMA9_TEST: "a b"}}`, "fake:tiny", 1, "limits: {open_files: 777}", true)
	proc := fmt.Sprintf("/proc/%d/", d.pids()[0])
	for file, want := range map[string]string{
		"status":  `(?m)^Cpus_allowed_list:\s+0$`,
		"limits":  `(?m)^Max open files +777 +777 `,
		"environ": `(^|\x00)LLAMA9_TEST=a b\x00`,
		"cmdline": `\x00--memory\x004G\x00`,
	} {
		b, err := os.ReadFile(proc + file)
		if err != nil || !regexp.MustCompile(want).Match(b) {
			t.Errorf("%s: no %s, %v\n%s", file, want, err, b)
		}
	}
	// The memory is that of a control group where there may be one.
	limits, err := os.ReadFile(proc + "limits")
	if err != nil {
		t.Fatal(err)
	}
	group, err := os.ReadFile(proc + "cgroup")
	if err != nil {
		t.Fatal(err)
	}
	if !regexp.MustCompile(`(?m)^Max data size +4294967296 +4294967296 `).Match(limits) && !strings.Contains(string(group), "/node-node-1\n") {
		t.Errorf("no bound of the memory:\n%s%s", limits, group)
	}
	if mine, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", d.p.cmd.Process.Pid)); err != nil || runtime.NumCPU() > 1 && regexp.MustCompile(`(?m)^Cpus_allowed_list:\s+0$`).Match(mine) {
		t.Errorf("the supervisor is bound to the node's processors, %v", err)
	}
}

// TestDeployFrozen: a node that does not answer is killed and made anew; its
// turns go on elsewhere.
func TestDeployFrozen(t *testing.T) {
	d := deployWith(t, "network:\n", "network:\n  health_interval: 100ms\n  health_timeout: 3s\n  health_failures: 1\n",
		"fake:tiny,step=2ms", 2, "limits: {backoff: 10ms}", true)
	c := d.crowd(2)
	defer c.stop()
	c.more(t, 2)
	if err := syscall.Kill(d.pids()[0], syscall.SIGSTOP); err != nil {
		t.Fatal(err)
	}
	until(t, "it is made anew", func() bool { return d.node("node-1", "starts") != "1" && d.whole("state") == "running" })
	c.more(t, 4)
}

// endless begins a turn that does not end by itself.
func (d *deployment) endless() *mnt.Turn {
	d.t.Helper()
	turn, err := mnt.StartTurn(d.t.Context(), d.fs, "ignore_eos on\nn_predict -1\nshift on\n", []byte("on and on"))
	if err != nil {
		d.t.Fatal(err)
	}
	return turn
}

// TestDeployInterrupts: the first interrupt drains, the second does not wait
// for turns, and after it nothing is left.
func TestDeployInterrupts(t *testing.T) {
	d := deploy(t, "fake:tiny,step=5ms", 2, "limits: {drain_timeout: 1h}", true)
	turn := d.endless()
	defer turn.Close()
	pids := d.pids()
	d.p.cmd.Process.Signal(syscall.SIGINT)
	until(t, "one drains, the other is gone", func() bool {
		states := d.node("node-1", "state") + " " + d.node("node-2", "state")
		return states == "draining stopped" || states == "stopped draining"
	})
	if out := d.refused("scale", "3"); !strings.Contains(out, "the deployment is stopping") {
		t.Errorf("scale: %s", out)
	}
	d.p.cmd.Process.Signal(syscall.SIGINT)
	if err := d.ends(); err != nil {
		t.Errorf("the deployment: %v", err)
	}
	d.gone(pids)
	if l := d.sockets(); len(l) > 0 {
		t.Errorf("left behind: %v", l)
	}
}

// TestDeployScaleWhileDraining: what is drained comes back when it is wanted
// again, and no turn is lost.
func TestDeployScaleWhileDraining(t *testing.T) {
	d := deploy(t, "fake:tiny,step=5ms", 2, "limits: {drain_timeout: 1h}", true)
	turn := d.endless()
	defer turn.Close()
	busy, idle := "node-1", "node-2"
	until(t, "a node has the turn", func() bool {
		s := attr(t, readFile(t, d.fs, "infer/"+turn.ID+"/status"), "node")
		if s == "node-2" {
			busy, idle = "node-2", "node-1"
		}
		return s != "" && s != `""`
	})
	d.do("scale", "0")
	until(t, "the idle one is gone", func() bool { return d.node(idle, "state") != "draining" && d.node(idle, "state") != "ready" })
	if s := d.node(busy, "state"); s != "draining" {
		t.Errorf("%s: %s", busy, s)
	}
	d.do("scale", "2")
	writeFile(t, d.fs, "infer/"+turn.ID+"/ctl", "cancel\n")
	until(t, "both are ready", func() bool { return d.whole("state") == "running" && d.whole("ready") == "2" })
	if s := d.node(busy, "starts"); s != "2" {
		t.Errorf("%s was started %s times", busy, s)
	}
	if got, err := d.ask("n_predict 4", "hello"); err != nil || got == "" {
		t.Errorf("%q, %v", got, err)
	}
}

// TestDeployDrainTimeout: a turn that outlasts the drain goes on on another
// node.
func TestDeployDrainTimeout(t *testing.T) {
	d := deploy(t, "fake:tiny,step=5ms", 2, "limits: {drain_timeout: 100ms}", true)
	turn := d.endless()
	defer turn.Close()
	at := func() string { return attr(t, readFile(t, d.fs, "infer/"+turn.ID+"/status"), "node") }
	until(t, "a node has the turn", func() bool { return strings.HasPrefix(at(), "node-") })
	was := at()
	d.do("restart", was)
	until(t, "the other has it", func() bool { return strings.HasPrefix(at(), "node-") && at() != was })
	s := readFile(t, d.fs, "infer/"+turn.ID+"/status")
	made, _ := strconv.Atoi(attr(t, s, "tokens"))
	until(t, "it goes on", func() bool {
		n, _ := strconv.Atoi(attr(t, readFile(t, d.fs, "infer/"+turn.ID+"/status"), "tokens"))
		return n > made
	})
}

// TestDeployRollUnderAStream: a stream outlasts the roll of more nodes than one,
// each of which it is moved away from.
func TestDeployRollUnderAStream(t *testing.T) {
	d := deploy(t, "fake:tiny,step=5ms", 5, "limits: {drain_timeout: 50ms}", true)
	turn := d.endless()
	defer turn.Close()
	before := d.pids()
	text, err := os.ReadFile(d.file)
	if err != nil {
		t.Fatal(err)
	}
	for _, parallel := range []string{"3", "2"} {
		d.write(strings.Replace(string(text), "{name: tiny,", "{name: tiny, parallel: "+parallel+",", 1))
		d.do("reload", "--wait")
		for i, pid := range d.pids() {
			if pid == before[i] || d.node("node-"+strconv.Itoa(i+1), "slots") != parallel {
				t.Errorf("node-%d was not made anew", i+1)
			}
		}
		before = d.pids()
	}
	made := func() int {
		n, _ := strconv.Atoi(attr(t, readFile(t, d.fs, "infer/"+turn.ID+"/status"), "tokens"))
		return n
	}
	at := made()
	until(t, "it goes on", func() bool { return made() > at })
	if s := readFile(t, d.fs, "infer/"+turn.ID+"/status"); attr(t, s, "state") != "decode" {
		t.Errorf("status %s", s)
	}
	// A node that is started here cannot become one that is adopted.
	d.write(string(text) + "\n")
	d.do("reload", "--wait")
	d.write(strings.Replace(string(text), "count: 5}", "remote: true, address: \"tcp!127.0.0.1!1\"}", 1))
	if out := d.refused("reload"); !strings.Contains(out, "lab.yaml:8: node: what was started here and what is adopted are two nodes") {
		t.Errorf("reload: %s", out)
	}
}

// TestDeployTwoWriters: of two who write at once each is obeyed or refused as a
// whole.
func TestDeployTwoWriters(t *testing.T) {
	d := deploy(t, "fake:tiny", 1, "", true)
	var all sync.WaitGroup
	for i := range 8 {
		all.Go(func() {
			n := 1 + i%3
			if err := d.fs.WriteFile(t.Context(), "deploy/ctl", []byte("scale "+strconv.Itoa(n)+"\n")); err != nil {
				t.Error(err)
			}
		})
	}
	all.Wait()
	until(t, "all is settled", func() bool { return d.whole("state") == "running" })
	if n := d.whole("scale"); n != strconv.Itoa(len(d.pids())) {
		t.Errorf("scale %s, and %d processes", n, len(d.pids()))
	}
	for text, want := range map[string]string{
		"scale 2\nscale nine\n":   "scale: nine: want a number",
		"pause\nfly\n":            "fly: unknown; want scale, auto, pause, resume, restart, reload or stop",
		"pause now\n":             "pause: 1 words after it, wants 0",
		"pause\nrestart nobody\n": "restart: nobody: no such node",
		"scale 1000\n":            "scale: 1000: want a number from 0 to 256",
		"pause\nauto on\n":        "auto: scaling.max is not set",
	} {
		before := d.whole("scale")
		err := d.fs.WriteFile(t.Context(), "deploy/ctl", []byte(text))
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v, want %s", text, err, want)
		}
		if d.whole("scale") != before || d.whole("paused") != "off" {
			t.Errorf("%q: half of it was done", text)
		}
		if e := d.whole("error"); !strings.Contains(e, want) {
			t.Errorf("%q: error=%q", text, e)
		}
	}
}

// TestDeployZero: with no node there is, a turn makes one, waits and is
// answered; idle, the node goes again.
func TestDeployZero(t *testing.T) {
	d := deploy(t, "fake:tiny", 1, "scaling: {auto: true, min: 0, max: 3, idle: 50ms, cool_down: 0s, up_after: 0s, down_after: 100ms}", false)
	until(t, "the idle node is gone", func() bool { return d.whole("nodes") == "0" })
	for range 2 {
		if got, err := d.ask("n_predict 4", "hello"); err != nil || got == "" {
			t.Fatalf("%q, %v", got, err)
		}
		until(t, "the idle node is gone", func() bool { return d.whole("nodes") == "0" })
	}
	if !strings.Contains(d.p.out.String(), `msg=scale from=0 to=1 why="1 turns and no node"`) {
		t.Error("the log does not say why")
	}
}

// TestDeployAutoScale: a crowd makes nodes, up to the most; when it is gone
// they go, down to the least. No turn fails.
func TestDeployAutoScale(t *testing.T) {
	d := deploy(t, "fake:tiny,step=3ms", 1, "scaling: {auto: true, min: 1, max: 3, cool_down: 0s, up_after: 50ms, down_after: 1s}", true)
	c := d.crowd(12)
	until(t, "there are three nodes", func() bool { return d.whole("ready") == "3" })
	c.more(t, 12)
	if n, err := strconv.Atoi(d.whole("scale")); err != nil || n > 3 {
		t.Errorf("%d nodes, %v", n, err)
	}
	c.stop()
	until(t, "there is one node", func() bool { return d.whole("nodes") == "1" && d.whole("ready") == "1" })
}

// TestDeployAdopted: a node that runs elsewhere is used, not started, and not
// ended.
func TestDeployAdopted(t *testing.T) {
	far, fs, p := serve(t, "--engine", "fake", "--load", "tiny fake:tiny")
	d := deploy(t, "fake:tiny", 0, "  - {name: far, remote: true, address: \""+far+"\"}", false)
	until(t, "it has looked", func() bool { return d.node("far", "slots") == "4" })
	until(t, "both are ready", func() bool { return d.node("far", "state") == "ready" && d.whole("state") == "running" })
	if pid := d.node("far", "pid"); pid != "" {
		t.Errorf("pid %s", pid)
	}
	c := d.crowd(6)
	until(t, "the far node has turns", func() bool { return attr(t, readFile(t, fs, "status"), "busy") != "0" })
	c.stop()
	d.stopNow()
	if s := attr(t, readFile(t, fs, "status"), "state"); s != "ready" {
		t.Errorf("the far node is %s", s)
	}
	p.stop(t)
}
