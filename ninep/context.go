package ninep

import (
	"context"
	"sync"
	"time"
)

// A reqContext is the context of one request: done when the request is
// flushed or over, or the connection is lost. It is part of the request, which
// is used again unless somebody may still look at the context.
//
// A handler that asks for Done is about to wait. If it runs on the reader's
// goroutine, another one then becomes the reader.
type reqContext struct {
	session context.Context // for its values, and the cause of a hang-up
	c       *conn
	turn    uint64 // while the handler runs on the reader's goroutine: see conn.role

	mu    sync.Mutex // guards below
	err   error
	used  bool // somebody has a way to notice the end
	done  chan struct{}
	after map[*func()]struct{}
}

var _ context.Context = (*reqContext)(nil)

// closed is the Done of all contexts that were done before they were asked.
var closed = func() chan struct{} { c := make(chan struct{}); close(c); return c }()

func (x *reqContext) Deadline() (time.Time, bool) { return time.Time{}, false }

func (x *reqContext) Err() error {
	x.mu.Lock()
	defer x.mu.Unlock()
	return x.err
}

func (x *reqContext) Value(key any) any {
	x.mu.Lock()
	x.used = true
	s := x.session
	x.mu.Unlock()
	return s.Value(key)
}

func (x *reqContext) Done() <-chan struct{} {
	x.mu.Lock()
	x.used = true
	if x.done == nil {
		if x.err != nil {
			x.done = closed
		} else {
			x.done = make(chan struct{})
		}
	}
	done := x.done
	x.mu.Unlock()
	if x.turn != 0 {
		x.c.takeover(x.turn)
	}
	return done
}

// AfterFunc is what package context looks for in order to derive a context
// from this one without a goroutine.
func (x *reqContext) AfterFunc(f func()) (stop func() bool) {
	x.mu.Lock()
	defer x.mu.Unlock()
	x.used = true
	if x.err != nil {
		go f()
		return func() bool { return false }
	}
	if x.after == nil {
		x.after = make(map[*func()]struct{})
	}
	key := &f
	x.after[key] = struct{}{}
	return func() bool {
		x.mu.Lock()
		defer x.mu.Unlock()
		_, waits := x.after[key]
		delete(x.after, key)
		return waits
	}
}

// cancel ends x. It calls nothing of others on this goroutine.
func (x *reqContext) cancel(err error) {
	x.mu.Lock()
	defer x.mu.Unlock()
	if x.err != nil {
		return
	}
	x.err = err
	if x.done != nil {
		close(x.done)
	}
	for f := range x.after {
		go (*f)()
	}
	x.after = nil
}

// retire ends x, and says whether it may be used again: nobody has it.
func (x *reqContext) retire() bool {
	x.mu.Lock()
	used := x.used || x.err != nil
	x.mu.Unlock()
	if used {
		x.cancel(context.Canceled)
	}
	return !used
}
