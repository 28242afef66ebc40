package ninep

import (
	"context"
	"time"

	"github.com/hugelgupf/p9/linux"
	"github.com/hugelgupf/p9/p9"
)

// What only clients of 9P2000.L are told. EPERM is what Linux's manual pages
// have for a file system without links, renames or devices.
var (
	errPerm     = &Error{"Operation not permitted", uint32(linux.EPERM)}
	errLoop     = &Error{"Too many levels of symbolic links", uint32(linux.ELOOP)}
	errLongName = &Error{"File name too long", uint32(linux.ENAMETOOLONG)}
)

// refuse answers what this server has not, whatever the file.
func refuse(r *request) error {
	switch r.l.Type {
	case Txattrwalk, Txattrcreate:
		return ErrNotSupp
	}
	return errPerm
}

// blockSize is what st_blksize is. Programs take it for the size of their
// buffers, and one that is smaller than a message lets streams come as they
// are made; see the fill.
const blockSize = 4096

// getattr does a Tgetattr. See stat(2).
func (c *conn) getattr(ctx context.Context, r *request) error {
	s, err := c.stat(ctx, r.place.node)
	if err != nil {
		return err
	}
	m := r.l
	m.Mask = getattrBasic
	r.qid = s.Qid
	m.Attr = p9.Attr{
		Mode: kind(&s) | p9.FileMode(s.Mode&0777),
		UID:  p9.UID(c.srv.ids.uid(s.Uid)),
		GID:  p9.GID(c.srv.ids.gid(s.Gid)),
		// Of a directory it says that its subdirectories were not counted.
		NLink:     1,
		Size:      s.Length,
		BlockSize: blockSize,
		Blocks:    s.Length/512 + min(s.Length%512, 1),
	}
	a := &m.Attr
	a.ATimeSeconds, a.ATimeNanoSeconds = lseconds(s.Atime)
	a.MTimeSeconds, a.MTimeNanoSeconds = lseconds(s.Mtime)
	a.CTimeSeconds, a.CTimeNanoSeconds = a.MTimeSeconds, a.MTimeNanoSeconds
	return nil
}

// lseconds is t in seconds and nanoseconds; 0 before 1970.
func lseconds(t time.Time) (sec, nsec uint64) {
	if n := t.Unix(); n >= 0 {
		return uint64(n), uint64(t.Nanosecond())
	}
	return 0, 0
}

// setattr does a Tsetattr, by the rules of a Twstat. What says who may use a
// file cannot be changed by others than its owner; the errno is then that of
// chmod(2) and chown(2).
func (c *conn) setattr(ctx context.Context, r *request) error {
	m, ch := r.l, &r.change
	a := &m.SetAttr
	if m.Valid&^setAll != 0 || a.ATimeNanoSeconds >= 1e9 || a.MTimeNanoSeconds >= 1e9 {
		return ErrInvalid
	}
	s, err := c.stat(ctx, r.place.node)
	if err != nil {
		return err
	}
	if m.Valid&setMode != 0 {
		if a.Permissions&07000 != 0 {
			return errPerm // no such bits here
		}
		mode := s.Mode&^0777 | uint32(a.Permissions)&0777
		ch.Mode = &mode
	}
	if uid := uint32(a.UID); m.Valid&setUid != 0 && uid != NoUid && uid != c.srv.ids.uid(s.Uid) {
		name := c.srv.ids.user(uid)
		ch.Uid = &name
	}
	if gid := uint32(a.GID); m.Valid&setGid != 0 && gid != NoUid && gid != c.srv.ids.gid(s.Gid) {
		name := c.srv.ids.group(gid)
		ch.Gid = &name
	}
	if m.Valid&setSize != 0 {
		size := a.Size
		ch.Length = &size
	}
	ch.Atime = ltime(m.Valid, setAtime, setAtimeTo, a.ATimeSeconds, a.ATimeNanoSeconds)
	ch.Mtime = ltime(m.Valid, setMtime, setMtimeTo, a.MTimeSeconds, a.MTimeNanoSeconds)
	owns := ch.Mode != nil || ch.Uid != nil || ch.Gid != nil
	err = c.change(ctx, r, &s)
	if err != nil && owns {
		if _, no := asError(err); no == ErrPermission.Errno {
			return errPerm
		}
	}
	return err
}

// ltime is the time that a Tsetattr sets; nil if it sets none.
func ltime(valid, set, to uint32, sec, nsec uint64) *time.Time {
	if valid&set == 0 {
		return nil
	}
	t := time.Now()
	if valid&to != 0 {
		t = time.Unix(int64(sec), int64(nsec))
	}
	return &t
}

// mkdir does a Tmkdir.
func (c *conn) mkdir(ctx context.Context, r *request) error {
	place, h, s, err := c.make(ctx, r, OREAD)
	if err != nil {
		return err
	}
	r.qid = s.Qid
	return c.shut(ctx, place, &openFile{handle: h})
}

// unlinkat does a Tunlinkat: it removes the file called name of a directory.
// See unlinkat(2).
func (c *conn) unlinkat(ctx context.Context, r *request) error {
	s, err := c.stat(ctx, r.place.node)
	if err != nil {
		return err
	}
	p, s, err := c.step(ctx, r.place, &s, r.name, r.who)
	if err != nil {
		return err
	}
	if isDir := s.Mode&DMDIR != 0; isDir != (r.l.Flags&atRemovedir != 0) {
		if isDir {
			return ErrIsDir
		}
		return ErrNotDir
	}
	if err := c.mayRemove(ctx, p, r.who); err != nil {
		return err
	}
	if rm, ok := p.node.(Remover); ok {
		return rm.Remove(ctx)
	}
	return errPerm
}

// readlink does a Treadlink.
func (c *conn) readlink(ctx context.Context, r *request) (err error) {
	l, ok := r.place.node.(Linker)
	if !ok {
		return ErrInvalid
	}
	r.l.Target, err = l.Readlink(ctx)
	return err
}

// magic9P is the type that Linux gives its 9P file systems. See V9FS_MAGIC.
const magic9P = 0x01021997

// statfs does a Tstatfs. There are no blocks to count.
func (c *conn) statfs(ctx context.Context, r *request) error {
	if _, err := r.place.node.Stat(ctx); err != nil {
		return err
	}
	r.l.FSStat = p9.FSStat{Type: magic9P, BlockSize: blockSize, NameLength: maxName}
	return nil
}

// fsync does a Tfsync, which is a Twstat that changes nothing. It runs behind
// the writes before it.
func (c *conn) fsync(ctx context.Context, r *request) error {
	if r.open == nil {
		return errOpenFid
	}
	if set, ok := r.place.node.(Setter); ok {
		return set.Wstat(ctx, StatChange{})
	}
	return nil
}

// Types of getdents(2).
const (
	dtDir     = 4
	dtFile    = 8
	dtSymlink = 10
)

// readdir does a Treaddir. Offset 0 takes a new snapshot of the directory, with
// "." and ".." at its front; any other offset must be one that an entry of the
// snapshot had.
func (c *conn) readdir(ctx context.Context, r *request) error {
	o := r.open
	switch {
	case o == nil:
		return errOpenFid
	case o.dir == nil:
		return ErrNotDir
	}
	if r.offset == 0 {
		entries, err := c.entries(ctx, r)
		if err != nil {
			return err
		}
		if err := c.keep(o, entries); err != nil {
			return err
		}
	} else if r.offset > uint64(len(o.entries)) {
		return ErrInvalid
	}
	if r.wait || r.ctx.turn == 0 {
		c.hold()
	}
	count := int(min(r.count, c.most()))
	blk := newBlock(RreadSize + count)
	b := blk.b[:RreadSize]
	for i, left := int(r.offset), o.entries[r.offset:]; len(left) > 0; left = left[1:] {
		s := &left[0]
		if len(b)+direntSize(s.Name) > RreadSize+count {
			if len(b) == RreadSize {
				blk.free()
				return ErrInvalid // not even one
			}
			break
		}
		i++
		d := Dirent{Qid: s.Qid, Offset: uint64(i), Type: dtFile, Name: s.Name}
		switch kind(s) {
		case p9.ModeDirectory:
			d.Type = dtDir
		case p9.ModeSymlink:
			d.Type = dtSymlink
		}
		b = AppendDirent(b, &d)
	}
	blk.b = b
	PutRread(b, r.tag, len(b)-RreadSize)
	b[4] = Rreaddir // else as an Rread
	r.reply = blk
	return nil
}

// entries is a snapshot of an open directory.
func (c *conn) entries(ctx context.Context, r *request) ([]Stat, error) {
	self, err := c.stat(ctx, r.place.node)
	if err != nil {
		return nil, err
	}
	up := self
	if r.place.up != nil {
		if up, err = c.stat(ctx, r.place.up.node); err != nil {
			return nil, err
		}
	}
	self.Name, up.Name = ".", ".."
	list, err := r.open.dir.ReadDir(ctx)
	if err != nil {
		return nil, err
	}
	all := make([]Stat, 0, 2+len(list))
	all = append(all, self, up)
	for _, s := range list {
		c.dialect.shape(&s)
		all = append(all, s)
	}
	return all, nil
}
