package ninep

// p2000 is the dialect 9P2000. See intro(5).
type p2000 struct{}

func (p2000) decode(frame []byte, r *request) error {
	m := &r.msg
	err := m.Decode(frame)
	if err == ErrFrame {
		return err
	}
	r.tag = m.Tag
	r.num = m.Fid
	r.nuname = NoUid
	switch m.Type {
	case Tversion:
		r.op, r.msize, r.uname = opVersion, m.Msize, m.Version
	case Tauth:
		r.op = opAuth
	case Tattach:
		r.op, r.auth, r.uname, r.aname = opAttach, m.Afid, m.Uname, m.Aname
	case Tflush:
		r.op, r.oldTag = opFlush, m.Oldtag
	case Twalk:
		r.op, r.newNum = opWalk, m.Newfid
		r.names = append(r.names[:0], m.Wname...)
	case Topen:
		r.op, r.mode = opOpen, m.Mode
	case Tcreate:
		r.op, r.name, r.perm, r.mode = opCreate, m.Name, m.Perm, m.Mode
	case Tread:
		r.op, r.offset, r.count = opRead, m.Offset, m.Count
	case Twrite:
		r.op, r.offset, r.data = opWrite, m.Offset, m.Data
	case Tclunk:
		r.op = opClunk
	case Tremove:
		r.op = opRemove
	case Tstat:
		r.op = opStat
	case Twstat:
		r.op = opWstat
		if err == nil {
			r.change, err = DecodeStatChange(m.Stat)
		}
	default:
		return ErrFrame // an R-message
	}
	return err
}

func (p2000) answer(b []byte, r *request) ([]byte, error) {
	m := &r.msg
	*m = Fcall{Tag: r.tag, Wname: m.Wname, Wqid: m.Wqid}
	switch r.op {
	case opAttach:
		m.Type, m.Qid = Rattach, r.qid
	case opFlush:
		m.Type = Rflush
	case opWalk:
		m.Type, m.Wqid = Rwalk, append(m.Wqid[:0], r.qids...)
	case opOpen:
		m.Type, m.Qid, m.Iounit = Ropen, r.qid, uint32(r.n)
	case opCreate:
		m.Type, m.Qid, m.Iounit = Rcreate, r.qid, uint32(r.n)
	case opWrite:
		m.Type, m.Count = Rwrite, uint32(r.n)
	case opClunk:
		m.Type = Rclunk
	case opRemove:
		m.Type = Rremove
	case opStat:
		m.Type, m.Stat = Rstat, AppendStat(nil, &r.stat)
	case opWstat:
		m.Type = Rwstat
	}
	return m.Append(b)
}

func (p2000) fail(b []byte, tag uint16, err error) []byte {
	text, _ := asError(err)
	m := Fcall{Type: Rerror, Tag: tag, Ename: text}
	b, _ = m.Append(b) // text is short
	return b
}

// shape shows a symbolic link as a directory: 9P2000 has no links.
func (p2000) shape(s *Stat) {
	if s.Mode&DMSYMLINK != 0 {
		s.Mode = s.Mode&^DMSYMLINK | DMDIR
		s.Length = 0
	}
	s.Qid.Type = uint8(s.Mode >> 24)
}

func (p2000) print(frame []byte) string {
	var m Fcall
	if err := m.Decode(frame); err != nil && m.Type == 0 {
		return err.Error()
	}
	return m.String()
}
