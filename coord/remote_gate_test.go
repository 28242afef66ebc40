package coord

import (
	"bufio"
	"context"
	"errors"
	"net"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"llama9/mnt"
	"llama9/styxfs"
)

// A gate is a way to a node that can be shut: what was sent waits at it, as at
// a process that is stopped, or on a line that is cut.
type gate struct {
	t    testing.TB
	ln   net.Listener // nil: connections are pipes
	n    *farNode
	stop chan struct{} // closed at the end
	wg   sync.WaitGroup

	mu    sync.Mutex // guards below
	open  chan struct{}
	conns []*net.TCPConn
	evil  func(b []byte) []byte // what the node's bytes become
}

// newGate makes a gate that is reached by TCP.
func newGate(t testing.TB, n *farNode) *gate {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	g := newPipeGate(t, n)
	g.ln = ln
	g.wg.Go(func() {
		for {
			c, err := ln.Accept()
			if err != nil {
				return
			}
			g.mu.Lock()
			g.conns = append(g.conns, c.(*net.TCPConn))
			g.mu.Unlock()
			g.through(c)
		}
	})
	return g
}

// newPipeGate makes one that is reached by pipes, for bubbles of synctest.
func newPipeGate(t testing.TB, n *farNode) *gate {
	g := &gate{t: t, n: n, stop: make(chan struct{}), open: make(chan struct{})}
	close(g.open)
	t.Cleanup(func() {
		close(g.stop)
		if g.ln != nil {
			g.ln.Close()
		}
		g.mu.Lock()
		for _, c := range g.conns {
			c.Close()
		}
		g.mu.Unlock()
		n.cut()
		g.wg.Wait()
	})
	return g
}

// through makes a connection to the node for c.
func (g *gate) through(c net.Conn) {
	far := g.n.pipe()
	g.wg.Go(func() { g.pass(far, c, false) })
	g.wg.Go(func() { g.pass(c, far, true) })
}

func (g *gate) pass(to, from net.Conn, back bool) {
	defer to.Close()
	r := bufio.NewReader(from)
	buf := make([]byte, 64<<10)
	for {
		n, err := r.Read(buf)
		g.mu.Lock()
		open, evil := g.open, g.evil
		g.mu.Unlock()
		select {
		case <-open:
		case <-g.stop:
			return
		}
		b := buf[:n]
		if back && evil != nil && n > 0 {
			b = evil(b)
		}
		if _, werr := to.Write(b); werr != nil || err != nil {
			return
		}
	}
}

func (g *gate) shut() {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.open = make(chan struct{})
}

func (g *gate) unshut() {
	g.mu.Lock()
	defer g.mu.Unlock()
	close(g.open)
}

// remote gives a Remote by way of the gate.
func (g *gate) remote(c RemoteConfig) *Remote {
	if g.ln != nil {
		c.Addr = g.ln.Addr().String()
	}
	r := NewRemote(patient(c))
	if g.ln == nil {
		r.dial = func(ctx context.Context) (*mnt.Conn, error) {
			ours, theirs := net.Pipe()
			g.through(theirs)
			return mnt.NewConn(ctx, ours, r.c.Options)
		}
	}
	g.t.Cleanup(func() { r.Close() })
	return r
}

// begin starts a turn that has made a token.
func (g *gate) begin(r *Remote) (*farCall, *farTurn) {
	c := farGenerate(g.t, r, farRequest("user", "a"))
	ft := g.n.turn()
	ft.say("one ")
	c.h.await(g.t, "a token", func() bool { return c.h.text() == "one " })
	return c, ft
}

// A connection that breaks, and bytes that are no answer, lose the node at once
// for the turn; the next one goes over another connection.
func TestRemoteBroken(t *testing.T) {
	for _, tt := range []struct {
		what string
		snap func(g *gate)
	}{
		{"a reset", func(g *gate) {
			g.mu.Lock()
			defer g.mu.Unlock()
			for _, c := range g.conns {
				c.SetLinger(0)
				c.Close()
			}
		}},
		{"a hang-up", func(g *gate) { g.n.cut() }},
		{"garbage", func(g *gate) { g.spoil(func(b []byte) []byte { return []byte(strings.Repeat("garbage", 100)) }) }},
		{"a frame that is too long", func(g *gate) { g.spoil(func(b []byte) []byte { b[0]++; return b }) }},
		{"a frame that is too short", func(g *gate) { g.spoil(func(b []byte) []byte { b[0]--; return b }) }},
		{"a count that is too long", func(g *gate) {
			g.spoil(func(b []byte) []byte {
				if len(b) > 7 { // an Rclunk has nothing behind its tag
					b[7]++
				}
				return b
			})
		}},
		{"half a reply", func(g *gate) {
			g.spoil(func(b []byte) []byte {
				g.n.cut()
				return b[:5]
			})
		}},
	} {
		t.Run(tt.what, func(t *testing.T) {
			g := newGate(t, newFarNode(t))
			r := g.remote(RemoteConfig{})
			c, ft := g.begin(r)
			tt.snap(g)
			ft.Token(styxfs.Token{ID: 2, Text: "two"})
			if _, err := c.wait(t); !errors.Is(err, ErrLost) {
				t.Errorf("%v, want a lost node", err)
			}
			if got := c.h.text(); got != "one " {
				t.Errorf("text %q", got)
			}
			// Nobody reads it any more: the node ends it by itself.
			ended(t, ft)
			g.spoil(nil)
			play(t, g.n, r, farRequest("user", "a"), "x")
		})
	}
}

func (g *gate) spoil(f func([]byte) []byte) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.evil = f
}

// A node that is stopped costs a turn what its owner gives it. What the node
// says late, once it goes on, reaches nobody, and it is good for other turns.
func TestRemoteStopped(t *testing.T) {
	frozen := errors.New("frozen")
	for _, when := range []string{"in decode", "in prefill", "idle"} {
		t.Run(when, func(t *testing.T) {
			g := newGate(t, newFarNode(t))
			r := g.remote(RemoteConfig{Linger: 20 * time.Millisecond})
			var c *farCall
			var ft *farTurn
			switch when {
			case "in decode":
				c, ft = g.begin(r)
				g.shut()
				ft.say("late ", "later ")
			case "in prefill":
				c = farGenerate(t, r, farRequest("user", "a"))
				ft = g.n.turn()
				c.h.await(t, "queued", func() bool { return c.h.has("queued") })
				g.shut()
				ft.Progress(1, 0, 2)
				ft.say("late ")
			case "idle":
				play(t, g.n, r, farRequest("user", "a"), "x")
				g.shut()
				req := farRequest("user", "a", "assistant", "x", "user", "b")
				g.n.late = req.Messages // what has left already may begin a turn there
				c = farGenerate(t, r, req)
			}
			c.cancel(frozen)
			if _, err := c.wait(t); err != frozen {
				t.Error(err)
			}
			want := map[string]string{"in decode": "one "}[when]
			if got := c.h.text(); got != want {
				t.Errorf("text %q", got)
			}
			g.unshut()
			if ft != nil {
				ended(t, ft)
			}
			play(t, g.n, r, farRequest("user", "a"), "y")
			play(t, g.n, r, farRequest("user", "a", "assistant", "y", "user", "b"), "z")
			if got := c.h.text(); got != want {
				t.Errorf("then text %q", got)
			}
			eventually(t, "one session is left", func() bool {
				if _, err := r.Probe(t.Context()); err != nil {
					t.Error(err)
				}
				return len(g.n.sessions()) == 1
			})
			for _, ft := range g.n.skipped {
				ended(t, ft)
			}
		})
	}
}

// What takes a healthy node no time is not waited for without end: a line that
// is cut looks like that. The time is a bubble's, and so a busy machine has all
// that it needs of it.
func TestRemoteHalfOpen(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := newPipeGate(t, newFarNode(t))
		r := g.remote(RemoteConfig{Setup: time.Second, Linger: 20 * time.Millisecond})
		play(t, g.n, r, farRequest("user", "a"), "x")
		g.shut()
		begun := time.Now()
		c := farGenerate(t, r, farRequest("user", "a", "assistant", "x", "user", "b"))
		if _, err := c.wait(t); !errors.Is(err, ErrLost) || !strings.Contains(err.Error(), "no answer in 1s") {
			t.Error(err)
		}
		if d := time.Since(begun); d < time.Second || d > 2*time.Second {
			t.Errorf("the turn took %v", d)
		}
		if _, err := r.ReadModels(t.Context()); !errors.Is(err, ErrLost) {
			t.Error(err)
		}
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Millisecond)
		defer cancel()
		if _, err := r.Probe(ctx); !errors.Is(err, context.DeadlineExceeded) {
			t.Error(err)
		}
	})
}
