package styxfs

import (
	"context"
	"fmt"
	"strconv"
	"time"

	"llama9/ninep"
)

func openModel(n *file, mode ninep.OpenMode) (ninep.Handle, error) {
	if err := readOnly(mode); err != nil {
		return nil, err
	}
	return newPage(base{}, func(ctx context.Context) ([]byte, error) {
		var b []byte
		for _, m := range n.f.b.Models(ctx) {
			b = append(AppendAttrs(b, m.attrs()...), '\n')
		}
		return b, nil
	}), nil
}

// attrs are a line of model.
func (m *Model) attrs() []Attr {
	return []Attr{
		{"name", m.Name}, {"state", m.State}, {"arch", m.Arch}, {"parameters", strconv.FormatUint(m.Parameters, 10)},
		{"quantization", m.Quantization}, {"n_ctx", strconv.Itoa(m.NCtx)}, {"bytes", strconv.FormatUint(m.Bytes, 10)},
		{"sessions", strconv.Itoa(m.Sessions)}, {"engine", m.Engine}, {"n_ctx_train", strconv.Itoa(m.NCtxTrain)},
		{"percent", strconv.Itoa(m.Percent)}, {"digest", m.Digest}, {"build", m.Build}, {"variant", m.Variant},
		{"template", m.Template}, {"exact", onOff(m.Exact)}, {"error", m.Error}, {"node", m.Node},
	}
}

func openRootStatus(n *file, mode ninep.OpenMode) (ninep.Handle, error) {
	if err := readOnly(mode); err != nil {
		return nil, err
	}
	f := n.f
	return newPage(base{}, func(context.Context) ([]byte, error) {
		attrs := []Attr{
			{"version", f.cfg.Version}, {"id", f.id}, {"start", formatTime(f.start)},
			{"uptime", f.now().Sub(f.start).Truncate(time.Second).String()},
		}
		attrs = append(attrs, f.b.Status()...)
		f.mu.Lock()
		sessions := len(f.sessions)
		f.mu.Unlock()
		attrs = append(attrs, Attr{"sessions", strconv.Itoa(sessions)}, Attr{"journal", f.journal.state()}, Attr{"error", f.note.String()})
		return append(AppendAttrs(nil, attrs...), '\n'), nil
	}), nil
}

func openRootEvent(n *file, mode ninep.OpenMode) (ninep.Handle, error) {
	if err := readOnly(mode); err != nil {
		return nil, err
	}
	return n.f.events.open(base{}), nil
}

func openSessionEvent(n *file, mode ninep.OpenMode) (ninep.Handle, error) {
	if err := readOnly(mode); err != nil {
		return nil, err
	}
	return n.s.events.open(base{n.s}), nil
}

func openSessionStatus(n *file, mode ninep.OpenMode) (ninep.Handle, error) {
	if err := readOnly(mode); err != nil {
		return nil, err
	}
	return newPage(base{n.s}, func(context.Context) ([]byte, error) {
		return append(AppendAttrs(nil, n.s.status()...), '\n'), nil
	}), nil
}

// status is the line of N/status: that of the turn that runs, else of the
// last one. All its attributes are always there.
func (s *session) status() []Attr {
	s.mu.Lock()
	t, seed := s.cur, s.params.Seed
	if t == nil {
		t = s.last
	}
	if t == nil {
		t = newTurn(s)
	} else {
		seed = t.params.Seed
	}
	t.mu.Lock() // before the session's is given back: the two belong together
	s.mu.Unlock()
	defer t.mu.Unlock()
	note, o := &t.note, &t.outcome
	model := note.Model
	if model == "" {
		model = t.params.Model
	}
	count := func(n int) string {
		if n <= 0 {
			return ""
		}
		return strconv.Itoa(n)
	}
	ms := func(d time.Duration) string {
		if t.phase != ended {
			return ""
		}
		return strconv.FormatFloat(float64(d)/1e6, 'f', 3, 64)
	}
	started := t.commit
	return []Attr{
		{"state", string(t.state)}, {"turn", strconv.Itoa(t.n)}, {"model", model}, {"node", note.Node}, {"route", note.Route},
		{"position", count(note.Position)}, {"seed", strconv.FormatInt(seed, 10)},
		{"prompt_tokens", strconv.Itoa(note.PromptTokens)}, {"cached_tokens", strconv.Itoa(note.CachedTokens)},
		{"tokens", strconv.Itoa(t.tokens)}, {"n_ctx", count(note.NCtx)},
		{"started", formatTime(started)}, {"first", formatTime(t.first)}, {"ended", formatTime(t.ended)},
		{"prompt_ms", ms(o.PromptTime)}, {"predict_ms", ms(o.PredictTime)},
		{"tokens/s", fmt.Sprintf("%.2f", t.rate())}, {"eta", t.remaining(s.f.now())},
		{"reason", string(o.Reason)}, {"stop_word", o.StopWord}, {"error", s.note.String()},
	}
}

// rate is the tokens per second of the decode. mu is held.
func (t *turn) rate() float64 {
	made, d := t.tokens-t.prefix-1, t.last.Sub(t.first)
	if t.phase == ended && t.outcome.PredictTime > 0 {
		d = t.outcome.PredictTime
	}
	if made <= 0 || d <= 0 {
		return 0
	}
	return float64(made) / d.Seconds()
}

// remaining estimates how long a turn lasts still: its prefill, or its decode
// if it goes to n_predict or the end of the context. "" if that is not known.
// mu is held.
func (t *turn) remaining(now time.Time) string {
	left := time.Duration(-1)
	switch {
	case t.phase != running:
	case t.state == Prefill && t.eta.done > t.eta.cached:
		per := now.Sub(t.eta.from) / time.Duration(t.eta.done-t.eta.cached)
		left = per * time.Duration(t.eta.total-t.eta.done)
	case t.state == Decode && t.rate() > 0:
		most := t.params.NPredict
		if room := t.note.NCtx - t.note.PromptTokens; room > 0 && (most < 0 || room < most) && !t.params.Shift {
			most = room
		}
		if most >= t.tokens {
			left = time.Duration(float64(most-t.tokens) / t.rate() * float64(time.Second))
		}
	}
	if left < 0 {
		return ""
	}
	return left.Round(time.Millisecond).String()
}
