package styxfs

import (
	"context"
	"errors"
	"fmt"
	"runtime/debug"
	"slices"
	"strings"

	"llama9/ninep"
)

// A textKind is a text of a session, or nothing.
type textKind uint8

const (
	noText textKind = iota
	systemText
	chatText
	grammarText
	schemaText
	prefixText // of token: not a text that is read, but taken in as one
)

func (k textKind) String() string {
	return [...]string{"", "system", "chat", "grammar", "schema", "token"}[k]
}

// text points to where a text is kept. mu is held.
func (s *session) text(k textKind) *string {
	switch k {
	case systemText:
		return &s.system
	case grammarText:
		return &s.grammar
	case schemaText:
		return &s.schema
	}
	return nil
}

// systemText is the system message: one newline at its end is dropped.
func (s *session) systemText() string { return strings.TrimSuffix(s.system, "\n") }

// length is a file's length for stat: that of a text which is kept as it is
// read, else 0.
func (s *session) length(k textKind) uint64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	if p := s.text(k); p != nil {
		return uint64(len(*p))
	}
	return 0
}

// empty gives a text length 0, at once. What open files of it hold goes too:
// it was written before.
func (s *session) empty(k textKind) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case s.closed:
		return ninep.ErrNotExist
	case k == noText:
		return nil
	case k == chatText && s.cur != nil:
		return s.note.bad(k.String(), ninep.ErrBusy)
	}
	for _, w := range s.writers {
		w.forget(k)
	}
	switch k {
	case chatText:
		s.setMessages(nil)
		s.faults.chat = ""
	case prefixText:
		s.prefix = nil
	default:
		s.setText(k, "")
	}
	s.touched = s.f.now()
	s.save()
	return nil
}

// setText makes text what k is, and looks what is wrong with it. mu is held.
func (s *session) setText(k textKind, text string) {
	*s.text(k) = text
	fault := badText(k.String(), text)
	if fault == "" && strings.TrimSpace(text) != "" {
		if err := s.f.check(k, text); err != nil {
			fault = err.Error()
		}
	}
	s.setFault(k, fault)
}

// setFault notes what is wrong with text k, or that nothing is. mu is held.
func (s *session) setFault(k textKind, fault string) {
	switch k {
	case systemText:
		s.faults.system = fault
	case grammarText:
		s.faults.grammar = fault
	case schemaText:
		s.faults.schema = fault
	}
	if fault != "" {
		s.note.bad(k.String(), errors.New(fault))
	} else {
		s.note.good(k.String())
	}
}

// check asks the Backend what is wrong with a grammar or a schema.
func (f *FS) check(k textKind, text string) (err error) {
	checker, ok := f.b.(GrammarChecker)
	if !ok {
		return nil
	}
	defer func() {
		if p := recover(); p != nil {
			f.log.Error("panic in a check", "file", k.String(), "panic", fmt.Sprint(p), "stack", string(debug.Stack()))
			err = fmt.Errorf("%s: internal error: %v", k, p)
		}
	}()
	switch k {
	case grammarText:
		return checker.CheckGrammar(text)
	case schemaText:
		return checker.CheckSchema(text)
	}
	return nil
}

// A textHandle is system, grammar or schema, open for writing. What is written
// is valid at the clunk, or at a read, or when a turn takes it in.
type textHandle struct {
	page
	kind textKind

	// the session's mu guards below
	trunc bool // replaces, else appends
	buf   []byte
	long  error // longer than the bound: changes nothing
}

// openText gives the open of a text.
func openText(k textKind) func(n *file, mode ninep.OpenMode) (ninep.Handle, error) {
	return func(n *file, mode ninep.OpenMode) (ninep.Handle, error) {
		s := n.s
		if k == chatText {
			return openChat(s, mode)
		}
		read := func(context.Context) ([]byte, error) {
			s.mu.Lock()
			defer s.mu.Unlock()
			return []byte(*s.text(k)), nil
		}
		if !mode.Writable() {
			if mode&ninep.OTRUNC != 0 {
				if err := s.empty(k); err != nil {
					return nil, err
				}
			}
			p := newPage(base{s}, read)
			p.text = true
			return p, nil
		}
		h := &textHandle{kind: k, trunc: mode&ninep.OTRUNC != 0}
		h.base, h.page.text = base{s}, true
		h.make = func(ctx context.Context) ([]byte, error) {
			s.mu.Lock()
			h.take()
			s.mu.Unlock()
			return read(ctx)
		}
		if err := s.addWriter(h); err != nil {
			return nil, s.note.bad(k.String(), err)
		}
		return h, nil
	}
}

// maxWriters bounds the open files of a session that hold what is not yet
// valid: each may hold as much as its text may have.
const maxWriters = 16

func (s *session) addWriter(w holder) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.addWriterLocked(w)
}

func (s *session) addWriterLocked(w holder) error {
	if len(s.writers) >= maxWriters {
		return ninep.ErrTooMany
	}
	s.writers = append(s.writers, w)
	return nil
}

// endWriter takes in what w holds, or drops it if the connection was lost.
func (s *session) endWriter(ctx context.Context, w holder) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !errors.Is(context.Cause(ctx), ninep.ErrHangup) && !s.closed {
		w.take()
	}
	s.writers = slices.DeleteFunc(s.writers, func(o holder) bool { return o == w })
}

func (h *textHandle) WriteAt(ctx context.Context, p []byte, off int64) (int, error) {
	defer h.stale() // without session.mu
	s := h.s
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case s.closed:
		return 0, ninep.ErrNotExist
	case h.long != nil:
		return 0, h.long
	}
	have := len(h.buf)
	if !h.trunc {
		have += len(*s.text(h.kind))
	}
	if most := s.f.cfg.MaxText; have+len(p) > most {
		h.long = ninep.Errorf(ninep.ErrTooBig, "%s longer than %d bytes", h.kind, most)
		h.buf = nil
		return 0, s.note.bad(h.kind.String(), h.long)
	}
	h.buf = append(h.buf, p...)
	s.note.good(h.kind.String())
	return len(p), nil
}

func (h *textHandle) take() {
	if h.long != nil || !h.trunc && len(h.buf) == 0 {
		return
	}
	s := h.s
	text := string(h.buf)
	if !h.trunc {
		text = *s.text(h.kind) + text
	}
	h.buf, h.trunc = nil, false
	if most := s.f.cfg.MaxText; len(text) > most { // with what others have added meanwhile
		s.setFault(h.kind, fmt.Sprintf("%s longer than %d bytes", h.kind, most))
		return
	}
	s.setText(h.kind, text)
	s.save()
}

func (h *textHandle) forget(k textKind) {
	if k == h.kind {
		h.buf = nil
	}
}

func (h *textHandle) Close(ctx context.Context) error {
	h.s.endWriter(ctx, h)
	return h.base.Close(ctx)
}
