package styxfs

import (
	"encoding/json"
	"fmt"
	"time"
)

// A Store keeps the sessions across restarts: a journal of records, of which
// the last of a session stands.
type Store interface {
	// Append adds a record. It is called with locks held, in the order of
	// what it tells.
	Append(r Record) error
	// Load gives every record that is kept, in order.
	Load(each func(Record) error) error
}

// A Record is one line of the journal. No State: the session was removed.
type Record struct {
	Session uint64
	State   json.RawMessage `json:",omitempty"`
}

// saved is the State of a Record: what of a session is not a turn under way.
type saved struct {
	User     string
	Known    bool
	Made     time.Time
	Params   [][]string // as N/ctl shows them: JSON has no -Inf
	System   string     `json:",omitempty"`
	Grammar  string     `json:",omitempty"`
	Schema   string     `json:",omitempty"`
	Messages []Message  `json:",omitempty"`
	Turns    int
}

// save appends the session as it is to the journal. mu is held.
func (s *session) save() {
	if s.f.cfg.Store == nil || s.closed {
		return
	}
	state, err := json.Marshal(saved{s.owner.user, s.owner.known, s.made, s.params.Lines(), s.system, s.grammar, s.schema, s.messages, s.turns})
	if err == nil {
		err = s.f.cfg.Store.Append(Record{s.n, state})
	}
	if err != nil {
		s.f.log.Error("journal", "session", s.n, "err", err)
	}
}

// erase appends that s was removed.
func (f *FS) erase(s *session) {
	if f.cfg.Store == nil {
		return
	}
	if err := f.cfg.Store.Append(Record{Session: s.n}); err != nil {
		f.log.Error("journal", "session", s.n, "err", err)
	}
}

// restore makes the sessions of the journal. Numbers go on where it left off.
func (f *FS) restore() error {
	if f.cfg.Store == nil {
		return nil
	}
	last := make(map[uint64]json.RawMessage)
	err := f.cfg.Store.Load(func(r Record) error {
		f.next = max(f.next, r.Session+1)
		if r.State == nil {
			delete(last, r.Session)
		} else {
			last[r.Session] = r.State
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("journal: %w", err)
	}
	for n, state := range last {
		var v saved
		if err := json.Unmarshal(state, &v); err != nil {
			return fmt.Errorf("journal: session %d: %w", n, err)
		}
		s := newSession(f, n, owner{v.User, v.Known})
		s.made, s.system, s.turns = v.Made, v.System, v.Turns
		for _, words := range v.Params {
			if err := s.params.Set(words); err != nil {
				return fmt.Errorf("journal: session %d: %w", n, err)
			}
		}
		s.mu.Lock()
		s.setText(grammarText, v.Grammar)
		s.setText(schemaText, v.Schema)
		s.setMessages(v.Messages)
		s.mu.Unlock()
		f.add(s)
	}
	return nil
}
