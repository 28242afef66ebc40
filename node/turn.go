package node

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"time"

	"llama9/queue"
	"llama9/styxfs"
)

// A turn is one Generate under way. It waits in the queue, is prepared (by the
// goroutine of its Generate, while it waits), is taken by a worker, and is over
// when the worker or its context ends it.
type turn struct {
	queue.Entry
	r     *styxfs.Request
	sink  styxfs.Sink
	model string
	poke  chan struct{} // of size 1: something for attend
	ended chan struct{} // closed when the worker ends it

	cancelled atomic.Bool // its Generate has returned: the worker lets go of it
	taken     atomic.Bool // by a worker; set under Node.mu

	// Node.mu guards these while the turn is in the queue; then in belongs to
	// the worker and the rest is not looked at.
	position  int
	inst      *instance // that in was prepared for
	in        *input    // nil: not prepared
	failure   error     // the model could not be loaded
	preparing bool      // in is being made
	running   bool      // counted in the instance's batch

	// mu guards below and is held around calls of sink, so that they come
	// one at a time, and none after the end.
	mu      sync.Mutex
	over    bool
	state   styxfs.State
	text    releaser
	made    []Token // prefix and all that was picked, end tokens not
	shown   int     // of made, those released
	ids     []Token // of the prompt
	begun   time.Time
	first   time.Time
	last    time.Time
	outcome styxfs.Outcome
	err     error
}

func newTurn(r *styxfs.Request, sink styxfs.Sink, model string) *turn {
	return &turn{
		Entry: queue.Entry{User: r.User, Priority: r.Params.Priority, Since: time.Now()},
		r:     r, sink: sink, model: model,
		poke: make(chan struct{}, 1), ended: make(chan struct{}),
		text: newReleaser(r.Params.Stop),
	}
}

// wake makes the turn's Generate call attend.
func (t *turn) wake() {
	select {
	case t.poke <- struct{}{}:
	default:
	}
}

// tell calls f unless the turn is over.
func (t *turn) tell(f func()) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if !t.over {
		f()
	}
}

// enter tells of a state, once. The caller holds t.mu.
func (t *turn) enter(s styxfs.State) {
	if t.state != s {
		t.state = s
		t.sink.State(s)
	}
}

// emit passes on released tokens. The caller holds t.mu.
func (t *turn) emit(released []piece) {
	for _, p := range released {
		tok := styxfs.Token{ID: p.tok, Text: p.text}
		if p.prob != nil {
			tok.HasProb, tok.LogProb, tok.Top = true, p.prob.log, p.prob.top
		}
		t.sink.Token(tok)
	}
	t.shown += len(released)
}

// finish ends the turn, if it is not over already: what is held is
// released, the outcome is put down. It says whether it did.
func (t *turn) finish(reason styxfs.Reason, word string, err error) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.over {
		return false
	}
	t.over = true
	if reason != styxfs.Stop {
		t.emit(t.text.rest())
	}
	o := &t.outcome
	o.Reason, o.StopWord, o.Tokens = reason, word, len(t.made)
	switch {
	case t.begun.IsZero():
	case t.first.IsZero():
		o.PromptTime = time.Since(t.begun)
	default:
		o.PromptTime = t.first.Sub(t.begun)
		o.PredictTime = t.last.Sub(t.first)
	}
	t.err = err
	return true
}

// reasonOf names why a turn that failed with err ended.
func reasonOf(err error) styxfs.Reason {
	var fault clientFault
	switch {
	case errors.As(err, &fault):
		return styxfs.Client
	case timedOut(err):
		return styxfs.Timeout
	}
	return styxfs.ReasonErr
}

// causeReason names why a context ended.
func causeReason(cause error) styxfs.Reason {
	if timedOut(cause) {
		return styxfs.Timeout
	}
	return styxfs.Cancel
}

func timedOut(err error) bool {
	return errors.Is(err, styxfs.ErrTimeout) || errors.Is(err, context.DeadlineExceeded)
}

// doneEarly is the end of a turn whose prefix leaves nothing to make.
type doneEarly struct {
	reason styxfs.Reason
	word   string
}

func (d doneEarly) Error() string { return string(d.reason) }

// start puts the prompt and the prefix of in down. An error is doneEarly.
func (t *turn) start(inst *instance, in *input) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.over {
		return nil
	}
	t.ids = in.ids[:in.prompt]
	t.made = append(t.made[:0], in.prefix...)
	t.shown = len(in.prefix)
	t.text = newReleaser(t.r.Params.Stop)
	t.outcome.PromptTokens = in.counted
	if len(in.prefix) > 0 {
		var text []byte
		for _, id := range in.prefix {
			from := len(text)
			text = inst.model.Piece(text, id, false)
			if word, over := t.text.skip(text[from:]); word != "" {
				t.sink.Note(styxfs.Note{PrefixText: string(text[:len(text)-over])})
				return doneEarly{styxfs.Stop, word}
			}
		}
		// A rune that it leaves unfinished is shown with the token that ends it.
		t.sink.Note(styxfs.Note{PrefixText: string(text[:len(text)-t.text.unfinished()])})
	}
	if len(in.prefix) > 0 && in.limit >= 0 && len(in.prefix) >= in.limit {
		return doneEarly{styxfs.Limit, ""}
	}
	if len(in.ids) > inst.opts.NCtx {
		return doneEarly{styxfs.Context, ""}
	}
	return nil
}
