package ninep

import (
	"context"
	"errors"
	"io"
	"math"
	"os/user"
	"strconv"
	"strings"
)

// What the engine itself says, in the words of fossil and u9fs, which the Linux
// kernel knows (net/9p/error.c).
var (
	errNoAuth     = &Error{"authentication not required", 2}
	errFidInUse   = &Error{"fid already in use", 9}
	errOpenFid    = &Error{"bad use of fid", 9}
	errMode       = &Error{"illegal mode", 22}
	errName       = &Error{"illegal name", 36}
	errOffset     = &Error{"illegal offset", 22}
	errDirOffset  = &Error{"bad offset in directory read", 29}
	errRoot       = &Error{"cannot remove root", 1}
	errOwner      = &Error{"not owner", 13}
	errDirBit     = &Error{"wstat can't convert between files and directories", 1}
	errMsize      = &Error{"message too long", 90}
	errSmallCount = &Error{"i/o count too small", 22}
	errPanic      = &Error{"i/o error", 5}
)

// call does what r asks for. r has begun: its fids are there and are its own.
// On the reader's goroutine a read that must wait gives errWait instead.
func (c *conn) call(r *request) (err error) {
	defer c.caught(&err)
	if r.gone {
		return ErrBadFid
	}
	ended := r.ctx.turn == 0 && r.ctx.Err() != nil
	if ended && r.op != opClunk && r.op != opRemove {
		return ErrInterrupted
	}
	ctx := &r.ctx
	switch r.op {
	case opAuth:
		return errNoAuth
	case opAttach:
		return c.attach(ctx, r)
	case opWalk:
		return c.walk(ctx, r)
	case opOpen:
		return c.open(ctx, r)
	case opCreate:
		return c.create(ctx, r)
	case opRead:
		return c.readFile(ctx, r)
	case opWrite:
		return c.writeFile(ctx, r)
	case opClunk:
		if r.open == nil {
			return nil
		}
		return c.shut(ctx, r.place, r.open)
	case opRemove:
		return c.remove(ctx, r, ended)
	case opStat:
		r.stat, err = c.stat(ctx, r.place.node)
		return err
	case opWstat:
		return c.wstat(ctx, r)
	case opMkdir:
		return c.mkdir(ctx, r)
	case opUnlinkat:
		return c.unlinkat(ctx, r)
	case opGetattr:
		return c.getattr(ctx, r)
	case opSetattr:
		return c.setattr(ctx, r)
	case opReaddir:
		return c.readdir(ctx, r)
	case opReadlink:
		return c.readlink(ctx, r)
	case opStatfs:
		return c.statfs(ctx, r)
	case opFsync:
		return c.fsync(ctx, r)
	case opLock:
		return c.lock(r)
	case opGetlock:
		return c.getlock(r)
	case opRefuse:
		return refuse(r)
	}
	return ErrNotSupp
}

// stat is n's description as this dialect shows it.
func (c *conn) stat(ctx context.Context, n Node) (Stat, error) {
	s, err := n.Stat(ctx)
	if err == nil {
		c.dialect.shape(&s)
	}
	return s, err
}

// attach makes a fid for the root of a tree, or for a directory or file below
// it that aname leads to. See attach(5).
func (c *conn) attach(ctx context.Context, r *request) error {
	if r.auth != NoFid {
		return errNoAuth
	}
	a := &Attach{Known: c.peer.known, Uname: r.uname, Aname: r.aname, NUname: r.nuname, Peer: c.peer.addr}
	switch {
	case c.peer.known:
		a.User = c.peer.user
	case a.NUname != NoUid:
		a.User = loginName(a.NUname)
	case a.Uname != "":
		a.User = a.Uname
	default:
		a.User = "none"
	}
	root, err := c.srv.FS.Attach(c.session, a)
	if err != nil {
		return err
	}
	if root == nil {
		return ErrNotExist
	}
	r.who = a
	p := &place{node: root}
	s, err := c.stat(ctx, root)
	if err != nil {
		return err
	}
	if r.aname != "ctl" { // diod's tools attach to that unasked
		for name := range strings.SplitSeq(r.aname, "/") {
			if name == "" {
				continue
			}
			if p, s, err = c.step(ctx, p, &s, name, a); err != nil {
				return err
			}
		}
	}
	r.at = &place{node: p.node} // its own root: no way up
	r.qid = s.Qid
	return nil
}

// loginName is the name of a user of this machine, or else the number.
func loginName(uid uint32) string {
	id := strconv.FormatUint(uint64(uid), 10)
	if u, err := user.LookupId(id); err == nil && u.Username != "" {
		return u.Username
	}
	return id
}

// walk walks to r.at and gives the qids on the way, which are fewer than the
// names if one is not there; r.at is then nil. See walk(5).
func (c *conn) walk(ctx context.Context, r *request) error {
	// diod's tools walk from open directories, to other fids.
	if r.open != nil && !(c.linux && r.newFid != nil) {
		return errOpenFid
	}
	if len(r.names) == 0 {
		r.at = r.place
		return nil
	}
	p := r.place
	s, err := c.stat(ctx, p.node)
	if err != nil {
		return err
	}
	for _, name := range r.names {
		if p, s, err = c.step(ctx, p, &s, name, r.who); err != nil {
			if len(r.qids) > 0 && r.ctx.Err() == nil {
				return nil
			}
			return err
		}
		r.qids = append(r.qids, s.Qid)
	}
	r.at = p
	return nil
}

// step goes from p, whose description is s, to name. A symbolic link leads to
// what is below its target, for clients that leave it to the server.
func (c *conn) step(ctx context.Context, p *place, s *Stat, name string, who *Attach) (*place, Stat, error) {
	if s.Mode&(DMDIR|DMSYMLINK) == 0 {
		return nil, Stat{}, ErrNotDir
	}
	if !may(s, who.User, permExec) {
		return nil, Stat{}, ErrPermission
	}
	if name == "." && c.linux {
		return p, *s, nil // diod's tools walk there
	}
	if name == ".." {
		if p.up != nil {
			p = p.up
		}
	} else {
		w, ok := p.node.(Walker)
		if !ok || !goodName(name) {
			return nil, Stat{}, ErrNotExist
		}
		n, err := w.Walk(ctx, name)
		if err != nil {
			return nil, Stat{}, err
		}
		if n == nil {
			return nil, Stat{}, ErrNotExist
		}
		p = &place{p, n}
	}
	st, err := c.stat(ctx, p.node)
	return p, st, err
}

// goodName says whether name may be the name of a file. That it is UTF-8
// without NUL was seen to at decoding.
func goodName(name string) bool {
	return name != "" && name != "." && name != ".." && !strings.Contains(name, "/")
}

// open opens a fid. See open(5).
func (c *conn) open(ctx context.Context, r *request) error {
	if r.open != nil {
		return errOpenFid
	}
	mode, err := goodMode(r.mode)
	if err != nil {
		return err
	}
	p := r.place
	s, err := c.stat(ctx, p.node)
	if err != nil {
		return err
	}
	isDir := s.Mode&(DMDIR|DMSYMLINK) != 0
	switch {
	case s.Mode&DMSYMLINK != 0 && r.flags&lNofollow != 0:
		return errLoop
	case isDir && mode&^ORCLOSE != OREAD:
		return ErrIsDir
	case r.flags&lDirectory != 0 && !isDir:
		return ErrNotDir
	}
	if !may(&s, r.who.User, wants(mode)) {
		return ErrPermission
	}
	if mode&ORCLOSE != 0 {
		if err := c.mayRemove(ctx, p, r.who); err != nil {
			return err
		}
	}
	o, ok := p.node.(Opener)
	if !ok {
		return ErrPermission
	}
	h, err := o.Open(ctx, mode)
	if err != nil {
		return err
	}
	return c.opened(r, h, mode, s.Qid)
}

// create makes a file and opens it. See open(5).
func (c *conn) create(ctx context.Context, r *request) error {
	if r.open != nil {
		return errOpenFid
	}
	mode, err := goodMode(r.mode)
	if err != nil {
		return err
	}
	if !goodName(r.name) {
		return errName
	}
	if r.perm&DMDIR != 0 && mode&^ORCLOSE != OREAD {
		return ErrIsDir
	}
	p, h, s, err := c.make(ctx, r, mode)
	if err != nil {
		return err
	}
	r.at = p
	return c.opened(r, h, mode, s.Qid)
}

// make makes the file that r names in the directory of r's fid.
func (c *conn) make(ctx context.Context, r *request, mode OpenMode) (*place, Handle, Stat, error) {
	p := r.place
	s, err := c.stat(ctx, p.node)
	if err != nil {
		return nil, nil, s, err
	}
	if s.Mode&DMDIR == 0 {
		return nil, nil, s, ErrNotDir
	}
	if !may(&s, r.who.User, permWrite) {
		return nil, nil, s, ErrPermission
	}
	cr, ok := p.node.(Creator)
	if !ok {
		return nil, nil, s, ErrPermission
	}
	// A new file has at most the permissions of its directory.
	perm := r.perm & (^uint32(0666) | s.Mode&0666)
	if r.perm&DMDIR != 0 {
		perm = r.perm & (^uint32(0777) | s.Mode&0777)
	}
	n, h, err := cr.Create(ctx, r.name, perm, mode)
	if err != nil {
		return nil, nil, s, err
	}
	if n == nil || h == nil {
		return nil, nil, s, ErrIO
	}
	if s, err = c.stat(ctx, n); err != nil {
		h.Close(ctx)
		return nil, nil, s, err
	}
	return &place{p, n}, h, s, nil
}

// opened notes what h can do.
func (c *conn) opened(r *request, h Handle, mode OpenMode, q Qid) error {
	if h == nil {
		return ErrIO
	}
	o := &openFile{handle: h, mode: mode, fills: c.linux && r.flags&lNonblock == 0}
	if q.Type&(QTDIR|QTSYMLINK) != 0 {
		o.dir, _ = h.(DirReader)
	} else {
		if mode.Readable() {
			o.reader, _ = h.(Reader)
			o.waiter, _ = h.(Waiter)
			o.notifier, _ = h.(Notifier)
		}
		if mode.Writable() {
			o.writer, _ = h.(Writer)
		}
	}
	r.opens, r.qid, r.n = o, q, int(c.most())
	return nil
}

// most is the largest count of data in a message.
func (c *conn) most() uint32 { return c.msize - IOSize }

// readFile does a Tread. Data is read straight into the frame that will carry
// it; while a read waits there is none. See read(5).
func (c *conn) readFile(ctx context.Context, r *request) error {
	o := r.open
	if o == nil || !o.mode.Readable() || o.reader == nil && o.dir == nil {
		return errOpenFid
	}
	if r.offset > math.MaxInt64 {
		return errOffset
	}
	if c.linux && o.dir != nil {
		return ErrIsDir // Treaddir is for that
	}
	off := int64(r.offset)
	count := int(min(r.count, c.most()))
	streams := o.waiter != nil && o.reader != nil && count > 0
	rest := false // of what read(2) asked for, which has got something
	if streams {
		rest = o.fills && o.fill.is(off, r.count)
		switch {
		case rest && !o.waiter.Ready(off):
			count = 0
		case rest:
		case r.ctx.turn == 0 && o.notifier == nil:
			wait := o.waiter.Wait
			if f, ok := o.waiter.(Fetcher); ok {
				wait = func(ctx context.Context, off int64) error { return f.Fetch(ctx, off, count) }
			}
			if err := wait(ctx, off); err != nil {
				return err
			}
		case !o.waiter.Ready(off):
			return errWait
		}
	}
	if r.wait || r.ctx.turn == 0 {
		c.hold()
	}
	b := newBlock(RreadSize + count)
	n, err := 0, error(nil)
	switch {
	case o.dir != nil:
		n, err = c.readDir(ctx, o, b.b[RreadSize:], r.offset)
	case count > 0:
		n, err = o.reader.ReadAt(ctx, b.b[RreadSize:], off)
		if n > 0 || err == io.EOF {
			err = nil
		}
	}
	if n < 0 || n > count {
		err = ErrIO
	}
	if err != nil && rest {
		n, err = 0, nil
	}
	if err != nil {
		b.free()
		return err
	}
	if streams && o.fills {
		o.fill.got(off, r.count, n)
	}
	b.b = b.b[:RreadSize+n]
	PutRread(b.b, r.tag, n)
	r.reply = b
	return nil
}

// readDir fills p with whole entries. Offset 0 takes a new snapshot; any other
// must be where the last read ended.
func (c *conn) readDir(ctx context.Context, o *openFile, p []byte, off uint64) (int, error) {
	if off == 0 {
		entries, err := o.dir.ReadDir(ctx)
		if err != nil {
			return 0, err
		}
		if err := c.keep(o, entries); err != nil {
			return 0, err
		}
		o.nextDir = 0
	} else if off != o.nextDir {
		return 0, errDirOffset
	}
	b := p[:0:len(p)]
	for len(o.entries) > 0 {
		s := o.entries[0]
		c.dialect.shape(&s)
		if n := len(b); n+StatSize(&s) > len(p) {
			if n == 0 {
				return 0, errSmallCount
			}
			break
		}
		b = AppendStat(b, &s)
		o.entries = o.entries[1:]
	}
	o.nextDir = off + uint64(len(b))
	if len(o.entries) == 0 {
		c.keep(o, nil)
	}
	return len(b), nil
}

// keep makes entries the snapshot of o, if the connection may have that many.
func (c *conn) keep(o *openFile, entries []Stat) error {
	more := len(entries) - o.counted
	if c.snaps.Add(int64(more)) > int64(c.srv.limits.Entries) && more > 0 {
		c.snaps.Add(-int64(more))
		return ErrNoMem
	}
	o.entries, o.counted = entries, len(entries)
	return nil
}

// writeFile does a Twrite. See read(5).
func (c *conn) writeFile(ctx context.Context, r *request) error {
	o := r.open
	if o == nil || o.writer == nil {
		return errOpenFid
	}
	if r.offset > math.MaxInt64 {
		return errOffset
	}
	n, err := o.writer.WriteAt(ctx, r.data, int64(r.offset))
	if err == nil && (n < 0 || n > len(r.data)) {
		err = ErrIO
	}
	r.n = n
	return err
}

// remove does a Tremove, which is a Tclunk also when it fails. A client that
// is gone, or has flushed, removes nothing. See remove(5).
func (c *conn) remove(ctx context.Context, r *request, ended bool) error {
	err := error(ErrInterrupted)
	if !ended {
		err = c.mayRemove(ctx, r.place, r.who)
	}
	if err == nil {
		err = ErrPermission
		if rm, ok := r.place.node.(Remover); ok {
			err = rm.Remove(ctx)
		}
	}
	if r.open != nil {
		r.open.mode &^= ORCLOSE
		if e := c.shut(ctx, r.place, r.open); err == nil && !errors.Is(e, ErrNotExist) {
			err = e
		}
	}
	return err
}

// mayRemove says whether who may take the file at p out of its directory.
func (c *conn) mayRemove(ctx context.Context, p *place, who *Attach) error {
	if p.up == nil {
		return errRoot
	}
	s, err := c.stat(ctx, p.up.node)
	if err == nil && !may(&s, who.User, permWrite) {
		err = ErrPermission
	}
	return err
}
