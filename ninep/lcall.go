package ninep

import "github.com/hugelgupf/p9/p9"

// The types of 9P2000.L's own messages, as Linux's include/net/9p/9p.h has
// them. Those for versions, walks, reads, writes, clunks, removes and flushes
// are 9P2000's.
const (
	tlerror      = 6 // does not exist
	Rlerror      = 7
	Tstatfs      = 8
	Rstatfs      = 9
	Tlopen       = 12
	Rlopen       = 13
	Tlcreate     = 14
	Rlcreate     = 15
	Tsymlink     = 16
	Rsymlink     = 17
	Tmknod       = 18
	Rmknod       = 19
	Trename      = 20
	Rrename      = 21
	Treadlink    = 22
	Rreadlink    = 23
	Tgetattr     = 24
	Rgetattr     = 25
	Tsetattr     = 26
	Rsetattr     = 27
	Txattrwalk   = 30
	Rxattrwalk   = 31
	Txattrcreate = 32
	Rxattrcreate = 33
	Treaddir     = 40
	Rreaddir     = 41
	Tfsync       = 50
	Rfsync       = 51
	Tlock        = 52
	Rlock        = 53
	Tgetlock     = 54
	Rgetlock     = 55
	Tlink        = 70
	Rlink        = 71
	Tmkdir       = 72
	Rmkdir       = 73
	Trenameat    = 74
	Rrenameat    = 75
	Tunlinkat    = 76
	Runlinkat    = 77
)

// The bits of Tlopen's and Tlcreate's flags: Linux's P9_DOTL_ constants, which
// are open(2)'s of x86. The low two are the access.
const (
	lAccess    = 3
	lTrunc     = 01000
	lNonblock  = 04000
	lDirectory = 0200000
	lNofollow  = 0400000
)

// atRemovedir is the flag of Tunlinkat that asks for rmdir(2).
const atRemovedir = 0x200

// The bits of Tgetattr's mask. See P9_STATS_BASIC.
const getattrBasic = 0x7ff // mode to blocks: what stat(2) has

// The bits of Tsetattr's valid. See P9_ATTR_MODE and what follows it.
const (
	setMode = 1 << iota
	setUid
	setGid
	setSize
	setAtime
	setMtime
	setCtime
	setAtimeTo // to what is given, else to now
	setMtimeTo
	setAll = 1<<iota - 1
)

// An Lcall is a message of 9P2000.L. Type says which of the fields are meant;
// what a message shares with 9P2000's is where that has it. See diod's
// protocol.md and Linux's net/9p/client.c.
type Lcall struct {
	Fcall // Perm is the mode of Tlcreate, Tmkdir, Tmknod; Data the entries of Rreaddir, see Dirent

	Ecode    uint32 // Rlerror
	NUname   uint32 // Tauth, Tattach: a user's number, or NoUid
	Flags    uint32 // Tlopen, Tlcreate, Tunlinkat, Txattrcreate, Tlock
	Gid      uint32 // Tlcreate, Tmkdir, Tmknod, Tsymlink
	Target   string // Tsymlink, Rreadlink
	Dfid     uint32 // Tlink, Trename, Trenameat: the other directory
	Newname  string // Trenameat
	Major    uint32 // Tmknod
	Minor    uint32 // Tmknod
	Mask     uint64 // Tgetattr, Rgetattr
	Attr     p9.Attr
	Valid    uint32 // Tsetattr
	SetAttr  p9.SetAttr
	FSStat   p9.FSStat
	Size     uint64 // Rxattrwalk, Txattrcreate
	Datasync uint32 // Tfsync
	LockType uint8  // Tlock, Tgetlock, Rgetlock
	Start    uint64 // these too
	Length   uint64 // 0 is to the end
	Proc     uint32
	Client   string
	Status   uint8 // Rlock
}

// A Dirent is an entry of an Rreaddir's data.
type Dirent struct {
	Qid    Qid
	Offset uint64 // of the next entry
	Type   uint8  // as getdents(2) has it: 4 a directory, 8 a file, 10 a symbolic link
	Name   string
}
