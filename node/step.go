package node

import (
	"errors"
	"fmt"
	"time"

	"llama9/styxfs"
)

// pick draws the next token of s from the last of its rows and sees to how the
// turn goes on. It says whether a token was made.
func (w *worker) pick(s *slot) bool {
	t := s.turn
	in := t.in
	made := len(t.made) // only the worker changes it
	if in.limit >= 0 && made >= in.limit {
		w.end(s, styxfs.Limit, "", nil) // n_predict 0: the cache is warm
		return false
	}
	logits, err := w.c.Logits(s.row + s.rows - 1)
	if err != nil {
		w.end(s, styxfs.ReasonErr, "", err)
		return false
	}
	id, err := in.sampler.pick(logits, made, &w.sc)
	if err == nil {
		if w.in.isEnd(id) && !t.r.Params.IgnoreEOS {
			w.mark(t)
			w.end(s, styxfs.EOS, "", nil)
			return false
		}
		err = in.sampler.accept(id)
	}
	if err != nil {
		w.end(s, reasonOf(err), "", fmt.Errorf("token %d: %w", made, err))
		return false
	}
	w.n.stats.tokens.Add(1) // before the turn can end: it is counted then
	var p *probs
	if n := t.r.Params.NProbs; n > 0 {
		p = probsOf(logits, id, n, w.text, &w.sc)
	}
	w.buf = w.in.model.Piece(w.buf[:0], id, false)
	word := w.show(t, id, p)
	switch {
	case word != "":
		w.end(s, styxfs.Stop, word, nil)
	case in.limit >= 0 && made+1 >= in.limit:
		w.end(s, styxfs.Limit, "", nil)
	case len(s.cached) < w.in.opts.NCtx:
		s.next(id)
	case !t.r.Params.Shift:
		w.end(s, styxfs.Context, "", nil)
	default:
		if err := w.shift(s); err != nil {
			w.end(s, styxfs.ReasonErr, "", err)
			break
		}
		s.next(id)
	}
	return true
}

// next makes id what the slot decodes next.
func (s *slot) next(id Token) {
	s.one[0] = id
	s.todo = s.one[:]
	s.decodes, s.logits = true, 0
}

// mark notes the time of a pick. The first one ends the prefill.
func (w *worker) mark(t *turn) {
	now := time.Now()
	t.tell(func() {
		if t.first.IsZero() {
			t.first = now
			t.enter(styxfs.Decode)
		}
		t.last = now
	})
}

// show gives a token to the turn's releaser and what that releases to the
// sink; w.buf holds its bytes.
func (w *worker) show(t *turn, id Token, p *probs) (word string) {
	now := time.Now()
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.over {
		return ""
	}
	if t.first.IsZero() {
		t.first = now
		t.enter(styxfs.Decode)
	}
	t.last = now
	t.made = append(t.made, id)
	released, word := t.text.add(id, w.buf, p)
	t.emit(released)
	return word
}

func (w *worker) text(t Token) string { return string(w.in.model.Piece(nil, t, true)) }

// shift makes room in a full context: what the turn keeps stays at the front,
// the older half of the rest goes, the newer half moves up (llama-server's
// context shift).
func (w *worker) shift(s *slot) error {
	have := len(s.cached)
	keep := min(s.turn.in.keep, have-4)
	gone := (have - keep) / 2
	if gone < 1 {
		return errors.New("shift: n_keep leaves no room")
	}
	from, to := int32(keep), int32(keep+gone)
	if !w.c.RemoveSeq(s.seq, from, to) {
		return errors.New("shift: the memory of this model cannot be shifted")
	}
	if err := w.c.ShiftSeq(s.seq, to, int32(have), -int32(gone)); err != nil {
		return err
	}
	s.cached = append(s.cached[:keep], s.cached[keep+gone:]...)
	return nil
}
