package ninep

import "context"

// The permissions of one class of users. See stat(5).
const (
	permExec  = 1
	permWrite = 2
	permRead  = 4
)

// may says whether user has all that want names on the file of s: as one of
// all, as the owner, or as the group, which is the user of that name.
func may(s *Stat, user string, want uint32) bool {
	m := s.Mode
	if s.Gid == user {
		m |= s.Mode >> 3
	}
	if s.Uid == user {
		m |= s.Mode >> 6
	}
	return m&want == want
}

// goodMode checks the mode of an open or create. OCEXEC is the client's own
// business, and dropped.
func goodMode(m OpenMode) (OpenMode, error) {
	const ocexec = 0x20
	m &^= ocexec
	if m&^(3|OTRUNC|ORCLOSE) != 0 {
		return 0, errMode
	}
	return m, nil
}

// wants is what an open with mode m needs.
func wants(m OpenMode) (want uint32) {
	switch m & 3 {
	case OREAD:
		want = permRead
	case OWRITE:
		want = permWrite
	case ORDWR:
		want = permRead | permWrite
	case OEXEC:
		want = permExec
	}
	if m&OTRUNC != 0 {
		want |= permWrite
	}
	return want
}

// wstat does a Twstat. All of a change is refused if part of it is. See
// stat(5).
func (c *conn) wstat(ctx context.Context, r *request) error {
	s, err := c.stat(ctx, r.place.node)
	if err != nil {
		return err
	}
	return c.change(ctx, r, &s)
}

// change does what r.change asks for to the file of r, whose description is s.
func (c *conn) change(ctx context.Context, r *request, s *Stat) error {
	ch, p, user := &r.change, r.place, r.who.User
	unchanged(ch, s)
	set, ok := p.node.(Setter)
	if *ch == (StatChange{}) {
		if ok {
			return set.Wstat(ctx, *ch) // a sync
		}
		return nil
	}
	if err := c.mayChange(ctx, ch, s, p, user); err != nil {
		return err
	}
	if ok {
		return set.Wstat(ctx, *ch)
	}
	if ch.Mode != nil || ch.Name != nil || ch.Gid != nil || ch.Length != nil && *ch.Length != 0 {
		return ErrPermission
	}
	return nil
}

// unchanged takes out of ch what s has already. Clients send back all of a
// stat with one field changed.
func unchanged(ch *StatChange, s *Stat) {
	if ch.Mode != nil && *ch.Mode == s.Mode {
		ch.Mode = nil
	}
	if ch.Name != nil && *ch.Name == s.Name {
		ch.Name = nil
	}
	if ch.Uid != nil && *ch.Uid == s.Uid {
		ch.Uid = nil
	}
	if ch.Gid != nil && *ch.Gid == s.Gid {
		ch.Gid = nil
	}
	// A length that is 0 already stays in: it empties files which always
	// show length 0.
	if ch.Length != nil && *ch.Length == s.Length && s.Length != 0 {
		ch.Length = nil
	}
	if ch.Atime != nil && ch.Atime.Unix() == s.Atime.Unix() {
		ch.Atime = nil
	}
	if ch.Mtime != nil && ch.Mtime.Unix() == s.Mtime.Unix() {
		ch.Mtime = nil
	}
}

// mayChange checks ch, which changes something, by the rules of stat(5). Times
// need write permission only, as touch(1) has it everywhere.
func (c *conn) mayChange(ctx context.Context, ch *StatChange, s *Stat, p *place, user string) error {
	if ch.Uid != nil {
		return ErrPermission
	}
	if ch.Mode != nil && (*ch.Mode^s.Mode)&DMDIR != 0 {
		return errDirBit
	}
	if (ch.Mode != nil || ch.Gid != nil) && s.Uid != user && s.Gid != user {
		return errOwner
	}
	if ch.Length != nil && s.Mode&DMDIR != 0 && *ch.Length != 0 {
		return ErrIsDir
	}
	if (ch.Length != nil || ch.Atime != nil || ch.Mtime != nil) && s.Uid != user && !may(s, user, permWrite) {
		return ErrPermission
	}
	if ch.Length != nil && !may(s, user, permWrite) {
		return ErrPermission
	}
	if ch.Name != nil {
		if !goodName(*ch.Name) {
			return errName
		}
		if p.up == nil {
			return ErrPermission
		}
		d, err := c.stat(ctx, p.up.node)
		if err != nil {
			return err
		}
		if !may(&d, user, permWrite) {
			return ErrPermission
		}
	}
	return nil
}
