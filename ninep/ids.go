package ninep

import (
	"os/user"
	"strconv"
	"sync"
	"time"
)

// nobody is the number of a user or group that this machine does not know.
// See the overflow ids of user_namespaces(7).
const nobody = 65534

// ids are the numbers of users and groups in 9P2000.L, by this machine's
// passwd(5) and group(5). Finding one may cost a question to a directory
// service, so they are kept for a while.
type ids struct {
	mu    sync.Mutex // guards below
	since time.Time
	uids  map[string]uint32
	gids  map[string]uint32
}

const (
	idsTime = time.Minute
	idsMost = 4096
)

// uid is the number of a user. A name that is a number is that, as for users
// who attach by a number that has no name.
func (i *ids) uid(name string) uint32 {
	return i.find(name, func() map[string]uint32 { return i.uids }, func() (string, error) {
		u, err := user.Lookup(name)
		if err != nil {
			return "", err
		}
		return u.Uid, nil
	})
}

// gid is the number of a group.
func (i *ids) gid(name string) uint32 {
	return i.find(name, func() map[string]uint32 { return i.gids }, func() (string, error) {
		g, err := user.LookupGroup(name)
		if err != nil {
			return "", err
		}
		return g.Gid, nil
	})
}

func (i *ids) find(name string, known func() map[string]uint32, lookup func() (string, error)) uint32 {
	i.mu.Lock()
	if now := time.Now(); i.uids == nil || now.Sub(i.since) > idsTime || len(known()) >= idsMost {
		i.since, i.uids, i.gids = now, make(map[string]uint32), make(map[string]uint32)
	}
	n, ok := known()[name]
	i.mu.Unlock()
	if ok {
		return n
	}
	id, err := lookup()
	if err != nil {
		id = name
	}
	n = nobody
	if v, err := strconv.ParseUint(id, 10, 32); err == nil && uint32(v) != NoUid {
		n = uint32(v)
	}
	i.mu.Lock()
	known()[name] = n
	i.mu.Unlock()
	return n
}

// user is the name of a user, or else the number.
func (i *ids) user(uid uint32) string { return loginName(uid) }

// group is the name of a group, or else the number.
func (i *ids) group(gid uint32) string {
	id := strconv.FormatUint(uint64(gid), 10)
	if g, err := user.LookupGroupId(id); err == nil && g.Name != "" {
		return g.Name
	}
	return id
}
