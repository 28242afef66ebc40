package tests

import (
	"fmt"
	"io"
	"net"
	"strings"
	"sync"
	"testing"
	"time"
)

// A gate is a way to a node that a test can spoil: what the node answers
// becomes what evil makes of it.
type gate struct {
	addr string
	wg   sync.WaitGroup

	mu    sync.Mutex // guards below
	shut  bool       // at the test's end
	conns []*net.TCPConn
	evil  func(b []byte) []byte // nil: all goes through
}

// newGate listens for connections to the node at the Unix socket path.
func newGate(t testing.TB, path string) *gate {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	g := &gate{addr: ln.Addr().String()}
	g.wg.Go(func() {
		for {
			near, err := ln.Accept()
			if err != nil {
				return
			}
			far, err := net.Dial("unix", path)
			if err != nil {
				near.Close()
				continue
			}
			g.mu.Lock()
			if g.shut {
				near.Close()
			}
			g.conns = append(g.conns, near.(*net.TCPConn))
			g.mu.Unlock()
			g.wg.Go(func() {
				defer far.Close()
				io.Copy(far, near)
			})
			g.wg.Go(func() { g.back(near, far) })
		}
	})
	t.Cleanup(func() {
		ln.Close()
		g.mu.Lock()
		g.shut = true
		g.mu.Unlock()
		g.cut(false)
		g.wg.Wait()
	})
	return g
}

// back passes on what the node says.
func (g *gate) back(near, far net.Conn) {
	defer near.Close()
	buf := make([]byte, 64<<10)
	for {
		n, err := far.Read(buf)
		g.mu.Lock()
		evil := g.evil
		g.mu.Unlock()
		b := buf[:n]
		if evil != nil && n > 7 {
			b = evil(b)
		}
		if _, werr := near.Write(b); werr != nil || err != nil {
			return
		}
	}
}

func (g *gate) spoil(evil func(b []byte) []byte) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.evil = evil
}

// cut ends all connections, by a reset or as is proper.
func (g *gate) cut(reset bool) {
	g.mu.Lock()
	defer g.mu.Unlock()
	for _, c := range g.conns {
		if reset {
			c.SetLinger(0)
		}
		c.Close()
	}
	g.conns = nil
}

// TestBadLine: the connections to a node break, or what comes of it is no
// answer, in the middle of a stream, which goes on on another node. When all is
// well again the node is used again.
func TestBadLine(t *testing.T) {
	const tokens = 150
	flags, slow := words("5ms"), words("50ms")
	want := unbroken(t, 2, tokens, words("0")...)[1]
	for _, tt := range []struct {
		what string
		do   func(g *gate)
	}{
		{"a reset", func(g *gate) { g.cut(true) }},
		{"a hang-up", func(g *gate) { g.cut(false) }},
		{"garbage", func(g *gate) {
			g.spoil(func(b []byte) []byte {
				for i := range b {
					b[i] ^= 0xa5
				}
				return b
			})
		}},
		{"zeros", func(g *gate) { g.spoil(func(b []byte) []byte { clear(b); return b }) }},
		{"a reply that is too long", func(g *gate) { g.spoil(func(b []byte) []byte { b[0]++; return b }) }},
		{"a reply that is too short", func(g *gate) { g.spoil(func(b []byte) []byte { b[0]--; return b }) }},
		{"a reply of 4 GiB", func(g *gate) { g.spoil(func(b []byte) []byte { copy(b, "\xff\xff\xff\xff"); return b }) }},
		{"another tag", func(g *gate) { g.spoil(func(b []byte) []byte { b[5] ^= 0x55; return b }) }},
		{"another type", func(g *gate) { g.spoil(func(b []byte) []byte { b[4] = 109; return b }) }},
	} {
		t.Run(tt.what, func(t *testing.T) {
			c := newCluster(t, "b", flags...)
			c.start("a", slow...)
			g := newGate(t, c.dir+"/a")
			writeFile(t, c.fs, "ctl", "mount a "+g.addr+"\n")
			up := func() bool { return c.attr("a", "state") == "up" }
			until(t, "a is up", up)
			writeFile(t, c.fs, "ctl", "drain b\n")
			dir := c.session(settings(1, tokens))
			writeFile(t, c.fs, dir+"/prompt", question(1))
			c.tokens(dir, 5)
			writeFile(t, c.fs, "ctl", "undrain b\ndrain a\n")
			tt.do(g)
			begun := time.Now()
			if got := readFile(t, c.fs, dir+"/out"); got != want {
				t.Errorf("got\n%q, want\n%q", got, want)
			}
			if d := time.Since(begun); d > mostLost {
				t.Errorf("it took %v", d)
			}
			if s := readFile(t, c.fs, dir+"/status"); attr(t, s, "node") != "b" || attr(t, s, "tokens") != fmt.Sprint(tokens) {
				t.Errorf("status %s", s)
			}
			g.spoil(nil)
			writeFile(t, c.fs, "ctl", "undrain a\ndrain b\n")
			until(t, "a is up again", up)
			if got := c.begin(settings(1, 20), question(1)).wait(); got == "" || !strings.HasPrefix(want, got) {
				t.Errorf("then, on a, it is\n%q, want\n%q", got, want)
			}
			until(t, "nothing is left", func() bool {
				return c.attr("a", "inflight") == "0" && c.attr("a", "busy") == "0" && c.attr("b", "busy") == "0"
			})
		})
	}
}
