package styxfs

import (
	"context"
	"errors"
	"io"
	"net"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"llama9/mnt"
	"llama9/ninep"
)

// patience is how long a test waits for what must come. Only one that fails
// waits for it.
const patience = time.Minute

// A fakeBackend makes turns that the test scripts: Generate hands the turn to
// the test and does what it is told, until it is told to end.
type fakeBackend struct {
	turns chan *fakeTurn // each Generate, as it begins

	mu       sync.Mutex // guards below
	admit    error
	forgot   []uint64
	forked   [][2]uint64
	settings [][]string
	vocab    int
}

// A fakeTurn is a Generate under way.
type fakeTurn struct {
	*Request
	Sink
	ctx  context.Context
	end  chan ending // ends it
	busy sync.Mutex  // held: an end of ctx does not end it
}

type ending struct {
	o   Outcome
	err error
}

func newFake() *fakeBackend {
	return &fakeBackend{turns: make(chan *fakeTurn, 64), settings: [][]string{{"drain"}}}
}

var (
	_ Backend        = (*fakeBackend)(nil)
	_ Admitter       = (*fakeBackend)(nil)
	_ Forgetter      = (*fakeBackend)(nil)
	_ Forker         = (*fakeBackend)(nil)
	_ GrammarChecker = (*fakeBackend)(nil)
	_ Vocabulary     = (*fakeBackend)(nil)
)

func (b *fakeBackend) Generate(ctx context.Context, r *Request, sink Sink) (Outcome, error) {
	t := &fakeTurn{Request: r, Sink: sink, ctx: ctx, end: make(chan ending, 1)}
	b.turns <- t
	select {
	case e := <-t.end:
		if e.err != nil && e.err.Error() == "panic" {
			panic("as the test wants")
		}
		return e.o, e.err
	case <-ctx.Done():
		t.busy.Lock()
		defer t.busy.Unlock()
		return Outcome{}, context.Cause(ctx)
	}
}

func (b *fakeBackend) Models(context.Context) []Model {
	return []Model{{Name: "small", State: "loaded", NCtx: 512}, {Name: "large one", State: "failed", Error: "no memory"}}
}

func (b *fakeBackend) Ctl(ctx context.Context, cmds [][]string) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, c := range cmds {
		if c[0] != "drain" && c[0] != "undrain" {
			return ninep.Errorf(ninep.ErrInvalid, "%s: unknown", c[0])
		}
	}
	b.settings = cmds[len(cmds)-1:]
	return nil
}

func (b *fakeBackend) Settings() [][]string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.settings
}

func (b *fakeBackend) Status() []Attr {
	return []Attr{{"state", "up"}, {"slots", "4"}, {"busy", "0"}, {"queue", "0"}, {"tokens/s", "0"}}
}

func (b *fakeBackend) setAdmit(err error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.admit = err
}

func (b *fakeBackend) Admit() error {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.admit
}

func (b *fakeBackend) Forget(n uint64) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.forgot = append(b.forgot, n)
}

func (b *fakeBackend) Fork(src, dst uint64) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.forked = append(b.forked, [2]uint64{src, dst})
}

func (b *fakeBackend) VocabSize(string) int { return b.vocab }

func (b *fakeBackend) CheckGrammar(text string) error {
	if strings.Contains(text, "panic") {
		panic("as the test wants")
	}
	if strings.Contains(text, "bad") {
		return errors.New("grammar: line 1: bad")
	}
	return nil
}

func (b *fakeBackend) CheckSchema(text string) error {
	if strings.Contains(text, "bad") {
		return errors.New("schema: bad")
	}
	return nil
}

// say makes tokens, a word each.
func (t *fakeTurn) say(words ...string) {
	for i, w := range words {
		t.Token(Token{ID: int32(100 + i), Text: w})
	}
}

func (t *fakeTurn) done() { t.end <- ending{o: Outcome{Reason: EOS, PromptTokens: 3}} }

func (t *fakeTurn) fail(reason Reason, text string) {
	t.end <- ending{Outcome{Reason: reason}, errors.New(text)}
}

// A server is a tree that is served to the test's clients over pipes.
type server struct {
	t  *testing.T
	b  *fakeBackend
	fs *FS
	np *ninep.Server
	wg sync.WaitGroup
}

// known makes every claim of a user true, as on a Unix socket.
type known struct{ *FS }

func (k known) Attach(ctx context.Context, a *ninep.Attach) (ninep.Node, error) {
	a.Known = true
	return k.FS.Attach(ctx, a)
}

func serve(t *testing.T, set ...func(*Config)) *server {
	t.Helper()
	s := &server{t: t, b: newFake()}
	c := Config{Backend: s.b, Version: "test", ServerUser: "boss"}
	for _, f := range set {
		f(&c)
	}
	fs, err := New(c)
	if err != nil {
		t.Fatal(err)
	}
	s.fs = fs
	s.np = &ninep.Server{FS: fs}
	t.Cleanup(func() {
		if err := fs.Close(context.Background()); err != nil {
			t.Error("close:", err)
		}
		s.wg.Wait()
	})
	return s
}

// client is a connection of a user, with the ways that tests use it.
type client struct {
	*mnt.Fsys
	t *testing.T
}

func (s *server) dial(user string) *client {
	s.t.Helper()
	a, b := net.Pipe()
	s.wg.Add(1)
	go func() {
		defer s.wg.Done()
		s.np.ServeConn(context.Background(), b)
	}()
	c, err := mnt.NewConn(ctx, a, mnt.Options{})
	if err != nil {
		s.t.Fatal(err)
	}
	s.t.Cleanup(func() { c.Close() })
	fsys, err := c.Attach(ctx, user, "")
	if err != nil {
		s.t.Fatal(err)
	}
	return &client{fsys, s.t}
}

// turn waits for the next Generate.
func (s *server) turn() *fakeTurn {
	s.t.Helper()
	select {
	case t := <-s.b.turns:
		return t
	case <-time.After(patience):
		s.t.Fatal("no turn began")
		return nil
	}
}

// noTurn checks that none has begun.
func (s *server) noTurn() {
	s.t.Helper()
	select {
	case <-s.b.turns:
		s.t.Fatal("a turn began")
	default:
	}
}

var ctx = context.Background()

// read gives all of a file; at the end of a turn that failed, its error too.
func (c *client) tryRead(path string) (string, error) {
	f, err := c.Open(ctx, path, ninep.OREAD)
	if err != nil {
		return "", err
	}
	defer f.Close(ctx)
	return readAll(f)
}

func readAll(f *mnt.File) (string, error) {
	var all []byte
	p := make([]byte, 4096)
	for {
		n, err := f.Read(ctx, p)
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
	c.t.Helper()
	s, err := c.tryRead(path)
	if err != nil {
		c.t.Fatalf("read %s: %v", path, err)
	}
	return s
}

// tryWrite is `echo text > path`: open, truncate, one Twrite, clunk.
func (c *client) tryWrite(path, text string) error {
	f, err := c.Open(ctx, path, ninep.OWRITE|ninep.OTRUNC)
	if err != nil {
		return err
	}
	_, err = f.WriteAt(ctx, []byte(text), 0)
	return errors.Join(err, f.Close(ctx))
}

func (c *client) write(path, text string) {
	c.t.Helper()
	if err := c.tryWrite(path, text); err != nil {
		c.t.Fatalf("write %s: %v", path, err)
	}
}

func (c *client) open(path string, mode ninep.OpenMode) *mnt.File {
	c.t.Helper()
	f, err := c.Open(ctx, path, mode)
	if err != nil {
		c.t.Fatalf("open %s: %v", path, err)
	}
	return f
}

// new makes a session and gives its directory.
func (c *client) new() string {
	c.t.Helper()
	return "infer/" + strings.TrimSuffix(c.read("infer/new"), "\n")
}

// attr gives an attribute of a status.
func (c *client) attr(path, name string) string {
	c.t.Helper()
	line := c.read(path)
	attrs, err := ParseAttrs(line)
	if err != nil {
		c.t.Fatalf("%s: %v in %q", path, err, line)
	}
	if !slices.ContainsFunc(attrs, func(a Attr) bool { return a.Name == name }) {
		c.t.Fatalf("%s has no %s: %q", path, name, line)
	}
	return FindAttr(attrs, name)
}

func (c *client) names(path string) []string {
	c.t.Helper()
	l, err := c.ReadDir(ctx, path)
	if err != nil {
		c.t.Fatalf("list %s: %v", path, err)
	}
	var names []string
	for _, s := range l {
		names = append(names, s.Name)
	}
	return names
}

func equal[T comparable](t *testing.T, what string, got, want T) {
	t.Helper()
	if got != want {
		t.Fatalf("%s: got %v, want %v", what, got, want)
	}
}

// refused checks that err has text. Where that is "", err is of kind: 9P2000
// carries the text only, so one of its own hides the kind.
func refused(t *testing.T, err error, kind *ninep.Error, text string) {
	t.Helper()
	if err == nil || text == "" && !errors.Is(err, kind) || !strings.Contains(err.Error(), text) {
		t.Fatalf("got %v, want %v with %q", err, kind, text)
	}
}
