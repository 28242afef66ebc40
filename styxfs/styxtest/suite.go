// Package styxtest is the conformance suite of the served tree (docs/llama9.4):
// what any client may count on, checked from outside through mnt. It runs over
// a bare tree, over a node, and over a coordinator.
package styxtest

import (
	"context"
	"errors"
	"io"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"llama9/mnt"
	"llama9/ninep"
	"llama9/styxfs"
)

// Options are facts about the server under test.
type Options struct {
	// Deterministic: the same conversation with the same seed gives the
	// same answer again, where nothing else runs.
	Deterministic bool
	// Exact: so it does among others, and a turn that goes on after a
	// prefix (token) makes the bytes of one that did not stop.
	Exact bool
	// Settings are lines for the ctl of every session that is made.
	Settings string
	// Prompt is asked where any will do; "" is "In the beginning".
	Prompt string
}

// Run checks the contract. dial gives a new connection to the server, as user;
// the suite closes it. The server may have sessions of others, but none of the
// users styxtest-a and styxtest-b.
func Run(t *testing.T, o Options, dial func(t *testing.T, user string) *mnt.Fsys) {
	if o.Prompt == "" {
		o.Prompt = "In the beginning"
	}
	for _, c := range []struct {
		name string
		test func(s *suite)
	}{
		{"tree", testTree}, {"new", testNew}, {"last", testLast}, {"ctl", testCtl}, {"ctl copies", testCtlCopies},
		{"answer", testAnswer}, {"prompt", testPrompt}, {"nothing", testNothing}, {"busy", testBusy}, {"hang-up", testHangup},
		{"readers", testReaders}, {"token", testToken}, {"seed", testSeed}, {"stop", testStop}, {"prefix", testPrefix},
		{"conversation", testConversation}, {"chat", testChat}, {"fork and reset", testFork},
		{"cancel", testCancel}, {"onclose", testOnclose}, {"timeout", testTimeout}, {"flush", testFlush},
		{"status", testStatus}, {"events", testEvents}, {"texts", testTexts}, {"remove", testRemove}, {"no leaks", testNoLeaks},
		{"many at once", testMany},
	} {
		t.Run(c.name, func(t *testing.T) {
			ctx, cancel := context.WithTimeout(context.Background(), 5*time.Minute)
			defer cancel()
			s := &suite{T: t, Options: o, ctx: ctx, dialer: dial}
			c.test(s)
		})
	}
}

// userA and userB are who the suite attaches as.
const (
	userA = "styxtest-a"
	userB = "styxtest-b"
)

// A suite is what one test of the suite needs.
type suite struct {
	*testing.T
	Options
	ctx    context.Context
	dialer func(t *testing.T, user string) *mnt.Fsys
}

// A client is a connection with the ways that tests use it. What fails there
// ends the test.
type client struct {
	*mnt.Fsys
	s *suite
}

func (s *suite) dial(user string) *client {
	s.Helper()
	fs := s.dialer(s.T, user)
	s.Cleanup(func() { fs.Conn().Close() })
	return &client{fs, s}
}

// A session is infer/N, removed at the test's end.
type session struct {
	*client
	dir string
}

// session makes a session that has the settings of the Options and then these.
func (c *client) session(settings ...string) *session {
	c.s.Helper()
	s := &session{c, "infer/" + strings.TrimSuffix(c.read("infer/new"), "\n")}
	c.s.Cleanup(func() { s.close() })
	if lines := strings.Join(append([]string{c.s.Settings}, settings...), "\n"); strings.TrimSpace(lines) != "" {
		s.put("ctl", lines)
	}
	return s
}

// close removes the session, through a connection of its own: the test may have
// closed the one it had.
func (s *session) close() {
	fs := s.s.dialer(s.s.T, userA)
	defer fs.Conn().Close()
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	fs.Remove(ctx, s.dir) // it may be gone already
}

// endless are settings of a turn that ends only when it is told to.
const endless = "n_predict -1\nignore_eos on\nshift on"

func (c *client) open(path string, mode ninep.OpenMode) *mnt.File {
	c.s.Helper()
	f, err := c.Open(c.s.ctx, path, mode)
	if err != nil {
		c.s.Fatalf("open %s: %v", path, err)
	}
	return f
}

// tryRead is cat: what came, and the error that ended it.
func (c *client) tryRead(path string) (string, error) {
	f, err := c.Open(c.s.ctx, path, ninep.OREAD)
	if err != nil {
		return "", err
	}
	defer f.Close(c.s.ctx)
	return c.rest(f)
}

func (c *client) rest(f *mnt.File) (string, error) {
	var all []byte
	p := make([]byte, 8192)
	for {
		n, err := f.Read(c.s.ctx, p)
		all = append(all, p[:n]...)
		if err == io.EOF {
			return string(all), nil
		}
		if err != nil {
			return string(all), err
		}
	}
}

func (c *client) read(path string) string {
	c.s.Helper()
	text, err := c.tryRead(path)
	if err != nil {
		c.s.Fatalf("read %s: %v", path, err)
	}
	return text
}

// tryWrite is echo >: an open with OTRUNC, one write, a clunk.
func (c *client) tryWrite(path, text string) error {
	f, err := c.Open(c.s.ctx, path, ninep.OWRITE|ninep.OTRUNC)
	if err != nil {
		return err
	}
	_, err = f.WriteAt(c.s.ctx, []byte(text), 0)
	return errors.Join(err, f.Close(c.s.ctx))
}

func (s *session) get(name string) string { s.s.Helper(); return s.read(s.dir + "/" + name) }

func (s *session) put(name, text string) {
	s.s.Helper()
	if err := s.tryWrite(s.dir+"/"+name, text); err != nil {
		s.s.Fatalf("write %s: %v", name, err)
	}
}

func (s *session) refuses(name, text, word string) {
	s.s.Helper()
	err := s.tryWrite(s.dir+"/"+name, text)
	if err == nil || !strings.Contains(err.Error(), word) {
		s.s.Fatalf("write of %.60q to %s: got %v, want an error with %q", text, name, err, word)
	}
}

func (s *session) file(name string, mode ninep.OpenMode) *mnt.File {
	s.s.Helper()
	return s.open(s.dir+"/"+name, mode)
}

// status gives attributes of the status line.
func (s *session) status() map[string]string {
	s.s.Helper()
	line := s.get("status")
	attrs, err := styxfs.ParseAttrs(line)
	if err != nil || !strings.HasSuffix(line, "\n") || strings.Count(line, "\n") != 1 {
		s.s.Fatalf("status is %q: %v", line, err)
	}
	m := make(map[string]string)
	for _, a := range attrs {
		if _, twice := m[a.Name]; twice {
			s.s.Fatalf("status has %s twice: %q", a.Name, line)
		}
		m[a.Name] = a.Value
	}
	return m
}

func (s *session) number(name string) int {
	s.s.Helper()
	n, err := strconv.Atoi(s.status()[name])
	if err != nil {
		s.s.Fatalf("status: %s: %v", name, err)
	}
	return n
}

// ask makes a turn and gives its answer.
func (s *session) ask(prompt string) string {
	s.s.Helper()
	s.put("prompt", prompt+"\n")
	return s.get("out")
}

// has checks a status attribute.
func (s *session) has(name, want string) {
	s.s.Helper()
	if got := s.status()[name]; got != want {
		s.s.Fatalf("%s=%q, want %q; status is %v", name, got, want, s.status())
	}
}

// begun waits for the first bytes of the answer and gives the open out.
func (s *session) begun() *mnt.File {
	s.s.Helper()
	f := s.file("out", ninep.OREAD)
	if n, err := f.ReadAt(s.s.ctx, make([]byte, 1), 0); n != 1 || err != nil {
		s.s.Fatalf("the first byte of out: %d, %v", n, err)
	}
	return f
}

func (c *client) names(path string) []string {
	c.s.Helper()
	l, err := c.ReadDir(c.s.ctx, path)
	if err != nil {
		c.s.Fatalf("list %s: %v", path, err)
	}
	var names []string
	for _, st := range l {
		names = append(names, st.Name)
	}
	return names
}

func (s *suite) same(what, got, want string) {
	s.Helper()
	if got != want {
		s.Fatalf("%s: got %.200q, want %.200q", what, got, want)
	}
}

func (s *suite) contains(what string, l []string, want ...string) {
	s.Helper()
	for _, w := range want {
		if !slices.Contains(l, w) {
			s.Fatalf("%s: no %s in %q", what, w, l)
		}
	}
}
