package styxfs

import (
	"bytes"
	"context"

	"llama9/ninep"
)

// maxPrefix bounds the token ids that a turn may begin with.
const maxPrefix = 1 << 20

// maxDigits bounds an id that comes in pieces: zeros before it are no limit of
// its own.
const maxDigits = 32

// A tokenHandle is token, open for writing and perhaps for reading. What is
// written are the ids that the next turn begins with.
type tokenHandle struct {
	*outHandle // nil if it is not open for reading
	s          *session

	// the session's mu guards below
	fresh bool // it has not replaced anything yet
	ids   []int32
	tail  []byte // a number that is perhaps not whole
}

func openToken(n *file, mode ninep.OpenMode) (ninep.Handle, error) {
	s := n.s
	if !mode.Writable() {
		if mode&ninep.OTRUNC != 0 {
			if err := s.empty(prefixText); err != nil {
				return nil, err
			}
		}
		return s.openOut(true), nil
	}
	h := &tokenHandle{s: s, fresh: true}
	if err := s.addWriter(h); err != nil {
		return nil, s.note.bad("token", err)
	}
	if mode.Readable() {
		h.outHandle = s.openOut(true)
	}
	return h, nil
}

func (h *tokenHandle) WriteAt(ctx context.Context, p []byte, off int64) (int, error) {
	s := h.s
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return 0, ninep.ErrNotExist
	}
	all := append(h.tail[:len(h.tail):len(h.tail)], p...)
	end := bytes.LastIndexAny(all, " \t\r\n") + 1
	ids, err := h.parse(all[:end])
	if err == nil {
		_, err = h.parse(all[end:]) // a number that grows never gets right again
	}
	if err == nil && len(all)-end > maxDigits {
		err = ninep.Errorf(ninep.ErrInvalid, "token: %s: not a number", clip(string(all[end:])))
	}
	if err == nil {
		err = s.room(len(p))
	}
	if err == nil && len(h.ids)+len(ids) > maxPrefix {
		err = ninep.Errorf(ninep.ErrTooBig, "token: more than %d ids", maxPrefix)
	}
	if err != nil {
		return 0, s.note.bad("token", err)
	}
	h.ids = append(h.ids, ids...)
	h.tail = all[end:]
	s.account()
	h.fresh = h.fresh || len(p) > 0
	s.note.good("token")
	return len(p), nil
}

// parse reads ids.
func (h *tokenHandle) parse(b []byte) ([]int32, error) {
	vocab := maxInt
	if v, ok := h.s.f.b.(Vocabulary); ok {
		if n := v.VocabSize(h.s.params.Model); n > 0 {
			vocab = n - 1
		}
	}
	var ids []int32
	for f := range bytes.FieldsSeq(b) {
		id, err := parseInt(string(f), 0, int64(vocab))
		if err != nil {
			return nil, ninep.Errorf(ninep.ErrInvalid, "token: %v", err)
		}
		ids = append(ids, int32(id))
	}
	return ids, nil
}

func (h *tokenHandle) take() {
	if !h.fresh {
		return
	}
	if ids, err := h.parse(h.tail); err == nil { // it was looked at when it came
		h.ids = append(h.ids, ids...)
	}
	h.s.prefix = h.ids
	h.fresh, h.ids, h.tail = false, nil, nil
	h.s.save()
}

func (h *tokenHandle) forget(k textKind) {
	if k == prefixText {
		h.ids, h.tail = nil, nil
	}
}

// Ready, Wait and ReadAt are those of the answer.

func (h *tokenHandle) Close(ctx context.Context) error {
	h.s.endWriter(ctx, h)
	if h.outHandle != nil {
		return h.outHandle.Close(ctx)
	}
	return base{h.s}.Close(ctx)
}
