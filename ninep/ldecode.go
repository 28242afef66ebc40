package ninep

import (
	"encoding/binary"
	"errors"
)

// An lfield is a field of a message of 9P2000.L. at gives where an Lcall has
// it: a *uint8, *uint16, *uint32, *uint64, *string, *Qid or *[]byte.
type lfield struct {
	name string
	base int // numbers are printed in it
	at   func(*Lcall) any
}

var (
	lfid      = lfield{"fid", 10, func(l *Lcall) any { return &l.Fid }}
	lafid     = lfield{"afid", 10, func(l *Lcall) any { return &l.Afid }}
	lnewfid   = lfield{"newfid", 10, func(l *Lcall) any { return &l.Newfid }}
	ldfid     = lfield{"dfid", 10, func(l *Lcall) any { return &l.Dfid }}
	luname    = lfield{"uname", 10, func(l *Lcall) any { return &l.Uname }}
	laname    = lfield{"aname", 10, func(l *Lcall) any { return &l.Aname }}
	lnuname   = lfield{"n_uname", 10, func(l *Lcall) any { return &l.NUname }}
	lname     = lfield{"name", 10, func(l *Lcall) any { return &l.Name }}
	lnewname  = lfield{"newname", 10, func(l *Lcall) any { return &l.Newname }}
	ltarget   = lfield{"target", 10, func(l *Lcall) any { return &l.Target }}
	lecode    = lfield{"ecode", 10, func(l *Lcall) any { return &l.Ecode }}
	lqid      = lfield{"qid", 10, func(l *Lcall) any { return &l.Qid }}
	liounit   = lfield{"iounit", 10, func(l *Lcall) any { return &l.Iounit }}
	lflags    = lfield{"flags", 8, func(l *Lcall) any { return &l.Flags }}
	lperm     = lfield{"mode", 8, func(l *Lcall) any { return &l.Perm }}
	lgid      = lfield{"gid", 10, func(l *Lcall) any { return &l.Gid }}
	lmajor    = lfield{"major", 10, func(l *Lcall) any { return &l.Major }}
	lminor    = lfield{"minor", 10, func(l *Lcall) any { return &l.Minor }}
	lmask     = lfield{"mask", 16, func(l *Lcall) any { return &l.Mask }}
	lvalid    = lfield{"valid", 16, func(l *Lcall) any { return &l.Valid }}
	loffset   = lfield{"offset", 10, func(l *Lcall) any { return &l.Offset }}
	lcount    = lfield{"count", 10, func(l *Lcall) any { return &l.Count }}
	ldata     = lfield{"count", 10, func(l *Lcall) any { return &l.Data }}
	lsize     = lfield{"size", 10, func(l *Lcall) any { return &l.Size }}
	ldatasync = lfield{"datasync", 10, func(l *Lcall) any { return &l.Datasync }}
	llocktype = lfield{"type", 10, func(l *Lcall) any { return &l.LockType }}
	lstart    = lfield{"start", 10, func(l *Lcall) any { return &l.Start }}
	llength   = lfield{"length", 10, func(l *Lcall) any { return &l.Length }}
	lproc     = lfield{"proc", 10, func(l *Lcall) any { return &l.Proc }}
	lclient   = lfield{"client", 10, func(l *Lcall) any { return &l.Client }}
	lstatus   = lfield{"status", 10, func(l *Lcall) any { return &l.Status }}
)

// lattr are the fields of an Rgetattr behind its qid.
var lattr = []lfield{
	{"mode", 8, func(l *Lcall) any { return (*uint32)(&l.Attr.Mode) }},
	{"uid", 10, func(l *Lcall) any { return (*uint32)(&l.Attr.UID) }},
	{"gid", 10, func(l *Lcall) any { return (*uint32)(&l.Attr.GID) }},
	{"nlink", 10, func(l *Lcall) any { return (*uint64)(&l.Attr.NLink) }},
	{"rdev", 10, func(l *Lcall) any { return (*uint64)(&l.Attr.RDev) }},
	{"size", 10, func(l *Lcall) any { return &l.Attr.Size }},
	{"blksize", 10, func(l *Lcall) any { return &l.Attr.BlockSize }},
	{"blocks", 10, func(l *Lcall) any { return &l.Attr.Blocks }},
	{"atime", 10, func(l *Lcall) any { return &l.Attr.ATimeSeconds }},
	{"atime_nsec", 10, func(l *Lcall) any { return &l.Attr.ATimeNanoSeconds }},
	{"mtime", 10, func(l *Lcall) any { return &l.Attr.MTimeSeconds }},
	{"mtime_nsec", 10, func(l *Lcall) any { return &l.Attr.MTimeNanoSeconds }},
	{"ctime", 10, func(l *Lcall) any { return &l.Attr.CTimeSeconds }},
	{"ctime_nsec", 10, func(l *Lcall) any { return &l.Attr.CTimeNanoSeconds }},
	{"btime", 10, func(l *Lcall) any { return &l.Attr.BTimeSeconds }},
	{"btime_nsec", 10, func(l *Lcall) any { return &l.Attr.BTimeNanoSeconds }},
	{"gen", 10, func(l *Lcall) any { return &l.Attr.Gen }},
	{"data_version", 10, func(l *Lcall) any { return &l.Attr.DataVersion }},
}

// lsetattr are the fields of a Tsetattr behind its valid.
var lsetattr = []lfield{
	{"mode", 8, func(l *Lcall) any { return (*uint32)(&l.SetAttr.Permissions) }},
	{"uid", 10, func(l *Lcall) any { return (*uint32)(&l.SetAttr.UID) }},
	{"gid", 10, func(l *Lcall) any { return (*uint32)(&l.SetAttr.GID) }},
	{"size", 10, func(l *Lcall) any { return &l.SetAttr.Size }},
	{"atime", 10, func(l *Lcall) any { return &l.SetAttr.ATimeSeconds }},
	{"atime_nsec", 10, func(l *Lcall) any { return &l.SetAttr.ATimeNanoSeconds }},
	{"mtime", 10, func(l *Lcall) any { return &l.SetAttr.MTimeSeconds }},
	{"mtime_nsec", 10, func(l *Lcall) any { return &l.SetAttr.MTimeNanoSeconds }},
}

// lstatfs are the fields of an Rstatfs.
var lstatfs = []lfield{
	{"type", 16, func(l *Lcall) any { return &l.FSStat.Type }},
	{"bsize", 10, func(l *Lcall) any { return &l.FSStat.BlockSize }},
	{"blocks", 10, func(l *Lcall) any { return &l.FSStat.Blocks }},
	{"bfree", 10, func(l *Lcall) any { return &l.FSStat.BlocksFree }},
	{"bavail", 10, func(l *Lcall) any { return &l.FSStat.BlocksAvailable }},
	{"files", 10, func(l *Lcall) any { return &l.FSStat.Files }},
	{"ffree", 10, func(l *Lcall) any { return &l.FSStat.FilesFree }},
	{"fsid", 10, func(l *Lcall) any { return &l.FSStat.FSID }},
	{"namelen", 10, func(l *Lcall) any { return &l.FSStat.NameLength }},
}

// An lform is the name of a message that is 9P2000.L's own, and its fields in
// order. One without a name does not exist, or is 9P2000's.
type lform struct {
	name   string
	fields []lfield
}

var lforms = [...]lform{
	Rlerror:      {"Rlerror", []lfield{lecode}},
	Tstatfs:      {"Tstatfs", []lfield{lfid}},
	Rstatfs:      {"Rstatfs", lstatfs},
	Tlopen:       {"Tlopen", []lfield{lfid, lflags}},
	Rlopen:       {"Rlopen", []lfield{lqid, liounit}},
	Tlcreate:     {"Tlcreate", []lfield{lfid, lname, lflags, lperm, lgid}},
	Rlcreate:     {"Rlcreate", []lfield{lqid, liounit}},
	Tsymlink:     {"Tsymlink", []lfield{lfid, lname, ltarget, lgid}},
	Rsymlink:     {"Rsymlink", []lfield{lqid}},
	Tmknod:       {"Tmknod", []lfield{lfid, lname, lperm, lmajor, lminor, lgid}},
	Rmknod:       {"Rmknod", []lfield{lqid}},
	Trename:      {"Trename", []lfield{lfid, ldfid, lname}},
	Rrename:      {"Rrename", nil},
	Treadlink:    {"Treadlink", []lfield{lfid}},
	Rreadlink:    {"Rreadlink", []lfield{ltarget}},
	Tgetattr:     {"Tgetattr", []lfield{lfid, lmask}},
	Rgetattr:     {"Rgetattr", append([]lfield{lmask, lqid}, lattr...)},
	Tsetattr:     {"Tsetattr", append([]lfield{lfid, lvalid}, lsetattr...)},
	Rsetattr:     {"Rsetattr", nil},
	Txattrwalk:   {"Txattrwalk", []lfield{lfid, lnewfid, lname}},
	Rxattrwalk:   {"Rxattrwalk", []lfield{lsize}},
	Txattrcreate: {"Txattrcreate", []lfield{lfid, lname, lsize, lflags}},
	Rxattrcreate: {"Rxattrcreate", nil},
	Treaddir:     {"Treaddir", []lfield{lfid, loffset, lcount}},
	Rreaddir:     {"Rreaddir", []lfield{ldata}},
	Tfsync:       {"Tfsync", []lfield{lfid, ldatasync}},
	Rfsync:       {"Rfsync", nil},
	Tlock:        {"Tlock", []lfield{lfid, llocktype, lflags, lstart, llength, lproc, lclient}},
	Rlock:        {"Rlock", []lfield{lstatus}},
	Tgetlock:     {"Tgetlock", []lfield{lfid, llocktype, lstart, llength, lproc, lclient}},
	Rgetlock:     {"Rgetlock", []lfield{llocktype, lstart, llength, lproc, lclient}},
	Tlink:        {"Tlink", []lfield{ldfid, lfid, lname}},
	Rlink:        {"Rlink", nil},
	Tmkdir:       {"Tmkdir", []lfield{lfid, lname, lperm, lgid}},
	Rmkdir:       {"Rmkdir", []lfield{lqid}},
	Trenameat:    {"Trenameat", []lfield{lfid, lname, ldfid, lnewname}},
	Rrenameat:    {"Rrenameat", nil},
	Tunlinkat:    {"Tunlinkat", []lfield{lfid, lname, lflags}},
	Runlinkat:    {"Runlinkat", nil},
	Tauth:        {"Tauth", []lfield{lafid, luname, laname, lnuname}},
	Tattach:      {"Tattach", []lfield{lfid, lafid, luname, laname, lnuname}},
}

// formOf gives the form of a message that is 9P2000.L's own.
func formOf(typ uint8) (form lform, ok bool) {
	if int(typ) >= len(lforms) || lforms[typ].name == "" {
		return lform{}, false
	}
	return lforms[typ], true
}

// errNotL is the answer to the messages of 9P2000 that 9P2000.L has others for.
var errNotL = &Error{"no message of 9P2000.L", 95}

// Decode reads one whole frame, by the rules of Fcall.Decode.
func (l *Lcall) Decode(frame []byte) error {
	wname, wqid := l.Wname[:0], l.Wqid[:0]
	*l = Lcall{}
	l.Wname, l.Wqid = wname, wqid
	if len(frame) < HeaderSize {
		return ErrFrame
	}
	form, own := formOf(frame[4])
	if !own {
		err := l.Fcall.Decode(frame)
		switch l.Type {
		case Topen, Ropen, Tcreate, Rcreate, Tstat, Rstat, Twstat, Rwstat, Rerror:
			if err == nil {
				err = errNotL
			}
		}
		return err
	}
	if uint64(binary.LittleEndian.Uint32(frame)) != uint64(len(frame)) {
		return ErrFrame
	}
	l.Type = frame[4]
	l.Tag = binary.LittleEndian.Uint16(frame[5:])
	r := reader{b: frame[HeaderSize:]}
	for _, f := range form.fields {
		switch p := f.at(l).(type) {
		case *uint8:
			*p = r.u8()
		case *uint32:
			// Before Linux 3.0, and in hugelgupf/p9, there is no datasync.
			if p != &l.Datasync || len(r.b) > 0 {
				*p = r.u32()
			}
		case *uint64:
			*p = r.u64()
		case *string:
			*p = r.str()
		case *Qid:
			*p = r.qid()
		case *[]byte:
			*p = r.bytes(uint64(r.u32()))
		}
	}
	if r.err == nil && len(r.b) > 0 {
		return errLong
	}
	if r.err != nil {
		return r.err
	}
	return nil
}

// Append adds the frame of l to b, by the rules of Fcall.Append.
func (l *Lcall) Append(b []byte) ([]byte, error) {
	form, own := formOf(l.Type)
	if !own {
		return l.Fcall.Append(b)
	}
	le := binary.LittleEndian
	start := len(b)
	b = append(b, 0, 0, 0, 0, l.Type)
	b = le.AppendUint16(b, l.Tag)
	for _, f := range form.fields {
		switch p := f.at(l).(type) {
		case *uint8:
			b = append(b, *p)
		case *uint32:
			b = le.AppendUint32(b, *p)
		case *uint64:
			b = le.AppendUint64(b, *p)
		case *string:
			if len(*p) > 65535 {
				return b[:start], errTooLong
			}
			b = appendString(b, *p)
		case *Qid:
			b = appendQid(b, *p)
		case *[]byte:
			b = le.AppendUint32(b, uint32(len(*p)))
			b = append(b, *p...)
		}
	}
	le.PutUint32(b[start:], uint32(len(b)-start))
	return b, nil
}

// AppendDirent adds d to the data of an Rreaddir.
func AppendDirent(b []byte, d *Dirent) []byte {
	b = appendQid(b, d.Qid)
	b = binary.LittleEndian.AppendUint64(b, d.Offset)
	b = append(b, d.Type)
	return appendString(b, cut(d.Name))
}

// direntSize is how many bytes AppendDirent adds for a name.
func direntSize(name string) int { return 13 + 8 + 1 + 2 + len(cut(name)) }

var errDirent = errors.New("bad entry of a directory")

// DecodeDirent reads the first entry of an Rreaddir's data and gives what is
// behind it.
func DecodeDirent(b []byte) (d Dirent, rest []byte, err error) {
	r := reader{b: b}
	d = Dirent{r.qid(), r.u64(), r.u8(), r.str()}
	if r.err != nil {
		return Dirent{}, nil, errDirent
	}
	return d, r.b, nil
}
