package coord

import (
	"context"
	"errors"
	"strconv"
	"strings"

	"llama9/mnt"
	"llama9/ninep"
	"llama9/styxfs"
)

const replace = ninep.OWRITE | ninep.OTRUNC

// A setting is what begins a turn that is set up, or has begun it already.
type setting struct {
	prompt *mnt.File // its clunk commits; nil: the verb generate does
	begun  *reading  // nil: the turn is yet to be begun
}

// discard lets go of what a turn that does not begin has opened. Its prompt is
// closed after the session is removed: the clunk would commit.
func (s *nodeSession) discard(c *setting) {
	if c != nil && c.prompt != nil {
		s.held = append(s.held, c.prompt)
	}
}

// make makes a session on the node. If there is no room, one that is not in use
// makes way.
func (t *remoteTurn) make(d *desk) error {
	ctx, cancel := t.r.within(t.ctx)
	defer cancel()
	id, err := newSession(ctx, d.fs)
	var said *ninep.Error
	if errors.As(err, &said) && strings.HasPrefix(said.Text, "too many sessions") && t.r.evict(ctx) {
		id, err = newSession(ctx, d.fs)
	}
	if err != nil {
		return err
	}
	d.s = t.r.made(t.req.Session, t.req.User, d.start, id)
	if src := t.r.forked(t.req.Session, t.req.User, d.start); src != "" {
		err := lostError(d.fs.WriteFile(ctx, d.s.dir()+"ctl", []byte("fork "+src+"\n")))
		if errors.Is(err, ErrLost) {
			return err
		}
		d.s.vague = err == nil // else src is gone, and it begins with nothing
	}
	return nil
}

// newSession makes a session and gives its number.
func newSession(ctx context.Context, fs *mnt.Fsys) (id string, err error) {
	buf := make([]byte, 64)
	f, n, err := fs.OpenRead(ctx, "infer/new", ninep.OREAD, buf)
	if err != nil {
		return "", err
	}
	f.Forget() // nothing was written: it commits nothing
	id = strings.TrimSuffix(string(buf[:n]), "\n")
	if n, err := strconv.ParseUint(id, 10, 64); err != nil || strconv.FormatUint(n, 10) != id {
		return "", badAnswer("infer/new gave the session %s", clipped(id))
	}
	return id, nil
}

// setUp writes what the node's session lacks, in one round trip, or two where
// the ids of a prefix have to be looked at with the model that is set.
func (t *remoteTurn) setUp(fs *mnt.Fsys, s *nodeSession) (*setting, error) {
	ctx, cancel := t.r.within(t.ctx)
	defer cancel()
	c := &setting{}
	req, dir := t.req, s.dir()
	p := t.params()
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
	if prompt != "" {
		c.prompt = b.Open(dir+"prompt", replace)
		b.Keep(c.prompt) // its clunk would commit, whatever else is refused
		pour(b, c.prompt, []byte(prompt))
	}
	if err := b.Do(ctx); err != nil {
		if !b.Kept() {
			c.prompt = nil
		}
		return c, err
	}
	s.took(&p, req)
	return c, nil
}

// params are what the node is told.
func (t *remoteTurn) params() styxfs.Params {
	p := wanted(t.req.Params)
	if !t.req.Date.IsZero() {
		p.Date = t.req.Date
	}
	return p
}

// took notes that the node has all of a turn.
func (s *nodeSession) took(p *styxfs.Params, req *styxfs.Request) {
	s.params, s.grammar, s.schema = *p, req.Grammar, req.Schema
	s.vague, s.fresh = false, false
	s.holds(req.Messages)
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
