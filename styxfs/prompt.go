package styxfs

import (
	"context"
	"errors"
	"strings"
	"sync"
	"unicode/utf8"

	"llama9/ninep"
)

// A draft is a prompt that is being written, through prompt or through the new
// that made its session. The session's mu guards it.
type draft struct {
	s    *session
	file string // prompt or new, for error=
	text []byte
	t    *turn // from the first byte on
	long error // longer than a bound: it commits nothing
}

// write appends p.
func (d *draft) write(p []byte) error {
	s := d.s
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case s.closed:
		return ninep.ErrNotExist
	case s.cur != nil || s.writing != nil && s.writing != d.t:
		return s.note.bad(d.file, ninep.ErrBusy)
	case len(p) == 0:
		return nil
	case d.long != nil:
		return d.long
	}
	if most := s.f.cfg.MaxPrompt; len(d.text)+len(p) > most {
		d.long = ninep.Errorf(ninep.ErrTooBig, "prompt longer than %d bytes", most)
		d.text = nil
		return s.note.bad(d.file, d.long)
	}
	if err := s.chatLong(len(d.text) + len(p)); err != nil {
		d.long, d.text = err, nil
		return s.note.bad(d.file, err)
	}
	if d.t == nil {
		d.t = newTurn(s)
		s.writing = d.t
	}
	d.text = append(d.text, p...)
	s.note.good(d.file)
	return nil
}

// commit begins the turn, if there is something to answer.
func (d *draft) commit() {
	s := d.s
	s.mu.Lock()
	defer s.mu.Unlock()
	t, text, long := d.t, strings.TrimSuffix(string(d.text), "\n"), d.long
	d.t, d.text, d.long = nil, nil, nil
	if t == nil || s.closed {
		return // closing has ended t
	}
	s.writing = nil
	if long != nil || text == "" {
		t.void()
		return
	}
	s.begin(t, &text)
}

// drop forgets what was not committed.
func (d *draft) drop() {
	s := d.s
	s.mu.Lock()
	defer s.mu.Unlock()
	if d.t != nil && s.writing == d.t {
		s.writing = nil
		d.t.void()
	}
	d.t, d.text, d.long = nil, nil, nil
}

// end commits at the clunk; a connection that was lost commits nothing.
func (d *draft) end(ctx context.Context) {
	if errors.Is(context.Cause(ctx), ninep.ErrHangup) {
		d.drop()
	} else {
		d.commit()
	}
}

// A promptHandle is prompt, open for writing and perhaps for reading.
type promptHandle struct {
	page
	d draft
}

func openPrompt(n *file, mode ninep.OpenMode) (ninep.Handle, error) {
	s := n.s
	text := func(context.Context) ([]byte, error) {
		s.mu.Lock()
		defer s.mu.Unlock()
		return []byte(s.prompt), nil
	}
	if !mode.Writable() {
		p := newPage(base{s}, text)
		p.text = true
		return p, nil
	}
	if err := s.f.admit(); err != nil {
		return nil, s.note.bad("prompt", err)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.excl || s.writing != nil {
		return nil, s.note.bad("prompt", ninep.ErrBusy)
	}
	s.excl = true
	h := &promptHandle{d: draft{s: s, file: "prompt"}}
	h.base, h.text = base{s}, true
	h.make = func(ctx context.Context) ([]byte, error) {
		h.d.commit()
		return text(ctx)
	}
	return h, nil
}

func (h *promptHandle) WriteAt(ctx context.Context, p []byte, off int64) (int, error) {
	if err := h.d.write(p); err != nil {
		return 0, err
	}
	if len(p) > 0 {
		h.answer()
	}
	return len(p), nil
}

func (h *promptHandle) Close(ctx context.Context) error {
	s := h.d.s
	s.mu.Lock()
	s.excl = false // before the turn, which a client may see end
	s.mu.Unlock()
	h.d.end(ctx)
	return h.base.Close(ctx)
}

// A newHandle is an open new: it makes a session at its first read or first
// write that is not empty, and is then a prompt of it.
type newHandle struct {
	page
	at *attach

	once sync.Mutex // guards d.s: set once
	d    draft
}

func openNew(n *file, mode ninep.OpenMode) (ninep.Handle, error) {
	h := &newHandle{at: n.at, d: draft{file: "new"}}
	h.make = func(context.Context) ([]byte, error) {
		s, err := h.session()
		if err != nil {
			return nil, err
		}
		h.d.commit()
		return append([]byte(s.name()), '\n'), nil
	}
	return h, nil
}

// session makes the session, once.
func (h *newHandle) session() (*session, error) {
	h.once.Lock()
	defer h.once.Unlock()
	if h.d.s != nil {
		return h.d.s, nil
	}
	s, err := h.at.f.create(h.at)
	if err != nil {
		return nil, h.at.f.note.bad("new", err)
	}
	if err := s.use(); err != nil {
		return nil, err
	}
	h.d.s = s
	return s, nil
}

// begun says whether a prompt is being written.
func (h *newHandle) begun() bool {
	h.once.Lock()
	s := h.d.s
	h.once.Unlock()
	if s == nil {
		return false
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	return h.d.t != nil
}

func (h *newHandle) WriteAt(ctx context.Context, p []byte, off int64) (int, error) {
	if len(p) == 0 {
		return 0, nil
	}
	// Only the first bytes of a prompt can be refused for the queue: the
	// clunk would commit half of it.
	if !h.begun() {
		if err := h.at.f.admit(); err != nil {
			return 0, h.at.f.note.bad("new", err)
		}
	}
	if _, err := h.session(); err != nil {
		return 0, err
	}
	if err := h.d.write(p); err != nil {
		return 0, err
	}
	h.at.f.note.good("new")
	h.answer()
	return len(p), nil
}

func (h *newHandle) Close(ctx context.Context) error {
	h.once.Lock()
	s := h.d.s
	h.once.Unlock()
	if s == nil {
		return nil
	}
	h.d.end(ctx)
	s.unuse()
	return nil
}

// badText says why text is none, "" if it is good.
func badText(what, text string) string {
	if !utf8.ValidString(text) {
		return what + ": not UTF-8"
	}
	return ""
}
