package coord

import (
	"context"
	"time"

	"llama9/ninep"
	"llama9/styxfs"
)

// A session of the node takes a round trip to make. So where a user has begun
// a turn in a new one, another is made behind it, and kept for a while: the
// next new conversation of that user begins at once. There is one a user, and
// a few in all; they count as the node's other sessions do, and are the first
// to make way.

// aheadTime is how long a session that was made ahead waits for its turn.
const aheadTime = 10 * time.Second

// mostAhead bounds those of a node.
const mostAhead = 16

// A spare is a session that was made ahead, or is being made.
type spare struct {
	done  chan struct{} // closed when d is set
	d     *desk         // nil: it could not be made
	timer *time.Timer   // that ends its wait; Remote.mu guards
}

// knows says whether a turn of session is to go on with what is on the node.
func (r *Remote) knows(session uint64) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	_, fork := r.forks[session]
	return fork || r.sessions[session] != nil
}

// takeAhead gives a session that was made ahead to a turn; nil if there is
// none that is good.
func (r *Remote) takeAhead(ctx context.Context, req *styxfs.Request) *desk {
	r.mu.Lock()
	a := r.ahead[req.User]
	delete(r.ahead, req.User)
	r.mu.Unlock()
	if a == nil {
		return nil
	}
	select {
	case <-a.done:
	case <-ctx.Done():
		a.letGo(r)
		return nil
	}
	if a.d == nil {
		return nil
	}
	if a.d.fs.Conn().Err() != nil || a.d.l.startID() != a.d.start {
		a.letGo(r)
		return nil
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	a.stop()
	a.d.s.of = req.Session
	r.sessions[req.Session] = a.d.s
	return a.d
}

// makeAhead has a session made for the next new conversation of user, if there
// is none.
func (r *Remote) makeAhead(user string) {
	r.mu.Lock()
	if !r.c.Ahead || r.closed || r.ahead[user] != nil || len(r.ahead) >= mostAhead {
		r.mu.Unlock()
		return
	}
	a := &spare{done: make(chan struct{})}
	r.ahead[user] = a
	r.wg.Add(1)
	r.mu.Unlock()
	go func() {
		defer r.wg.Done()
		a.make(r, user)
	}()
}

// make makes the session, and opens what a turn writes.
func (a *spare) make(r *Remote, user string) {
	ctx, cancel := r.within(r.ctx)
	defer cancel()
	d := &desk{l: r.stream()}
	err := d.fill(ctx, r, user)
	if err == nil {
		a.d = d
	}
	r.mu.Lock()
	waits := r.ahead[user] == a
	switch {
	case waits && (err != nil || r.closed):
		delete(r.ahead, user)
	case waits:
		a.timer = time.AfterFunc(aheadTime, func() {
			if r.forsake(user, a) {
				a.letGo(r)
			}
		})
	}
	closed := r.closed
	r.mu.Unlock()
	close(a.done)
	switch {
	case err != nil:
		if d.s != nil {
			r.remove(d.s)
		}
		d.up(r)
	case closed && waits:
		a.letGo(r)
	}
}

// fill makes the session of d.
func (d *desk) fill(ctx context.Context, r *Remote, user string) (err error) {
	if d.fs, d.leave, err = d.l.tree(ctx, user); err != nil {
		return err
	}
	d.start = d.l.startID()
	id, err := newSession(ctx, d.fs)
	if err != nil {
		return err
	}
	d.s = r.made(0, user, d.start, id)
	b := d.fs.Batch()
	// A truncation would be done at the turn's begin, to what a turn that takes
	// the long way has written by another open chat.
	chat, ctl := b.Open(d.s.dir()+"chat", ninep.OWRITE), b.Open(d.s.dir()+"ctl", ninep.OWRITE)
	if err := b.Do(ctx); err != nil {
		return err
	}
	d.chat, d.ctl = chat, ctl
	return nil
}

// forsake takes a out of those that wait; false if it has been taken.
func (r *Remote) forsake(user string, a *spare) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.ahead[user] != a {
		return false
	}
	delete(r.ahead, user)
	return true
}

// stop ends its wait. Remote.mu is held.
func (a *spare) stop() {
	if a.timer != nil {
		a.timer.Stop()
	}
}

// letGo removes a session that no turn has, once it is made. It does not
// block.
func (a *spare) letGo(r *Remote) {
	if !r.begin() {
		return
	}
	go func() {
		defer r.wg.Done()
		<-a.done
		r.mu.Lock()
		a.stop()
		r.mu.Unlock()
		if a.d != nil {
			r.remove(a.d.s)
			a.d.up(r)
		}
	}()
}

// takeAllAhead gives the sessions that wait, to be removed.
func (r *Remote) takeAllAhead() (l []*desk) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for user, a := range r.ahead {
		select {
		case <-a.done:
			delete(r.ahead, user)
			a.stop()
			l = append(l, a.d)
		default: // it is being made
		}
	}
	return l
}
