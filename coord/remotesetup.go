package coord

import (
	"errors"
	"strconv"
	"strings"

	"llama9/mnt"
	"llama9/ninep"
	"llama9/styxfs"
)

const replace = ninep.OWRITE | ninep.OTRUNC

// A setting is what begins a turn that is set up.
type setting struct {
	prompt *mnt.File // its clunk commits; nil: the verb generate does
	event  *mnt.File
}

// discard lets go of what a turn that does not begin has opened. Its prompt is
// closed after the session is removed: the clunk would commit.
func (s *nodeSession) discard(c *setting) {
	if c == nil {
		return
	}
	if c.prompt != nil {
		s.held = append(s.held, c.prompt)
	}
	if c.event != nil {
		c.event.Forget()
	}
}

// make makes a session on the node. The open new is its prompt.
func (t *remoteTurn) make(fs *mnt.Fsys, start string) (*nodeSession, *setting, error) {
	ctx, cancel := t.r.within(t.ctx)
	defer cancel()
	var clone *mnt.File
	var got *mnt.Result
	buf := make([]byte, 64)
	for again := true; ; again = false {
		b := fs.Batch()
		clone = b.Open("infer/new", ninep.ORDWR)
		got = b.Read(clone, buf, 0)
		err := b.Do(ctx)
		if err == nil {
			break
		}
		var said *ninep.Error
		full := errors.As(err, &said) && strings.HasPrefix(said.Text, "too many sessions")
		if !full || !again || !t.r.evict(ctx) {
			return nil, nil, err
		}
	}
	id := strings.TrimSuffix(string(buf[:got.N]), "\n")
	if n, err := strconv.ParseUint(id, 10, 64); err != nil || strconv.FormatUint(n, 10) != id {
		clone.Forget()
		return nil, nil, badAnswer("infer/new gave the session %s", clipped(id))
	}
	s := t.r.made(t.req.Session, t.req.User, start, id)
	c := &setting{prompt: clone}
	if src := t.r.forked(t.req.Session, t.req.User, start); src != "" {
		err := lostError(fs.WriteFile(ctx, s.dir()+"ctl", []byte("fork "+src+"\n")))
		if errors.Is(err, ErrLost) {
			return s, c, err
		}
		s.vague = err == nil // else src is gone, and it begins with nothing
	}
	return s, c, nil
}

// setUp writes what the node's session lacks, in one round trip, or two where
// the ids of a prefix have to be looked at with the model that is set.
func (t *remoteTurn) setUp(fs *mnt.Fsys, s *nodeSession, c *setting) (*setting, error) {
	ctx, cancel := t.r.within(t.ctx)
	defer cancel()
	if c == nil {
		c = &setting{}
	}
	req, dir := t.req, s.dir()
	p := wanted(req.Params)
	if !req.Date.IsZero() {
		p.Date = req.Date
	}
	b := fs.Batch()
	if lines := s.ctlLines(&p); len(lines) > 0 {
		ctl := b.Open(dir+"ctl", ninep.OWRITE)
		if err := pourLines(b, ctl, lines); err != nil {
			return c, err
		}
		b.Close(ctl)
		if len(req.Prefix) > 0 {
			if err := b.Do(ctx); err != nil {
				return c, err
			}
			b = fs.Batch()
		}
	}
	if s.vague || s.grammar != req.Grammar {
		put(b, dir+"grammar", []byte(req.Grammar))
	}
	if s.vague || s.schema != req.Schema {
		put(b, dir+"schema", []byte(req.Schema))
	}
	if s.vague || len(req.Prefix) > 0 {
		put(b, dir+"token", idLines(req.Prefix))
	}
	base, prompt := splitPrompt(req.Messages)
	if !s.has(base) {
		put(b, dir+"chat", chatLines(base))
	}
	event := b.Open(dir+"event", ninep.OREAD)
	clone := c.prompt
	var opened *mnt.File
	switch {
	case prompt != "" && clone != nil:
		pour(b, clone, []byte(prompt))
	case prompt != "":
		opened = b.Open(dir+"prompt", replace)
		b.Keep(opened) // its clunk would commit, whatever else is refused
		pour(b, opened, []byte(prompt))
	case clone != nil:
		b.Close(clone)
		c.prompt = nil
	}
	err := b.Do(ctx)
	if opened != nil && b.Kept() {
		c.prompt = opened
	}
	if err != nil {
		return c, err
	}
	c.event = event
	s.params, s.grammar, s.schema = p, req.Grammar, req.Schema
	s.vague = false
	s.holds(req.Messages)
	return c, nil
}

// maxPrompt is up to what length a message goes through prompt, which saves a
// round trip.
const maxPrompt = 64 << 10

// split takes a conversation apart into what goes to chat and what to prompt,
// with the newline that prompt drops; "" if nothing can.
func splitPrompt(l []styxfs.Message) (base []styxfs.Message, prompt string) {
	if n := len(l); n > 0 {
		if m := l[n-1]; m.Role == "user" && m.Content != "" && len(m.Content) < maxPrompt {
			return l[:n-1], m.Content + "\n"
		}
	}
	return l, ""
}

func chatLines(l []styxfs.Message) (b []byte) {
	for i := range l {
		b = styxfs.AppendMessage(b, &l[i])
	}
	return b
}

func idLines(l []int32) (b []byte) {
	for _, id := range l {
		b = append(strconv.AppendInt(b, int64(id), 10), '\n')
	}
	return b
}

// pourLines writes data to f, each message whole lines.
func pourLines(b *mnt.Batch, f *mnt.File, data []byte) error {
	for most := f.IOUnit(); len(data) > 0; {
		n := len(data)
		if n > most {
			n = strings.LastIndexByte(string(data[:most]), '\n') + 1
		}
		if n == 0 {
			return ninep.ErrTooBig
		}
		b.Write(f, data[:n], 0)
		data = data[n:]
	}
	return nil
}
