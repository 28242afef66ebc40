package ninep

import (
	"context"
	"time"
)

// A Qid is the server's name for a file: two files are the same only if their
// Paths are. See intro(5).
type Qid struct {
	Type uint8 // QTDIR, ...: the top eight bits of Stat.Mode
	Vers uint32
	Path uint64
}

// Qid types. See intro(5); QTSYMLINK is of 9P2000.L.
const (
	QTDIR     = 0x80
	QTAPPEND  = 0x40
	QTEXCL    = 0x20
	QTTMP     = 0x04
	QTSYMLINK = 0x02
	QTFILE    = 0x00
)

// Mode bits of Stat.Mode above the nine permission bits. See stat(5).
const (
	DMDIR     = 0x80000000
	DMAPPEND  = 0x40000000
	DMEXCL    = 0x20000000
	DMTMP     = 0x04000000
	DMSYMLINK = 0x02000000
)

// An OpenMode is the mode of an open or create. See open(5).
type OpenMode uint8

// Open modes. The low two bits are the access, the others flags.
const (
	OREAD   OpenMode = 0
	OWRITE  OpenMode = 1
	ORDWR   OpenMode = 2
	OEXEC   OpenMode = 3
	OTRUNC  OpenMode = 0x10
	ORCLOSE OpenMode = 0x40
)

// Readable says whether a file opened with m may be read.
func (m OpenMode) Readable() bool { return m&3 != OWRITE }

// Writable says whether a file opened with m may be written.
func (m OpenMode) Writable() bool { return m&3 == OWRITE || m&3 == ORDWR }

// A Stat describes a file, free of dialect. See stat(5).
type Stat struct {
	Qid    Qid
	Mode   uint32 // DMDIR, ... and permissions
	Atime  time.Time
	Mtime  time.Time
	Length uint64 // 0 for directories, and for files that block or are made on reading
	Name   string // the last element; "/" for the root
	Uid    string
	Gid    string
	Muid   string
}

// A StatChange is what a Twstat or Tsetattr asks for: nil is "leave alone".
// A change with no field set asks for a sync only.
type StatChange struct {
	Mode   *uint32
	Length *uint64
	Atime  *time.Time
	Mtime  *time.Time
	Name   *string
	Uid    *string
	Gid    *string
}

// A Node is a file or directory of a served tree. It is what a fid names
// before it is opened; what more it can do it says by the optional interfaces
// below. Its methods may be called from many goroutines at once.
//
// The engine has checked permissions (by Stat and the attach's user) before it
// calls Walk, Open, Create, Remove or Wstat, and answers ".." itself. A ctx is
// that of one request: it is not for use after the call. A method that may take
// long waits on ctx.Done; one that neither waits nor asks for Done is run
// without a change of goroutine.
type Node interface {
	// Stat describes the file; Stat.Qid.Path never changes in a Node's life.
	Stat(ctx context.Context) (Stat, error)
}

// A Walker is a directory: Walk finds the entry called name, which is valid
// (no slash, no NUL, not empty, not "." or ".."). See walk(5).
type Walker interface {
	Walk(ctx context.Context, name string) (Node, error)
}

// An Opener is a file that can be opened. A Node without it is refused with
// ErrPermission. Directories are opened OREAD only and give a DirReader.
type Opener interface {
	Open(ctx context.Context, mode OpenMode) (Handle, error)
}

// A Creator is a directory that files can be created in. See open(5).
type Creator interface {
	Create(ctx context.Context, name string, perm uint32, mode OpenMode) (Node, Handle, error)
}

// A Remover is a file that can be removed. The engine has seen that the user
// may write in the directory that it is in. See remove(5).
type Remover interface {
	Remove(ctx context.Context) error
}

// A Setter is a file of which something can be changed by Twstat or Tsetattr.
// Without it the engine accepts what changes nothing and, on a file whose
// permissions let the user write, a length of 0 and times (every shell
// redirection sends them); all else is ErrPermission.
type Setter interface {
	Wstat(ctx context.Context, c StatChange) error
}

// A Linker is a symbolic link (Mode has DMSYMLINK) in 9P2000.L. A Node that is
// one also is a Walker to the target's files, for 9P2000, which has no links:
// there the engine shows it as a directory, and it is an Opener that gives a
// DirReader.
type Linker interface {
	Readlink(ctx context.Context) (string, error)
}

// A Handle is an open file. The engine calls Close exactly once, also when
// the client hangs up, and after it no other method. Calls of WriteAt are in
// order of arrival, one at a time; ReadAt may run beside them and beside
// other ReadAts. A Handle is a Reader, a Writer, or a DirReader as well,
// as its mode asks.
type Handle interface {
	// Close ends the use of the file: commits what was written, where the
	// file commits at the clunk. ctx is done soon if the connection was
	// lost, and then Cause is ErrHangup: such a Close commits nothing.
	Close(ctx context.Context) error
}

// A Reader is a Handle opened for reading a file. ReadAt fills p from offset
// off and returns what is there, perhaps less; 0, nil is the end of the file.
type Reader interface {
	ReadAt(ctx context.Context, p []byte, off int64) (int, error)
}

// A Waiter is a Reader that blocks. The engine calls Wait before ReadAt, with
// no buffer held, so that a blocked read costs no buffer; ReadAt may then
// still block, if another reader was faster. Ready says, without blocking,
// whether a ReadAt at off would return now (data, the end or an error).
type Waiter interface {
	Wait(ctx context.Context, off int64) error
	Ready(off int64) bool
}

// A Notifier is a Waiter that can call back, so that a read that blocks costs
// no goroutine. Where Ready says true its ReadAt does not block, and this stays
// so: what one reader was given another one gets too. The engine then calls
// Notify in place of Wait.
type Notifier interface {
	Waiter
	// Notify says what Ready says. Where that is false it wakes w, once,
	// when it may be true; w may then come again.
	Notify(off int64, w Waker) (ready bool)
	// Forget takes back w: after it w is not woken any more. It may be
	// called for one that was woken, or never given.
	Forget(w Waker)
}

// A Waker is what a Notifier wakes. Wake does not block and calls nothing of
// the file, so that locks may be held.
type Waker interface{ Wake() }

// A Fetcher is a Waiter that must know how much is asked for in order to wait,
// as one that asks another server does. The engine calls Fetch instead of Wait;
// the ReadAt that follows asks for count bytes too.
type Fetcher interface {
	Waiter
	Fetch(ctx context.Context, off int64, count int) error
}

// A Writer is a Handle opened for writing. It keeps no reference to p.
type Writer interface {
	WriteAt(ctx context.Context, p []byte, off int64) (int, error)
}

// A DirReader is a Handle of a directory. ReadDir gives all its entries, in a
// stable order; the engine calls it when a client reads at offset 0 and cuts
// the snapshot to whole entries.
type DirReader interface {
	ReadDir(ctx context.Context) ([]Stat, error)
}

// An Attach says who asks for a tree, and for which one. See attach(5).
type Attach struct {
	// User is who the files are opened for: the peer's login name where the
	// transport knows it (Known), else who NUname is in this machine's
	// passwd, or NUname in decimal, else Uname, else "none".
	User   string
	Known  bool   // User comes from the peer's credentials, not from a claim
	Uname  string // as sent
	Aname  string // as sent; a path of names below the root, "" is the root
	NUname uint32 // NoUid unless 9P2000.L
	Peer   string // the remote address, for logs
}

// NoUid is the number that stands for no user in 9P2000.L.
const NoUid = ^uint32(0)

// An FS is a tree, or a family of trees, to serve.
type FS interface {
	// Attach gives the root for a; the engine then walks down to a.Aname,
	// which becomes the root that the client sees. ctx ends with the session.
	Attach(ctx context.Context, a *Attach) (Node, error)
}
