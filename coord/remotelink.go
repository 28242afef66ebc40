package coord

import (
	"context"
	"errors"
	"fmt"
	"sync"

	"llama9/mnt"
)

// A link is one connection to a node, made when it is first needed, and again
// after a loss.
type link struct {
	r     *Remote
	turns int // that use it; Remote.mu guards

	mu    sync.Mutex // guards below
	conn  *mnt.Conn  // the last one
	start string     // Status.ID of the node that it leads to
	trees map[string]*attached
	dial  *dialing // under way
}

// A dialing is a dial that any number of callers wait for.
type dialing struct {
	done chan struct{}
	err  error
}

// An attached is a user's tree.
type attached struct {
	fs   *mnt.Fsys
	uses int
}

// maxTrees is about how many users' trees a link keeps that are not in use.
const maxTrees = 256

// alive says whether there is a connection that is not known to be lost.
func (l *link) alive() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.conn != nil && l.conn.Err() == nil
}

// startID tells which start of the node the connection leads to.
func (l *link) startID() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.start
}

func (l *link) close() {
	l.mu.Lock()
	c := l.conn
	l.mu.Unlock()
	if c != nil {
		c.Close()
	}
}

// connect gives the living connection, or dials. Who waits for a dial may
// leave; it goes on for the next one.
func (l *link) connect(ctx context.Context) (*mnt.Conn, error) {
	for {
		l.mu.Lock()
		if l.conn != nil && l.conn.Err() == nil {
			defer l.mu.Unlock()
			return l.conn, nil
		}
		d := l.dial
		if d == nil {
			if !l.r.begin() {
				l.mu.Unlock()
				return nil, fmt.Errorf("%w: unmounted", ErrLost)
			}
			d = &dialing{done: make(chan struct{})}
			l.dial = d
			go l.run(d)
		}
		l.mu.Unlock()
		select {
		case <-d.done:
			if d.err != nil {
				return nil, d.err
			}
		case <-ctx.Done():
			return nil, context.Cause(ctx)
		}
	}
}

// run dials for d.
func (l *link) run(d *dialing) {
	defer l.r.wg.Done()
	c, start, trees, err := l.open()
	l.mu.Lock()
	if err == nil {
		l.conn, l.start, l.trees = c, start, trees
	}
	d.err = err
	l.dial = nil
	l.mu.Unlock()
	close(d.done)
	if err == nil && l.r.ctx.Err() != nil {
		c.Close() // Close did not see it
	}
}

// open dials, attaches and reads the status: a server is a node only if it has
// one.
func (l *link) open() (c *mnt.Conn, start string, trees map[string]*attached, err error) {
	r := l.r
	ctx, cancel := context.WithTimeoutCause(r.ctx, r.c.Dial, silent(r.c.Dial))
	defer cancel()
	defer func() {
		if err == nil {
			return
		}
		if c != nil {
			c.Close()
		}
		if ctx.Err() != nil {
			err = context.Cause(ctx)
		}
		if !errors.Is(err, ErrLost) {
			err = fmt.Errorf("%w: %w", ErrLost, err)
		}
	}()
	if c, err = r.dial(ctx); err != nil {
		return nil, "", nil, err
	}
	user := r.c.Options.Uname
	fs, err := c.Attach(ctx, user, "")
	if err != nil {
		return c, "", nil, err
	}
	b, err := readStatus(ctx, fs, "status")
	if err != nil {
		return c, "", nil, err
	}
	st, err := parseStatus(b)
	return c, st.ID, map[string]*attached{user: {fs: fs}}, err
}

// tree gives the tree as user sees it; leave ends the use. A connection that
// is lost meanwhile fails what is asked of it: the next call of tree has
// another.
func (l *link) tree(ctx context.Context, user string) (fs *mnt.Fsys, leave func(), err error) {
	for {
		c, err := l.connect(ctx)
		if err != nil {
			return nil, nil, err
		}
		if fs, leave := l.use(c, user, nil); fs != nil {
			return fs, leave, nil
		}
		fs, err := c.Attach(ctx, user, "")
		if err != nil {
			return nil, nil, lostError(err)
		}
		if fs, leave := l.use(c, user, fs); fs != nil {
			return fs, leave, nil
		}
	}
}

// use counts a use of user's tree on c. If there is none it becomes fs; nil if
// that is nil too, or c is not the connection any more.
func (l *link) use(c *mnt.Conn, user string, fs *mnt.Fsys) (*mnt.Fsys, func()) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.conn != c {
		return nil, nil
	}
	a := l.trees[user]
	switch {
	case a == nil && fs == nil:
		return nil, nil
	case a == nil:
		l.evict()
		a = &attached{fs: fs}
		l.trees[user] = a
	case fs != nil:
		fs.Close() // another was faster
	}
	a.uses++
	return a.fs, func() {
		l.mu.Lock()
		defer l.mu.Unlock()
		a.uses--
	}
}

// evict lets go of a tree that is not in use, where there are many: users may
// be any names that clients think of. mu is held.
func (l *link) evict() {
	if len(l.trees) < maxTrees {
		return
	}
	for user, a := range l.trees {
		if a.uses == 0 && user != l.r.c.Options.Uname {
			a.fs.Close()
			delete(l.trees, user)
			return
		}
	}
}

// sharing is how many turns a link has before there is another one. Tokens
// that come at once to turns of one link cost one write and one read, which is
// most of what a token costs; what one turn can hold up is the transfer of a
// message.
const sharing = 8

// stream gives the link for a turn: the one with the fewest, or a new one while
// there may be more and all have their share.
func (r *Remote) stream() *link {
	r.mu.Lock()
	defer r.mu.Unlock()
	var best *link
	for _, l := range r.streams {
		if best == nil || l.turns < best.turns {
			best = l
		}
	}
	if best == nil || best.turns >= sharing && len(r.streams) < r.c.Streams {
		best = &link{r: r}
		r.streams = append(r.streams, best)
	}
	best.turns++
	return best
}

// unstream ends a turn's use of l.
func (r *Remote) unstream(l *link) {
	r.mu.Lock()
	defer r.mu.Unlock()
	l.turns--
}
