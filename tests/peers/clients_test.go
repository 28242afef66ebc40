package peers

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"slices"
	"strings"
	"testing"

	"9fans.net/go/plan9"
	plan9client "9fans.net/go/plan9/client"
	go9pclient "github.com/knusbaum/go9p/client"
	"github.com/knusbaum/go9p/proto"

	"llama9/mnt"
	"llama9/ninep"
)

// A client does by some library what the tests ask for.
type client interface {
	read(path string) (string, error)
	write(path, data string) error // truncates
	create(path, data string) error
	list(path string) ([]string, error)
	length(path string) (uint64, error)
	truncate(path string) error
	remove(path string) error
}

// mntClient is ours.
type mntClient struct{ fs *mnt.Fsys }

func newMnt(t testing.TB, conn net.Conn) client { return newMntWith(t, conn, mnt.Options{}) }

// newMntOneByOne waits for each answer, as is needed with go9p's server, which
// has a hundred workers, and with srv9p, which has a goroutine a message: both
// take up a Topen before the Twalk that was sent before it.
func newMntOneByOne(t testing.TB, conn net.Conn) client {
	return newMntWith(t, conn, mnt.Options{Sequential: true})
}

func newMntWith(t testing.TB, conn net.Conn, o mnt.Options) client {
	c, err := mnt.NewConn(t.Context(), conn, o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	fs, err := c.Attach(t.Context(), "none", "")
	if err != nil {
		t.Fatal(err)
	}
	return mntClient{fs}
}

func (c mntClient) read(path string) (string, error) {
	b, err := c.fs.ReadFile(context.Background(), path)
	return string(b), err
}
func (c mntClient) write(path, data string) error {
	return c.fs.WriteFile(context.Background(), path, []byte(data))
}
func (c mntClient) create(path, data string) error {
	ctx := context.Background()
	f, err := c.fs.Create(ctx, path, 0666, ninep.OWRITE)
	if err != nil {
		return err
	}
	_, err = f.Write(ctx, []byte(data))
	return errors.Join(err, f.Close(ctx))
}
func (c mntClient) list(path string) (names []string, err error) {
	list, err := c.fs.ReadDir(context.Background(), path)
	for _, s := range list {
		names = append(names, s.Name)
	}
	return names, err
}
func (c mntClient) length(path string) (uint64, error) {
	s, err := c.fs.Stat(context.Background(), path)
	return s.Length, err
}
func (c mntClient) truncate(path string) error {
	length := uint64(0)
	return c.fs.Wstat(context.Background(), path, ninep.StatChange{Length: &length})
}
func (c mntClient) remove(path string) error { return c.fs.Remove(context.Background(), path) }

// plan9Client is 9fans.net/go/plan9/client. Its calls hang for ever when the
// connection dies, so it is not used after that.
type plan9Client struct{ fs *plan9client.Fsys }

func newPlan9(t testing.TB, conn net.Conn) client {
	c, err := plan9client.NewConn(conn)
	if err != nil {
		t.Fatal(err)
	}
	fs, err := c.Attach(nil, "none", "")
	if err != nil {
		t.Fatal(err)
	}
	return plan9Client{fs}
}

func (c plan9Client) read(path string) (string, error) {
	f, err := c.fs.Open(path, plan9.OREAD)
	if err != nil {
		return "", err
	}
	defer f.Close()
	b, err := io.ReadAll(f)
	return string(b), err
}
func (c plan9Client) write(path, data string) error {
	f, err := c.fs.Open(path, plan9.OWRITE|plan9.OTRUNC)
	if err != nil {
		return err
	}
	_, err = f.Write([]byte(data))
	return errors.Join(err, f.Close())
}
func (c plan9Client) create(path, data string) error {
	f, err := c.fs.Create(path, plan9.OWRITE, 0666)
	if err != nil {
		return err
	}
	_, err = f.Write([]byte(data))
	return errors.Join(err, f.Close())
}
func (c plan9Client) list(path string) (names []string, err error) {
	f, err := c.fs.Open(path, plan9.OREAD)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	list, err := f.Dirreadall()
	for _, d := range list {
		names = append(names, d.Name)
	}
	return names, err
}
func (c plan9Client) length(path string) (uint64, error) {
	d, err := c.fs.Stat(path)
	if err != nil {
		return 0, err
	}
	return d.Length, nil
}
func (c plan9Client) truncate(path string) error {
	var d plan9.Dir
	d.Null()
	d.Length = 0
	return c.fs.Wstat(path, &d)
}
func (c plan9Client) remove(path string) error { return c.fs.Remove(path) }

// go9pClient is go9p's. Its messages are at most 64 KiB; of a write that takes
// several it sends all to the same offset, so the test writes in pieces. Its
// calls hang for ever when the connection dies.
type go9pClient struct{ c *go9pclient.Client }

func newGo9p(t testing.TB, conn net.Conn) client {
	c, err := go9pclient.NewClient(conn, "none", "")
	if err != nil {
		t.Fatal(err)
	}
	return go9pClient{c}
}

func (c go9pClient) read(path string) (string, error) {
	f, err := c.c.Open(path, proto.Oread)
	if err != nil {
		return "", err
	}
	defer f.Close()
	b, err := io.ReadAll(f)
	return string(b), err
}
func (c go9pClient) put(f *go9pclient.File, data string) error {
	for piece := range slices.Chunk([]byte(data), 8192) {
		if _, err := f.Write(piece); err != nil {
			return err
		}
	}
	return f.Close()
}
func (c go9pClient) write(path, data string) error {
	f, err := c.c.Open(path, proto.Owrite|proto.Otrunc)
	if err != nil {
		return err
	}
	return c.put(f, data)
}

// create opens the file again to write: of a file that it made, this client
// takes the iounit to be 0, and writes 0 bytes for ever.
func (c go9pClient) create(path, data string) error {
	f, err := c.c.Create(path, 0666)
	if err != nil {
		return err
	}
	return errors.Join(f.Close(), c.write(path, data))
}
func (c go9pClient) list(path string) (names []string, err error) {
	list, err := c.c.Readdir(path)
	for _, s := range list {
		names = append(names, s.Name)
	}
	return names, err
}
func (c go9pClient) length(path string) (uint64, error) {
	s, err := c.c.Stat(path)
	if err != nil {
		return 0, err
	}
	return s.Length, nil
}
func (c go9pClient) truncate(path string) error {
	return c.c.WStat(path, &proto.Stat{Type: ^uint16(0), Dev: ^uint32(0),
		Qid: proto.Qid{Qtype: ^uint8(0), Vers: ^uint32(0), Uid: ^uint64(0)}, Mode: ^uint32(0),
		Atime: ^uint32(0), Mtime: ^uint32(0)})
}

// remove looks for the file first: half a walk is a success to this client, and
// a Tremove that fails makes it use one fid number twice.
func (c go9pClient) remove(path string) error {
	f, err := c.c.Open(path, proto.Oread)
	if err != nil {
		return err
	}
	return errors.Join(f.Close(), c.c.Remove(path))
}

// TestPeers has the libraries' clients use our server, and our client the
// libraries' servers.
func TestPeers(t *testing.T) {
	for _, tt := range []struct {
		name   string
		server func(testing.TB) peer
		client func(testing.TB, net.Conn) client
		gaps   string // what the library cannot do
	}{
		{"mnt to ninep", ourServer, newMnt, ""},
		{"plan9 to ninep", ourServer, newPlan9, ""},
		{"go9p to ninep", ourServer, newGo9p, ""},
		{"p9 to ninep", ourServer, newP9, ""},
		// StaticFile ignores a new length.
		{"mnt to go9p", go9pServer, newMntOneByOne, "truncate"},
		// The lengths of a Tree are what was set once.
		{"mnt to srv9p", srv9pServer, newMntOneByOne, "length"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			p := tt.server(t)
			t.Run("files", func(t *testing.T) { testFiles(t, tt.client(t, p.dial(t)), tt.gaps) })
			t.Run("many", func(t *testing.T) { testMany(t, p, tt.client) })
			t.Run("blocked", func(t *testing.T) { testBlocked(t, p, tt.client) })
		})
	}
}

func testFiles(t *testing.T, c client, gaps string) {
	names, err := c.list("")
	slices.Sort(names)
	if got := strings.Join(names, " "); err != nil || got != "dir empty hello stream" {
		t.Errorf("the root has %q, %v", got, err)
	}
	names, err = c.list("dir")
	slices.Sort(names)
	if err != nil || len(names) != manyFiles || names[0] != manyName(0) || names[manyFiles-1] != manyName(manyFiles-1) {
		t.Errorf("dir has %d files, %v", len(names), err)
	}
	if got, err := c.read("hello"); err != nil || got != helloText {
		t.Errorf("hello: %q, %v", got, err)
	}
	if n, err := c.length("hello"); err != nil || n != uint64(len(helloText)) {
		t.Errorf("hello has length %d, %v", n, err)
	}
	for _, path := range []string{"nothing", "dir/nothing", "nothing/at/all"} {
		if _, err := c.read(path); err == nil {
			t.Errorf("%s could be read", path)
		}
		if _, err := c.length(path); err == nil {
			t.Errorf("%s has a length", path)
		}
		if err := c.remove(path); err == nil {
			t.Errorf("%s could be removed", path)
		}
	}
	big := strings.Repeat("0123456789abcdef", 20<<10) // 320 KiB
	for _, text := range []string{"short", big, "x", ""} {
		if err := c.write("empty", text); err != nil {
			t.Errorf("writing %d bytes: %v", len(text), err)
		}
		if got, err := c.read("empty"); err != nil || got != text {
			t.Errorf("wrote %d bytes, read %d, %v", len(text), len(got), err)
		}
	}
	if err := c.create("dir/new", "something"); err != nil {
		t.Error(err)
	}
	if names, err := c.list("dir"); err != nil || len(names) != manyFiles+1 || !slices.Contains(names, "new") {
		t.Errorf("after a create dir has %d files, %v", len(names), err)
	}
	if got, err := c.read("dir/new"); err != nil || got != "something" {
		t.Errorf("new: %q, %v", got, err)
	}
	if gaps != "truncate" {
		if err := c.truncate("dir/new"); err != nil {
			t.Error(err)
		}
		if got, err := c.read("dir/new"); err != nil || got != "" {
			t.Errorf("new, truncated: %q, %v", got, err)
		}
	}
	if err := c.remove("dir/new"); err != nil {
		t.Error(err)
	}
	if _, err := c.read("dir/new"); err == nil {
		t.Error("new could be read after its removal")
	}
}

// testMany reads through many connections at once, and many times through each.
func testMany(t *testing.T, p peer, dial func(testing.TB, net.Conn) client) {
	const conns, each = 8, 10
	errs := make(chan error)
	for range conns {
		c := dial(t, p.dial(t))
		for range each {
			go func() {
				got, err := c.read("hello")
				if err == nil && got != helloText {
					err = fmt.Errorf("read %q", got)
				}
				errs <- err
			}()
		}
	}
	for range conns * each {
		if err := <-errs; err != nil {
			t.Error(err)
		}
	}
}

// testBlocked has reads that block beside others that do not.
func testBlocked(t *testing.T, p peer, dial func(testing.TB, net.Conn) client) {
	const blocked = 10
	c := dial(t, p.dial(t))
	errs := make(chan error)
	for range blocked {
		go func() {
			got, err := c.read("stream")
			if err == nil && got != streamText {
				err = fmt.Errorf("read %q", got)
			}
			errs <- err
		}()
	}
	for p.reading() < blocked {
		if got, err := c.read("hello"); err != nil || got != helloText {
			t.Fatalf("beside blocked reads: %q, %v", got, err)
		}
	}
	p.release()
	for range blocked {
		if err := <-errs; err != nil {
			t.Error(err)
		}
	}
}

// The texts of our errors reach the users of other clients as they are.
func TestErrorTexts(t *testing.T) {
	p := ourServer(t)
	for _, c := range []client{newMnt(t, p.dial(t)), newPlan9(t, p.dial(t)), newGo9p(t, p.dial(t))} {
		if _, err := c.read("nothing"); err == nil || err.Error() != "file does not exist" {
			t.Errorf("%T: %v", c, err)
		}
		if err := c.write("stream", "x"); err == nil || err.Error() != "permission denied" {
			t.Errorf("%T: %v", c, err)
		}
	}
}

// A done context of our client ends reads on servers that know Tflush; on one
// that does not cancel, it ends the waiting.
func TestCancel(t *testing.T) {
	for name, server := range map[string]func(testing.TB) peer{"ninep": ourServer, "srv9p": srv9pServer, "go9p": go9pServer} {
		t.Run(name, func(t *testing.T) {
			p := server(t)
			c, err := mnt.NewConn(t.Context(), p.dial(t), mnt.Options{Sequential: name != "ninep"})
			if err != nil {
				t.Fatal(err)
			}
			defer c.Close()
			fs, err := c.Attach(t.Context(), "none", "")
			if err != nil {
				t.Fatal(err)
			}
			ctx, cancel := context.WithCancel(t.Context())
			done := make(chan error)
			go func() {
				_, err := fs.ReadFile(ctx, "stream")
				done <- err
			}()
			for p.reading() == 0 {
				if err := c.Probe(t.Context()); err != nil {
					t.Fatal(err)
				}
			}
			cancel()
			if err := <-done; !errors.Is(err, context.Canceled) {
				t.Errorf("%v", err)
			}
			if name != "go9p" { // which answers Tflush and reads on
				for p.reading() > 0 {
					if err := c.Probe(t.Context()); err != nil {
						t.Fatal(err)
					}
				}
				if b, err := fs.ReadFile(t.Context(), "hello"); err != nil || string(b) != helloText {
					t.Errorf("afterwards: %q, %v", b, err)
				}
			}
		})
	}
}
