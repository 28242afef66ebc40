package node

import (
	"errors"
	"fmt"
	"time"

	"llama9/styxfs"
)

// A worker is the one goroutine that owns a Context: it takes turns, decodes
// a step of all of them, picks, and tells their sinks. It sleeps while there is
// no turn.
type worker struct {
	n     *Node
	in    *instance
	c     Context
	slots []slot
	rows  []Row
	sc    scratch
	tick  uint64
	first int // slot where the next step begins to share prefill
	buf   []byte
	wake  chan struct{} // of size 1
	done  chan struct{} // closed at the end of run

	// Node.mu guards below.
	live   int      // turns of the batch that is decoded now, less those cancelled
	forget []uint64 // sessions whose cache is to be dropped
}

func newWorker(n *Node, in *instance) *worker {
	w := &worker{n: n, in: in, c: in.ctx, wake: make(chan struct{}, 1), done: make(chan struct{})}
	w.slots = make([]slot, in.opts.NSeq)
	for i := range w.slots {
		w.slots[i].seq = Seq(i)
	}
	return w
}

func (w *worker) poke() {
	select {
	case w.wake <- struct{}{}:
	default:
	}
}

// run serves until the instance is leaving and no turn is left.
func (w *worker) run() {
	defer close(w.done)
	for {
		for w.take() {
		}
		active := false
		for i := range w.slots {
			active = active || w.slots[i].turn != nil
		}
		if active {
			w.step()
			continue
		}
		if w.n.mayStop(w) {
			return
		}
		<-w.wake
	}
}

// take lets go of cancelled turns and puts the next waiting one, if there is
// one and a place for it, on a slot. It says whether to ask again.
func (w *worker) take() bool {
	for i := range w.slots {
		if s := &w.slots[i]; s.turn != nil && s.turn.cancelled.Load() {
			w.leave(s)
		}
	}
	t, c, forget := w.n.next(w)
	for _, session := range forget {
		for i := range w.slots {
			if s := &w.slots[i]; s.session == session {
				s.session = 0
				s.forget = s.turn != nil
				if s.turn == nil {
					w.drop(s)
				}
			}
		}
	}
	if t == nil {
		return len(forget) > 0
	}
	w.begin(t, c)
	return true
}

// begin puts t on its slot: the sequence is made to hold the reused prefix.
func (w *worker) begin(t *turn, c choice) {
	s := &w.slots[c.slot]
	ids := t.in.ids
	keep := c.keep
	if c.from != c.slot && keep > 0 {
		if err := w.c.CopySeq(w.slots[c.from].seq, s.seq); err != nil {
			w.n.log.Warn("copy of a sequence failed", "model", w.in.name, "error", err)
			s.cached, keep = s.cached[:0], 0
			w.c.RemoveSeq(s.seq, 0, -1)
		} else {
			s.cached = append(s.cached[:0], w.slots[c.from].cached...)
		}
	}
	if keep < len(s.cached) {
		if !w.c.RemoveSeq(s.seq, int32(keep), -1) {
			w.c.RemoveSeq(s.seq, 0, -1) // a memory that cannot go back
			keep = 0
		}
		s.cached = s.cached[:keep]
	}
	w.tick++
	*s = slot{seq: s.seq, cached: s.cached, todo: ids[keep:], turn: t, session: t.r.Session, used: w.tick, logits: t.in.logits}
	t.tell(func() {
		t.begun = time.Now()
		t.outcome.PromptTokens, t.outcome.CachedTokens = t.in.counted, keep
		// Model and node too: a turn that begins at once was not told of before.
		t.sink.Note(styxfs.Note{Model: w.in.name, Node: w.n.cfg.Name, Position: -1, PromptTokens: t.in.counted, CachedTokens: keep, Route: t.in.route, NCtx: w.in.opts.NCtx})
		t.enter(styxfs.Prefill)
		t.sink.Progress(keep, keep, len(ids))
	})
	w.n.stats.prompt.Add(uint64(t.in.counted))
	w.n.stats.cached.Add(uint64(keep))
}

// end ends the turn of s and lets go of it.
func (w *worker) end(s *slot, reason styxfs.Reason, word string, err error) {
	t := s.turn
	won := t.finish(reason, word, err)
	w.leave(s)
	if won {
		w.n.ended(t)
		close(t.ended)
	}
}

// leave makes s idle; its cache stays.
func (w *worker) leave(s *slot) {
	t := s.turn
	t.in.sampler.close()
	s.turn, s.todo = nil, nil
	if s.forget {
		s.forget = false
		w.drop(s)
	}
	w.tick++
	s.used = w.tick
	w.n.left(w, t)
}

// drop empties the sequence of s.
func (w *worker) drop(s *slot) {
	w.c.RemoveSeq(s.seq, 0, -1)
	s.cached = s.cached[:0]
}

// step decodes one batch and goes on with every turn in it.
func (w *worker) step() {
	w.rows, w.first = plan(w.slots, w.first, w.in.opts.NBatch, w.in.opts.NUbatch, w.rows[:0])
	if len(w.rows) == 0 {
		return
	}
	if !w.n.enterStep(w) {
		return // all were cancelled
	}
	err := w.decode()
	w.n.leaveStep(w)
	if err != nil {
		w.failed(err)
		return
	}
	made := 0
	for i := range w.slots {
		s := &w.slots[i]
		if s.turn == nil || s.rows == 0 {
			continue
		}
		s.cached = append(s.cached, s.todo[:s.rows]...)
		s.todo = s.todo[s.rows:]
		if s.turn.cancelled.Load() {
			continue
		}
		if !s.decodes {
			w.replay(s)
			done := len(s.cached)
			t := s.turn
			t.tell(func() { t.sink.Progress(done, t.outcome.CachedTokens, len(t.in.ids)) })
		}
		if len(s.todo) == 0 && w.pick(s) {
			made++
		}
	}
	w.n.stepped(len(w.rows), made)
}

// decode calls the engine; a panic of one in Go is an error too.
func (w *worker) decode() (err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("decode: %v", p)
		}
	}()
	return w.c.Decode(w.rows)
}

// failed goes on after a Decode that did not: nothing of the step counts.
func (w *worker) failed(err error) {
	aborted := errors.Is(err, ErrAborted)
	full := errors.Is(err, ErrFull)
	if full {
		w.n.log.Info("KV cache full", "model", w.in.name)
		if lru := idleLRU(w.slots); lru >= 0 {
			w.drop(&w.slots[lru])
		} else if s := w.youngest(); s != nil {
			defer w.end(s, styxfs.ReasonErr, "", err)
		}
	} else if !aborted {
		w.n.log.Error("decode failed", "model", w.in.name, "rows", len(w.rows), "error", err)
	}
	for i := range w.slots {
		s := &w.slots[i]
		if s.turn == nil || s.rows == 0 {
			continue
		}
		w.rewind(s)
		if !aborted && !full {
			w.end(s, styxfs.ReasonErr, "", fmt.Errorf("decode: %w", err))
		}
	}
}

// youngest gives the slot whose turn came last.
func (w *worker) youngest() *slot {
	var y *slot
	for i := range w.slots {
		if s := &w.slots[i]; s.turn != nil && (y == nil || s.turn.arrival > y.turn.arrival) {
			y = s
		}
	}
	return y
}

// rewind brings the sequence of s back to where it was before the step.
func (w *worker) rewind(s *slot) {
	have := len(s.cached)
	if int(w.c.MaxPos(s.seq))+1 == have {
		return
	}
	if int(w.c.MaxPos(s.seq))+1 > have && w.c.RemoveSeq(s.seq, int32(have), -1) {
		return
	}
	// Less than there was, or a memory that cannot go back: all again.
	w.c.RemoveSeq(s.seq, 0, -1)
	s.todo = append(append([]Token(nil), s.cached...), s.todo...)
	s.cached = s.cached[:0]
	if s.decodes {
		s.decodes, s.logits = false, len(s.todo)-1
	}
}

// replay lets mirostat see the logits of a prefix's rows.
func (w *worker) replay(s *slot) {
	t := s.turn
	if t.in.sampler.miro == nil {
		return
	}
	for j := range s.rows {
		i := s.row + j
		pos := int(w.rows[i].Pos)
		if !w.rows[i].Logits || pos+1 >= len(t.in.ids) {
			continue
		}
		if l, err := w.c.Logits(i); err == nil {
			t.in.sampler.replay(l, t.in.ids[pos+1], &w.sc)
		}
	}
}
