package limbo

import (
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// script runs testdata/NAME.sh, whose checks print what is wrong.
func script(t *testing.T, i inferno, name string, least int, args ...string) {
	t.Helper()
	text := ""
	for _, file := range []string{"check", name} {
		b, err := os.ReadFile("testdata/" + file + ".sh")
		if err != nil {
			t.Fatal(err)
		}
		text += string(b)
	}
	out, err := i.exec(t, text, args...)
	checked(t, out, err, least)
}

// TestContract: the tree from Inferno's shell.
func TestContract(t *testing.T) {
	i := findInferno(t)
	long := filepath.Join(t.TempDir(), "long")
	// it is cut into messages at 8 KiB, in the middle of characters
	if err := os.WriteFile(long, []byte(strings.Repeat(" because 世界", 1400)), 0o666); err != nil {
		t.Fatal(err)
	}
	script(t, i, "tree", 25, node(t, "1ms").addr, "/n/local"+long)
}

// TestCommands: ask, chat, node, isolate and gateway.
func TestCommands(t *testing.T) {
	i := findInferno(t)
	dir := t.TempDir()
	for name, text := range map[string]string{"emoji": "why 😀\n", "emoji1": "why 😀"} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o666); err != nil {
			t.Fatal(err)
		}
	}
	s := node(t, "1ms")
	script(t, i, "commands", 30, s.addr, "/n/local"+dir, closed(t), keys(t)+"/key")
	// it was mounted with a key, without a gateway
	if what := "client wants Inferno authentication, use mount -A"; !strings.Contains(s.Out.String(), what) {
		t.Errorf("the node does not log %q", what)
	}
}

// TestServerGone: a server is killed under a mount.
func TestServerGone(t *testing.T) {
	i := findInferno(t)
	s := node(t, "1ms")
	script(t, i, "gone", 6, s.addr, s.pid(), node(t, "1ms").addr)
}

// TestServerFrozen: a server neither hangs up nor answers, in a turn.
func TestServerFrozen(t *testing.T) {
	i := findInferno(t)
	s := node(t, "1ms")
	script(t, i, "frozen", 5, s.addr, s.pid())
}

// TestBadServers: what is no server does not hang a program.
func TestBadServers(t *testing.T) {
	i := findInferno(t)
	http := listen(t, func(c net.Conn) {
		c.Read(make([]byte, 1))
		c.Write([]byte("HTTP/1.1 400 Bad Request\r\nConnection: close\r\n\r\n400 Bad Request"))
	})
	hangs := listen(t, func(c net.Conn) { c.Read(make([]byte, 1<<16)); c.Read(make([]byte, 1)) })
	script(t, i, "bad", 5, http, hangs, closed(t), node(t, "1ms").addr)
}

// listen answers connections by serve, and then closes them.
func listen(t *testing.T, serve func(net.Conn)) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	t.Cleanup(func() {
		l.Close()
		<-done
	})
	go func() {
		defer close(done)
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go func() { // ends with the connection, which emu's end closes
				defer c.Close()
				serve(c)
			}()
		}
	}()
	return dialString(l.Addr())
}

// closed is an address where nobody listens.
func closed(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return dialString(l.Addr())
}

func dialString(a net.Addr) string {
	return "tcp!" + strings.ReplaceAll(a.String(), ":", "!")
}
