package mnt

import (
	"cmp"
	"context"
	"errors"
	"math/rand/v2"
	"sync"
	"time"

	"llama9/ninep"
)

// A Redial keeps a server's tree at hand: it connects, and when the connection
// is lost it connects again. Files that were open stay with their connection,
// and are ninep.ErrStale from then on: what they would be on the new one only
// the caller can tell. The fields are set before Serve, and not changed after.
type Redial struct {
	Addr    string
	Options Options
	Backoff Backoff

	Dial  time.Duration // for the dial, the attach and Up together; 0 is 5s
	Every time.Duration // between two probes of the server, about; 0 is 10s
	Probe time.Duration // for the answer to one; 0 is 5s

	// Up, if not nil, is called with each new tree before Tree gives it. An
	// error of it ends the connection: the server is not the right one.
	Up func(ctx context.Context, fs *Fsys) error
	// Down, if not nil, is called with the error of each attempt that fails
	// and of each connection that is lost.
	Down func(err error)

	mu   sync.Mutex // guards below
	fs   *Fsys      // that lives, as far as is known
	err  error      // of the last attempt or connection
	wake chan struct{}
}

// set makes fs the tree, or err the reason why there is none.
func (r *Redial) set(fs *Fsys, err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.fs, r.err = fs, err
	if r.wake != nil {
		close(r.wake)
		r.wake = nil
	}
}

// Tree gives the tree; if there is none it waits for one. When ctx is done
// before, the error is also what the last attempt has failed of.
func (r *Redial) Tree(ctx context.Context) (*Fsys, error) {
	for {
		r.mu.Lock()
		fs, err := r.fs, r.err
		if fs != nil && fs.Conn().Err() == nil {
			r.mu.Unlock()
			return fs, nil
		}
		if r.wake == nil {
			r.wake = make(chan struct{})
		}
		wake := r.wake
		r.mu.Unlock()
		select {
		case <-wake:
		case <-ctx.Done():
			if cause := context.Cause(ctx); err != nil {
				return nil, errors.Join(cause, err)
			} else {
				return nil, cause
			}
		}
	}
}

// Serve connects and reconnects until ctx is done. It then ends the connection
// and returns the cause.
func (r *Redial) Serve(ctx context.Context) error {
	back := r.Backoff
	for {
		fs, err := r.connect(ctx)
		if err == nil {
			r.set(fs, nil)
			began := time.Now()
			fs.Conn().Watch(ctx, cmp.Or(r.Every, 10*time.Second), cmp.Or(r.Probe, 5*time.Second))
			back.Lasted(time.Since(began))
			err = fs.Conn().Err() // nil: ctx is done
			fs.Close()
		}
		if ctx.Err() != nil {
			r.set(nil, context.Cause(ctx))
			return context.Cause(ctx)
		}
		r.set(nil, err)
		if r.Down != nil {
			r.Down(err)
		}
		wait := time.NewTimer(back.Next(rand.Float64()))
		select {
		case <-wait.C:
		case <-ctx.Done():
			wait.Stop()
		}
	}
}

// connect makes one attempt.
func (r *Redial) connect(ctx context.Context) (*Fsys, error) {
	limit := cmp.Or(r.Dial, 5*time.Second)
	ctx, cancel := context.WithTimeoutCause(ctx, limit, silence(limit))
	defer cancel()
	fs, err := Dial(ctx, r.Addr, r.Options)
	if err == nil && r.Up != nil {
		if err = r.Up(ctx, fs); err != nil {
			fs.Close()
		}
	}
	if err != nil && ctx.Err() != nil {
		err = context.Cause(ctx)
	}
	return fs, err
}

// silence is the cause of a connection whose server does not answer.
func silence(d time.Duration) error {
	return ninep.Errorf(&ninep.Error{Errno: errnoTimedOut}, "no answer in %v", d)
}

// Watch probes the server until ctx is done or the connection has ended, about
// every so often. When an answer takes longer than within, the connection is
// given up, as one that was lost.
func (c *Conn) Watch(ctx context.Context, every, within time.Duration) {
	for {
		wait := time.NewTimer(every*3/4 + rand.N(every/2+1)) // not all at once
		select {
		case <-wait.C:
		case <-c.dead:
			wait.Stop()
			return
		case <-ctx.Done():
			wait.Stop()
			return
		}
		p, cancel := context.WithTimeoutCause(ctx, within, silence(within))
		err := c.Probe(p)
		late := p.Err() != nil && ctx.Err() == nil
		cancel()
		if err != nil && late {
			c.fail(silence(within))
			return
		}
	}
}
