package styxfs

import (
	"context"
	"sync"

	"llama9/ninep"
)

// An outHandle is an out, or a token, that is open for reading. It belongs to
// one turn from its first read on: the one that runs or is being written, else
// the last one.
type outHandle struct {
	base
	lines bool  // token
	watch *turn // counts it among its readers; nil: none does

	mu    sync.Mutex // guards below
	bound *turn
}

var _ ninep.Notifier = (*outHandle)(nil)

func openOut(n *file, mode ninep.OpenMode) (ninep.Handle, error) {
	if err := readOnly(mode); err != nil {
		return nil, err
	}
	return n.s.openOut(false), nil
}

func (s *session) openOut(lines bool) *outHandle {
	h := &outHandle{base: base{s}, lines: lines}
	s.mu.Lock()
	defer s.mu.Unlock()
	if h.watch = s.current(); h.watch != nil {
		h.watch.attend()
	}
	return h
}

// current is the turn that runs or is being written. mu is held.
func (s *session) current() *turn {
	if s.cur != nil {
		return s.cur
	}
	return s.writing
}

// turn gives the handle's turn; nil if there is none yet.
func (h *outHandle) turn() *turn {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.bound == nil {
		h.s.mu.Lock()
		if h.bound = h.s.current(); h.bound == nil {
			h.bound = h.s.last
		}
		h.s.mu.Unlock()
	}
	return h.bound
}

// unbind lets go of a turn that came to nothing.
func (h *outHandle) unbind(t *turn) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.bound == t {
		h.bound = nil
	}
}

func (h *outHandle) Ready(off int64) bool {
	t := h.turn()
	if t == nil {
		return true
	}
	return t.ready(h.lines, off)
}

// Notify is of ninep.Notifier: the log of a turn only grows.
func (h *outHandle) Notify(off int64, w ninep.Waker) bool {
	t := h.turn()
	return t == nil || t.notify(h.lines, off, w)
}

func (h *outHandle) Forget(w ninep.Waker) {
	h.mu.Lock()
	t := h.bound
	h.mu.Unlock()
	if t != nil {
		t.forget(w)
	}
}

func (h *outHandle) Wait(ctx context.Context, off int64) error {
	t := h.turn()
	if t == nil {
		return nil
	}
	for {
		ready, _, wake := t.look(h.lines, off)
		if ready {
			return nil
		}
		select {
		case <-wake:
		case <-ctx.Done():
			return interrupted(ctx)
		}
	}
}

func (h *outHandle) ReadAt(ctx context.Context, p []byte, off int64) (int, error) {
	t := h.turn()
	if t == nil || len(p) == 0 {
		return 0, nil
	}
	for {
		n, gone, wake, err := t.read(h.lines, p, off)
		if gone {
			h.unbind(t)
			return 0, nil
		}
		if wake == nil {
			return n, err
		}
		select {
		case <-wake:
		case <-ctx.Done():
			return 0, interrupted(ctx)
		}
	}
}

func (h *outHandle) Close(ctx context.Context) error {
	if h.watch != nil {
		h.watch.leave()
	}
	return h.base.Close(ctx)
}
