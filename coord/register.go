package coord

import (
	"context"
	"strings"
	"sync"
	"time"

	"llama9/ninep"
	"llama9/styxfs"
)

// A registration is an open node/new. The node that is written to it is mounted
// until it is closed: a node that dies takes its entry along.
type registration struct {
	c        *Coord
	readable bool

	mu     sync.Mutex // guards below; before Coord.mu
	m      *member
	answer string // for the next read
}

func openNew(d *Dir, mode ninep.OpenMode) (ninep.Handle, error) {
	return &registration{c: d.c, readable: mode.Readable()}, nil
}

// holderTime is how long the holder of a name that another node wants has to
// show that it lives.
const holderTime = 2 * time.Second

// WriteAt takes one line, NAME ADDR [weight=W] [key=KEY].
func (r *registration) WriteAt(ctx context.Context, p []byte, off int64) (int, error) {
	words, err := styxfs.Fields(string(p))
	if err != nil {
		return 0, err
	}
	if len(words) == 0 {
		return len(p), nil
	}
	if len(words) < 2 || strings.Contains(strings.TrimSpace(string(p)), "\n") {
		return 0, ninep.Errorf(ninep.ErrInvalid, "new: want one line: name address")
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.m != nil {
		return 0, ninep.Errorf(ninep.ErrBusy, "new: %s is registered here", r.m.n.name)
	}
	m, err := r.c.register(ctx, words)
	if err != nil {
		return 0, err
	}
	r.m, r.answer = m, m.n.name+"\n"
	return len(p), nil
}

// ReadAt gives the name that was given, once.
func (r *registration) ReadAt(ctx context.Context, p []byte, off int64) (int, error) {
	if !r.readable {
		return 0, ninep.ErrPermission
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	n := copy(p, r.answer)
	r.answer = r.answer[n:]
	return n, nil
}

// Close takes the node out.
func (r *registration) Close(context.Context) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.m == nil {
		return nil
	}
	c := r.c
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.members[r.m.n.name] == r.m {
		c.log.Info("node left", "node", r.m.n.name, "addr", r.m.n.addr)
		c.unmount(r.m)
	}
	return nil
}

// register mounts a node that asks for it.
func (c *Coord) register(ctx context.Context, words []string) (*member, error) {
	key := ""
	rest := words[:2:2]
	for _, w := range words[2:] {
		if k, ok := strings.CutPrefix(w, "key="); ok {
			key = k
		} else {
			rest = append(rest, w)
		}
	}
	if c.cfg.Register != nil {
		if err := c.cfg.Register(key); err != nil {
			return nil, ninep.Errorf(ninep.ErrPermission, "new: %v", err)
		}
	}
	n, p, err := c.makeNode(rest)
	if err != nil {
		return nil, ninep.Errorf(ninep.ErrInvalid, "new: %v", err)
	}
	n.source = byNew
	for {
		c.mu.Lock()
		if c.closed {
			c.mu.Unlock()
			return nil, errClosed
		}
		old := c.members[n.name]
		if old == nil {
			m := c.mount(n, p)
			c.log.Info("node joined", "node", n.name, "addr", n.addr)
			c.mu.Unlock()
			return m, nil
		}
		id := old.n.id
		c.mu.Unlock()
		if old.n.source != byNew || c.holds(ctx, old, id, n.addr) {
			return nil, ninep.Errorf(ninep.ErrExist, "new: %s: in use", n.name)
		}
		c.mu.Lock()
		if c.members[n.name] == old {
			c.unmount(old)
		}
		c.mu.Unlock()
	}
}

// holds says whether a node that has a name still has a right to it: it lives,
// and is not the one that asks, started anew at the same address.
func (c *Coord) holds(ctx context.Context, m *member, id, addr string) bool {
	ctx, cancel := context.WithTimeout(ctx, holderTime)
	defer cancel()
	s, err := m.place.Probe(ctx)
	if err != nil {
		return false
	}
	return addr != m.n.addr || s.ID == id
}
