package styxfs

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"

	"llama9/ninep"
)

// setMessages makes l the conversation. mu is held.
func (s *session) setMessages(l []Message) {
	s.messages = l
	s.chatSize = chatSize(l)
}

// chatSize is about what chat shows of l.
func chatSize(l []Message) int {
	n := 0
	for i := range l {
		n += len(`{"role":"","content":""}`) + 1 + len(l[i].Role) + len(l[i].Content)
	}
	return n
}

// chatLong refuses what would make the conversation, with more bytes, longer
// than the bound. mu is held.
func (s *session) chatLong(more int) error {
	if most := s.f.cfg.MaxChat; s.chatSize+more > most {
		return ninep.Errorf(ninep.ErrTooBig, "chat longer than %d bytes", most)
	}
	return nil
}

// AppendMessage appends m as a line of chat.
func AppendMessage(b []byte, m *Message) []byte {
	var buf bytes.Buffer
	e := json.NewEncoder(&buf)
	e.SetEscapeHTML(false)
	e.Encode(m) // two strings: it cannot fail
	return append(b, buf.Bytes()...)
}

// parseMessage reads a line of chat.
func parseMessage(line []byte) (Message, error) {
	var m struct {
		Role    *string `json:"role"`
		Content *string `json:"content"`
	}
	d := json.NewDecoder(bytes.NewReader(line))
	d.DisallowUnknownFields()
	if err := d.Decode(&m); err != nil {
		if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
			err = errors.New("not whole")
		}
		return Message{}, fmt.Errorf("chat: %s: %w", Quote(clip(string(line))), err)
	}
	if _, err := d.Token(); err != io.EOF {
		return Message{}, fmt.Errorf("chat: %s: text after the message", Quote(clip(string(line))))
	}
	switch {
	case m.Role == nil:
		return Message{}, fmt.Errorf("chat: %s: no role", Quote(clip(string(line))))
	case !slices.Contains([]string{"system", "user", "assistant", "tool"}, *m.Role):
		return Message{}, fmt.Errorf("chat: %s: not system, user, assistant or tool", Quote(clip(*m.Role)))
	case m.Content == nil:
		return Message{}, fmt.Errorf("chat: %s: no content", Quote(clip(string(line))))
	}
	return Message{*m.Role, *m.Content}, nil
}

// A chatHandle is chat, open for writing: whole lines are read as they come,
// and belong to the conversation from the clunk on.
type chatHandle struct {
	page

	// the session's mu guards below
	trunc bool
	msgs  []Message
	size  int    // of msgs, as chatSize counts
	tail  []byte // a line that is not whole
	long  error
}

func openChat(s *session, mode ninep.OpenMode) (ninep.Handle, error) {
	read := func(context.Context) ([]byte, error) {
		s.mu.Lock()
		l := s.messages
		s.mu.Unlock()
		var b []byte
		for i := range l {
			b = AppendMessage(b, &l[i])
		}
		return b, nil
	}
	if !mode.Writable() {
		if mode&ninep.OTRUNC != 0 {
			if err := s.empty(chatText); err != nil {
				return nil, err
			}
		}
		p := newPage(base{s}, read)
		p.text = true
		return p, nil
	}
	h := &chatHandle{trunc: mode&ninep.OTRUNC != 0}
	h.base, h.text = base{s}, true
	h.make = func(ctx context.Context) ([]byte, error) {
		s.mu.Lock()
		h.take()
		s.mu.Unlock()
		return read(ctx)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.cur != nil {
		return nil, s.note.bad("chat", ninep.ErrBusy)
	}
	if err := s.addWriterLocked(h); err != nil {
		return nil, s.note.bad("chat", err)
	}
	return h, nil
}

func (h *chatHandle) WriteAt(ctx context.Context, p []byte, off int64) (int, error) {
	defer h.stale() // without session.mu
	s := h.s
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case s.closed:
		return 0, ninep.ErrNotExist
	case s.cur != nil:
		return 0, s.note.bad("chat", ninep.ErrBusy)
	case h.long != nil:
		return 0, h.long
	}
	have := h.size + len(h.tail)
	if !h.trunc {
		have += s.chatSize
	}
	if most := s.f.cfg.MaxChat; have+len(p) > most {
		h.long = ninep.Errorf(ninep.ErrTooBig, "chat longer than %d bytes", most)
		h.msgs, h.tail = nil, nil
		return 0, s.note.bad("chat", h.long)
	}
	end := bytes.LastIndexByte(p, '\n') + 1
	if end == 0 {
		h.tail = append(h.tail, p...)
		return len(p), nil
	}
	var add []Message
	first := true // the line that h.tail begins
	for line := range bytes.Lines(append(h.tail[:len(h.tail):len(h.tail)], p[:end]...)) {
		if len(bytes.TrimSpace(line)) == 0 {
			continue
		}
		m, err := parseMessage(bytes.TrimSpace(line))
		if err != nil {
			if first {
				h.tail = nil // its line is refused, it must not spoil the next
			}
			return 0, s.note.bad("chat", ninep.Errorf(ninep.ErrInvalid, "%v", err))
		}
		add, first = append(add, m), false
	}
	h.msgs = append(h.msgs, add...)
	h.size += chatSize(add)
	h.tail = append([]byte(nil), p[end:]...)
	s.faults.chat = ""
	s.note.good("chat")
	return len(p), nil
}

func (h *chatHandle) take() {
	s := h.s
	if h.long != nil || !h.trunc && len(h.msgs) == 0 && len(h.tail) == 0 {
		return
	}
	if tail := bytes.TrimSpace(h.tail); len(tail) > 0 {
		m, err := parseMessage(tail)
		if err != nil {
			s.faults.chat = err.Error()
			s.note.bad("chat", err)
		} else {
			h.msgs = append(h.msgs, m)
		}
	} else {
		s.faults.chat = ""
	}
	if h.trunc {
		s.setMessages(nil)
	}
	if err := s.chatLong(chatSize(h.msgs)); err != nil { // with what others have added meanwhile
		s.faults.chat = err.Error()
		s.note.bad("chat", err)
	} else {
		l := s.messages
		s.setMessages(append(l[:len(l):len(l)], h.msgs...))
	}
	h.trunc, h.msgs, h.tail, h.size = false, nil, nil, 0
	s.save()
}

func (h *chatHandle) forget(k textKind) {
	if k == chatText {
		h.msgs, h.tail, h.size = nil, nil, 0
	}
}

func (h *chatHandle) Close(ctx context.Context) error {
	h.s.endWriter(ctx, h)
	return h.base.Close(ctx)
}
