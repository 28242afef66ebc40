package tests

import (
	"encoding/json"
	"os"
	"slices"
	"strings"
	"syscall"
	"testing"

	"llama9/ninep"
)

// TestDeployWalk: a deployment in all that is done with one, while a crowd asks:
// not one turn fails, or is answered otherwise.
func TestDeployWalk(t *testing.T) {
	d := deploy(t, "fake:tiny,step=2ms", 3, "limits: {backoff: 50ms}", true)
	c := d.crowd(6)
	defer c.stop()
	c.more(t, 6)

	d.do("scale", "5", "--wait")
	if n := len(d.pids()); n != 5 {
		t.Fatalf("%d nodes after scale 5", n)
	}
	c.more(t, 6)
	before := d.pids()
	d.do("scale", "2", "--wait")
	if n := len(d.pids()); n != 2 {
		t.Fatalf("%d nodes after scale 2", n)
	}
	d.gone(before[2:])
	c.more(t, 6)

	// A paused cluster keeps its turns; none is answered until it goes on.
	d.do("pause")
	until(t, "all turns wait", func() bool {
		s := readFile(t, d.fs, "status")
		return attr(t, s, "busy") == "0" && attr(t, s, "queue") == "6"
	})
	if s := d.whole("state"); s != "paused" {
		t.Errorf("state %s", s)
	}
	at := c.turns.Load()
	d.do("resume", "--wait")
	c.more(t, 6)
	if c.turns.Load() <= at {
		t.Error("nothing went on")
	}

	// A node is killed in the midst of turns.
	old := d.pids()[0]
	if err := syscall.Kill(old, syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	until(t, "it is started again", func() bool { return d.node("node-1", "starts") == "2" && d.whole("state") == "running" })
	c.more(t, 6)

	// One is restarted by hand.
	d.do("restart", "node-2", "--wait")
	if s := d.node("node-2", "starts"); s != "2" {
		t.Errorf("node-2 was started %s times", s)
	}
	c.more(t, 6)

	// Changed models are rolled out one node after the other.
	before = d.pids()
	text, err := os.ReadFile(d.file)
	if err != nil {
		t.Fatal(err)
	}
	d.write(strings.Replace(string(text), "{name: tiny,", "{name: tiny, parallel: 3,", 1))
	d.do("reload", "--wait")
	after := d.pids()
	for _, pid := range after {
		if slices.Contains(before, pid) {
			t.Errorf("process %d was not made anew", pid)
		}
	}
	if s := d.node("node-1", "slots"); s != "3" {
		t.Errorf("%s slots after the reload", s)
	}
	c.more(t, 6)

	// A file that is wrong changes nothing, and says why.
	d.write(strings.Replace(string(text), "count: 3", "count: many", 1))
	if out := d.refused("reload"); !strings.Contains(out, `lab.yaml:8: nodes[0].count: "many": want a whole number from 0 to 256`) {
		t.Errorf("reload of a bad file: %s", out)
	}
	if !slices.Equal(after, d.pids()) {
		t.Error("a bad file changed nodes")
	}
	d.write(string(text))
	c.more(t, 6)
}

// TestDeployStatus: what status shows a person and a program, and what logs and
// events do.
func TestDeployStatus(t *testing.T) {
	d := deploy(t, "fake:tiny", 2, "", true)
	if out := d.do("status"); !strings.Contains(out, "lab running at unix!"+d.dir+"/lab: 2 of 2 nodes ready") || strings.Count(out, "\n") != 4 {
		t.Errorf("status:\n%s", out)
	}
	var s struct {
		Addr, State string
		Scale       int
		Nodes       []struct {
			Node, State string
			Slots, Pid  int
		}
	}
	if err := json.Unmarshal([]byte(d.do("status", "--json")), &s); err != nil {
		t.Fatal(err)
	}
	if s.Addr != "unix!"+d.dir+"/lab" || s.State != "running" || s.Scale != 2 || len(s.Nodes) != 2 || s.Nodes[1].Node != "node-2" ||
		s.Nodes[1].Slots != 4 || !alive(s.Nodes[0].Pid) {
		t.Errorf("status --json: %+v", s)
	}
	for name, want := range map[string]string{"node-1": "msg=ready", "deploy": "node=node-2 state=ready"} {
		if out := d.do("logs", name); !strings.Contains(out, want) {
			t.Errorf("logs %s: %s", name, out)
		}
	}
	if out := d.do("logs"); !strings.Contains(out, "\nnode-2: time=") || !strings.Contains(out, "deploy: time=") {
		t.Errorf("logs: %s", out)
	}
	if out := d.refused("logs", "nobody"); !strings.Contains(out, "file does not exist") {
		t.Errorf("logs of nobody: %s", out)
	}
	if b, err := os.ReadFile(d.dir + "/state/llama9/lab/log/node-1.log"); err != nil || !strings.Contains(string(b), "msg=ready") {
		t.Errorf("the log's file: %q, %v", b, err)
	}
	if got := readFile(t, d.fs, "deploy/ctl"); got != "auto off\nscale 2\nresume\n" {
		t.Errorf("ctl %q", got)
	}
	f, err := d.fs.Open(t.Context(), "deploy/ctl", ninep.ORDWR)
	if err != nil {
		t.Fatal(err)
	}
	for _, word := range []string{"pause", "resume"} { // each is answered where the write ended
		if _, err := f.Write(t.Context(), []byte(word+"\n")); err != nil {
			t.Fatal(err)
		}
		buf := make([]byte, 100)
		n, err := f.Read(t.Context(), buf)
		if err != nil || string(buf[:n]) != "auto off\nscale 2\n"+word+"\n" {
			t.Errorf("after %s: %q, %v", word, buf[:n], err)
		}
	}
	f.Forget()
	if got := readFile(t, d.fs, "deploy/config"); !strings.Contains(got, "name: lab\n") {
		t.Errorf("config %s", got)
	}

	// Those who watch see a change, and the end.
	var watchers []*process
	for _, args := range [][]string{{"events"}, {"status", "--watch"}, {"logs", "-f", "node-1"}, {"logs", "-f"}} {
		watchers = append(watchers, startOut(t, append([]string{"deploy", args[0], "--file", d.file}, args[1:]...)...))
	}
	until(t, "logs show what was", func() bool {
		return strings.Contains(watchers[2].out.String(), "msg=ready") && strings.Contains(watchers[3].out.String(), "node-2: ") &&
			strings.Contains(watchers[1].out.String(), "node-2")
	})
	until(t, "events are shown", func() bool {
		d.do("restart", "node-1", "--wait")
		return strings.Contains(watchers[0].out.String(), " node name=node-1 state=draining ")
	})
	until(t, "logs go on", func() bool { return strings.Count(watchers[2].out.String(), "msg=ready") >= 2 })
	d.do("stop")
	if err := d.ends(); err != nil {
		t.Errorf("the deployment: %v", err)
	}
	for i, p := range watchers {
		<-p.ended
		if i < 2 && p.err != nil {
			t.Errorf("watcher %d: %v\n%s", i, p.err, &p.out)
		}
	}
}

// TestDeployDetach: start with --detach returns when the nodes are ready; one
// deployment of a name, and of an address, runs at a time.
func TestDeployDetach(t *testing.T) {
	d := &deployment{t: t, dir: deployDirs(t)}
	d.file, d.addr = d.dir+"/lab.yaml", "unix!"+d.dir+"/lab"
	d.write(deployConfig(d.dir, "fake:tiny", 2, ""))
	if out := d.do("start", "--detach"); !strings.HasPrefix(out, "lab runs at unix!") {
		t.Errorf("start: %s", out)
	}
	defer exitDeploy(d)
	if out := d.do("status"); !strings.Contains(out, "2 of 2 nodes ready") {
		t.Errorf("status: %s", out)
	}
	if out := d.refused("start"); !strings.Contains(out, "a deployment of this name runs already") {
		t.Errorf("a second start: %s", out)
	}
	if out := d.refused("start", "--detach"); !strings.Contains(out, "a deployment of this name runs already") {
		t.Errorf("a second start: %s", out)
	}
	other := d.dir + "/other.yaml"
	if err := os.WriteFile(other, []byte(strings.Replace(deployConfig(d.dir, "fake:tiny", 1, ""), "name: lab", "name: other", 1)), 0o600); err != nil {
		t.Fatal(err)
	}
	if out := refused(t, "deploy", "start", "-f", other); !strings.Contains(out, "another server listens there") {
		t.Errorf("an address in use: %s", out)
	}
	if got, err := d.ask("n_predict 4", "hello"); err != nil || got == "" {
		t.Errorf("%q, %v", got, err)
	}
	d.do("stop")
	if l := d.sockets(); len(l) > 0 {
		t.Errorf("left behind: %v", l)
	}
	if out := d.refused("status"); !strings.Contains(out, "no deployment at unix!") {
		t.Errorf("status of none: %s", out)
	}
}

// exitDeploy stops a deployment that the test has not.
func exitDeploy(d *deployment) {
	if d.t.Failed() {
		startOut(d.t, "deploy", "stop", "-f", d.file)
	}
}

// TestDeployReloadNodes: a reload starts what is new, ends what is no more, and
// leaves alone what is as it was, also where only its weight is another.
func TestDeployReloadNodes(t *testing.T) {
	d := deploy(t, "fake:tiny", 2, "  - {name: old}", true)
	c := d.crowd(3)
	defer c.stop()
	c.more(t, 3)
	first := d.node("node-1", "pid")
	text := strings.Replace(deployConfig(d.dir, "fake:tiny", 1, "  - {name: fresh, count: 2}\n  - {name: lone, weight: 2}"), "count: 1}", "count: 1, weight: 3}", 1)
	d.write(text)
	d.do("reload", "--wait")
	var names []string
	for _, n := range d.status()[1:] {
		names = append(names, n[0].Value)
	}
	slices.Sort(names)
	if want := []string{"fresh-1", "fresh-2", "lone", "node-1"}; !slices.Equal(names, want) {
		t.Errorf("nodes %v, want %v", names, want)
	}
	if pid := d.node("node-1", "pid"); pid != first {
		t.Errorf("node-1 was made anew: %s, %s", pid, first)
	}
	index := readFile(t, d.fs, "node/index")
	for _, want := range []string{"name=node-1 ", "name=lone "} {
		weight := map[string]string{"name=node-1 ": " weight=3 ", "name=lone ": " weight=2 "}[want]
		found := false
		for line := range strings.Lines(index) {
			found = found || strings.HasPrefix(line, want) && strings.Contains(line, weight)
		}
		if !found {
			t.Errorf("no %s with %s in\n%s", want, weight, index)
		}
	}
	c.more(t, 3)

	// What was scaled by hand stays so while the file says the same.
	d.do("scale", "3", "--wait")
	d.do("reload", "--wait")
	if n := d.whole("scale"); n != "3" {
		t.Errorf("scale %s after a reload", n)
	}
	// What a running deployment cannot change is refused by its line.
	d.write(strings.Replace(text, "network:\n", "network:\n  queue: 7\n", 1))
	if out := d.refused("reload"); !strings.Contains(out, "lab.yaml:4: network.queue: a running deployment cannot change it; stop it and start it") {
		t.Errorf("reload: %s", out)
	}
	c.more(t, 3)
}
