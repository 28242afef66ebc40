//go:build linux

package fuse

import (
	"os"
	"os/user"
	"strconv"
	"sync"

	gofuse "github.com/hanwen/go-fuse/v2/fuse"
	"golang.org/x/sys/unix"

	"llama9/ninep"
)

// nobody is the number of users that have none here.
const nobody = 65534

// An ids gives numbers to the server's users and groups. The one who is
// attached is this process's, whatever he is called.
type ids struct {
	uname string

	mu    sync.Mutex // guards below
	users map[string]uint32
	group map[string]uint32
}

func (i *ids) uid(name string) uint32 {
	if name == i.uname {
		return uint32(os.Geteuid())
	}
	return i.find(&i.users, name, func() (string, error) {
		u, err := user.Lookup(name)
		if err != nil {
			return "", err
		}
		return u.Uid, nil
	})
}

func (i *ids) gid(name string) uint32 {
	if name == i.uname {
		return uint32(os.Getegid())
	}
	return i.find(&i.group, name, func() (string, error) {
		g, err := user.LookupGroup(name)
		if err != nil {
			return "", err
		}
		return g.Gid, nil
	})
}

// find looks a name up once.
func (i *ids) find(known *map[string]uint32, name string, lookup func() (string, error)) uint32 {
	i.mu.Lock()
	defer i.mu.Unlock()
	if id, ok := (*known)[name]; ok {
		return id
	}
	id := uint32(nobody)
	text, err := lookup()
	if err != nil {
		text = name // a server writes a user that has no name as a number
	}
	if n, err := strconv.ParseUint(text, 10, 32); err == nil {
		id = uint32(n)
	}
	if *known == nil || len(*known) > 1<<12 {
		*known = make(map[string]uint32)
	}
	(*known)[name] = id
	return id
}

// userName is the server's name for a number of a chown.
func (i *ids) userName(id uint32) string {
	if id == uint32(os.Geteuid()) && i.uname != "" {
		return i.uname
	}
	n := strconv.FormatUint(uint64(id), 10)
	if u, err := user.LookupId(n); err == nil {
		return u.Username
	}
	return n
}

func (i *ids) groupName(id uint32) string {
	n := strconv.FormatUint(uint64(id), 10)
	if g, err := user.LookupGroupId(n); err == nil {
		return g.Name
	}
	return n
}

// inode is the number of the file with this qid: 0 is none, and the largest
// one belongs to go-fuse.
func inode(q ninep.Qid) uint64 {
	if q.Path == 0 || q.Path == ^uint64(0) {
		return ^uint64(0) - 1
	}
	return q.Path
}

func isDir(q ninep.Qid) bool { return q.Type&ninep.QTDIR != 0 }

// fileMode is a mode as stat(2) has it. Exclusive and append-only files have
// no bit there.
func fileMode(m uint32) uint32 {
	switch {
	case m&ninep.DMDIR != 0:
		return unix.S_IFDIR | m&0o777
	default:
		return unix.S_IFREG | m&0o777
	}
}

// attr fills in what stat(2) shows. One link, for a directory too, tells
// find(1) not to count subdirectories.
func (f *fileSystem) attr(s *ninep.Stat, out *gofuse.Attr) {
	*out = gofuse.Attr{
		Ino: inode(s.Qid), Size: s.Length, Blocks: (s.Length + 511) / 512,
		Atime: uint64(s.Atime.Unix()), Atimensec: uint32(s.Atime.Nanosecond()),
		Mtime: uint64(s.Mtime.Unix()), Mtimensec: uint32(s.Mtime.Nanosecond()),
		Ctime: uint64(s.Mtime.Unix()), Ctimensec: uint32(s.Mtime.Nanosecond()),
		Mode: fileMode(s.Mode), Nlink: 1,
		Owner: gofuse.Owner{Uid: f.ids.uid(s.Uid), Gid: f.ids.gid(s.Gid)},
	}
}
