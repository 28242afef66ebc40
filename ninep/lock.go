package ninep

import (
	"math"
	"sync"
)

// Locks are advisory, as fcntl(2) and flock(2) have them: they bind who asks
// for them, through whatever connection.

// Types of a lock, and what an Rlock says. See P9_LOCK_TYPE_RDLCK and
// P9_LOCK_SUCCESS.
const (
	lockRead = iota
	lockWrite
	lockNone
)

const (
	lockDone = iota
	lockBlocked
	lockFailed
)

// maxLocks is how many locks one file can have.
const maxLocks = 1024

// A holder of locks is a process of a client.
type lockOwner struct {
	c      *conn
	client string
	proc   uint32
}

// A lock is on the bytes of a file from start up to, without, end.
type lock struct {
	owner      lockOwner
	by         *openFile // whose clunk ends it
	write      bool
	start, end uint64
}

func (l *lock) over(m *lock) bool { return l.start < m.end && m.start < l.end }

// locks are those of a Server, by qid.path.
type locks struct {
	mu   sync.Mutex // guards below
	held map[uint64][]lock
}

// set puts l on the file, or for none takes what is there of l's owner away,
// and says what an Rlock says.
func (t *locks) set(path uint64, l lock, none bool) uint8 {
	t.mu.Lock()
	defer t.mu.Unlock()
	if !none && t.rival(path, &l) != nil {
		return lockBlocked
	}
	var kept []lock
	for _, h := range t.held[path] {
		if h.owner != l.owner || !h.over(&l) {
			kept = append(kept, h)
			continue
		}
		// What l leaves of an earlier lock.
		if left := h; h.start < l.start {
			left.end = l.start
			kept = append(kept, left)
		}
		if right := h; h.end > l.end {
			right.start = l.end
			kept = append(kept, right)
		}
	}
	if !none {
		kept = append(kept, l)
	}
	if len(kept) > maxLocks {
		return lockFailed
	}
	t.put(path, kept)
	return lockDone
}

func (t *locks) put(path uint64, l []lock) {
	if t.held == nil {
		t.held = make(map[uint64][]lock)
	}
	if len(l) == 0 {
		delete(t.held, path)
	} else {
		t.held[path] = l
	}
}

// rival gives a lock of another owner that keeps l off. t.mu is held.
func (t *locks) rival(path uint64, l *lock) *lock {
	for i := range t.held[path] {
		if h := &t.held[path][i]; h.owner != l.owner && (h.write || l.write) && h.over(l) {
			return h
		}
	}
	return nil
}

// drop takes away the locks that o's file got by o.
func (t *locks) drop(o *openFile) {
	t.mu.Lock()
	defer t.mu.Unlock()
	var kept []lock
	for _, h := range t.held[o.locked] {
		if h.by != o {
			kept = append(kept, h)
		}
	}
	t.put(o.locked, kept)
}

// asked makes a lock of a Tlock or Tgetlock.
func (c *conn) asked(r *request) (l lock, err error) {
	m := r.l
	if r.open == nil {
		return l, errOpenFid
	}
	if m.LockType > lockNone {
		return l, ErrInvalid
	}
	l = lock{owner: lockOwner{c, m.Client, m.Proc}, by: r.open, write: m.LockType == lockWrite,
		start: m.Start, end: m.Start + m.Length}
	if m.Length == 0 || l.end < m.Start {
		l.end = math.MaxUint64
	}
	return l, nil
}

// lock does a Tlock. It never waits: a client that is to wait asks again.
func (c *conn) lock(r *request) error {
	l, err := c.asked(r)
	if err != nil {
		return err
	}
	s, err := r.place.node.Stat(&r.ctx)
	if err != nil {
		return err
	}
	r.open.locked = s.Qid.Path
	r.open.locks = true
	r.l.Status = c.srv.locks.set(s.Qid.Path, l, r.l.LockType == lockNone)
	return nil
}

// getlock does a Tgetlock: it gives a lock that would be in the way.
func (c *conn) getlock(r *request) error {
	l, err := c.asked(r)
	if err != nil {
		return err
	}
	s, err := r.place.node.Stat(&r.ctx)
	if err != nil {
		return err
	}
	t := &c.srv.locks
	t.mu.Lock()
	defer t.mu.Unlock()
	h := t.rival(s.Qid.Path, &l)
	m := r.l
	if h == nil {
		m.LockType = lockNone
		return nil
	}
	m.LockType = lockRead
	if h.write {
		m.LockType = lockWrite
	}
	m.Start, m.Length, m.Proc, m.Client = h.start, h.end-h.start, h.owner.proc, h.owner.client
	if h.end == math.MaxUint64 {
		m.Length = 0
	}
	return nil
}
