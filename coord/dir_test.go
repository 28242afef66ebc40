package coord_test

import (
	"context"
	"errors"
	"net"
	"strings"
	"testing"

	"llama9/coord"
	"llama9/mnt"
	"llama9/ninep"
	"llama9/styxfs"
)

var ctx = context.Background()

// line gives a node's line of node/index, "" if there is none.
func line(t testing.TB, fs *styxfs.FS, name string) string {
	for l := range strings.Lines(index(t, fs)) {
		if strings.HasPrefix(l, "name="+name+" ") {
			return l
		}
	}
	return ""
}

func mount(t testing.TB, c *coord.Coord, words ...string) {
	t.Helper()
	if err := c.Ctl(ctx, [][]string{append([]string{"mount"}, words...)}); err != nil {
		t.Fatal(err)
	}
}

// register opens node/new and writes to it.
func register(t testing.TB, c *mnt.Fsys, text string) (*mnt.File, error) {
	f, err := c.Open(ctx, "node/new", ninep.ORDWR)
	if err != nil {
		t.Fatal(err)
	}
	_, err = f.Write(ctx, []byte(text))
	return f, err
}

// A node is mounted for as long as its registration is open.
func TestRegister(t *testing.T) {
	_, fs := newCoord(t)
	addr := newNode(t)
	c := pipe(t, fs, "glenda")
	f, err := register(t, c, "a "+addr+" weight=2.5\n")
	if err != nil {
		t.Fatal(err)
	}
	p := make([]byte, 64)
	if n, err := f.Read(ctx, p); err != nil || string(p[:n]) != "a\n" {
		t.Fatalf("it answers %q, %v", p[:n], err)
	}
	until(t, "it is up", func() bool { return strings.Contains(line(t, fs, "a"), " state=up weight=2.5 ") })
	if !strings.Contains(line(t, fs, "a"), " source=new ") {
		t.Errorf("index: %s", line(t, fs, "a"))
	}
	if _, err := f.Write(ctx, []byte("b "+addr)); err == nil {
		t.Error("two nodes in one file")
	}
	other := pipe(t, fs, "glenda")
	if _, err := register(t, other, "a "+newNode(t)); !errors.Is(err, ninep.ErrExist) && !strings.Contains(err.Error(), "a: in use") {
		t.Errorf("a name that a living node has: %v", err)
	}
	f.Close(ctx)
	if l := line(t, fs, "a"); l != "" {
		t.Errorf("after the clunk: %s", l)
	}
	if _, err := register(t, c, "a "+addr); err != nil {
		t.Fatal(err)
	}
	c.Conn().Close()
	until(t, "a hang-up takes it out", func() bool { return line(t, fs, "a") == "" })
}

// A name whose holder does not answer is free, and so is that of a node that
// has started anew at the same address.
func TestRegisterAgain(t *testing.T) {
	_, fs := newCoord(t)
	c := pipe(t, fs, "glenda")
	gone := "unix!" + sockets(t) + "/none"
	if _, err := register(t, c, "a "+gone); err != nil {
		t.Fatal(err)
	}
	addr := newNode(t)
	if _, err := register(t, c, "a "+addr); err != nil {
		t.Fatalf("the holder is dead: %v", err)
	}
	until(t, "the new one is up", func() bool { return strings.Contains(line(t, fs, "a"), " state=up ") })
	if n := strings.Count(index(t, fs), "name="); n != 1 {
		t.Errorf("%d nodes", n)
	}
}

func TestRegisterBad(t *testing.T) {
	_, fs := newCoord(t)
	c := pipe(t, fs, "glenda")
	for text, word := range map[string]string{
		strings.Repeat("x", 10<<10) + " tcp!127.0.0.1!1": "longer than 64 bytes",
		"../../etc tcp!127.0.0.1!1":                      "no name",
		"a/b tcp!127.0.0.1!1":                            "no name",
		"new tcp!127.0.0.1!1":                            "no name",
		".. tcp!127.0.0.1!1":                             "no name",
		`"a b" tcp!127.0.0.1!1`:                          "no name",
		`"a\x00" tcp!127.0.0.1!1`:                        "no name",
		`"a\xff" tcp!127.0.0.1!1`:                        "no name",
		"a":                                              "want one line",
		"a x!y!z":                                        "x!y!z",
		"a tcp!127.0.0.1!1 weight=0":                     "0: not a weight",
		"a tcp!127.0.0.1!1 weight=-1":                    "-1: not a weight",
		"a tcp!127.0.0.1!1 weight=NaN":                   "NaN: not a weight",
		"a tcp!127.0.0.1!1 weight=1e999":                 "not a weight",
		"a tcp!127.0.0.1!1 speed=1":                      "unknown",
		"a tcp!127.0.0.1!1\nb tcp!127.0.0.1!1":           "want one line",
		`a "tcp`:                                         "quotes",
	} {
		f, err := register(t, c, text)
		if err == nil || !strings.Contains(err.Error(), word) {
			t.Errorf("%.40q: %v, want an error with %q", text, err, word)
		}
		f.Close(ctx)
	}
	if l := index(t, fs); l != "" {
		t.Errorf("index: %s", l)
	}
}

// What is mounted may be no server, one that says nothing, garbage, or the
// coordinator itself: it is down, and says why.
func TestMountBad(t *testing.T) {
	c, fs := newCoord(t)
	serve := func(f func(net.Conn)) string {
		addr := sockets(t) + "/x"
		ln, err := net.Listen("unix", addr)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { ln.Close() })
		go func() {
			for {
				conn, err := ln.Accept()
				if err != nil {
					return
				}
				f(conn)
			}
		}()
		return "unix!" + addr
	}
	good := newNode(t)
	mount(t, c, "good", good)
	until(t, "the good one is up", func() bool { return strings.Contains(line(t, fs, "good"), " state=up ") })
	mount(t, c, "nothing", "unix!"+sockets(t)+"/none")
	mount(t, c, "web", serve(func(conn net.Conn) {
		conn.Read(make([]byte, 100)) // or what is written there fails, and its answer is not read
		conn.Write([]byte("HTTP/1.1 400 Bad Request\r\nConnection: close\r\n\r\n"))
		conn.Close()
	}))
	mount(t, c, "hangup", serve(func(conn net.Conn) { conn.Close() }))
	mount(t, c, "silent", serve(func(conn net.Conn) { t.Cleanup(func() { conn.Close() }) }))
	mount(t, c, "self", listen(t, fs))
	_, above := newCoord(t, listen(t, fs)) // it has this one below
	mount(t, c, "above", listen(t, above))
	for name, word := range map[string]string{"nothing": "no such file", "web": "bad", "hangup": "hung up", "silent": "no answer", "self": "loop", "above": "loop"} {
		until(t, name+" says why", func() bool {
			l := line(t, fs, name)
			return strings.Contains(l, " state=down ") && strings.Contains(l, word)
		})
	}
	for _, words := range [][]string{{"good", newNode(t)}, {"self", good}} {
		if err := c.Ctl(ctx, [][]string{append([]string{"mount"}, words...)}); err == nil || !strings.Contains(err.Error(), words[0]+": in use") {
			t.Errorf("a name twice: %v", err)
		}
	}
}

// The qid paths of node/ are the tree's own, each once, and stay.
func TestDirQids(t *testing.T) {
	_, fs := newCoord(t, newNode(t), newNode(t))
	c := pipe(t, fs, "glenda")
	seen := make(map[uint64]string)
	var walk func(dir string)
	walk = func(dir string) {
		list, err := c.ReadDir(ctx, dir)
		if err != nil {
			t.Fatalf("%s: %v", dir, err)
		}
		for _, st := range list {
			path := strings.TrimPrefix(dir+"/"+st.Name, "/")
			if old := seen[st.Qid.Path]; old != "" {
				t.Errorf("%s and %s have one qid", old, path)
			}
			seen[st.Qid.Path] = path
			again, err := c.Stat(ctx, path)
			if err != nil || again.Qid != st.Qid {
				t.Errorf("stat of %s: %v, in the listing %v, %v", path, again, st, err)
			}
			if st.Mode&ninep.DMDIR != 0 {
				walk(path)
			}
		}
	}
	walk("")
	if len(seen) < 20 {
		t.Errorf("only %d files", len(seen))
	}
	for _, name := range []string{"node/index", "node/a"} {
		if err := c.WriteFile(ctx, name, []byte("x")); err == nil {
			t.Errorf("%s can be written", name)
		}
	}
}
