package coord

import (
	"context"
	"errors"
	"net"
	"strings"
	"testing"

	"github.com/hugelgupf/p9/p9"

	"llama9/mnt"
	"llama9/ninep"
	"llama9/styxfs"
)

// serveCoord serves a coordinator in which n is mounted as a, and gives a way
// to make connections to it.
func serveCoord(t *testing.T, n *farNode) (r *Remote, dial func() net.Conn) {
	t.Helper()
	r = n.remote(RemoteConfig{})
	c, err := New(Config{Open: func(string) (Place, error) { return r, nil }})
	if err != nil {
		t.Fatal(err)
	}
	fs, err := styxfs.New(styxfs.Config{Backend: c, ServerUser: "boss", Extra: map[string]ninep.Node{"node": c.Dir()}})
	if err != nil {
		t.Fatal(err)
	}
	c.Bind(fs, "boss", "boss")
	if err := c.Ctl(t.Context(), [][]string{{"mount", "a", "tcp!127.0.0.1!1"}}); err != nil {
		t.Fatal(err)
	}
	front := &farNode{t: t, fs: fs, srv: &ninep.Server{FS: fs}, stop: func() {}}
	t.Cleanup(func() {
		if err := errors.Join(fs.Close(context.Background()), c.Close(context.Background())); err != nil {
			t.Error(err)
		}
		front.cut()
		front.wg.Wait()
	})
	return r, front.pipe
}

func attach(t *testing.T, c net.Conn, user string) *mnt.Fsys {
	t.Helper()
	conn, err := mnt.NewConn(t.Context(), c, mnt.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	fs, err := conn.Attach(t.Context(), user, "")
	if err != nil {
		t.Fatal(err)
	}
	return fs
}

func read(t *testing.T, fs *mnt.Fsys, path string) string {
	t.Helper()
	b, err := fs.ReadFile(t.Context(), path)
	if err != nil {
		t.Errorf("%s: %v", path, err)
	}
	return string(b)
}

// A whole session on the node through the coordinator's tree.
func TestRemoteGraft(t *testing.T) {
	n := newFarNode(t)
	_, dial := serveCoord(t, n)
	fs := attach(t, dial(), "glenda")
	ctx := t.Context()
	if got := read(t, fs, "node/a/status"); !strings.Contains(got, "id="+n.fs.ID()) {
		t.Errorf("status %q", got)
	}
	if _, err := fs.Stat(ctx, "node/a/infer/last"); !errors.Is(err, ninep.ErrNotExist) {
		t.Error(err)
	}
	id := strings.TrimSpace(read(t, fs, "node/a/infer/new"))
	dir := "node/a/infer/" + id + "/"
	if err := fs.WriteFile(ctx, dir+"ctl", []byte("temperature 0.5\n")); err != nil {
		t.Error(err)
	}
	if err := fs.WriteFile(ctx, dir+"ctl", []byte("temperature hot\n")); err == nil || err.Error() != "temperature: hot: not a number" {
		t.Error(err)
	}
	if got := read(t, fs, dir+"ctl"); !strings.HasPrefix(got, "temperature 0.5\n") {
		t.Errorf("ctl %.40q", got)
	}
	if err := fs.WriteFile(ctx, dir+"prompt", []byte("why?\n")); err != nil {
		t.Error(err)
	}
	ft := n.turn()
	if ft.User != "glenda" || ft.Messages[0].Content != "why?" {
		t.Errorf("%+v", ft.Request)
	}
	out, err := fs.Open(ctx, "node/a/infer/last/out", ninep.OREAD)
	if err != nil {
		t.Fatal(err)
	}
	buf := make([]byte, 100)
	for _, s := range []string{"be", "cause"} { // as it is made
		ft.say(s)
		k, err := out.Read(ctx, buf)
		if err != nil || string(buf[:k]) != s {
			t.Errorf("%q, %v", buf[:k], err)
		}
	}
	ft.end <- farEnd{styxfs.Outcome{Reason: styxfs.ReasonErr}, errors.New("it broke")}
	if _, err := out.Read(ctx, buf); err == nil || err.Error() != "it broke" {
		t.Error(err)
	}
	if b, err := fs.ReadFile(ctx, dir+"out"); string(b) != "because" || err == nil || err.Error() != "it broke" {
		t.Errorf("out %q, %v", b, err)
	}
	// qids are those of no file of the coordinator, and the same by both names.
	a, err := fs.Stat(ctx, dir+"out")
	if err != nil {
		t.Fatal(err)
	}
	b, err := fs.Stat(ctx, "node/a/infer/last/out")
	if err != nil || a.Qid != b.Qid {
		t.Errorf("%v and %v, %v", a.Qid, b.Qid, err)
	}
	seen := map[uint64]string{}
	var walk func(path string)
	walk = func(path string) {
		l, err := fs.ReadDir(ctx, path)
		if err != nil {
			t.Errorf("%s: %v", path, err)
		}
		for _, s := range l {
			p := path + "/" + s.Name
			if old := seen[s.Qid.Path]; old != "" && !strings.Contains(p+old, "/last/") {
				t.Errorf("%s and %s have the qid path %x", old, p, s.Qid.Path)
			}
			seen[s.Qid.Path] = p
			if s.Mode&ninep.DMDIR != 0 {
				walk(p)
			}
		}
	}
	walk("")
	if len(seen) < 30 {
		t.Errorf("%d files", len(seen))
	}
	if err := fs.Remove(ctx, strings.TrimSuffix(dir, "/")); err != nil {
		t.Error(err)
	}
	if got := n.sessions(); len(got) != 0 {
		t.Errorf("sessions %v", got)
	}
}

// A prompt that was not clunked commits nothing on the node: a hang-up is a
// hang-up there too, and ends what only that client waits for.
func TestRemoteGraftHangup(t *testing.T) {
	n := newFarNode(t)
	_, dial := serveCoord(t, n)
	own := n.client("glenda")
	mine := attach(t, dial(), "glenda")
	fs := attach(t, dial(), "glenda")
	id := strings.TrimSpace(read(t, mine, "node/a/infer/new"))
	f, err := fs.Open(t.Context(), "node/a/infer/"+id+"/prompt", ninep.OWRITE)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := f.WriteAt(t.Context(), []byte("half a que"), 0); err != nil {
		t.Fatal(err)
	}
	if err := mine.WriteFile(t.Context(), "node/a/infer/"+id+"/prompt", []byte("x")); !errors.Is(err, ninep.ErrBusy) {
		t.Error(err)
	}
	fs.Conn().Close()
	eventually(t, "the prompt is free", func() bool {
		err := mine.WriteFile(t.Context(), "node/a/infer/"+id+"/prompt", []byte("whole"))
		return err == nil
	})
	if ft := n.turn(); ft.Messages[0].Content != "whole" || len(ft.Messages) != 1 {
		t.Errorf("%q", ft.Messages)
	}
	if got := len(n.turns); got != 0 {
		t.Errorf("%d more turns", got)
	}
	// Onclose cancel goes through as well.
	if err := own.WriteFile(t.Context(), "infer/"+id+"/ctl", []byte("cancel\nonclose cancel\n")); err != nil {
		t.Fatal(err)
	}
	fs = attach(t, dial(), "glenda")
	if err := fs.WriteFile(t.Context(), "node/a/infer/new", []byte("why?")); err != nil {
		t.Fatal(err)
	}
	ft := n.turn()
	if err := fs.WriteFile(t.Context(), "node/a/infer/last/ctl", []byte("cancel\nonclose cancel\n")); err != nil {
		t.Fatal(err)
	}
	<-ft.ctx.Done()
	eventually(t, "the turn ended", func() bool { return strings.Contains(read(t, fs, "node/a/infer/last/status"), "state=cancelled") })
	if err := fs.WriteFile(t.Context(), "node/a/infer/last/prompt", []byte("why?")); err != nil {
		t.Fatal(err)
	}
	ft = n.turn()
	ft.say("x")
	buf := make([]byte, 10)
	if _, k, err := fs.OpenRead(t.Context(), "node/a/infer/last/out", ninep.OREAD, buf); err != nil || string(buf[:k]) != "x" {
		t.Errorf("%q, %v", buf[:k], err)
	}
	fs.Conn().Close()
	<-ft.ctx.Done()
}

// The coordinator's own sessions are not to be reached through a graft, by no
// name, and others cannot see a user's.
func TestRemoteGraftRefuses(t *testing.T) {
	n := newFarNode(t)
	r, dial := serveCoord(t, n)
	fs := attach(t, dial(), "glenda")
	ctx := t.Context()
	if err := fs.WriteFile(ctx, "infer/new", []byte("why?")); err != nil {
		t.Fatal(err)
	}
	ft := n.turn()
	ft.say("x")
	ids := n.sessions()
	if len(ids) != 1 || !r.Owns(ids[0]) {
		t.Fatalf("sessions %v", ids)
	}
	for _, path := range []string{"node/a/infer/" + ids[0], "node/a/infer/last"} {
		if _, err := fs.Stat(ctx, path); err == nil {
			t.Errorf("%s can be reached", path)
		}
		if err := fs.Remove(ctx, path); err == nil {
			t.Errorf("%s was removed", path)
		}
		if err := fs.WriteFile(ctx, path+"/ctl", []byte("cancel\n")); err == nil {
			t.Errorf("%s/ctl was written", path)
		}
	}
	l, err := fs.ReadDir(ctx, "node/a/infer")
	if err != nil || len(l) != 1 || l[0].Name != "new" { // so that ls -lR and find complain of nothing
		t.Errorf("%v, %v", l, err)
	}
	// One that is made there is the last, and may be.
	id := strings.TrimSpace(read(t, fs, "node/a/infer/new"))
	if got := read(t, fs, "node/a/infer/last/status"); !strings.HasPrefix(got, "state=idle") {
		t.Errorf("status %q", got)
	}
	read(t, fs, "node/a/infer/"+id+"/ctl")
	ft.done(styxfs.EOS)
	if got := read(t, fs, "infer/last/out"); got != "x" {
		t.Errorf("out %q", got)
	}
}

// A client of 9P2000.L sees the same: last is the directory that it leads to.
func TestRemoteGraftLinux(t *testing.T) {
	n := newFarNode(t)
	_, dial := serveCoord(t, n)
	c, err := p9.NewClient(dial())
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	root, err := c.Attach("")
	if err != nil {
		t.Fatal(err)
	}
	open := func(flags p9.OpenFlags, names ...string) p9.File {
		t.Helper()
		_, f, err := root.Walk(append([]string{"node", "a"}, names...))
		if err != nil {
			t.Fatalf("%v: %v", names, err)
		}
		if _, _, err := f.Open(flags); err != nil {
			t.Fatalf("%v: %v", names, err)
		}
		return f
	}
	w := open(p9.WriteOnly, "infer", "new")
	if _, err := w.WriteAt([]byte("why?"), 0); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	ft := n.turn()
	d := open(p9.ReadOnly, "infer")
	l, err := d.Readdir(0, 1<<16)
	if err != nil || len(l) < 3 {
		t.Errorf("%v, %v", l, err)
	}
	out := open(p9.ReadOnly, "infer", "last", "out")
	buf := make([]byte, 100)
	off := int64(0)
	for _, s := range []string{"be", "cause"} {
		ft.say(s)
		k, err := out.ReadAt(buf, off)
		if err != nil || string(buf[:k]) != s {
			t.Fatalf("%q, %v", buf[:k], err)
		}
		off += int64(k)
		if k, err = out.ReadAt(buf[k:], off); k != 0 { // the kernel asks for the rest
			t.Fatalf("the rest: %d, %v", k, err)
		}
	}
	ft.done(styxfs.EOS)
	if k, _ := out.ReadAt(buf, off); k != 0 {
		t.Errorf("%d bytes at the end", k)
	}
	_, last, err := root.Walk([]string{"node", "a", "infer", "last"})
	if err != nil {
		t.Fatal(err)
	}
	if q, _, a, err := last.GetAttr(p9.AttrMaskAll); err != nil || !a.Mode.IsDir() || q.Type&p9.TypeDir == 0 {
		t.Errorf("%v %v, %v", q, a.Mode, err)
	}
}
