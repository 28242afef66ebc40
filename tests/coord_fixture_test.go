package tests

import (
	"fmt"
	"io"
	"maps"
	"os"
	"slices"
	"strings"
	"testing"

	"llama9/mnt"
	"llama9/ninep"
	"llama9/styxfs"
)

// A cluster is a coordinator over nodes, all of them processes.
type cluster struct {
	t     testing.TB
	addr  string
	fs    *mnt.Fsys
	coord *process
	dir   string
	nodes map[string]*process
}

// words are the flags of a node whose engine takes so long for each step. One
// that is to be met in the midst of a turn is slow: a busy machine finds it
// there too. What it makes is the same.
func words(step string, more ...string) []string {
	return append([]string{"--engine", "fake", "-m", "fake:words,step=" + step, "--alias", "words"}, more...)
}

// newCluster starts nodes with these flags and a coordinator over them.
func newCluster(t testing.TB, names string, flags ...string) *cluster {
	t.Helper()
	c := newNodes(t)
	for _, name := range strings.Fields(names) {
		c.start(name, flags...)
	}
	c.coordinate()
	return c
}

// newNodes makes a cluster without any yet, and without a coordinator.
func newNodes(t testing.TB) *cluster {
	t.Helper()
	dir, err := os.MkdirTemp("", "l9")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	return &cluster{t: t, dir: dir, nodes: make(map[string]*process)}
}

// coordinate starts a coordinator over the nodes that there are.
func (c *cluster) coordinate() {
	c.t.Helper()
	var args []string
	for _, name := range slices.Sorted(maps.Keys(c.nodes)) {
		args = append(args, "--node", name+"="+c.at(name))
	}
	c.addr, c.fs, c.coord = coordinate(c.t, len(c.nodes), args...)
}

// at is the address of a node.
func (c *cluster) at(name string) string { return "unix!" + c.dir + "/" + name }

// start starts a node, also one that was killed.
func (c *cluster) start(name string, flags ...string) {
	c.nodes[name] = start(c.t, append([]string{"node", "--listen", c.at(name), "--log-level", "warn"}, flags...)...)
}

// kill kills a node as kill -9 does.
func (c *cluster) kill(name string) {
	c.nodes[name].Cmd.Process.Kill()
	<-c.nodes[name].Ended
}

// state waits until the coordinator shows a node so.
func (c *cluster) state(name, state string) {
	c.t.Helper()
	until(c.t, name+" is "+state, func() bool {
		return strings.Contains(readFile(c.t, c.fs, "node/index"), "name="+name+" addr="+c.at(name)+" state="+state+" ")
	})
}

// attr gives an attribute of a node's line of the index.
func (c *cluster) attr(name, what string) string {
	c.t.Helper()
	for line := range strings.Lines(readFile(c.t, c.fs, "node/index")) {
		if strings.HasPrefix(line, "name="+name+" ") {
			return attr(c.t, line, what)
		}
	}
	c.t.Fatalf("no node %s", name)
	return ""
}

// quiet waits until nothing is left of any turn, and wants that of sessions to
// be as many.
func (c *cluster) quiet(sessions int) {
	c.t.Helper()
	until(c.t, "the cluster is quiet", func() bool {
		s := readFile(c.t, c.fs, "status")
		return strings.Contains(s, " busy=0 queue=0 ") && strings.Contains(s, fmt.Sprintf(" sessions=%d ", sessions)) &&
			strings.Count(readFile(c.t, c.fs, "node/index"), " inflight=0 ") == len(c.nodes)
	})
}

// An answer is a turn through the coordinator, read as it is made.
type answer struct {
	c    *cluster
	dir  string
	text []byte
	done chan struct{} // closed when err is set
	err  error
}

// begin makes a session with settings and begins its turn.
func (c *cluster) begin(settings, prompt string) *answer {
	c.t.Helper()
	t, err := mnt.StartTurn(c.t.Context(), c.fs, settings, []byte(prompt))
	if t == nil {
		c.t.Fatal(err)
	}
	s := &answer{c: c, dir: "infer/" + t.ID, done: make(chan struct{}), err: err}
	if err != nil {
		close(s.done)
		return s
	}
	go func() {
		defer close(s.done)
		defer t.Close()
		p := make([]byte, 4096)
		for {
			n, err := t.Read(c.t.Context(), p)
			s.text = append(s.text, p[:n]...)
			if err != nil {
				if err != io.EOF {
					s.err = err
				}
				return
			}
		}
	}()
	return s
}

// session makes a session without a turn.
func (c *cluster) session(settings string) string {
	c.t.Helper()
	dir := "infer/" + strings.TrimSpace(readFile(c.t, c.fs, "infer/new"))
	writeFile(c.t, c.fs, dir+"/ctl", settings)
	return dir
}

// wait gives the whole text, and removes the session.
func (s *answer) wait() string {
	s.c.t.Helper()
	<-s.done
	if s.err != nil {
		s.c.t.Fatalf("%s: %v; %s", s.dir, s.err, readFile(s.c.t, s.c.fs, s.dir+"/status"))
	}
	writeFile(s.c.t, s.c.fs, s.dir+"/ctl", "close\n")
	return string(s.text)
}

// tokens reads lines of token until there are n, or the turn has ended.
func (c *cluster) tokens(dir string, n int) {
	c.t.Helper()
	f, err := c.fs.Open(c.t.Context(), dir+"/token", ninep.OREAD)
	if err != nil {
		c.t.Fatal(err)
	}
	defer f.Forget()
	p := make([]byte, 4096)
	for n > 0 {
		m, err := f.Read(c.t.Context(), p)
		n -= strings.Count(string(p[:m]), "\n")
		if err == io.EOF {
			return
		}
		if err != nil {
			c.t.Fatal(err)
		}
	}
}

// node is where a session's turn runs.
func (s *answer) node() string {
	return attr(s.c.t, readFile(s.c.t, s.c.fs, s.dir+"/status"), "node")
}

// settings are those of turn i, which is the same again: greedy, or of a seed.
func settings(i, tokens int) string {
	s := fmt.Sprintf("n_predict %d\nignore_eos on\nseed %d\n", tokens, i)
	if i%2 == 0 {
		s += "temperature 0\n"
	}
	return s
}

// unbroken gives the answers to these turns on a node alone.
func unbroken(t testing.TB, n, tokens int, flags ...string) []string {
	_, fs, _ := serve(t, flags...)
	var texts []string
	for i := range n {
		turn, err := mnt.StartTurn(t.Context(), fs, settings(i, tokens), []byte(question(i)))
		if err != nil {
			t.Fatal(err)
		}
		texts = append(texts, readFile(t, fs, "infer/"+turn.ID+"/out"))
		turn.Close()
	}
	return texts
}

func question(i int) string {
	return string(styxfs.AppendFields(nil, "In the beginning there were", fmt.Sprint(i)))
}

// textOf gives the text of a line of token.
func textOf(t testing.TB, line string) string {
	w, err := styxfs.Fields(line)
	if err != nil || len(w) < 3 {
		t.Fatalf("token: %q, %v", line, err)
	}
	return w[2]
}
