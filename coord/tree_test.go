package coord_test

import (
	"context"
	"net"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"llama9/coord"
	"llama9/mnt"
	"llama9/ninep"
	"llama9/node"
	"llama9/node/fake"
	"llama9/styxfs"
	"llama9/styxfs/styxtest"
)

// sockets is a directory for Unix sockets, whose paths are short.
func sockets(t testing.TB) string {
	dir, err := os.MkdirTemp("", "l9")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	return dir
}

// known has the users of an attach known, whatever its transport says: the
// peer of a Unix socket is always the tests' user.
type claimed struct{ fs *styxfs.FS }

func (c claimed) Attach(ctx context.Context, a *ninep.Attach) (ninep.Node, error) {
	b := *a
	b.User, b.Known = a.Uname, false
	return c.fs.Attach(ctx, &b)
}

// listen serves a tree at a new address.
func listen(t testing.TB, fs *styxfs.FS) (addr string) {
	addr = "unix!" + sockets(t) + "/9"
	ln, err := ninep.Listen(context.Background(), addr, ninep.ListenOptions{})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	var served sync.WaitGroup
	served.Go(func() { (&ninep.Server{FS: claimed{fs}}).Serve(ctx, ln) })
	t.Cleanup(func() {
		cancel()
		served.Wait()
	})
	return addr
}

// newNode serves a node with a fake engine.
func newNode(t testing.TB) (addr string) {
	events := styxfs.NewEvents()
	n, err := node.New(node.Config{Engine: &fake.Engine{}, Models: []node.Spec{{Name: "m", File: "fake:m"}}, CtxSize: 1 << 14, Parallel: 8, Event: events.Post})
	if err != nil {
		t.Fatal(err)
	}
	fs, err := styxfs.New(styxfs.Config{Backend: n, Events: events})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		fs.Close(context.Background())
		if err := n.Close(context.Background()); err != nil {
			t.Error(err)
		}
	})
	return listen(t, fs)
}

// newCoord makes a coordinator over nodes, and waits until they are up.
func newCoord(t testing.TB, nodes ...string) (*coord.Coord, *styxfs.FS) {
	events := styxfs.NewEvents()
	c, err := coord.New(coord.Config{
		Open: func(addr string) (coord.Place, error) {
			if _, _, err := ninep.ParseAddr(addr); err != nil {
				return nil, err
			}
			return coord.NewRemote(coord.RemoteConfig{Addr: addr}), nil
		},
		Event: events.Post,
	})
	if err != nil {
		t.Fatal(err)
	}
	fs, err := styxfs.New(styxfs.Config{Backend: c, Events: events, Extra: map[string]ninep.Node{"node": c.Dir()}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		fs.Close(context.Background())
		if err := c.Close(context.Background()); err != nil {
			t.Error(err)
		}
	})
	c.Bind(fs, "llama9", "llama9")
	for i, addr := range nodes {
		if err := c.Ctl(context.Background(), [][]string{{"mount", string(rune('a' + i)), addr}}); err != nil {
			t.Fatal(err)
		}
	}
	until(t, "the nodes are up", func() bool {
		up := 0
		for _, a := range c.Status() {
			if a.Name == "slots" && a.Value != "0" {
				up = strings.Count(index(t, fs), " state=up ")
			}
		}
		return up == len(nodes)
	})
	return c, fs
}

// until tries again until ok.
func until(t testing.TB, what string, ok func() bool) {
	t.Helper()
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	late := time.After(time.Minute)
	for !ok() {
		select {
		case <-tick.C:
		case <-late:
			t.Fatalf("in vain: %s", what)
		}
	}
}

// index reads node/index.
func index(t testing.TB, fs *styxfs.FS) string {
	c := pipe(t, fs, "someone")
	defer c.Conn().Close()
	b, err := c.ReadFile(context.Background(), "node/index")
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// pipe attaches to a tree over a pipe. Who gets it closes its connection.
func pipe(t testing.TB, fs *styxfs.FS, user string) *mnt.Fsys {
	a, b := net.Pipe()
	done := make(chan struct{})
	go func() {
		defer close(done)
		(&ninep.Server{FS: fs}).ServeConn(context.Background(), b)
	}()
	c, err := mnt.NewConn(context.Background(), a, mnt.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close(); <-done })
	f, err := c.Attach(context.Background(), user, "")
	if err != nil {
		t.Fatal(err)
	}
	return f
}

func suite(t *testing.T, fs *styxfs.FS) {
	styxtest.Run(t, styxtest.Options{Deterministic: true, Exact: true}, func(t *testing.T, user string) *mnt.Fsys { return pipe(t, fs, user) })
}

// TestTree: a coordinator over nodes is a node's tree.
func TestTree(t *testing.T) {
	_, fs := newCoord(t, newNode(t), newNode(t))
	suite(t, fs)
}

// TestTreeOfCoordinators: so is one over a coordinator.
func TestTreeOfCoordinators(t *testing.T) {
	_, below := newCoord(t, newNode(t), newNode(t))
	_, fs := newCoord(t, listen(t, below))
	suite(t, fs)
}
