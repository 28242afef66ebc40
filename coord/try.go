package coord

import (
	"context"
	"errors"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"llama9/styxfs"
)

// A try is a turn on one node: the Sink of its Place, which it passes on until
// it is over. What a node says later comes to nothing.
type try struct {
	c     *Coord
	t     *turn
	m     *member
	model *styxfs.Model // of the node, as it was at the placement
	route string
	id    string // of the node's start

	given chan struct{} // closed when the node was given up
	once  sync.Once
	why   error // why; set before given is closed

	working  atomic.Bool  // in prefill or decode
	uncached atomic.Int64 // tokens of a prefill that are to come

	mu     sync.Mutex // guards below, and what was made of t; around calls of the sink
	over   bool
	note   string // what request said
	before int    // bytes of the answer that other tries made
	seen   bool   // a token has come
	beat   time.Duration
	gap    time.Duration // longest between two signs of the engine
	begun  time.Duration // the first sign of a prefill
	todo   int           // tokens of the prefill
	learn  time.Duration // its time
}

var _ styxfs.Sink = (*try)(nil)

// Why a node was given up for a turn.
var (
	errMissed = errors.New("no sign of life")
	errGone   = errors.New("unmounted")
)

// giveUp lets the turn go on without the node.
func (y *try) giveUp(why error) {
	y.once.Do(func() {
		y.why = why
		close(y.given)
	})
}

// pass calls f, with signs of life noted, unless the try is over.
func (y *try) pass(engine bool, f func(now time.Duration)) {
	now := time.Since(y.c.base)
	y.m.n.pulse.beat(now, engine)
	y.mu.Lock()
	defer y.mu.Unlock()
	if y.over {
		return
	}
	if engine {
		if y.beat > 0 {
			y.gap = max(y.gap, now-y.beat)
		}
		y.beat = now
	}
	f(now)
}

// close ends the try: nothing is passed on any more.
func (y *try) close() {
	y.mu.Lock()
	defer y.mu.Unlock()
	y.over = true
	y.working.Store(false)
}

// State is of styxfs.Sink.
func (y *try) State(s styxfs.State) {
	y.pass(false, func(time.Duration) {
		y.working.Store(s == styxfs.Prefill || s == styxfs.Decode)
		y.t.sink.State(s)
	})
}

// Note is of styxfs.Sink. Where a turn runs and why is the coordinator's to say.
func (y *try) Note(n styxfs.Note) {
	y.pass(false, func(time.Duration) {
		t := y.t
		if n.Position > 0 {
			n.Position = 0 // in a queue of its own
		}
		at := y.m.n.name
		if n.Node != "" {
			at += "/" + n.Node
		}
		route := y.route
		for _, s := range []string{y.note, n.Route} {
			if s != "" {
				route += "," + s
			}
		}
		// The prefix there is the client's, and what was made before.
		given, ok := strings.CutSuffix(n.PrefixText, string(t.text[:y.before]))
		if n.PrefixText = ""; ok && len(t.r.Prefix) > 0 && y.note != "text" {
			t.prefixText, n.PrefixText = given, given
		}
		if y.note == "text" { // the prompt is another
			n.PromptTokens, n.CachedTokens = 0, 0
		}
		if n.PromptTokens > 0 {
			t.outcome.PromptTokens = n.PromptTokens
		}
		if n.CachedTokens > 0 {
			t.outcome.CachedTokens = n.CachedTokens
		}
		n.Node, n.Route = at, route
		t.sink.Note(n)
	})
}

// Token is of styxfs.Sink.
func (y *try) Token(tok styxfs.Token) {
	proven := false
	y.pass(true, func(now time.Duration) {
		t := y.t
		if !y.seen {
			y.seen = true
			y.uncached.Store(0)
			y.working.Store(true)
			if y.begun > 0 {
				y.learn = now - y.begun
			}
			t.sink.State(styxfs.Decode)
		}
		if tok.ID >= 0 {
			t.ids = append(t.ids, tok.ID)
			t.outcome.Tokens = len(t.ids)
		} else {
			t.noIDs = true
		}
		t.text = append(t.text, tok.Text...)
		at := y.c.base.Add(now)
		if t.first.IsZero() {
			t.first = at
		}
		t.last = at
		t.fresh++
		proven = t.fresh == proof
		t.sink.Token(tok)
	})
	if proven {
		y.c.proven(y)
	}
}

// Progress is of styxfs.Sink.
func (y *try) Progress(done, cached, total int) {
	y.pass(true, func(now time.Duration) {
		y.working.Store(true)
		y.uncached.Store(int64(max(total-done, 0)))
		if y.begun == 0 {
			y.begun, y.todo = now, total-done
		}
		y.t.sink.Progress(done, cached, total)
	})
}

// learned gives what the try has shown of its node: see health.learn.
func (y *try) learned() (gap, prefill time.Duration, tokens int) {
	y.mu.Lock()
	defer y.mu.Unlock()
	return y.gap, y.learn, y.todo
}

// A result is what a Place said at the end.
type result struct {
	o   styxfs.Outcome
	err error
}

// run has the node make the turn. When it returns nothing more is passed on.
func (y *try) run(ctx context.Context) result {
	defer y.close()
	r, note, err := y.t.request(y.model)
	if err != nil {
		return result{styxfs.Outcome{Reason: styxfs.ReasonErr}, err}
	}
	y.mu.Lock()
	y.note, y.before = note, len(y.t.text)
	y.mu.Unlock()
	y.Note(styxfs.Note{Position: -1, Model: y.t.model})

	there, cancel := context.WithCancelCause(ctx)
	done := make(chan result, 1)
	y.c.work.Go(func() {
		defer cancel(nil)
		o, err := y.m.place.Generate(there, r, y)
		y.c.back(y)
		done <- result{o, err}
	})
	var res result
	select {
	case res := <-done:
		return res
	case <-y.given:
		res.err = y.why
	case <-ctx.Done():
		// The node ends it in its own time; its client does not wait.
		res = result{styxfs.Outcome{Reason: reasonOf(context.Cause(ctx))}, context.Cause(ctx)}
	}
	select {
	case res := <-done: // it has just ended by itself
		return res
	default:
		cancel(res.err)
		return res
	}
}
