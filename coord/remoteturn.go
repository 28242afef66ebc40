package coord

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"sync"
	"time"

	"llama9/mnt"
	"llama9/ninep"
	"llama9/styxfs"
)

// A remoteTurn is a Generate under way.
type remoteTurn struct {
	r      *Remote
	req    *styxfs.Request
	sink   styxfs.Sink
	ctx    context.Context // of what it asks the node
	cancel context.CancelCauseFunc

	mu     sync.Mutex // guards below, and is held around calls of sink
	muted  bool       // sink is told nothing more
	moved  bool       // it goes on elsewhere: it was not its client that ended it here
	begun  *mnt.Fsys  // the turn's tree, once the turn may have begun on the node
	ctl    string     // of its session
	tokens int
	text   strings.Builder
	shown  bool          // a token came
	ended  styxfs.Reason // as the node's event said
}

// Generate makes one turn on the node; see Place. Once ctx is done sink is told
// nothing more, and the node has a moment to end the turn: its session can then
// be used again, and the slot is free.
func (r *Remote) Generate(ctx context.Context, req *styxfs.Request, sink styxfs.Sink) (styxfs.Outcome, error) {
	type result struct {
		o   styxfs.Outcome
		err error
	}
	t := &remoteTurn{r: r, req: req, sink: sink}
	t.ctx, t.cancel = context.WithCancelCause(r.ctx)
	defer t.cancel(nil)
	if !r.begin() {
		return styxfs.Outcome{Reason: styxfs.ReasonErr}, fmt.Errorf("%w: unmounted", ErrLost)
	}
	done := make(chan result, 1)
	go func() {
		defer r.wg.Done()
		o, err := t.run()
		done <- result{o, err}
	}()
	select {
	case e := <-done:
		return e.o, e.err
	case <-ctx.Done():
	}
	cause := context.Cause(ctx)
	o := t.outcome(styxfs.Cancel)
	if errors.Is(cause, styxfs.ErrTimeout) {
		o.Reason = styxfs.Timeout
	}
	if fs := t.mute(cause); fs != nil {
		ctx, cancel := context.WithTimeout(t.ctx, r.c.Linger)
		defer cancel()
		t.tellCancel(ctx, fs)
		select {
		case <-done:
			return o, cause
		case <-ctx.Done():
		}
	}
	t.cancel(cause)
	<-done
	return o, cause
}

// mute lets nothing more reach the sink. It gives the turn's tree, nil if the
// turn has not begun and will not.
func (t *remoteTurn) mute(cause error) *mnt.Fsys {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.muted = true
	t.moved = !errors.Is(cause, styxfs.ErrCancelled) && !errors.Is(cause, styxfs.ErrTimeout)
	return t.begun
}

// tellCancel writes cancel to the session's ctl.
func (t *remoteTurn) tellCancel(ctx context.Context, fs *mnt.Fsys) {
	fs.WriteFile(ctx, t.ctl, []byte("cancel\n")) // if it fails, the clunk of token does it
}

func (t *remoteTurn) isMuted() bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.muted
}

func (t *remoteTurn) isMoved() bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.moved
}

// run makes the turn. A session that the node has dropped is made again.
func (t *remoteTurn) run() (styxfs.Outcome, error) {
	l := t.r.stream()
	defer t.r.unstream(l)
	for again := true; ; {
		fs, leave, err := l.tree(t.ctx, t.req.User)
		if err != nil {
			return t.outcome(styxfs.ReasonErr), t.judge(err)
		}
		start := l.startID()
		s := t.r.take(t.req.Session, t.req.User, start)
		kept := s != nil
		var c *setting
		if s == nil {
			s, c, err = t.make(fs, start)
		}
		if err == nil {
			c, err = t.setUp(fs, s, c)
		}
		if err != nil {
			err = t.judge(err)
			if s != nil {
				s.vague = true
				s.discard(c)
				t.r.give(s, kept && errors.Is(err, ErrRefused))
			}
			leave()
			if kept && again && !t.isMuted() && (errors.Is(err, ninep.ErrNotExist) || errors.Is(err, ninep.ErrBusy)) {
				again = false
				continue
			}
			return t.outcome(styxfs.Client), err
		}
		o, keep, err := t.follow(fs, s, c)
		leave()
		t.r.give(s, keep && !t.isMoved())
		return o, err
	}
}

// judge tells errors of the node from the end of the turn's own context.
func (t *remoteTurn) judge(err error) error {
	switch {
	case t.r.ctx.Err() != nil:
		return fmt.Errorf("%w: unmounted", ErrLost)
	case t.ctx.Err() != nil:
		return context.Cause(t.ctx)
	case errors.Is(err, ninep.ErrNotExist):
		return fmt.Errorf("%w: session: %w", ErrLost, err)
	}
	return lostError(err)
}

func (t *remoteTurn) outcome(r styxfs.Reason) styxfs.Outcome {
	t.mu.Lock()
	defer t.mu.Unlock()
	return styxfs.Outcome{Reason: r, Tokens: len(t.req.Prefix) + t.tokens}
}

// follow commits the turn and passes on what the node says of it. keep says
// whether the session can take another turn.
func (t *remoteTurn) follow(fs *mnt.Fsys, s *nodeSession, c *setting) (o styxfs.Outcome, keep bool, err error) {
	t.mu.Lock()
	t.begun, t.ctl = fs, s.dir()+"ctl"
	muted := t.muted
	t.mu.Unlock()
	if muted {
		s.discard(c)
		return o, false, context.Cause(t.ctx)
	}
	defer t.watchSoon(fs, s, c.event)()
	if c.prompt == nil {
		if err := t.generate(fs); err != nil {
			s.vague = true // the prefix waits for the next turn
			return t.outcome(styxfs.Client), errors.Is(err, ErrRefused), err
		}
	}
	err = t.read(fs, s, c.prompt)
	if err = t.judge(err); t.ctx.Err() != nil || errors.Is(err, ErrLost) {
		return t.outcome(styxfs.ReasonErr), false, err
	}
	return t.end(fs, s, err)
}

// generate begins a turn on the conversation as it stands.
func (t *remoteTurn) generate(fs *mnt.Fsys) error {
	ctx, cancel := t.r.within(t.ctx)
	defer cancel()
	return t.judge(fs.WriteFile(ctx, t.ctl, []byte("generate\n")))
}

// read commits what prompt has, if it is not nil, and passes on the turn's tokens
// until the end, io.EOF or the turn's error.
func (t *remoteTurn) read(fs *mnt.Fsys, s *nodeSession, prompt *mnt.File) error {
	buf := make([]byte, 4096)
	b := fs.Batch()
	if prompt != nil {
		// The open binds to the turn that is being written, also if it is
		// faster than the clunk.
		b.Close(prompt)
	}
	f := b.Open(s.dir()+"token", ninep.OREAD)
	got := b.Read(f, buf, 0)
	err := b.Do(t.ctx)
	if t.isMuted() {
		t.tellCancel(t.ctx, fs) // the first could have come before the commit
	}
	if err != nil {
		return err
	}
	defer f.Forget()
	n, off := got.N, int64(0)
	var rest []byte
	for {
		if n == 0 && err == nil {
			err = io.EOF
		}
		off += int64(n)
		if rest, err = cut(rest, buf[:n], err, t.token); err != nil {
			if err == io.EOF && len(rest) > 0 {
				return badAnswer("half a token")
			}
			return err
		}
		if n == len(buf) && n < 64<<10 {
			buf = make([]byte, 4*n)
		}
		n, err = f.ReadAt(t.ctx, buf, off)
	}
}

// token passes on a line of token.
func (t *remoteTurn) token(line []byte) error {
	tok, err := parseToken(line)
	if err != nil {
		return err
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	t.shown = true
	t.text.WriteString(tok.Text)
	if !t.muted {
		if tok.ID >= 0 {
			t.tokens++
		}
		t.sink.Token(tok)
	}
	return nil
}

// watchAfter is how long the events of a turn are left unread: those of one
// that begins at once would only be in the way of its first token.
const watchAfter = 5 * time.Millisecond

// watchSoon lets watch begin in a moment, if the turn has not ended by then.
// stop is for its end.
func (t *remoteTurn) watchSoon(fs *mnt.Fsys, s *nodeSession, f *mnt.File) (stop func()) {
	if !t.r.begin() {
		return f.Forget
	}
	later := time.AfterFunc(watchAfter, func() {
		defer t.r.wg.Done()
		defer f.Forget()
		t.watch(fs, s, f)
	})
	return func() {
		if later.Stop() {
			f.Forget()
			t.r.wg.Done()
		}
	}
}

// watch passes on what the session's event says, until the turn's end.
func (t *remoteTurn) watch(fs *mnt.Fsys, s *nodeSession, f *mnt.File) {
	readLines(t.ctx, f, make([]byte, 512), func(line []byte) error {
		_, kind, attrs, err := styxfs.ParseEvent(string(line))
		if err != nil {
			return err
		}
		switch state := styxfs.State(kind); state {
		case styxfs.Done, styxfs.Failed, styxfs.Cancelled:
			t.mu.Lock()
			t.ended = styxfs.Reason(styxfs.FindAttr(attrs, "reason"))
			t.mu.Unlock()
			return io.EOF
		case styxfs.Decode:
			t.state(state, attrs)
			if st, err := t.status(fs, s); err == nil {
				t.note(st.note)
			}
		default:
			t.state(state, attrs)
		}
		return nil
	})
}

// state passes on a change of state, if it is not of the past.
func (t *remoteTurn) state(s styxfs.State, attrs []styxfs.Attr) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.muted || t.shown {
		return
	}
	if s == styxfs.Prefill && styxfs.FindAttr(attrs, "total") != "" {
		t.sink.Progress(countOf(styxfs.FindAttr(attrs, "done")), countOf(styxfs.FindAttr(attrs, "cached")), countOf(styxfs.FindAttr(attrs, "total")))
		return
	}
	t.sink.State(s) // which takes only those of a turn under way
}

func (t *remoteTurn) note(n styxfs.Note) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if !t.muted {
		t.sink.Note(n)
	}
}

// status reads the session's status.
func (t *remoteTurn) status(fs *mnt.Fsys, s *nodeSession) (turnStatus, error) {
	ctx, cancel := t.r.within(t.ctx)
	defer cancel()
	b, err := readStatus(ctx, fs, s.dir()+"status")
	if err != nil {
		return turnStatus{}, t.judge(err)
	}
	return parseTurn(b)
}

// end says how a turn ended of which the last that was read is err.
func (t *remoteTurn) end(fs *mnt.Fsys, s *nodeSession, err error) (o styxfs.Outcome, keep bool, _ error) {
	st, serr := t.status(fs, s)
	if serr != nil {
		if err != io.EOF {
			return t.outcome(styxfs.ReasonErr), false, serr
		}
		// All of the answer was there.
		t.mu.Lock()
		r := t.ended
		t.mu.Unlock()
		return t.outcome(r), false, nil
	}
	switch {
	case st.state == styxfs.Done && err == io.EOF:
		err = nil
		text, terr := t.answer(fs, s)
		if terr != nil {
			return st.out, false, nil
		}
		s.holds(text)
	case st.state == styxfs.Failed && err != io.EOF:
	case st.state == styxfs.Cancelled && err != io.EOF:
		s.known = -1 // with as much of the answer as the node had made
		err = styxfs.ErrCancelled
	default:
		return st.out, false, badAnswer("a turn that ended is %s", clipped(string(st.state)))
	}
	t.note(st.note)
	return st.out, true, err
}

// answer gives the conversation with the answer, as it now is on the node. The
// text of a prefix only the node knows.
func (t *remoteTurn) answer(fs *mnt.Fsys, s *nodeSession) ([]styxfs.Message, error) {
	l := t.req.Messages
	n := len(l)
	made := t.text.String()
	old := ""
	if n > 0 && l[n-1].Role == "assistant" {
		n--
		old = l[n].Content
	}
	if len(t.req.Prefix) > 0 {
		ctx, cancel := t.r.within(t.ctx)
		defer cancel()
		b, err := fs.ReadFile(ctx, s.dir()+"chat")
		if err != nil {
			return nil, err
		}
		whole, err := lastAnswer(b)
		begin, ok := strings.CutSuffix(strings.TrimPrefix(whole, old), made)
		if err != nil || !ok {
			return nil, badAnswer("its chat does not end with the answer")
		}
		t.note(styxfs.Note{PrefixText: begin})
		made = begin + made
	}
	return append(l[:n:n], styxfs.Message{Role: "assistant", Content: old + made}), nil
}
