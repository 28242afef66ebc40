package styxfs

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"
)

var (
	errRestarted  = errors.New("the server was restarted, and failover is strict")
	errOtherModel = errors.New("the server was restarted, and the tokens made before mean another text now: a grammar cannot go on with another model")
)

// restored is what a turn has that goes on after a restart.
type restored struct {
	made  int           // tokens before it
	text  int           // of out
	spent time.Duration // on these
	noIDs bool          // some of the text is no token's
}

// reconnect is how long after a restart a client has to open out or token of a
// turn that ends when its last reader is gone.
const reconnect = 15 * time.Second

// restore makes the sessions of the journal, and gives those with a turn that
// has not ended. Numbers go on where it left off.
func (f *FS) restore() (unfinished []*session, err error) {
	r := replay{sessions: make(map[uint64]*past), orphans: make(map[uint64]bool)}
	if err := f.cfg.Store.Load(r.take); err != nil {
		return nil, err
	}
	if err := r.whole(); err != nil {
		return nil, err
	}
	if r.next >= f.next { // the clock is behind, or many were made; boot is a number too
		f.boot, f.next = r.next, r.next+1
	}
	for _, n := range slices.Sorted(maps.Keys(r.sessions)) {
		s, err := f.restoreSession(n, r.sessions[n])
		if err != nil {
			return nil, fmt.Errorf("session %d: %w", n, err)
		}
		f.add(s)
		if s.cur != nil {
			unfinished = append(unfinished, s)
		}
	}
	return unfinished, nil
}

func (f *FS) restoreSession(n uint64, p *past) (*session, error) {
	s := newSession(f, n, owner{string(p.origin.User), p.origin.Known})
	s.mu.Lock()
	defer s.mu.Unlock()
	s.made, s.system, s.prompt, s.prefix = p.origin.Made, p.system, p.prompt, p.prefix
	var err error
	if s.params, err = restoreParams(p.params); err != nil {
		return nil, err
	}
	s.setText(systemText, p.system)
	s.setText(grammarText, p.grammar)
	s.setText(schemaText, p.schema)
	s.setMessages(p.messages)
	if s.faults.chat = p.fault; p.fault != "" {
		s.note.bad("chat", errors.New(p.fault))
	}
	if p.turn != nil {
		if err := s.restoreTurn(p.turn); err != nil {
			return nil, fmt.Errorf("turn %d: %w", p.turn.Turn, err)
		}
	}
	_, s.kept = s.records(true)
	return s, nil
}

func restoreParams(text string) (Params, error) {
	p := DefaultParams()
	cmds, err := lines([]byte(text))
	for _, words := range cmds {
		if err == nil {
			err = p.Set(words)
		}
	}
	return p, err
}

// restoreTurn makes the session's last turn. One that has not ended is cur.
func (s *session) restoreTurn(p *pastTurn) error {
	t := newTurn(s)
	t.n, t.base, t.extends, t.given, t.system, t.fault, t.commit = p.Turn, p.Base, p.Extends, p.Prefix, p.system, string(p.Fault), p.Commit
	t.prefix, t.first, t.last, t.lines, t.noted = len(p.Prefix), p.first, p.last, p.lines, p.lines != nil
	s.turns = t.n
	var err error
	if t.params, err = restoreParams(string(p.Params)); err != nil {
		return err
	}
	ids, text, err := parseTokens(p.lines)
	if err != nil {
		return err
	}
	t.text = text
	t.handed = extent{len(t.text), len(t.lines)}
	t.seen = t.handed
	if p.end != nil {
		p.end.apply(t)
		s.last, s.answered = t, t.size()
		s.account()
		if t.err != nil && t.state == Failed {
			s.note.bad("turn", t.err)
		}
		return nil
	}
	t.hold(t.size())
	t.note.Model, t.note.PrefixText = string(p.note.Model), string(p.note.PrefixText)
	t.restored = restored{len(ids), len(text), p.last.Sub(p.first), bytes.Count(p.lines, []byte("\n")) > len(ids)}
	r := &Request{
		Session: s.n, Turn: t.n, User: s.owner.user, Params: t.params, Grammar: p.grammar, Schema: p.schema, Date: t.params.Date, Commit: t.commit,
		Prefix: append(p.Prefix[:len(p.Prefix):len(p.Prefix)], ids...), Messages: s.asked(t.system),
	}
	if len(p.lines) > 0 { // the default may be another now
		r.Params.Model = cmp.Or(r.Params.Model, string(p.note.Model))
	}
	t.request, s.cur = r, t
	return nil
}

// resume goes on with the turn that has not ended.
func (s *session) resume() {
	s.mu.Lock()
	defer s.mu.Unlock()
	t := s.cur
	if t == nil || s.closed {
		return
	}
	s.run(t, t.request)
	if t.params.OnClose == "cancel" {
		time.AfterFunc(reconnect, t.lonely)
	}
}

// lonely ends the turn if nobody reads it.
func (t *turn) lonely() {
	t.mu.Lock()
	alone := t.watch == 0 && t.phase == running
	t.mu.Unlock()
	if alone {
		t.stop(ErrCancelled)
	}
}

// agrees says whether the tokens that were made before a restart still mean
// what they did. mu is held.
func (t *turn) agrees(text string) bool {
	want := t.note.PrefixText + string(t.text[:t.restored.text])
	// A rune that is not finished may have been shown at the turn's end.
	return text == want || strings.HasPrefix(want, text) && len(want)-len(text) < utf8.UTFMax
}

// fromText is the turn of r, to go on from the text that was made.
func (t *turn) fromText(r *Request) (*Request, error) {
	if r.Grammar != "" || r.Schema != "" {
		return nil, errOtherModel
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	said := t.note.PrefixText + string(t.text)
	c := *r
	c.Prefix = nil
	c.Messages = slices.Clone(r.Messages)
	if n := len(c.Messages); t.extends && n > 0 {
		c.Messages[n-1].Content += said
	} else {
		c.Messages = append(c.Messages, Message{"assistant", said})
	}
	if c.Params.NPredict >= 0 {
		c.Params.NPredict = max(c.Params.NPredict-len(r.Prefix), 0)
	}
	t.deaf, t.other = false, nil
	t.note.Route = "text"
	return &c, nil
}

// parseTokens gives the ids and the text of lines of token.
func parseTokens(log []byte) (ids []int32, text []byte, err error) {
	for line := range bytes.Lines(log) {
		first, rest, _ := bytes.Cut(line, []byte(" "))
		_, rest, ok := bytes.Cut(rest, []byte(" ")) // its log probability
		if !ok || line[len(line)-1] != '\n' {
			return nil, nil, fmt.Errorf("not a line of token: %s", Quote(clip(string(line))))
		}
		id, err := strconv.ParseInt(string(first), 10, 32)
		if err != nil {
			return nil, nil, fmt.Errorf("not a line of token: %s", Quote(clip(string(line))))
		}
		quoted, err := strconv.QuotedPrefix(string(rest))
		if err != nil {
			return nil, nil, fmt.Errorf("not a line of token: %s", Quote(clip(string(line))))
		}
		s, err := strconv.Unquote(quoted)
		if err != nil {
			return nil, nil, fmt.Errorf("not a line of token: %s", Quote(clip(string(line))))
		}
		if id >= 0 {
			ids = append(ids, int32(id))
		}
		text = append(text, s...)
	}
	return ids, text, nil
}
