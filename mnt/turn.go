package mnt

import (
	"context"
	"errors"
	"io"
	"strings"

	"llama9/ninep"
)

// A Turn is a turn of a session that StartTurn began: its answer, as it is
// made. See llama9(4).
type Turn struct {
	ID   string // of the session: the name of its directory in infer
	f    *File
	head []byte // of the answer, read along with the open
	end  bool   // the answer ended in head
}

// StartTurn makes a new session, gives its ctl the settings (lines; none if
// empty) and begins a turn with the prompt. When it returns the first bytes of
// the answer have come: three round trips, with a prompt that fits one
// message. With an error a Turn comes too if there is a session: its ID can be
// used further, and there is nothing to read.
func StartTurn(ctx context.Context, fs *Fsys, settings string, prompt []byte) (*Turn, error) {
	// Opened for both, infer/new is at once the session's number, by
	// reading, and its prompt, which the Tclunk commits.
	buf := make([]byte, 64)
	b := fs.Batch()
	clone := b.Open("infer/new", ninep.ORDWR)
	r := b.Read(clone, buf, 0)
	if err := b.Do(ctx); err != nil {
		return nil, err
	}
	id := strings.TrimSuffix(string(buf[:r.N]), "\n")
	if !goodName(id) {
		clone.Forget()
		return nil, protocolError("infer/new gave the session %q", id)
	}
	dir := "infer/" + id + "/"

	b = fs.Batch()
	if settings != "" {
		ctl := b.Open(dir+"ctl", ninep.OWRITE)
		b.Write(ctl, []byte(settings), 0)
		b.Close(ctl)
	}
	if len(prompt) <= clone.IOUnit() {
		b.Write(clone, prompt, 0)
	}
	err := b.Do(ctx)
	if err == nil && len(prompt) > clone.IOUnit() {
		_, err = clone.WriteAt(ctx, prompt, 0)
	}
	if err != nil {
		// The session goes before the clunk that would commit.
		if e := fs.Remove(ctx, dir); e != nil {
			err = errors.Join(err, e)
		}
		clone.Forget()
		return nil, err
	}

	return follow(ctx, fs, id, clone)
}

// SayTurn begins another turn of a session: the settings are made, the prompt
// is written and committed, and the first bytes of the answer have come when
// it returns: two round trips, three with settings. What is refused has let go
// of the prompt: it can be said again. A Turn is returned with an error too, as
// by StartTurn; if it is the context's, the turn may have begun,
// and goes on unless its ctl is told to cancel it.
func SayTurn(ctx context.Context, fs *Fsys, id, settings string, prompt []byte) (*Turn, error) {
	dir := "infer/" + id + "/"
	none := &Turn{ID: id, end: true}
	b := fs.Batch()
	if settings != "" {
		ctl := b.Open(dir+"ctl", ninep.OWRITE)
		b.Write(ctl, []byte(settings), 0)
		b.Close(ctl)
	}
	p := b.Open(dir+"prompt", ninep.OWRITE|ninep.OTRUNC)
	// Nothing is written along with settings that can be refused: the
	// Tclunk that follows a failure would commit it.
	along := settings == "" && len(prompt) <= p.IOUnit()
	if along {
		b.Write(p, prompt, 0)
	}
	b.Keep(p)
	if err := b.Do(ctx); err != nil {
		if b.Kept() {
			p.Close(ctx) // waits; until it is answered, the prompt is busy
		}
		return none, err
	}
	if !along {
		if _, err := p.WriteAt(ctx, prompt, 0); err != nil {
			p.Forget()
			return none, err
		}
	}
	return follow(ctx, fs, id, p)
}

// follow commits what was written to p and opens the answer. The read may
// arrive before the commit: out is then already bound to the turn that is
// being written.
func follow(ctx context.Context, fs *Fsys, id string, p *File) (*Turn, error) {
	head := make([]byte, 8<<10)
	b := fs.Batch()
	b.Close(p)
	out := b.Open("infer/"+id+"/out", ninep.OREAD)
	r := b.Read(out, head, 0)
	if err := b.Do(ctx); err != nil {
		return &Turn{ID: id, end: true}, err
	}
	out.move(r.N)
	return &Turn{ID: id, f: out, head: head[:r.N], end: r.N == 0}, nil
}

// Read gives the answer as it is made, and io.EOF at its end. The error of a
// turn that failed comes after its last byte.
func (t *Turn) Read(ctx context.Context, p []byte) (int, error) {
	if len(t.head) > 0 {
		n := copy(p, t.head)
		t.head = t.head[n:]
		return n, nil
	}
	if t.end {
		return 0, io.EOF
	}
	n, err := t.f.Read(ctx, p)
	t.end = err == io.EOF
	return n, err
}

// Close ends the reading of the answer, not the turn.
func (t *Turn) Close() {
	if t.f != nil {
		t.f.Forget()
	}
}
