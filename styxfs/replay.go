package styxfs

import (
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"llama9/ninep"
)

// A replay makes of the journal's records what sessions were.
type replay struct {
	next     uint64 // the next session's number, at least
	sessions map[uint64]*past
	orphans  map[uint64]bool // seen without their beginning, which has to come
}

// A past is a session of the journal.
type past struct {
	origin                                 origin
	params                                 string
	system, grammar, schema, fault, prompt string
	messages                               []Message
	prefix                                 []int32
	turn                                   *pastTurn
}

// A pastTurn is its last turn.
type pastTurn struct {
	turnBegin
	system, grammar, schema string
	note                    turnNote
	lines                   []byte
	first, last             time.Time
	end                     *turnEnd
}

var errRecord = errors.New("not a record of sessions")

// take takes the next record.
func (r *replay) take(rec []byte) error {
	if len(rec) == 0 {
		return errRecord
	}
	kind, rest := rec[0], rec[1:]
	if kind == compactedKind {
		return r.whole()
	}
	n, w := binary.Uvarint(rest)
	if w <= 0 {
		return errRecord
	}
	rest = rest[w:]
	if kind == nextKind {
		r.next = max(r.next, n)
		return nil
	}
	if n >= 1<<58 { // a qid path would not fit
		return fmt.Errorf("session %d: there is no such number", n)
	}
	r.next = max(r.next, n+1)
	if err := r.of(kind, n, rest); err != nil {
		return fmt.Errorf("session %d: %w", n, err)
	}
	return nil
}

// of takes a record of session n.
func (r *replay) of(kind byte, n uint64, rest []byte) error {
	p := r.sessions[n]
	switch kind {
	case goneKind:
		delete(r.sessions, n)
		delete(r.orphans, n)
		return nil
	case wholeKind:
		p = &past{}
		delete(r.orphans, n)
	default:
		// A compaction takes beginnings away before it has written all anew.
		if p == nil {
			r.orphans[n] = true
			return nil
		}
	}
	switch kind {
	case wholeKind, changeKind:
		var c change
		if err := json.Unmarshal(rest, &c); err != nil {
			return err
		}
		if kind == wholeKind && c.Origin == nil {
			return errRecord
		}
		if err := p.change(&c); err != nil {
			return err
		}
	case noteKind:
		var note turnNote
		if err := json.Unmarshal(rest, &note); err != nil {
			return err
		}
		if err := p.has(note.Turn); err != nil {
			return err
		}
		p.turn.note = note
	case tokensKind:
		return p.tokens(rest)
	default:
		return errRecord
	}
	r.sessions[n] = p
	return nil
}

// whole is the end of a compaction, or of the journal: nothing may be missing.
func (r *replay) whole() error {
	for n := range r.orphans {
		return fmt.Errorf("session %d: its beginning is missing", n)
	}
	return nil
}

// has says whether the turn is the one that was begun last, and runs.
func (p *past) has(turn int) error {
	switch {
	case p.turn == nil || p.turn.Turn != turn:
		return fmt.Errorf("turn %d was not begun", turn)
	case p.turn.end != nil:
		return fmt.Errorf("turn %d has ended", turn)
	}
	return nil
}

func (p *past) change(c *change) error {
	if c.Origin != nil {
		p.origin = *c.Origin
	}
	set(&p.params, c.Params)
	set(&p.system, c.System)
	set(&p.grammar, c.Grammar)
	set(&p.schema, c.Schema)
	set(&p.fault, c.Fault)
	if m := c.Messages; m != nil {
		if m.Keep < 0 || m.Keep > len(p.messages) {
			return fmt.Errorf("%d messages are kept of %d", m.Keep, len(p.messages))
		}
		p.messages = p.messages[:m.Keep]
		for _, a := range m.Add {
			p.messages = append(p.messages, Message{string(a.Role), string(a.Content)})
		}
	}
	set(&p.prompt, c.Prompt)
	if c.IsLast {
		if len(p.messages) == 0 {
			return errors.New("there is no last message")
		}
		p.prompt = p.messages[len(p.messages)-1].Content
	}
	if c.Prefix != nil {
		p.prefix = *c.Prefix
	}
	if b := c.Begin; b != nil {
		if p.turn != nil && b.Turn <= p.turn.Turn || b.Turn <= 0 {
			return fmt.Errorf("turn %d comes too late", b.Turn)
		}
		if b.Base < 0 || b.Base > len(p.messages) {
			return fmt.Errorf("turn %d: %d messages of %d", b.Turn, b.Base, len(p.messages))
		}
		t := &pastTurn{turnBegin: *b, system: strings.TrimSuffix(p.system, "\n"), grammar: p.grammar, schema: p.schema}
		set(&t.system, b.System)
		set(&t.grammar, b.Grammar)
		set(&t.schema, b.Schema)
		p.turn = t
	}
	if c.End != nil {
		if err := p.has(c.End.Turn); err != nil {
			return err
		}
		p.turn.end = c.End
	}
	return nil
}

func set(to *string, v *raw) {
	if v != nil {
		*to = string(*v)
	}
}

// tokens takes a tokensKind.
func (p *past) tokens(b []byte) error {
	turn, w := binary.Uvarint(b)
	if w <= 0 || turn > maxInt {
		return errRecord
	}
	b = b[w:]
	var at [2]time.Time
	for i := range at {
		ns, w := binary.Varint(b)
		if w <= 0 {
			return errRecord
		}
		at[i], b = time.Unix(0, ns), b[w:]
	}
	if err := p.has(int(turn)); err != nil {
		return err
	}
	t := p.turn
	t.first, t.last, t.lines = at[0], at[1], append(t.lines, b...)
	return nil
}

// apply gives the ends of a turn back its look. mu is held, or nobody else has
// t yet.
func (e *turnEnd) apply(t *turn) {
	t.phase, t.state, t.endState, t.over = ended, e.State, e.State, true
	t.note = Note{Model: string(e.Model), Node: string(e.Node), Route: string(e.Route), PromptTokens: e.PromptTokens, CachedTokens: e.CachedTokens, NCtx: e.NCtx}
	t.outcome = Outcome{Reason: e.Reason, StopWord: string(e.StopWord), PromptTokens: e.PromptTokens, CachedTokens: e.CachedTokens, Tokens: e.Tokens, PromptTime: e.PromptTime, PredictTime: e.PredictTime}
	t.tokens, t.ended = e.Tokens, e.Ended
	if e.Error != "" {
		t.err = &ninep.Error{Text: string(e.Error), Errno: e.Errno}
	}
}
