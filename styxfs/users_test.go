package styxfs

import (
	"context"
	"errors"
	"strings"
	"testing"

	"llama9/ninep"
)

// knownServer is one that knows who its users are.
func knownServer(t *testing.T, set ...func(*Config)) *server {
	s := serve(t, set...)
	s.np = &ninep.Server{FS: known{s.fs}}
	return s
}

func TestModesWhereUsersAreKnown(t *testing.T) {
	s := knownServer(t, func(c *Config) { c.ServerGroup = "staff" })
	ann, bob := s.dial("ann"), s.dial("bob")
	d := ann.new()
	for path, want := range map[string]uint32{
		"/": ninep.DMDIR | 0555, "ctl": 0660, "model": 0444, "status": 0444, "event": 0444, "metrics": 0444,
		"infer": ninep.DMDIR | 0777, "infer/new": 0666, d: ninep.DMDIR | 0700,
		d + "/ctl": 0600, d + "/prompt": ninep.DMEXCL | 0600, d + "/out": 0600, d + "/chat": 0600, d + "/event": 0600,
	} {
		st, err := ann.Stat(ctx, path)
		if err != nil {
			t.Fatal(err)
		}
		if st.Mode != want {
			t.Errorf("%s: mode %o, want %o", path, st.Mode, want)
		}
	}
	st, _ := ann.Stat(ctx, d+"/ctl")
	equal(t, "owner", st.Uid, "ann")
	st, _ = ann.Stat(ctx, "ctl")
	equal(t, "owner of ctl", st.Uid+" "+st.Gid, "boss staff")

	// Others see the number in the listing and may not use the session.
	equal(t, "bob sees", strings.Join(bob.names("infer"), " "), "new "+strings.TrimPrefix(d, "infer/"))
	for i, err := range []error{second(bob.Open(ctx, d, ninep.OREAD)), bob.Remove(ctx, d), bob.tryWrite("ctl", "drain")} {
		if !errors.Is(err, ninep.ErrPermission) {
			t.Errorf("%d: got %v", i, err)
		}
	}
	// A walk that ends early has no error to tell.
	for i, err := range []error{
		second(bob.Open(ctx, d+"/out", ninep.OREAD)), bob.tryWrite(d+"/ctl", "close"), bob.tryWrite(d+"/prompt", "hi"),
		bob.Remove(ctx, d+"/out"), second(bob.Stat(ctx, d+"/status")),
	} {
		if err == nil {
			t.Errorf("%d: bob may", i)
		}
	}
	equal(t, "nothing was done", ann.attr(d+"/status", "state"), "idle")
	e := bob.new()
	refused(t, bob.tryWrite(e+"/ctl", "fork "+strings.TrimPrefix(d, "infer/")), nil, "no such session")
	equal(t, "ann's", strings.Join(ann.names(d), " "), "ctl prompt system chat grammar schema out token status event")
	s.dial("boss").write("ctl", "drain")
}

func second[T any](_ T, err error) error { return err }

func TestModesWhereUsersAreClaimed(t *testing.T) {
	s := serve(t)
	ann, bob := s.dial("ann"), s.dial("bob")
	d := ann.new()
	for path, want := range map[string]uint32{
		"ctl": 0666, "model": 0444, "infer/new": 0666, d: ninep.DMDIR | 0777, d + "/ctl": 0666, d + "/out": 0666,
		d + "/prompt": ninep.DMEXCL | 0666,
	} {
		st, err := bob.Stat(ctx, path)
		if err != nil {
			t.Fatal(err)
		}
		if st.Mode != want {
			t.Errorf("%s: mode %o, want %o", path, st.Mode, want)
		}
	}
	bob.write(d+"/prompt", "hi")
	turn := s.turn()
	equal(t, "the session's user", turn.User, "ann")
	turn.done()
	if err := bob.tryWrite(d+"/out", "x"); err == nil {
		t.Fatal("out was written")
	}
	bob.write("ctl", "drain")
}

// Who only claims to be ann cannot use what a known ann has.
func TestClaimsDoNotReachKnownUsers(t *testing.T) {
	s := knownServer(t)
	ann := s.dial("ann")
	d := ann.new()
	s.np = &ninep.Server{FS: s.fs}
	claims := s.dial("ann")
	if _, err := claims.Open(ctx, d+"/out", ninep.OREAD); err == nil {
		t.Fatal("opened")
	}
	refused(t, claims.Remove(ctx, d), ninep.ErrPermission, "")
	if _, err := claims.Stat(ctx, "infer/last"); err == nil {
		t.Fatal("last leads to it")
	}
}

func TestLast(t *testing.T) {
	s := serve(t)
	ann, bob := s.dial("ann"), s.dial("bob")
	_, err := ann.Stat(ctx, "infer/last")
	refused(t, err, ninep.ErrNotExist, "")
	a, other := ann.new(), s.dial("ann")
	equal(t, "by user where the attach has made none", "infer/"+target(t, other), a)
	b := other.new()
	equal(t, "this attach's own", "infer/"+target(t, ann), a)
	equal(t, "the other's own", "infer/"+target(t, other), b)
	equal(t, "of a third", "infer/"+target(t, s.dial("ann")), b)
	if _, err := bob.Stat(ctx, "infer/last"); err == nil {
		t.Fatal("bob has a last")
	}
	equal(t, "listed", ann.names("infer")[1], "last")
	// As a directory it has a qid of its own; the files have those of N.
	st, err := ann.Stat(ctx, "infer/last")
	if err != nil || st.Mode&ninep.DMDIR == 0 || st.Qid.Type != ninep.QTDIR {
		t.Fatalf("%v, %v", st, err)
	}
	dir, _ := ann.Stat(ctx, a)
	if st.Qid.Path == dir.Qid.Path {
		t.Fatal("last has N's qid")
	}
	for _, name := range ann.names("infer/last") {
		x, _ := ann.Stat(ctx, "infer/last/"+name)
		y, _ := ann.Stat(ctx, a+"/"+name)
		equal(t, "qid of "+name, x.Qid, y.Qid)
	}
	// Removing it does nothing, and when a session is gone it is the one before.
	if err := ann.Remove(ctx, "infer/last"); err != nil {
		t.Fatal(err)
	}
	c := ann.new()
	lastQid, _ := ann.Stat(ctx, "infer/last")
	if lastQid.Qid.Path == st.Qid.Path {
		t.Fatal("two sessions, one qid")
	}
	ann.write(c+"/ctl", "close")
	equal(t, "the one before", "infer/"+target(t, ann), a)
	ann.write(a+"/ctl", "close")
	equal(t, "the user's", "infer/"+target(t, ann), b)
	other.write(b+"/ctl", "close")
	_, err = ann.Stat(ctx, "infer/last")
	refused(t, err, ninep.ErrNotExist, "")
}

// target gives where last leads to, by the files' qids.
func target(t *testing.T, c *client) string {
	t.Helper()
	st, err := c.Stat(ctx, "infer/last/ctl")
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range c.names("infer") {
		if x, err := c.Stat(ctx, "infer/"+name+"/ctl"); err == nil && name != "last" && x.Qid == st.Qid {
			return name
		}
	}
	t.Fatal("last leads nowhere")
	return ""
}

// A long-lived attach keeps no list of all it ever made.
func TestAttachForgetsWhatIsGone(t *testing.T) {
	s := serve(t)
	at := attachTo(t, s.fs, "ann")
	first, err := s.fs.create(at)
	if err != nil {
		t.Fatal(err)
	}
	for range 1000 {
		n, err := s.fs.create(at)
		if err != nil {
			t.Fatal(err)
		}
		n.close()
	}
	at.mu.Lock()
	if n := len(at.news); n > 64 {
		t.Errorf("%d kept", n)
	}
	at.mu.Unlock()
	equal(t, "last", at.last(), first)
}

func TestLastIsALink(t *testing.T) {
	s := serve(t)
	at := attachTo(t, s.fs, "ann")
	n, err := s.fs.create(at)
	if err != nil {
		t.Fatal(err)
	}
	node, err := (&inferDir{s.fs, at}).Walk(ctx, "last")
	if err != nil {
		t.Fatal(err)
	}
	st, err := node.Stat(ctx)
	if err != nil || st.Mode&ninep.DMSYMLINK == 0 {
		t.Fatalf("%v, %v", st, err)
	}
	to, err := node.(ninep.Linker).Readlink(ctx)
	if err != nil || to != n.name() {
		t.Fatalf("leads to %q, %v", to, err)
	}
}

func attachTo(t *testing.T, f *FS, user string) *attach {
	t.Helper()
	root, err := f.Attach(ctx, &ninep.Attach{User: user})
	if err != nil {
		t.Fatal(err)
	}
	return root.(*rootDir).at
}

func TestAname(t *testing.T) {
	s := serve(t)
	c := s.dial("ann")
	d := c.new()
	for aname, want := range map[string]string{
		"": "ctl model status event metrics infer", "/": "ctl model status event metrics infer", "ctl": "ctl model status event metrics infer",
		"infer": "new last " + strings.TrimPrefix(d, "infer/"), d: "ctl prompt system chat grammar schema out token status event",
	} {
		fs, err := c.Conn().Attach(ctx, "ann", aname)
		if err != nil {
			t.Fatalf("%q: %v", aname, err)
		}
		equal(t, aname, strings.Join((&client{fs, t}).names("/"), " "), want)
	}
	for _, aname := range []string{"none", "infer/1", "infer/x/y"} {
		if _, err := c.Conn().Attach(ctx, "ann", aname); err == nil {
			t.Errorf("attached to %q", aname)
		}
	}
}

func TestExtraNodes(t *testing.T) {
	var path uint64
	s := serve(t, func(c *Config) { c.Extra = map[string]ninep.Node{"node": extra{&path}} })
	path = s.fs.NewPath()
	c := s.dial("ann")
	equal(t, "root", strings.Join(c.names("/"), " "), "ctl model status event metrics infer node")
	st, err := c.Stat(ctx, "node")
	if err != nil || st.Qid.Path != path || path == s.fs.NewPath() {
		t.Fatalf("%v, %v", st, err)
	}
	if _, err := New(Config{Backend: newFake(), Extra: map[string]ninep.Node{"infer": extra{&path}}}); err == nil {
		t.Fatal("infer was replaced")
	}
}

type extra struct{ path *uint64 }

func (e extra) Stat(context.Context) (ninep.Stat, error) {
	return ninep.Stat{Name: "node", Mode: ninep.DMDIR | 0555, Qid: ninep.Qid{Type: ninep.QTDIR, Path: *e.path}}, nil
}

func TestLimits(t *testing.T) {
	s := serve(t, func(c *Config) { c.MaxSessions, c.MaxUserSessions = 3, 2 })
	ann, bob := s.dial("ann"), s.dial("bob")
	a := ann.new()
	ann.new()
	_, err := ann.tryRead("infer/new")
	refused(t, err, ninep.ErrQuota, "too many sessions of one user")
	refused(t, ann.tryWrite("infer/new", "hi"), nil, "too many sessions of one user")
	bob.new()
	_, err = bob.tryRead("infer/new")
	refused(t, err, ninep.ErrQuota, "too many sessions")
	ann.write(a+"/ctl", "close")
	bob.new()
	s.noTurn()
}

func TestRemoveASession(t *testing.T) {
	s := serve(t)
	c := s.dial("ann")
	d := c.new()
	c.write(d+"/prompt", "hi")
	turn := s.turn()
	turn.say("so far")
	out, event, ctl := c.open(d+"/out", ninep.OREAD), c.open(d+"/event", ninep.OREAD), c.open(d+"/ctl", ninep.ORDWR)
	ended := make(chan error)
	go func() { _, err := readAll(event); ended <- err }()
	// rm -r: the files first.
	for _, name := range c.names(d) {
		if err := c.Remove(ctx, d+"/"+name); err != nil {
			t.Fatalf("%s: %v", name, err)
		}
	}
	equal(t, "files", len(c.names(d)), 10)
	if err := c.Remove(ctx, d); err != nil {
		t.Fatal(err)
	}
	<-turn.ctx.Done()
	got, err := readAll(out)
	equal(t, "out", got, "so far")
	refused(t, err, nil, "cancelled")
	if err := <-ended; err != nil {
		t.Fatal(err)
	}
	_, err = ctl.WriteAt(ctx, []byte("temperature 0"), 0)
	refused(t, err, ninep.ErrNotExist, "")
	_, err = c.Stat(ctx, d)
	refused(t, err, ninep.ErrNotExist, "")
	equal(t, "infer", strings.Join(c.names("infer"), " "), "new")
	if err := c.Remove(ctx, d); err == nil {
		t.Fatal("removed twice")
	}
}

// Closing a session whose prompt is being written ends who waits for it.
func TestCloseWhileAPromptIsWritten(t *testing.T) {
	s := serve(t)
	c := s.dial("ann")
	d := c.new()
	f, out := c.open(d+"/prompt", ninep.OWRITE), c.open(d+"/out", ninep.OREAD)
	f.WriteAt(ctx, []byte("hi"), 0)
	done := make(chan error)
	go func() { _, err := readAll(out); done <- err }()
	c.write(d+"/ctl", "close")
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	_, err := f.WriteAt(ctx, []byte("x"), 2)
	refused(t, err, ninep.ErrNotExist, "")
	f.Close(ctx)
	s.noTurn()
}

// The Backend drops what it keeps for a session that is closed, after its turn.
func TestForget(t *testing.T) {
	s := serve(t)
	c := s.dial("ann")
	idle, runs := c.new(), c.new()
	c.write(idle+"/ctl", "close")
	forgot := func() int {
		s.b.mu.Lock()
		defer s.b.mu.Unlock()
		return len(s.b.forgot)
	}
	equal(t, "forgotten", forgot(), 1)
	c.write(runs+"/prompt", "hi")
	turn := s.turn()
	c.write(runs+"/ctl", "close")
	<-turn.ctx.Done()
	if err := s.fs.Close(ctx); err != nil { // waits for the turn
		t.Fatal(err)
	}
	if n := forgot(); n < 2 {
		t.Fatalf("%d forgotten", n)
	}
}

// cat of every file but event, find, and grep -r without event and new make no
// session, and end.
func TestReadingTheWholeTree(t *testing.T) {
	s := serve(t)
	c := s.dial("ann")
	d := c.new()
	c.write(d+"/prompt", "hi")
	turn := s.turn()
	turn.say("ho")
	turn.done()
	before := strings.Join(c.names("infer"), " ")
	files := 0
	var visit func(path string)
	visit = func(path string) {
		l, err := c.ReadDir(ctx, path)
		if err != nil {
			t.Fatal(err)
		}
		paths := map[uint64]bool{}
		for _, st := range l {
			if paths[st.Qid.Path] {
				t.Errorf("two entries of %s have one qid", path)
			}
			paths[st.Qid.Path] = true
			name := strings.TrimPrefix(path+"/"+st.Name, "/")
			switch {
			case st.Mode&ninep.DMDIR != 0:
				visit(name)
			case st.Name != "event" && st.Name != "new":
				c.read(name)
				files++
			default:
				c.open(name, ninep.OREAD).Close(ctx)
			}
		}
	}
	visit("")
	equal(t, "files", files, 4+9+9)
	equal(t, "infer", strings.Join(c.names("infer"), " "), before)
	s.noTurn()
}

// What shells and tools send beside reading and writing.
func TestWstat(t *testing.T) {
	c := serve(t).dial("ann")
	d := c.new()
	zero, name := new(uint64), ptr("x")
	for _, path := range []string{"infer/new", d + "/ctl", d + "/prompt", d + "/chat", d + "/token"} {
		if err := c.Wstat(ctx, path, ninep.StatChange{Length: zero}); err != nil {
			t.Errorf("length 0 of %s: %v", path, err)
		}
		if err := c.Wstat(ctx, path, ninep.StatChange{}); err != nil {
			t.Errorf("sync of %s: %v", path, err)
		}
		if err := c.Wstat(ctx, path, ninep.StatChange{Name: name}); err == nil {
			t.Errorf("%s was renamed", path)
		}
	}
	equal(t, "temperature", strings.Contains(c.read(d+"/ctl"), "temperature 0.8\n"), true)
	if err := c.Mkdir(ctx, "infer/x", 0777); err == nil {
		t.Error("mkdir")
	}
	if _, err := c.Create(ctx, d+"/file", 0666, ninep.OWRITE); err == nil {
		t.Error("create")
	}
}
