package styxfs

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"sync"
	"time"

	"llama9/ninep"
)

// What ends a turn from outside: the causes (context.Cause) of the context
// that Generate has.
var (
	ErrCancelled error = &ninep.Error{Text: "cancelled", Errno: 125} // ECANCELED
	ErrTimeout   error = timeoutError{}
	errShutdown        = errors.New("server shut down")
)

// timeoutError is also a context.DeadlineExceeded.
type timeoutError struct{}

func (timeoutError) Error() string        { return "timeout" }
func (timeoutError) Is(target error) bool { return target == context.DeadlineExceeded }

// A phase is how far a turn is.
type phase uint8

const (
	writing phase = iota // its prompt is being written
	void                 // its commit came to nothing
	running
	halting // Generate has returned
	ended
)

// A turn is one answer: its log of tokens and text, which any number of
// readers read at their own offsets while it grows, and what status shows. It
// is the Sink of its own Generate. It exists from the first byte of its prompt,
// so that a reader can wait for it.
type turn struct {
	s *session
	n int // in its session, from 1; set once, at the commit

	// Set at the commit, before running.
	params   Params
	base     int  // messages of the session that are finished
	extends  bool // continues the last message
	prefix   int  // tokens given
	given    []int32
	system   string // that it was asked with
	fault    string // why it fails at once
	commit   time.Time
	restored restored // of a turn that goes on after a restart
	cancel   context.CancelCauseFunc
	deadline *time.Timer

	// session.mu guards these.
	request *Request // nil once it is over
	over    bool     // for the journal: it goes on after no restart

	mu       sync.Mutex // guards below; after session.mu
	phase    phase
	text     []byte                  // out
	lines    []byte                  // token
	seen     extent                  // of these, what can be read
	handed   extent                  // and what the journal was given
	held     int                     // bytes, counted in FS.held; see quota.go
	waiting  bool                    // for the journal
	other    context.CancelCauseFunc // of a Generate that may have another vocabulary; nil: none may
	deaf     bool                    // to one that has
	noted    bool                    // the journal has a turnNote
	wake     chan struct{}           // closed at the next change; nil: nobody waits so
	wakers   []ninep.Waker           // likewise
	watch    int                     // of those, open now
	state    State
	note     Note
	eta      progress
	tokens   int // made, the prefix included
	first    time.Time
	last     time.Time
	ended    time.Time
	outcome  Outcome
	endState State
	err      error // what readers get after the last byte
}

// An extent is how much of out and token.
type extent struct{ text, lines int }

// progress is of a prefill.
type progress struct {
	done, cached, total int
	from                time.Time
}

var _ Sink = (*turn)(nil)

// wakeAll wakes the readers. mu is held.
func (t *turn) wakeAll() {
	if t.wake != nil {
		close(t.wake)
		t.wake = nil
	}
	for i, w := range t.wakers {
		w.Wake()
		t.wakers[i] = nil
	}
	t.wakers = t.wakers[:0]
}

// enter moves to a state and tells the session's event file. mu is held.
func (t *turn) enter(s State, attrs ...Attr) {
	if t.state == s {
		return
	}
	t.state = s
	t.s.events.Post(string(s), append([]Attr{{"turn", strconv.Itoa(t.n)}}, attrs...)...)
}

// State is of Sink.
func (t *turn) State(s State) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.phase != running || t.deaf {
		return
	}
	switch s {
	case Queued, Loading, Prefill, Decode:
		t.enter(s)
	}
}

// Note is of Sink.
func (t *turn) Note(n Note) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.phase != running || t.deaf {
		return
	}
	if t.other != nil && n.PrefixText != "" {
		if !t.agrees(n.PrefixText) {
			t.deaf = true
			t.other(errOtherModel)
			return
		}
		n.PrefixText = "" // what the client gave of it is known
	}
	o := &t.note
	merge(&o.Model, n.Model)
	merge(&o.Node, n.Node)
	merge(&o.Route, n.Route)
	merge(&o.Position, n.Position)
	merge(&o.PromptTokens, n.PromptTokens)
	merge(&o.CachedTokens, n.CachedTokens)
	merge(&o.NCtx, n.NCtx)
	merge(&o.PrefixText, n.PrefixText)
}

// merge sets a field that is known.
func merge[T comparable](to *T, v T) {
	var zero T
	if v != zero {
		*to = v
	}
}

// Progress is of Sink.
func (t *turn) Progress(done, cached, total int) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.phase != running || t.deaf {
		return
	}
	if t.eta.from.IsZero() {
		t.eta.from = t.s.f.now()
		t.enter(Prefill)
	}
	t.eta.done, t.eta.cached, t.eta.total = done, cached, total
	t.s.events.Post(string(Prefill), Attr{"done", strconv.Itoa(done)}, Attr{"cached", strconv.Itoa(cached)}, Attr{"total", strconv.Itoa(total)})
}

// Token is of Sink.
func (t *turn) Token(tok Token) {
	now := t.s.f.now()
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.phase != running || t.deaf {
		return
	}
	if t.first.IsZero() {
		t.first = now
		t.enter(Decode)
	}
	t.last = now
	if tok.ID >= 0 {
		t.tokens++
		t.s.f.metrics.tokens.Inc()
	}
	had := t.size()
	t.text = append(t.text, tok.Text...)
	t.lines = appendToken(t.lines, &tok)
	t.hold(t.size() - had)
	if j := t.s.f.journal; j != nil {
		j.later(t)
	} else {
		t.handed = extent{len(t.text), len(t.lines)}
		t.show()
	}
	if most := t.s.f.cfg.MaxChat; len(t.text) > most {
		t.stop(fmt.Errorf("answer longer than %d bytes", most))
	} else if most *= linesEach; len(t.lines) > most {
		t.stop(fmt.Errorf("token longer than %d bytes", most))
	}
}

// hold counts n more bytes in FS.held, until the turn ends. mu is held.
func (t *turn) hold(n int) {
	t.held += n
	t.s.f.held.Add(int64(n))
}

// size is what the turn holds in bytes. mu is held.
func (t *turn) size() int { return len(t.text) + len(t.lines) }

// linesEach bounds token by the bound of the answer. A line of a token is some
// five times its text, but alternatives come to it.
const linesEach = 8

// appendToken appends a line of token: id logprob text, and the alternatives.
func appendToken(b []byte, t *Token) []byte {
	b = strconv.AppendInt(b, int64(t.ID), 10)
	if t.HasProb {
		b = appendProb(append(b, ' '), t.LogProb)
	} else {
		b = append(b, " -"...)
	}
	b = strconv.AppendQuote(append(b, ' '), t.Text)
	for i := range t.Top {
		a := &t.Top[i]
		b = strconv.AppendInt(append(b, ' '), int64(a.ID), 10)
		b = appendProb(append(b, ' '), a.LogProb)
		b = strconv.AppendQuote(append(b, ' '), a.Text)
	}
	return append(b, '\n')
}

func appendProb(b []byte, p float32) []byte {
	return strconv.AppendFloat(b, float64(p), 'g', -1, 32)
}

// finish ends the log: readers get err, if it is not nil, after the last byte.
func (t *turn) finish(p phase, err error) {
	t.phase, t.err = p, err
	t.wakeAll()
}

// void ends a turn whose commit came to nothing.
func (t *turn) void() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.finish(void, nil)
}

// stop cancels a turn that runs.
func (t *turn) stop(cause error) {
	if t.cancel != nil {
		t.cancel(cause)
	}
}

// look says how a read at off stands: ready, or wake tells of the next change.
// gone says that the commit came to nothing.
func (t *turn) look(lines bool, off int64) (ready, gone bool, wake <-chan struct{}) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.has(lines, off) {
		return true, t.phase == void, nil
	}
	return false, false, t.change()
}

// has says whether a read at off returns. mu is held.
func (t *turn) has(lines bool, off int64) bool {
	return t.phase == void || t.phase == ended || off < int64(len(t.log(lines)))
}

// change gives what is closed at the next change. mu is held.
func (t *turn) change() <-chan struct{} {
	if t.wake == nil {
		t.wake = make(chan struct{})
	}
	return t.wake
}

func (t *turn) ready(lines bool, off int64) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.has(lines, off)
}

// notify is ready, and has w woken at the next change where that is false.
func (t *turn) notify(lines bool, off int64, w ninep.Waker) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.has(lines, off) {
		return true
	}
	t.wakers = append(t.wakers, w)
	return false
}

// forget takes back what notify was given.
func (t *turn) forget(w ninep.Waker) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if i := slices.Index(t.wakers, w); i >= 0 {
		t.wakers = slices.Delete(t.wakers, i, i+1)
	}
}

// log is what can be read of token, or of out. mu is held.
func (t *turn) log(lines bool) []byte {
	seen := t.seen
	if t.phase == ended { // though the journal failed
		seen = extent{len(t.text), len(t.lines)}
	}
	if lines {
		return t.lines[:seen.lines]
	}
	return t.text[:seen.text]
}

// read fills p from off on, or tells like look of what to wait for. At the end
// it gives 0 and the turn's error.
func (t *turn) read(lines bool, p []byte, off int64) (n int, gone bool, wake <-chan struct{}, err error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	log := t.log(lines)
	switch {
	case t.phase == void:
		return 0, true, nil, nil
	case off >= int64(len(log)) && t.phase == ended:
		return 0, false, nil, t.err
	case off >= int64(len(log)):
		return 0, false, t.change(), nil
	case lines:
		return cutLines(p, log, off), false, nil, nil
	}
	return cutText(p, log, off), false, nil, nil
}

// attend counts a reader of a turn that runs or is being written.
func (t *turn) attend() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.watch++
}

// leave counts a reader that is gone, and ends the turn if it was the last
// and the session wants it so.
func (t *turn) leave() {
	t.mu.Lock()
	t.watch--
	last := t.watch == 0 && t.phase == running && t.params.OnClose == "cancel"
	t.mu.Unlock()
	if last {
		t.stop(ErrCancelled)
	}
}
