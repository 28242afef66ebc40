package tests

import (
	"context"
	"errors"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"llama9/mnt"
)

// freeze stops a node's process as it is: it accepts, and says nothing.
func (c *cluster) freeze(name string) {
	if err := c.nodes[name].Cmd.Process.Signal(syscall.SIGSTOP); err != nil {
		c.t.Fatal(err)
	}
}

func (c *cluster) thaw(name string) {
	if err := c.nodes[name].Cmd.Process.Signal(syscall.SIGCONT); err != nil {
		c.t.Fatal(err)
	}
}

// mostLost is what a frozen node may cost a client: a deadline of 5 seconds,
// and what a busy machine needs to see it.
const mostLost = 30 * time.Second

// TestFreeze: a node is stopped in a prefill, in a decode, and idle, and goes on
// later: its clients lose a deadline at most, and what it says then, nothing.
func TestFreeze(t *testing.T) {
	const tokens = 60
	flags := words("5ms,row=3ms", "-c", "8192", "-b", "64")
	prompt := strings.Repeat("In the beginning was the word. ", 40)
	_, fs, _ := serve(t, flags...)
	turn, err := mnt.StartTurn(t.Context(), fs, settings(1, tokens), []byte(prompt))
	if err != nil {
		t.Fatal(err)
	}
	want := readFile(t, fs, "infer/"+turn.ID+"/out")
	for _, when := range []string{"prefill", "decode", "idle"} {
		t.Run(when, func(t *testing.T) {
			c := newNodes(t)
			c.start("a", words("50ms,row=3ms", "-c", "8192", "-b", "64")...)
			c.start("b", flags...)
			c.coordinate()
			writeFile(t, c.fs, "ctl", "drain b\n")
			dir := c.session(settings(1, tokens))
			begin := func() { writeFile(t, c.fs, dir+"/prompt", prompt) }
			if when != "idle" {
				begin()
				until(t, "it is in "+when, func() bool {
					s := readFile(t, c.fs, dir+"/status")
					n, err := strconv.Atoi(attr(t, s, "tokens"))
					return attr(t, s, "state") == when && (when == "prefill" || err == nil && n > 5)
				})
			}
			c.freeze("a")
			writeFile(t, c.fs, "ctl", "undrain b\n")
			frozen := time.Now()
			if when == "idle" {
				writeFile(t, c.fs, "ctl", "drain b\n")
				begin()
				until(t, "it is at a", func() bool { return c.attr("a", "inflight") == "1" })
				writeFile(t, c.fs, "ctl", "undrain b\n")
			}
			if got := readFile(t, c.fs, dir+"/out"); got != want {
				t.Errorf("got\n%q, want\n%q", got, want)
			}
			if d := time.Since(frozen); d > mostLost {
				t.Errorf("it took %v", d)
			}
			s := readFile(t, c.fs, dir+"/status")
			if attr(t, s, "node") != "b" {
				t.Errorf("status %s", s)
			}
			// A new turn pays nothing: it is not tried there.
			lost := lostTurns(t, c)
			c.begin(settings(2, 5), "x").wait()
			if now := lostTurns(t, c); now != lost {
				t.Errorf("the next turn was lost too: %s, then %s", lost, now)
			}
			c.thaw("a")
			until(t, "a is used again", func() bool {
				c.begin(settings(2, 3), "x").wait()
				return c.attr("a", "state") == "up"
			})
			if again := readFile(t, c.fs, dir+"/out"); again != want {
				t.Errorf("after the thaw it is\n%q", again)
			}
		})
	}
}

// TestCancelFrozen: a cancel does not wait for a node that is frozen.
func TestCancelFrozen(t *testing.T) {
	c := newCluster(t, "a", "--engine", "fake", "-m", "fake:words,step=5ms", "--alias", "words", "-c", "100000")
	dir := c.session("n_predict -1\nignore_eos on\nshift on\n")
	writeFile(t, c.fs, dir+"/prompt", "x")
	c.tokens(dir, 5)
	c.freeze("a")
	writeFile(t, c.fs, dir+"/ctl", "cancel\n")
	// No other node could end it.
	ctx, cancel := context.WithTimeout(t.Context(), mostLost)
	defer cancel()
	if _, err := c.fs.ReadFile(ctx, dir+"/out"); err == nil || !strings.Contains(err.Error(), "cancelled") {
		t.Errorf("out ends with %v", err)
	}
	c.thaw("a")
	until(t, "the node has let go of it", func() bool { return c.attr("a", "inflight") == "0" && c.attr("a", "busy") == "0" })
}

// TestNodeTimeout: a turn's timeout holds while its node is frozen, and while
// there is no node.
func TestNodeTimeout(t *testing.T) {
	c := newCluster(t, "a", "--engine", "fake", "-m", "fake:words", "--alias", "words")
	c.freeze("a")
	dir := c.session("timeout 300ms\n")
	writeFile(t, c.fs, dir+"/prompt", "x")
	ends := func() {
		t.Helper()
		ctx, cancel := context.WithTimeout(t.Context(), mostLost)
		defer cancel()
		if _, err := c.fs.ReadFile(ctx, dir+"/out"); err == nil || !strings.Contains(err.Error(), "timeout") || errors.Is(ctx.Err(), context.DeadlineExceeded) {
			t.Errorf("out ends with %v", err)
		}
	}
	ends()
	c.kill("a")
	c.state("a", "down")
	writeFile(t, c.fs, dir+"/prompt", "y")
	ends()
}
