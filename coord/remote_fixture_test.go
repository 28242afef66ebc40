package coord

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	"llama9/mnt"
	"llama9/ninep"
	"llama9/styxfs"
)

// patience is how long a test waits for what must come. Only one that fails
// waits for it.
const patience = time.Minute

// A farNode is a node of a test: a tree over a Backend that hands each turn to
// the test.
type farNode struct {
	t     testing.TB
	turns chan *farTurn

	// Of a turn that was given up: it may begin when nobody waits for it.
	late    []styxfs.Message
	skipped []*farTurn

	fs    *styxfs.FS
	srv   *ninep.Server
	event *styxfs.Events
	ctx   context.Context
	stop  context.CancelFunc
	wg    sync.WaitGroup

	mu     sync.Mutex // guards below
	conns  []net.Conn // the server's ends
	admit  error
	forgot []uint64
	forked [][2]uint64
	ctl    [][]string
}

// A farTurn is a turn under way on a farNode.
type farTurn struct {
	*styxfs.Request
	styxfs.Sink
	ctx context.Context
	end chan farEnd
}

type farEnd struct {
	o   styxfs.Outcome
	err error
}

var (
	_ styxfs.Backend   = (*farNode)(nil)
	_ styxfs.Admitter  = (*farNode)(nil)
	_ styxfs.Forgetter = (*farNode)(nil)
	_ styxfs.Forker    = (*farNode)(nil)
)

func newFarNode(t testing.TB, set ...func(*styxfs.Config)) *farNode {
	t.Helper()
	n := &farNode{t: t, turns: make(chan *farTurn, 256), event: styxfs.NewEvents()}
	n.ctx, n.stop = context.WithCancel(context.Background())
	c := styxfs.Config{Backend: n, Version: "test", ServerUser: "boss", Events: n.event}
	for _, f := range set {
		f(&c)
	}
	var err error
	if n.fs, err = styxfs.New(c); err != nil {
		t.Fatal(err)
	}
	n.srv = &ninep.Server{FS: n.fs}
	t.Cleanup(n.close)
	return n
}

// close shuts the node down as a node does.
func (n *farNode) close() {
	n.stop()
	if err := n.fs.Close(context.Background()); err != nil {
		n.t.Error("close:", err)
	}
	n.cut()
	n.wg.Wait()
}

// cut hangs up on everybody, as a death of the process does.
func (n *farNode) cut() {
	n.mu.Lock()
	defer n.mu.Unlock()
	for _, c := range n.conns {
		c.Close()
	}
	n.conns = nil
}

// pipe gives a connection to the node, which is served.
func (n *farNode) pipe() net.Conn {
	ours, theirs := net.Pipe()
	n.mu.Lock()
	n.conns = append(n.conns, theirs)
	n.mu.Unlock()
	n.wg.Go(func() { n.srv.ServeConn(context.Background(), theirs) })
	return ours
}

// patient is c with time for a busy machine, where c does not say how much.
func patient(c RemoteConfig) RemoteConfig {
	c.Dial = cmp.Or(c.Dial, patience)
	c.Setup = cmp.Or(c.Setup, patience)
	c.Linger = cmp.Or(c.Linger, patience)
	return c
}

// remote gives a Remote of the node, over pipes.
func (n *farNode) remote(c RemoteConfig) *Remote {
	n.t.Helper()
	r := NewRemote(patient(c))
	r.dial = func(ctx context.Context) (*mnt.Conn, error) {
		if n.ctx.Err() != nil {
			return nil, errors.New("connection refused")
		}
		return mnt.NewConn(ctx, n.pipe(), r.c.Options)
	}
	n.t.Cleanup(func() { r.Close() })
	return r
}

// client gives the node's own tree.
func (n *farNode) client(user string) *mnt.Fsys {
	n.t.Helper()
	fs := n.attach(user)
	n.t.Cleanup(func() { fs.Conn().Close() })
	return fs
}

// attach is client for a while: who gets it closes its connection.
func (n *farNode) attach(user string) *mnt.Fsys {
	n.t.Helper()
	c, err := mnt.NewConn(n.t.Context(), n.pipe(), mnt.Options{})
	if err != nil {
		n.t.Fatal(err)
	}
	fs, err := c.Attach(n.t.Context(), user, "")
	if err != nil {
		n.t.Fatal(err)
	}
	return fs
}

// sessions are the numbers of the node's sessions.
func (n *farNode) sessions() []string {
	n.t.Helper()
	fs := n.attach("counter") // many times, where a test waits
	defer fs.Conn().Close()
	l, err := fs.ReadDir(n.t.Context(), "infer")
	if err != nil {
		n.t.Fatal(err)
	}
	var ids []string
	for _, s := range l {
		if s.Name != "new" && s.Name != "last" {
			ids = append(ids, s.Name)
		}
	}
	return ids
}

// ended waits until the node was told to end a turn.
func ended(t testing.TB, ft *farTurn) {
	t.Helper()
	select {
	case <-ft.ctx.Done():
	case <-time.After(patience):
		t.Error("the turn goes on")
	}
}

// turn waits for the next turn on the node.
func (n *farNode) turn() *farTurn {
	n.t.Helper()
	select {
	case t := <-n.turns:
		return t
	case <-time.After(patience):
		n.t.Fatal("no turn began on the node")
		return nil
	}
}

func (n *farNode) Generate(ctx context.Context, r *styxfs.Request, sink styxfs.Sink) (styxfs.Outcome, error) {
	t := &farTurn{r, sink, ctx, make(chan farEnd, 1)}
	n.turns <- t
	select {
	case e := <-t.end:
		return e.o, e.err
	case <-ctx.Done():
		return styxfs.Outcome{}, context.Cause(ctx)
	}
}

func (n *farNode) Models(context.Context) []styxfs.Model {
	return []styxfs.Model{
		{Name: "small", State: "loaded", Engine: "fake", NCtx: 512, Bytes: 1 << 33, Digest: "part-sha256:00", Build: "a b", Exact: true},
		{Name: "large one", State: "failed", Error: "no memory"},
	}
}

func (n *farNode) Ctl(ctx context.Context, cmds [][]string) error {
	n.mu.Lock()
	defer n.mu.Unlock()
	if cmds[0][0] == "bad" {
		return ninep.Errorf(ninep.ErrInvalid, "bad: unknown")
	}
	n.ctl = append(n.ctl, cmds...)
	return nil
}

func (n *farNode) Settings() [][]string { return [][]string{{"default", "large one"}} }

func (n *farNode) Status() []styxfs.Attr {
	return []styxfs.Attr{{Name: "state", Value: "ready"}, {Name: "slots", Value: "4"}, {Name: "busy", Value: "1"}, {Name: "queue", Value: "2"},
		{Name: "tokens/s", Value: "12.5"}, {Name: "engine", Value: "fake"}}
}

func (n *farNode) setAdmit(err error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.admit = err
}

func (n *farNode) Admit() error {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.admit
}

func (n *farNode) Forget(s uint64) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.forgot = append(n.forgot, s)
}

func (n *farNode) Fork(src, dst uint64) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.forked = append(n.forked, [2]uint64{src, dst})
}

// say makes tokens, a word each.
func (t *farTurn) say(words ...string) {
	for i, w := range words {
		t.Token(styxfs.Token{ID: int32(100 + i), Text: w})
	}
}

func (t *farTurn) done(reason styxfs.Reason) { t.end <- farEnd{o: styxfs.Outcome{Reason: reason}} }

// A heard is a sink that writes down what it is told.
type heard struct {
	mu     sync.Mutex // guards below
	log    []string
	tokens []styxfs.Token
	note   styxfs.Note
	over   bool
	wrong  string
	news   chan struct{} // gets a value, if it can, at each call
}

func newHeard() *heard { return &heard{news: make(chan struct{}, 1)} }

func (h *heard) add(f string, args ...any) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.over {
		h.wrong = fmt.Sprintf("told after the end: "+f, args...)
	}
	h.log = append(h.log, fmt.Sprintf(f, args...))
	select {
	case h.news <- struct{}{}:
	default:
	}
}

func (h *heard) State(s styxfs.State) { h.add("%s", s) }

func (h *heard) Note(n styxfs.Note) {
	h.add("note")
	h.mu.Lock()
	defer h.mu.Unlock()
	if n.PrefixText != "" {
		h.note.PrefixText = n.PrefixText
	}
	if n.PromptTokens != 0 {
		h.note.PromptTokens = n.PromptTokens
	}
	if n.NCtx != 0 {
		h.note.NCtx = n.NCtx
	}
	if n.Node != "" {
		h.note.Node = n.Node
	}
}

func (h *heard) Token(t styxfs.Token) {
	h.mu.Lock()
	h.tokens = append(h.tokens, t)
	h.mu.Unlock()
	h.add("token %q", t.Text)
}

func (h *heard) Progress(done, cached, total int) { h.add("progress %d %d %d", done, cached, total) }

func (h *heard) text() string {
	h.mu.Lock()
	defer h.mu.Unlock()
	var b strings.Builder
	for _, t := range h.tokens {
		b.WriteString(t.Text)
	}
	return b.String()
}

func (h *heard) has(line string) bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, l := range h.log {
		if l == line {
			return true
		}
	}
	return false
}

// await waits until f.
func (h *heard) await(t testing.TB, what string, f func() bool) {
	t.Helper()
	late := time.After(patience)
	for !f() {
		select {
		case <-h.news:
		case <-late:
			t.Fatalf("not told: %s", what)
		}
	}
}

// end says that nothing more may be told.
func (h *heard) end(t testing.TB) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.over = true
	if h.wrong != "" {
		t.Error(h.wrong)
	}
}

// eventually retries f until it is true.
func eventually(t testing.TB, what string, f func() bool) {
	t.Helper()
	for late := time.Now().Add(patience); !f(); time.Sleep(time.Millisecond) {
		if time.Now().After(late) {
			t.Fatalf("never: %s", what)
		}
	}
}

// A farCall is a Generate under way.
type farCall struct {
	h      *heard
	cancel context.CancelCauseFunc
	done   chan farEnd
}

// farGenerate starts a turn through r.
func farGenerate(t testing.TB, r *Remote, req *styxfs.Request) *farCall {
	ctx, cancel := context.WithCancelCause(t.Context())
	c := &farCall{newHeard(), cancel, make(chan farEnd, 1)}
	go func() {
		o, err := r.Generate(ctx, req, c.h)
		c.h.end(t)
		c.done <- farEnd{o, err}
	}()
	return c
}

func (c *farCall) wait(t testing.TB) (styxfs.Outcome, error) {
	t.Helper()
	select {
	case e := <-c.done:
		return e.o, e.err
	case <-time.After(patience):
		t.Fatal("the turn does not end")
		return styxfs.Outcome{}, nil
	}
}

// farRequest makes a Request of session 7: a conversation of roles and contents.
func farRequest(words ...string) *styxfs.Request {
	r := &styxfs.Request{Session: 7, Turn: 1, User: "glenda", Params: styxfs.DefaultParams()}
	r.Params.Seed = 42
	r.Params.Date = time.Date(2026, 5, 1, 12, 0, 0, 0, time.UTC)
	r.Date = r.Params.Date
	for i := 0; i+1 < len(words); i += 2 {
		r.Messages = append(r.Messages, styxfs.Message{Role: words[i], Content: words[i+1]})
	}
	return r
}
