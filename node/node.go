package node

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"time"

	"llama9/queue"
	"llama9/styxfs"
)

// Config is what a Node is made of. The zero of a number is its default.
type Config struct {
	Engine Engine
	Models []Spec // the default first
	Name   string // shown as node= of a turn; "": not shown

	// Of models whose Spec does not say.
	Parallel int // slots of a model; 0: 4
	CtxSize  int // tokens of one session; 0: the model's, 4096 at most
	Threads  int // 0: all cores
	NBatch   int
	NUbatch  int

	// What `template auto` of a session means: Template is auto (or "": the
	// model's own), none, or a name of llama.cpp's; TemplateFile is a file of
	// Jinja text. The names of the files in TemplateDir are names for sessions.
	Template     string
	TemplateFile string
	TemplateDir  string

	QueueSize   int    // turns that wait at most; 0: 1024
	MemoryBound uint64 // bytes of loaded models and their caches; 0: no bound
	Log         *slog.Logger
	// Event is told of root events: load, model. It is called with a lock
	// held: it may not block nor call the Node. nil: nobody is told.
	Event func(kind string, attrs ...styxfs.Attr)
}

// A Node serves turns on the models of one Engine.
type Node struct {
	cfg   Config
	log   *slog.Logger
	stats stats
	ctx   context.Context // of the loads; done at Close
	stop  context.CancelFunc
	wg    sync.WaitGroup // loads and unloads

	templates templates

	mu       sync.Mutex // guards below
	hosts    []*host    // the model table, the default first
	queue    queue.Queue[*turn]
	kept     map[uint64]kept // by session
	draining bool
	closed   bool
	shown    load      // what the last load event said
	told     time.Time // when it did
	meter    meter
	prepares sync.WaitGroup // Generates under way; Add under mu and not once closed
}

// A kept is what a session's last turn left: the tokens of its prompt and answer.
type kept struct {
	model, file string
	ids         []Token
}

var (
	_ styxfs.Backend        = (*Node)(nil)
	_ styxfs.Admitter       = (*Node)(nil)
	_ styxfs.Forgetter      = (*Node)(nil)
	_ styxfs.Forker         = (*Node)(nil)
	_ styxfs.Vocabulary     = (*Node)(nil)
	_ styxfs.GrammarChecker = (*Node)(nil)
)

// New makes a Node. Models are loaded when a turn, or a load line of ctl, first
// names them. Close ends it.
func New(c Config) (*Node, error) {
	if c.Engine == nil {
		return nil, errors.New("no engine")
	}
	if c.Parallel <= 0 {
		c.Parallel = 4
	}
	if c.QueueSize <= 0 {
		c.QueueSize = 1024
	}
	n := &Node{cfg: c, log: c.Log, kept: make(map[uint64]kept)}
	if n.log == nil {
		n.log = slog.New(slog.DiscardHandler)
	}
	var err error
	if n.templates, err = newTemplates(&n.cfg); err != nil {
		return nil, err
	}
	n.stats.init()
	for _, s := range c.Models {
		if s.Name == "" || n.host(s.Name) != nil {
			return nil, errors.New("model " + s.Name + ": a name is missing or used twice")
		}
		h := n.newHost(s)
		if e, ok := c.Engine.(Prober); ok {
			info, err := e.Probe(s.File)
			n.probe(h, info, err)
		}
		n.hosts = append(n.hosts, h)
	}
	n.ctx, n.stop = context.WithCancel(context.Background())
	return n, nil
}

// Close ends all turns, unloads all models and waits for both, or until ctx
// is done.
func (n *Node) Close(ctx context.Context) error {
	n.mu.Lock()
	n.closed = true
	n.stop()
	for _, h := range n.hosts {
		if h.inst != nil {
			n.beginLeave(h)
		}
	}
	n.mu.Unlock()
	done := make(chan struct{})
	go func() {
		n.prepares.Wait()
		n.wg.Wait()
		close(done)
	}()
	select {
	case <-done:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// Generate makes one turn. See styxfs.Backend.
func (n *Node) Generate(ctx context.Context, r *styxfs.Request, sink styxfs.Sink) (styxfs.Outcome, error) {
	t := newTurn(r, sink, r.Params.Model)
	if err := n.enqueue(t); err != nil {
		n.stats.ended(reasonOf(err))
		return styxfs.Outcome{Reason: reasonOf(err)}, err
	}
	defer n.prepares.Done()
	for {
		select {
		case <-t.ended:
			return t.outcome, t.err
		case <-t.poke:
			n.attend(t)
		case <-ctx.Done():
			return n.abandon(t, causeReason(context.Cause(ctx)), context.Cause(ctx))
		case <-n.ctx.Done():
			return n.abandon(t, styxfs.ReasonErr, styxfs.ErrClosed)
		}
	}
}

// enqueue puts t in the queue, or says why not.
func (n *Node) enqueue(t *turn) error {
	n.mu.Lock()
	defer n.mu.Unlock()
	if err := n.admit(); err != nil {
		return err
	}
	if t.model == "" && len(n.hosts) > 0 {
		t.model = n.hosts[0].spec.Name
	}
	if n.host(t.model) == nil {
		return clientError(errors.New("model " + t.model + ": unknown"))
	}
	n.prepares.Add(1)
	n.queue.Add(t)
	n.settle()
	n.changed()
	t.wake()
	return nil
}

// admit says why a new turn is refused. The caller holds mu.
func (n *Node) admit() error {
	switch {
	case n.closed:
		return styxfs.ErrClosed
	case n.draining:
		return styxfs.ErrDraining
	}
	// Turns that an idle slot is there for do not count as waiting.
	l := n.loadNow()
	if l.queue >= n.cfg.QueueSize+max(l.slots-l.busy, 0) {
		return styxfs.ErrQueueFull
	}
	return nil
}

// Admit says why a turn would be refused now. See styxfs.Admitter.
func (n *Node) Admit() error {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.admit()
}

// attend does what a waiting turn can do itself: it tells its sink where it
// stands, and has it prepared once the model is there.
func (n *Node) attend(t *turn) {
	n.mu.Lock()
	if t.taken.Load() || t.cancelled.Load() {
		n.mu.Unlock()
		return
	}
	if err := t.failure; err != nil {
		n.unqueue(t)
		n.mu.Unlock()
		n.refuse(t, err)
		return
	}
	h := n.host(t.model)
	state := styxfs.Queued
	if h.state == seatLoading {
		state = styxfs.Loading
	}
	pos := t.position
	if in := h.inst; in != nil && !in.leaving && t.in == nil && !t.preparing {
		t.preparing = true
		var keep []Token
		if k := n.kept[t.r.Session]; k.model == t.model && k.file == h.spec.File {
			keep = k.ids
		}
		// A long prompt takes a while, and a cancel does not wait for it.
		in.prep.Go(func() { n.prepare(t, in, keep) })
	}
	n.mu.Unlock()
	t.tell(func() {
		if !t.taken.Load() {
			t.sink.Note(styxfs.Note{Model: t.model, Node: n.cfg.Name, Position: pos})
			t.enter(state)
		}
	})
}

// prepare makes a waiting turn ready for the worker of in.
func (n *Node) prepare(t *turn, in *instance, keep []Token) {
	input, err := in.prepare(t.r, keep)
	if err == nil {
		err = t.start(in, input)
	}
	n.mu.Lock()
	t.preparing = false
	if err == nil && !in.leaving && !t.cancelled.Load() {
		t.inst, t.in = in, input
		in.w.poke()
		n.mu.Unlock()
		return
	}
	if err != nil {
		n.unqueue(t)
	}
	n.mu.Unlock()
	if input != nil {
		input.sampler.close()
	}
	if err != nil {
		n.refuse(t, err)
	} else {
		t.wake() // the model is leaving: again with the next one
	}
}

// refuse ends a turn that no worker has.
func (n *Node) refuse(t *turn, err error) {
	var d doneEarly
	reason, word := reasonOf(err), ""
	if errors.As(err, &d) {
		reason, word, err = d.reason, d.word, nil
	}
	if t.finish(reason, word, err) {
		n.ended(t)
		close(t.ended)
	}
}

// abandon ends a turn whose context is done: at once for its client, and for
// its worker before the next step.
func (n *Node) abandon(t *turn, reason styxfs.Reason, cause error) (styxfs.Outcome, error) {
	if !t.finish(reason, "", cause) {
		<-t.ended // it ended just now
		return t.outcome, t.err
	}
	n.mu.Lock()
	t.cancelled.Store(true)
	if !n.unqueue(t) && t.inst != nil {
		w := t.inst.w
		if t.running {
			t.running = false
			if w.live--; w.live == 0 {
				w.c.Abort(true)
			}
		}
		w.poke()
	}
	n.mu.Unlock()
	n.ended(t)
	return t.outcome, t.err
}

// unqueue takes t out of the queue with what it was prepared with. The caller
// holds mu.
func (n *Node) unqueue(t *turn) bool {
	if !n.queue.Remove(t, false) {
		return false
	}
	if t.in != nil {
		t.in.sampler.close()
		t.in, t.inst = nil, nil
	}
	n.settle()
	n.changed()
	return true
}

// ended counts a turn that is over and keeps what it leaves to its session.
func (n *Node) ended(t *turn) {
	n.stats.ended(t.outcome.Reason)
	n.mu.Lock()
	defer n.mu.Unlock()
	h := n.host(t.model)
	if len(t.ids) == 0 || h == nil || n.closed {
		return
	}
	made := t.made
	if t.outcome.Reason == styxfs.Stop {
		made = made[:max(min(t.shown, len(made))-1, 0)] // the last one's text is cut
	}
	ids := append(t.ids[:len(t.ids):len(t.ids)], made...)
	n.kept[t.r.Session] = kept{t.model, h.spec.File, ids}
}

// Forget drops what is kept for a session. See styxfs.Forgetter.
func (n *Node) Forget(session uint64) {
	n.mu.Lock()
	defer n.mu.Unlock()
	delete(n.kept, session)
	for _, h := range n.hosts {
		if h.inst != nil {
			h.inst.w.forget = append(h.inst.w.forget, session)
			h.inst.w.poke()
		}
	}
}

// Fork lets dst begin with the tokens of src; the cache that src left is found
// by them. See styxfs.Forker.
func (n *Node) Fork(src, dst uint64) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if k, ok := n.kept[src]; ok {
		n.kept[dst] = k // ids are never written to again
	}
}
