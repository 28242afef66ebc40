package coord

import (
	"errors"

	"llama9/mnt"
	"llama9/ninep"
)

// A desk is where a turn is made: a session of the node, and a connection to
// it as its user.
type desk struct {
	l     *link
	fs    *mnt.Fsys
	leave func() // ends the use of fs
	start string // of the node
	s     *nodeSession

	// Of a session that was made ahead: open for writing; else nil.
	chat *mnt.File
	ctl  *mnt.File
}

// up ends the use of the connection.
func (d *desk) up(r *Remote) {
	for _, f := range []*mnt.File{d.chat, d.ctl} {
		if f != nil {
			f.Forget()
		}
	}
	d.chat, d.ctl = nil, nil
	if d.leave != nil {
		d.leave()
	}
	r.unstream(d.l)
}

// A reading is an answer whose first bytes were asked for.
type reading struct {
	f     *mnt.File
	buf   []byte
	first *mnt.Pending
}

// A start is all that a new session is told.
type start struct{ chat, ctl []byte }

// quick gives what begins t in one round trip; nil if that cannot be done.
//
// Between files a node takes things up in any order. What has the conversation
// goes to chat, and to ctl all settings and generate, in one write each. A node
// does a write to ctl as a whole or not at all, and refuses generate while the
// conversation is empty: so no turn begins without its settings, nor without
// its conversation. That holds for a new session only, and for a turn that has
// nothing beside, which could come too late.
func (t *remoteTurn) quick(d *desk) *start {
	s, req := d.s, t.req
	if !s.fresh || s.vague || len(req.Messages) == 0 || len(req.Prefix) > 0 || req.Grammar != "" || req.Schema != "" {
		return nil
	}
	p := t.params()
	q := &start{chatLines(req.Messages), append(t.r.first.ctlLines(s, &p), "generate\n"...)}
	if most := int(d.fs.Conn().Msize() - ninep.IOSize); max(len(q.chat), len(q.ctl)) > most {
		return nil
	}
	return q
}

// errEmpty is what a node says to a generate that was faster than the
// conversation.
const errEmpty = "generate: the conversation is empty"

// tooFast says whether err is that of a generate before its conversation.
func tooFast(err error) bool {
	var said *ninep.Error
	return errors.As(err, &said) && said.Text == errEmpty
}

// begin begins the turn with q, and asks for the first tokens.
func (t *remoteTurn) begin(d *desk, q *start) (*setting, error) {
	ctx, cancel := t.r.within(t.ctx)
	defer cancel()
	if !t.mayBegin(d) {
		return nil, errMuted
	}
	b := d.fs.Batch()
	write := func(open *mnt.File, name string, data []byte) {
		f := open
		if f == nil {
			f = b.Open(d.s.dir()+name, replace)
		}
		b.Write(f, data, 0)
		if f != open {
			b.Close(f)
		}
	}
	write(d.chat, "chat", q.chat)
	write(d.ctl, "ctl", q.ctl)
	a := &reading{buf: make([]byte, 4096)}
	a.f = b.Open(d.s.dir()+"token", ninep.OREAD)
	a.first = b.ReadLater(a.f, a.buf, 0)
	if err := b.Do(ctx); err != nil {
		return nil, err
	}
	p := t.params()
	d.s.took(&p, t.req)
	return &setting{begun: a}, nil
}
