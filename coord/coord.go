package coord

import (
	"context"
	"errors"
	"log/slog"
	"math/rand/v2"
	"slices"
	"sync"
	"time"

	"llama9/styxfs"
)

// Config is what a Coord is made of. The zero of a number is its default.
type Config struct {
	// Open gives the Place that an address stands for. It does no I/O; an
	// error says what is wrong with the address.
	Open func(addr string) (Place, error)

	Strategy  string   // one of Strategies; "" is the first
	Expect    []string // models that no node has yet, and that are not refused
	QueueSize int      // turns that wait at most; 0: 1024
	Strict    bool     // no turn goes on elsewhere when its node is lost
	Log       *slog.Logger
	// Event is told of root events: node, load, model. It may be called with
	// a lock held: it may not block nor call the Coord. nil: nobody is told.
	Event func(kind string, attrs ...styxfs.Attr)

	// Register says whether a node may register by node/new, with the key
	// that it gives, "" for none; nil: every node may.
	Register func(key string) error
}

// A Coord places turns on mounted nodes.
type Coord struct {
	cfg  Config
	log  *slog.Logger
	base time.Time // of pulses
	ctx  context.Context
	stop context.CancelCauseFunc
	work sync.WaitGroup // members, turns and the clock; Add under mu and not once closed
	dir  *Dir
	stat stats

	spawn func(f func()) // runs f, a node's part of a turn, as one of work; tests have their own

	mu       sync.Mutex // guards below; before try.mu
	cluster  *cluster
	members  map[string]*member
	failover string
	id       string // of the tree that it is served as; "" until it is
	closed   bool

	// What the last load event said, and when.
	told     load
	toldRate float64
	toldAt   time.Time
}

var (
	_ styxfs.Backend   = (*Coord)(nil)
	_ styxfs.Admitter  = (*Coord)(nil)
	_ styxfs.Forgetter = (*Coord)(nil)
	_ styxfs.Forker    = (*Coord)(nil)
)

// tickEvery is how often deadlines are looked at.
const tickEvery = 250 * time.Millisecond

// New makes a Coord without nodes. Close ends it.
func New(cfg Config) (*Coord, error) {
	if cfg.Open == nil {
		return nil, errors.New("coord: nothing opens nodes")
	}
	if cfg.Strategy == "" {
		cfg.Strategy = Strategies[0]
	}
	if !slices.Contains(Strategies, cfg.Strategy) {
		return nil, errors.New("strategy " + styxfs.Quote(cfg.Strategy) + ": unknown")
	}
	if cfg.QueueSize <= 0 {
		cfg.QueueSize = 1024
	}
	c := &Coord{cfg: cfg, log: cfg.Log, base: time.Now(), cluster: newCluster(rand.Uint64()), members: make(map[string]*member), failover: "resume"}
	if c.log == nil {
		c.log = slog.New(slog.DiscardHandler)
	}
	if cfg.Strict {
		c.failover = "strict"
	}
	c.cluster.strategy = cfg.Strategy
	for _, m := range cfg.Expect {
		c.cluster.expected[m] = true
	}
	c.dir, c.spawn = &Dir{c: c}, c.work.Go
	c.ctx, c.stop = context.WithCancelCause(context.Background())
	c.work.Go(c.clock)
	return c, nil
}

// Close ends all turns and the use of all nodes, and waits for that, or until
// ctx is done.
func (c *Coord) Close(ctx context.Context) error {
	c.mu.Lock()
	c.closed = true
	for _, m := range c.members {
		m.close()
	}
	c.mu.Unlock()
	c.stop(styxfs.ErrClosed)
	done := make(chan struct{})
	go func() {
		c.work.Wait()
		close(done)
	}()
	select {
	case <-done:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// clock looks at the deadlines, and at the turns that wait for time to pass.
func (c *Coord) clock() {
	t := time.NewTicker(tickEvery)
	defer t.Stop()
	for {
		select {
		case <-t.C:
			c.tick()
		case <-c.ctx.Done():
			return
		}
	}
}

func (c *Coord) tick() {
	c.mu.Lock()
	defer c.mu.Unlock()
	now := time.Now()
	for _, m := range c.members {
		working, uncached := 0, 0
		for y := range m.tries {
			if y.working.Load() {
				working++
			}
			uncached = max(uncached, int(y.uncached.Load()))
		}
		m.n.health.heard(now, c.base.Add(time.Duration(m.n.pulse.reply.Load())), c.base.Add(time.Duration(m.n.pulse.engine.Load())), working, uncached)
	}
	probe, missed := c.cluster.tick(now)
	for _, n := range probe {
		c.members[n.name].kick()
	}
	for _, n := range missed {
		c.stat.missed.Add(1)
		for y := range c.members[n.name].tries {
			y.giveUp(errMissed)
		}
	}
	for _, m := range c.members {
		c.shown(m)
	}
	c.settle(now)
	c.tellRate(now)
}

// settle gives waiting turns to free slots. mu is held; it is called whenever
// something changed, with the nodes that did.
func (c *Coord) settle(now time.Time, changed ...*node) {
	c.cluster.refresh(changed...)
	for !c.closed {
		t, n, route := c.cluster.next(now)
		if t == nil {
			break
		}
		m := c.members[n.name]
		y := &try{c: c, t: t, m: m, route: route, id: n.id, given: make(chan struct{})}
		if line := n.model(t.model); line != nil {
			l := *line
			y.model = &l
		}
		y.uncached.Store(int64(t.uncached(n)))
		m.tries[y] = true
		t.placed <- y
	}
	if len(c.cluster.queue.All()) > 0 {
		for i, t := range c.cluster.queue.Order(now) {
			if t.position != i+1 {
				t.position = i + 1
				t.wake()
			}
		}
	}
	c.tellLoad()
}

// Generate makes one turn. See styxfs.Backend.
func (c *Coord) Generate(ctx context.Context, r *styxfs.Request, sink styxfs.Sink) (styxfs.Outcome, error) {
	t := newTurn(r, sink, time.Now())
	reason, err := c.enqueue(t)
	o := styxfs.Outcome{Reason: reason}
	if err == nil {
		defer c.work.Done()
		o, err = c.generate(ctx, t)
	}
	c.stat.ended(o.Reason)
	return o, err
}

func (c *Coord) generate(ctx context.Context, t *turn) (styxfs.Outcome, error) {
	for {
		select {
		case <-t.poke:
			c.mu.Lock()
			pos, model := t.position, t.model
			c.mu.Unlock()
			t.sink.Note(styxfs.Note{Position: pos, Model: model})
			t.sink.State(styxfs.Queued)
		case y := <-t.placed:
			if o, err, ended := c.finish(y, y.run(ctx)); ended {
				return o, err
			}
		case <-ctx.Done():
			c.withdraw(t)
			return t.end(styxfs.Outcome{Reason: reasonOf(context.Cause(ctx))}), context.Cause(ctx)
		case <-c.ctx.Done():
			c.withdraw(t)
			return t.end(styxfs.Outcome{Reason: styxfs.ReasonErr}), styxfs.ErrClosed
		}
	}
}

// enqueue puts t in the queue, or says why not.
func (c *Coord) enqueue(t *turn) (styxfs.Reason, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if err := c.admit(); err != nil {
		return styxfs.ReasonErr, err
	}
	if t.model == "" {
		t.model = c.cluster.defaultModel()
	}
	if c.cluster.unknown(t.model) {
		return styxfs.Client, errors.New("model " + styxfs.Quote(t.model) + ": unknown")
	}
	c.work.Add(1)
	c.cluster.queue.Add(t)
	c.settle(time.Now())
	return "", nil
}

// admit says why a new turn is refused. mu is held.
func (c *Coord) admit() error {
	switch {
	case c.closed:
		return styxfs.ErrClosed
	case c.cluster.queue.Fresh() >= c.cfg.QueueSize:
		return styxfs.ErrQueueFull
	}
	return nil
}

// Admit says why a turn would be refused now. See styxfs.Admitter.
func (c *Coord) Admit() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.admit()
}

// withdraw takes a turn that is over out of the queue, or back from where it
// was just placed.
func (c *Coord) withdraw(t *turn) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.cluster.queue.Remove(t, false) {
		c.settle(time.Now())
		return
	}
	select {
	case y := <-t.placed:
		c.cluster.cleared(y.m.n, t)
		c.backLocked(y)
	default:
	}
}

// back counts a slot that a try has given back.
func (c *Coord) back(y *try) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.backLocked(y)
}

func (c *Coord) backLocked(y *try) {
	delete(y.m.tries, y)
	y.m.n.inflight--
	c.settle(time.Now(), y.m.n)
}

// proven ends the watch over a turn that was suspected.
func (c *Coord) proven(y *try) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if y.t.suspected && y.m.tries[y] {
		c.cluster.cleared(y.m.n, y.t)
		c.settle(time.Now())
	}
}

// finish takes in how a try has ended. A turn that has not goes back to the
// queue.
func (c *Coord) finish(y *try, res result) (o styxfs.Outcome, err error, ended bool) {
	t, n := y.t, y.m.n
	died := errors.Is(res.err, ErrLost)
	c.mu.Lock()
	if died && t.suspected && n.suspects == 1 { // it would be held for the cause
		c.mu.Unlock()
		died = c.gone(y.m, y.id) // or has a connection broken, no more?
		c.mu.Lock()
	}
	defer c.mu.Unlock()
	now := time.Now()
	defer func() { c.settle(now, n) }()
	gap, learn, todo := y.learned()
	n.health.learn(gap, learn, todo)
	refused := errors.Is(res.err, ErrRefused)
	lost := errors.Is(res.err, ErrLost) || errors.Is(res.err, errMissed)
	gone := errors.Is(res.err, errGone)
	if !lost && !refused && !gone {
		c.cluster.cleared(n, t)
		if res.o.Reason != styxfs.Cancel && res.o.Reason != styxfs.Timeout && res.o.Reason != styxfs.Client {
			c.settleHome(n, t, &res.o)
		}
		return t.end(res.o), res.err, true
	}
	if lost {
		c.stat.lost.Add(1)
		if errors.Is(res.err, ErrLost) && n.id == y.id {
			n.health.doubted = true // until a probe shows what it is
			y.m.kick()
		}
		err = t.loss(n, y.id, died, c.failover == "strict" || t.r.Params.Failover == "strict")
		c.log.Info("turn lost its node", "session", t.session, "node", n.name, "why", res.err, "tokens", len(t.ids))
	}
	c.cluster.cleared(n, t)
	if refused {
		n.refuse(now)
	}
	if gone {
		t.Again = true
	}
	if len(t.text) > 0 && t.vocab == nil {
		t.vocab = y.model
	}
	if t.outcome.PromptTokens > 0 {
		t.need = t.outcome.PromptTokens + len(t.ids)
	}
	switch {
	case err != nil:
	case c.closed:
		err = styxfs.ErrClosed
	default:
		c.cluster.queue.Add(t)
		return o, nil, false
	}
	return t.end(styxfs.Outcome{Reason: styxfs.ReasonErr}), err, true
}

// settleHome notes where a session's cache is now, and lets the node that had
// it before drop it.
func (c *Coord) settleHome(n *node, t *turn, o *styxfs.Outcome) {
	if old := c.cluster.homes[t.session]; old.node != "" && old.node != n.name {
		if m := c.members[old.node]; m != nil {
			m.place.Forget(t.session)
		}
	}
	c.cluster.ended(n, t, o, t.prefixText+string(t.text))
}

// Forget drops what is kept for a session. See styxfs.Forgetter.
func (c *Coord) Forget(session uint64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if m := c.members[c.cluster.forget(session)]; m != nil {
		m.place.Forget(session)
	}
}

// Fork lets dst begin where src is. See styxfs.Forker.
func (c *Coord) Fork(src, dst uint64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	h, ok := c.cluster.homes[src]
	if !ok {
		return
	}
	c.cluster.homes[dst] = h
	if m := c.members[h.node]; m != nil {
		if f, ok := m.place.(styxfs.Forker); ok {
			f.Fork(src, dst)
		}
	}
}
