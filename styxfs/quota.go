package styxfs

import "llama9/ninep"

// What clients keep in sessions has a bound for all sessions together: each
// text and answer has one of its own, but sessions are many. FS.held is the
// sum. A session's part of it is brought up to date after each change (account);
// an answer adds to it while it grows.

// room refuses more bytes, if all sessions together hold too much. A turn that
// runs is never ended for it. mu is held.
func (s *session) room(more int) error {
	if most := s.f.cfg.MaxBytes; s.f.held.Load()+int64(more) > most {
		return ninep.Errorf(ninep.ErrQuota, "all sessions hold more than %d bytes", most)
	}
	return nil
}

// account brings FS.held up to date with what s holds. mu is held.
func (s *session) account() {
	n := 0
	if !s.closed {
		n = s.chatSize + len(s.system) + len(s.grammar) + len(s.schema) + idBytes*len(s.prefix) + s.drafted + s.answered
		for _, w := range s.writers {
			n += w.holds()
		}
	}
	s.f.held.Add(int64(n - s.counted))
	s.counted = n
}

// idBytes is what a token id takes.
const idBytes = 4

func (h *textHandle) holds() int  { return len(h.buf) }
func (h *chatHandle) holds() int  { return h.size + len(h.tail) }
func (h *tokenHandle) holds() int { return idBytes*len(h.ids) + len(h.tail) }
