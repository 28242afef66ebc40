package styxfs

import (
	"context"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"runtime/debug"
	"strconv"

	"llama9/ninep"
)

func newTurn(s *session) *turn { return &turn{s: s, state: Idle} }

// takeIn makes valid what open files of the session hold. mu is held.
func (s *session) takeIn() {
	for _, w := range s.writers {
		w.take()
	}
}

// begin commits t: on the conversation and prompt, or with nil on the
// conversation as it stands. mu is held, and no turn runs.
func (s *session) begin(t *turn, prompt *string) {
	s.takeIn()
	s.note.good("")
	fault := s.faults.first()
	s.faults.chat = ""
	t.base = len(s.messages)
	if prompt != nil {
		if bad := badText("prompt", *prompt); bad != "" && fault == "" {
			fault = bad
		}
		s.prompt = *prompt
		s.setMessages(append(s.messages[:t.base:t.base], Message{"user", *prompt}))
	} else if t.base > 0 {
		t.extends = s.messages[t.base-1].Role == "assistant"
	}
	if s.grammar != "" && s.schema != "" && fault == "" {
		fault = "grammar and schema are both set"
	}
	r := &Request{Session: s.n, User: s.owner.user, Params: s.params, Grammar: s.grammar, Schema: s.schema, Date: s.params.Date, Prefix: s.prefix, Commit: s.f.now()}
	s.prefix = nil
	if r.Params.Seed < 0 {
		r.Params.Seed = rand.Int64N(math.MaxUint32) // llama.cpp takes the last one for "draw"
	}
	s.turns++
	r.Turn = s.turns
	t.system, t.fault, t.given = s.systemText(), fault, r.Prefix
	r.Messages = s.asked(t.system)
	s.writing = nil
	s.run(t, r)
}

// asked is the conversation as a turn gets it.
func (s *session) asked(system string) []Message {
	var l []Message
	if system != "" {
		l = append(l, Message{"system", system})
	}
	return append(l, s.messages...)
}

// run begins t, which is as it was committed. mu is held.
func (s *session) run(t *turn, r *Request) {
	s.cur = t
	t.request, t.n = r, r.Turn
	t.params, t.prefix, t.commit = r.Params, len(t.given), r.Commit
	ctx, cancel := context.WithCancelCause(s.f.ctx)
	t.cancel = cancel
	if d := r.Params.Timeout; d > 0 {
		t.limit(max(d-s.f.now().Sub(r.Commit), 1))
	}
	t.mu.Lock()
	t.phase, t.tokens = running, len(r.Prefix)
	t.enter(Queued)
	t.mu.Unlock()
	s.f.events.Post("commit", Attr{"session", s.name()}, Attr{"turn", strconv.Itoa(t.n)})
	s.save()
	if !s.f.begin() {
		s.end(t, Outcome{Reason: ReasonErr}, errShutdown, errShutdown)
		return
	}
	go func() {
		defer s.f.wg.Done()
		o, err := t.refused()
		if err == nil {
			o, err = s.f.goOn(ctx, r, t)
		}
		cause := context.Cause(ctx)
		s.mu.Lock()
		closed := s.end(t, o, err, cause)
		s.mu.Unlock()
		if closed {
			s.forget()
		}
	}()
}

// refused says why a turn fails at once; a nil error is that it does not.
func (t *turn) refused() (Outcome, error) {
	switch {
	case t.fault != "":
		return Outcome{Reason: Client}, errors.New(t.fault)
	case t.restored.made > 0 && t.params.Failover == "strict":
		return Outcome{Reason: ReasonErr}, errRestarted
	}
	return Outcome{}, nil
}

// goOn lets the Backend make a turn. One that goes on after a restart, where
// its tokens are no tokens any more or others, goes on from its text.
func (f *FS) goOn(ctx context.Context, r *Request, t *turn) (Outcome, error) {
	if t.restored.made == 0 && !t.restored.noIDs {
		return f.generate(ctx, r, t)
	}
	if !t.restored.noIDs {
		try, cancel := context.WithCancelCause(ctx)
		defer cancel(nil)
		t.mu.Lock()
		t.other = cancel
		t.mu.Unlock()
		o, err := f.generate(try, r, t)
		if context.Cause(try) != errOtherModel {
			return o, err
		}
	}
	if r, err := t.fromText(r); err == nil {
		return f.generate(ctx, r, t)
	}
	return Outcome{Reason: ReasonErr}, errOtherModel
}

// generate lets the Backend make a turn. A panic there fails the turn.
func (f *FS) generate(ctx context.Context, r *Request, t *turn) (o Outcome, err error) {
	defer func() {
		if p := recover(); p != nil {
			f.log.Error("panic in a turn", "session", r.Session, "turn", r.Turn, "panic", fmt.Sprint(p), "stack", string(debug.Stack()))
			o.Reason, err = ReasonErr, fmt.Errorf("internal error: %v", p)
		}
	}()
	return f.b.Generate(ctx, r, t)
}

// end ends a turn: what it made goes into the conversation, readers get the
// end, and the session takes the next one. cause is why it was cancelled, nil
// if it was not. mu is held. It says whether the session is removed.
func (s *session) end(t *turn, o Outcome, err error, cause error) (closed bool) {
	if t.deadline != nil {
		t.deadline.Stop()
	}
	t.cancel(nil)
	state := Done
	switch {
	case err == nil && good(o.Reason):
	case errors.Is(cause, errShutdown):
		state, err, o.Reason = Failed, errShutdown, ReasonErr
	case errors.Is(cause, ErrTimeout) || cause == nil && o.Reason == Timeout:
		state, err, o.Reason = Failed, ErrTimeout, Timeout
	case errors.Is(cause, ErrCancelled) || cause == nil && o.Reason == Cancel:
		state, err, o.Reason = Cancelled, ErrCancelled, Cancel
	default:
		state = Failed
		if o.Reason != Client && o.Reason != Timeout {
			o.Reason = ReasonErr
		}
		if err == nil {
			err = cause
		}
		if err == nil {
			err = errors.New("failed: " + string(o.Reason))
		}
	}
	if o.Reason == "" {
		o.Reason = EOS
	}
	o.PredictTime += t.restored.spent
	t.mu.Lock()
	t.phase = halting // it takes nothing more
	made := t.note.PrefixText + string(t.text)
	s.touched = s.f.now()
	t.outcome, t.ended, t.endState, t.err = o, s.touched, state, wireError(err)
	t.note.Position = 0
	merge(&t.note.PromptTokens, o.PromptTokens)
	merge(&t.note.CachedTokens, o.CachedTokens)
	t.tokens = max(t.tokens, o.Tokens)
	t.hold(-t.held) // from now on it is counted with the session
	s.answered = t.size()
	t.mu.Unlock()
	if state == Done || state == Cancelled && made != "" {
		s.answer(t, made)
	}
	if state == Failed {
		s.note.bad("turn", err)
	}
	s.cur, s.last = nil, t
	s.account()
	t.request = nil
	t.over = !errors.Is(err, errShutdown) // then it goes on after the restart
	s.save()

	t.mu.Lock()
	defer t.mu.Unlock()
	attrs := []Attr{{"reason", string(o.Reason)}, {"tokens", strconv.Itoa(t.tokens)}}
	if state == Failed {
		attrs = append(attrs, Attr{"error", err.Error()})
	}
	t.enter(state, attrs...)
	s.f.events.Post("turn", append([]Attr{{"session", s.name()}, {"turn", strconv.Itoa(t.n)}, {"state", string(state)}}, attrs[:2]...)...)
	s.f.metrics.ended(t, state)
	t.finish(ended, t.err)
	return s.closed
}

// good says whether r ends a turn that is done.
func good(r Reason) bool {
	switch r {
	case "", EOS, Stop, Limit, Context:
		return true
	}
	return false
}

// answer puts what a turn made into the conversation.
func (s *session) answer(t *turn, made string) {
	n := len(s.messages)
	if !t.extends {
		s.setMessages(append(s.messages[:n:n], Message{"assistant", made}))
		return
	}
	old := s.messages[n-1]
	s.setMessages(append(s.messages[:n-1:n-1], Message{old.Role, old.Content + made}))
}

// wireError gives a turn's error a number.
func wireError(err error) error {
	var e *ninep.Error
	if err == nil || errors.As(err, &e) {
		return err
	}
	return ninep.Errorf(ninep.ErrIO, "%v", err)
}
