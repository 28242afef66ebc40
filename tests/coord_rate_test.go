package tests

import (
	"bytes"
	"fmt"
	"io"
	"net"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"llama9/mnt"
	"llama9/ninep"
	"llama9/node"
	"llama9/node/fake"
	"llama9/styxfs"
	"llama9/tests/proc"
)

// BenchmarkCluster: tokens a second of three nodes through a coordinator,
// beside those of the same three nodes, with the same turns, read by the same
// client at the nodes themselves: all three at once, for they share the
// processors with the client either way. The engine is given its pace by a
// clock, 50,000 tokens a second in all; see pacer.
//
// What other work on the machine disturbs less is the processor time that a
// token takes: of the nodes, of the coordinator and of the client.
func BenchmarkCluster(b *testing.B) {
	for _, v := range []struct {
		slots int
		pace  time.Duration
	}{{4, 240 * time.Microsecond}, {16, 960 * time.Microsecond}, {64, 3840 * time.Microsecond}} {
		b.Run(fmt.Sprintf("turns=%d", 3*v.slots), func(b *testing.B) { benchmarkCluster(b, v.slots, v.pace) })
	}
}

func benchmarkCluster(b *testing.B, slots int, pace time.Duration) {
	c := pacedCluster(b, "a b c", slots, pace)
	// Long enough that the beginning of so many turns is a small part of it; a
	// context holds no more.
	tokens := min(int(6*time.Second/pace), 11000)
	var nodes []*mnt.Fsys
	clocks := map[string]*clock{"node": {}, "coord": {pids: []int{c.coord.Cmd.Process.Pid}}, "client": {pids: []int{os.Getpid()}}}
	for name, p := range c.nodes {
		clocks["node"].pids = append(clocks["node"].pids, p.Cmd.Process.Pid)
		fs, err := mnt.Dial(b.Context(), c.at(name), mnt.Options{})
		if err != nil {
			b.Fatal(err)
		}
		defer fs.Close()
		nodes = append(nodes, fs)
	}
	at := make(map[string][]float64)
	// rate makes turns, so many at each tree, and gives tokens a second. What
	// they cost goes to at.
	rate := func(how string, each int, trees ...*mnt.Fsys) float64 {
		for _, k := range clocks {
			k.start(b)
		}
		begun := time.Now()
		var all sync.WaitGroup
		for _, fs := range trees {
			for range each {
				all.Go(func() { speak(b, fs, tokens) })
			}
		}
		all.Wait()
		n := float64(each * len(trees) * tokens)
		r := n / time.Since(begun).Seconds()
		for who, k := range clocks {
			at[how+who] = append(at[how+who], k.microseconds(b)/n)
		}
		return r
	}
	var ratios, alone, through []float64
	b.ResetTimer()
	for range b.N {
		alone = append(alone, rate("alone-", slots, nodes...))
		through = append(through, rate("", 3*slots, c.fs))
		ratios = append(ratios, through[len(through)-1]/alone[len(alone)-1])
	}
	for name, l := range at {
		if m := median(l); m > 0 {
			b.ReportMetric(m, name+"-µs/token")
		}
	}
	b.ReportMetric(median(alone), "alone-tokens/s")
	b.ReportMetric(median(through), "through-tokens/s")
	b.ReportMetric(median(ratios), "through/alone")
}

// pacedCluster is newCluster with nodes that are this program: see pacedNode.
func pacedCluster(b *testing.B, names string, slots int, pace time.Duration) *cluster {
	exe, err := os.Executable()
	if err != nil {
		b.Fatal(err)
	}
	dir, err := os.MkdirTemp("", "l9")
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { os.RemoveAll(dir) })
	c := &cluster{t: b, dir: dir, nodes: make(map[string]*process)}
	var args []string
	for _, name := range strings.Fields(names) {
		p := &process{proc.Command(exe, "-test.run", "^TestHelper$")}
		p.Cmd.Env = append(os.Environ(), fmt.Sprintf("LLAMA9_TEST_HELPER=node %s/%s %d %v", dir, name, slots, pace))
		p.Start(b)
		c.nodes[name] = p
		args = append(args, "--node", name+"="+c.at(name))
	}
	c.addr, c.fs, c.coord = coordinate(b, len(c.nodes), args...)
	return c
}

// pacedNode serves a node with a fake engine at a pace, as told by a line of
// socket, slots and pace.
func pacedNode(t *testing.T, line string) {
	var socket, every string
	var slots int
	if _, err := fmt.Sscan(line, &socket, &slots, &every); err != nil {
		t.Fatal(err)
	}
	pace, err := time.ParseDuration(every)
	if err != nil {
		t.Fatal(err)
	}
	events := styxfs.NewEvents()
	n, err := node.New(node.Config{
		Engine: &fake.Engine{OnDecode: pacer(pace)}, Models: []node.Spec{{Name: "words", File: "fake:words"}},
		Parallel: slots, CtxSize: 12000, Event: events.Post,
	})
	if err != nil {
		t.Fatal(err)
	}
	fs, err := styxfs.New(styxfs.Config{Backend: n, Events: events})
	if err != nil {
		t.Fatal(err)
	}
	ln, err := net.Listen("unix", socket)
	if err != nil {
		t.Fatal(err)
	}
	t.Fatal((&ninep.Server{FS: fs}).Serve(t.Context(), ln))
}

// pacer makes an engine's steps come at a pace. One that comes late, as they do
// where a process that sleeps is woken late or has the processor to wait for,
// is made up for by those after it: else it would be lost from the rate, and the
// engine no maker of so many tokens a second. A time without steps is not.
func pacer(pace time.Duration) func(*fake.Decode) error {
	var due time.Time
	return func(*fake.Decode) error {
		now := time.Now()
		if now.Sub(due) > 100*time.Millisecond {
			due = now
		}
		due = due.Add(pace)
		time.Sleep(due.Sub(now))
		return nil
	}
}

// A clock tells the processor time of processes; 0 where there is no /proc.
type clock struct {
	pids []int
	from time.Duration
}

func (k *clock) start(b *testing.B) { k.from = k.now(b) }

// microseconds is the time since start.
func (k *clock) microseconds(b *testing.B) float64 { return float64(k.now(b)-k.from) / 1e3 }

// now sums up what the processes have used so far, in user and kernel mode.
// See proc(5).
func (k *clock) now(b *testing.B) (sum time.Duration) {
	for _, pid := range k.pids {
		stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
		if err != nil {
			return 0
		}
		f := bytes.Fields(stat[bytes.LastIndexByte(stat, ')'):]) // the third and those behind it
		if len(f) < 14 {
			b.Fatalf("/proc/%d/stat: %s", pid, stat)
		}
		for _, ticks := range f[12:14] {
			n, err := strconv.Atoi(string(ticks))
			if err != nil {
				b.Fatal(err)
			}
			sum += time.Duration(n) * (time.Second / 100)
		}
	}
	return sum
}

// speak makes a turn of so many tokens, reads it and removes its session.
func speak(b *testing.B, fs *mnt.Fsys, tokens int) {
	t, err := mnt.StartTurn(b.Context(), fs, fmt.Sprintf("n_predict %d\nignore_eos on\ntemperature 0\n", tokens), []byte("x"))
	for p := make([]byte, 8192); err == nil; {
		_, err = t.Read(b.Context(), p)
	}
	if err != io.EOF {
		b.Error(err)
		return
	}
	t.Close()
	fs.Remove(b.Context(), "infer/"+t.ID)
}

func median(v []float64) float64 {
	slices.Sort(v)
	return v[len(v)/2]
}
