package tests

import (
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"llama9/mnt"
)

// TestManyTurns: 10,000 turns of 100 clients over 3 nodes while nodes are
// killed and started again: every turn ends with the text of a run without a
// fault, or with an error that its client saw; and nothing is left.
func TestManyTurns(t *testing.T) {
	clients, turns := 100, 100
	if testing.Short() || len(buildFlags) > 0 {
		turns = 10
	}
	const kinds, tokens = 50, 12
	flags := []string{"--engine", "fake", "-m", "fake:words,step=1ms", "--alias", "words", "-np", "16", "--log-level", "error"}
	want := unbroken(t, kinds, tokens, flags...)
	c := newCluster(t, "a b c", flags...)
	open := c.files()

	stop := make(chan struct{})
	var killer sync.WaitGroup
	kills := 0
	killer.Go(func() {
		for i := 0; ; i++ {
			select {
			case <-stop:
				return
			case <-time.After(time.Second + rand.N(time.Second)):
			}
			name := string(rune('a' + i%3))
			c.kill(name)
			kills++
			c.start(name, flags...)
		}
	})
	var good, failed atomic.Int64
	var all sync.WaitGroup
	for i := range clients {
		all.Go(func() {
			fs, err := mnt.Dial(t.Context(), c.addr, mnt.Options{Uname: fmt.Sprint("client", i)})
			if err != nil {
				t.Error(err)
				return
			}
			defer fs.Close()
			for j := range turns {
				k := (i*turns + j) % kinds
				turn, err := mnt.StartTurn(t.Context(), fs, settings(k, tokens), []byte(question(k)))
				var text []byte
				if err == nil {
					text, err = io.ReadAll(reader{t, turn})
					turn.Close()
				}
				switch {
				case err != nil && (turn == nil || !strings.Contains(err.Error(), "nodes: ")):
					t.Errorf("client %d, turn %d: %v", i, j, err)
					return
				case err != nil:
					failed.Add(1)
				case string(text) != want[k]:
					t.Errorf("client %d, turn %d: got %q, want %q", i, j, text, want[k])
					return
				default:
					good.Add(1)
				}
				if err := fs.Remove(t.Context(), "infer/"+turn.ID); err != nil {
					t.Errorf("client %d, turn %d: %v", i, j, err)
				}
			}
		})
	}
	all.Wait()
	close(stop)
	killer.Wait()
	if t.Failed() {
		return
	}
	t.Logf("%d turns were good, %d failed with an error; %d kills; %s", good.Load(), failed.Load(), kills, lostTurns(t, c))
	// The slower the machine, the more kills there are for as many turns.
	if n := good.Load() + failed.Load(); n != int64(clients*turns) || failed.Load() > n/100+int64(kills) || kills == 0 {
		t.Errorf("of %d turns %d were good, %d failed", clients*turns, good.Load(), failed.Load())
	}
	for name := range c.nodes {
		c.state(name, "up")
	}
	c.quiet(0)
	for name := range c.nodes {
		until(t, name+" has no sessions", func() bool {
			s := readFile(t, c.fs, "node/"+name+"/status")
			return attr(t, s, "sessions") == "0" && attr(t, s, "busy") == "0"
		})
	}
	// It keeps a few connections to each node, and none of a client.
	until(t, "the clients' connections are gone", func() bool { return c.files() <= open+10*len(c.nodes) })
}

// files is how many file descriptors the coordinator has open.
func (c *cluster) files() int {
	if runtime.GOOS != "linux" {
		return 0
	}
	l, err := os.ReadDir(fmt.Sprintf("/proc/%d/fd", c.coord.Cmd.Process.Pid))
	if err != nil {
		c.t.Fatal(err)
	}
	return len(l)
}

func lostTurns(t testing.TB, c *cluster) string {
	for line := range strings.Lines(readFile(t, c.fs, "metrics")) {
		if strings.HasPrefix(line, "llama9_coord_lost_total ") {
			return strings.TrimSpace(line)
		}
	}
	return ""
}

// A reader reads a turn.
type reader struct {
	t    *testing.T
	turn *mnt.Turn
}

func (r reader) Read(p []byte) (int, error) { return r.turn.Read(r.t.Context(), p) }
