package ninep

import "github.com/hugelgupf/p9/p9"

// p2000L is the dialect 9P2000.L, which Linux's v9fs speaks natively. See
// diod's protocol.md and Linux's fs/9p.
type p2000L struct{}

func (p2000L) decode(frame []byte, r *request) error {
	if _, own := formOf(frame[4]); !own {
		return p2000L{}.decodeShared(frame, r)
	}
	if r.l == nil {
		r.l = new(Lcall)
	}
	m := r.l
	err := m.Decode(frame)
	if err == ErrFrame {
		return err
	}
	r.tag, r.num = m.Tag, m.Fid
	r.second = m.Fid
	switch m.Type {
	case Tauth:
		r.op = opAuth
	case Tattach:
		r.op, r.auth, r.uname, r.aname, r.nuname = opAttach, m.Afid, m.Uname, m.Aname, m.NUname
	case Tlopen:
		r.op = opOpen
		r.mode, err = lmode(m.Flags, err)
		r.flags = m.Flags
	case Tlcreate:
		r.op, r.name, r.perm = opCreate, m.Name, m.Perm&0777
		r.mode, err = lmode(m.Flags, lnameError(m.Name, err))
	case Tmkdir:
		r.op, r.name, r.perm = opMkdir, m.Name, m.Perm&0777|DMDIR
		err = lnameError(m.Name, err)
	case Tunlinkat:
		r.op, r.name = opUnlinkat, m.Name
		err = lnameError(m.Name, err)
		if err == nil && m.Flags&^atRemovedir != 0 {
			err = ErrInvalid
		}
	case Tgetattr:
		r.op = opGetattr
	case Tsetattr:
		r.op = opSetattr
	case Treaddir:
		r.op, r.offset, r.count = opReaddir, m.Offset, m.Count
	case Treadlink:
		r.op = opReadlink
	case Tstatfs:
		r.op = opStatfs
	case Tfsync:
		r.op = opFsync
	case Tlock:
		r.op = opLock
	case Tgetlock:
		r.op = opGetlock
	case Txattrwalk, Txattrcreate, Tsymlink, Tmknod:
		r.op = opRefuse
	case Tlink, Trename, Trenameat:
		r.op, r.second = opRefuse, m.Dfid
	default:
		return ErrFrame // an R-message
	}
	return err
}

// decodeShared is for the messages that are 9P2000's too.
func (p2000L) decodeShared(frame []byte, r *request) error {
	err := p2000{}.decode(frame, r)
	if err == ErrFrame {
		return err
	}
	switch frame[4] {
	case Topen, Tcreate, Tstat, Twstat:
		r.op = opRefuse
		if err == nil {
			err = errNotL
		}
	}
	return err
}

// lmode makes an OpenMode of open(2)'s flags. Those that it leaves out are the
// client's own business: O_CREAT and O_EXCL chose between Tlopen and Tlcreate,
// and O_APPEND made the offsets of the writes.
func lmode(flags uint32, bad error) (OpenMode, error) {
	if bad != nil {
		return 0, bad
	}
	if flags&lAccess == lAccess {
		return 0, ErrInvalid
	}
	mode := OpenMode(flags & lAccess)
	if flags&lTrunc != 0 {
		mode |= OTRUNC
	}
	return mode, nil
}

// maxName is the longest name, as Rstatfs says.
const maxName = 255

// lnameError says what is wrong with the name of a new file, or of one to be
// removed.
func lnameError(name string, bad error) error {
	switch {
	case bad != nil:
		return bad
	case !goodName(name):
		return ErrInvalid
	case len(name) > maxName:
		return errLongName
	}
	return nil
}

func (p2000L) answer(b []byte, r *request) ([]byte, error) {
	m := r.l
	if m == nil || m.Type == 0 {
		return p2000{}.answer(b, r)
	}
	m.Type++ // an answer's type is one more
	m.Tag = r.tag
	switch r.op {
	case opAttach:
		m.Fcall = Fcall{Type: Rattach, Tag: r.tag, Qid: r.qid}
	case opOpen, opCreate:
		m.Qid, m.Iounit = r.qid, uint32(r.n)
	case opMkdir, opGetattr:
		m.Qid = r.qid
	}
	return m.Append(b)
}

func (p2000L) fail(b []byte, tag uint16, err error) []byte {
	_, no := asError(err)
	if no == 0 {
		no = ErrIO.Errno
	}
	m := Lcall{Fcall: Fcall{Type: Rlerror, Tag: tag}, Ecode: no}
	b, _ = m.Append(b) // has no strings
	return b
}

// shape leaves of a qid what Linux knows, and says by version 0 that nothing
// of the file is to be cached: it is made as it is read.
func (p2000L) shape(s *Stat) {
	s.Qid.Type = uint8(s.Mode>>24) & (QTDIR | QTSYMLINK)
	s.Qid.Vers = 0
}

func (p2000L) print(frame []byte) string {
	var m Lcall
	if err := m.Decode(frame); err != nil && m.Type == 0 {
		return err.Error()
	}
	return m.String()
}

// kind is the type of s's file as stat(2) has it.
func kind(s *Stat) p9.FileMode {
	switch {
	case s.Mode&DMDIR != 0:
		return p9.ModeDirectory
	case s.Mode&DMSYMLINK != 0:
		return p9.ModeSymlink
	}
	return p9.ModeRegular
}
