package ninep

import (
	"context"
	"errors"
	"testing"
	"time"
)

func newReqContext() (*reqContext, context.CancelCauseFunc) {
	type key struct{}
	session, cancel := context.WithCancelCause(context.WithValue(context.Background(), key{}, "value"))
	return &reqContext{session: session}, cancel
}

// A context that nobody asked is used again; one that somebody may hold is
// not, and is done.
func TestContextRetire(t *testing.T) {
	for name, tt := range map[string]struct {
		use  func(*reqContext)
		want bool
	}{
		"nothing":   {func(*reqContext) {}, true},
		"Err":       {func(x *reqContext) { x.Err() }, true},
		"Deadline":  {func(x *reqContext) { x.Deadline() }, true},
		"Done":      {func(x *reqContext) { x.Done() }, false},
		"Value":     {func(x *reqContext) { x.Value("key") }, false},
		"AfterFunc": {func(x *reqContext) { context.AfterFunc(x, func() {}) }, false},
		"a child":   {func(x *reqContext) { _, stop := context.WithCancel(x); stop() }, false},
		"canceled":  {func(x *reqContext) { x.cancel(context.Canceled) }, false},
	} {
		x, _ := newReqContext()
		tt.use(x)
		if got := x.retire(); got != tt.want {
			t.Errorf("%s: used again: %v", name, got)
		}
		if !tt.want && x.Err() != context.Canceled {
			t.Errorf("%s: not done: %v", name, x.Err())
		}
	}
}

// Children, AfterFuncs and causes are those of any context.
func TestContextTree(t *testing.T) {
	x, hangup := newReqContext()
	if _, ok := x.Deadline(); ok {
		t.Error("a deadline")
	}
	child, stop := context.WithTimeout(x, time.Hour)
	defer stop()
	called := make(chan int)
	context.AfterFunc(x, func() { close(called) })
	if stop := context.AfterFunc(x, func() { t.Error("was stopped") }); !stop() || stop() {
		t.Error("stop of an AfterFunc")
	}
	if child.Err() != nil || context.Cause(child) != nil {
		t.Error("done too early")
	}
	x.cancel(context.Canceled)
	x.cancel(context.DeadlineExceeded) // the first counts
	<-x.Done()
	<-child.Done()
	<-called
	if child.Err() != context.Canceled || context.Cause(x) != context.Canceled {
		t.Error(child.Err(), context.Cause(x))
	}
	late := make(chan int)
	if stop := context.AfterFunc(x, func() { close(late) }); stop() {
		t.Error("stopped what has run")
	}
	<-late
	hangup(ErrHangup)
	if context.Cause(x) != ErrHangup {
		t.Errorf("cause %v after a hang-up", context.Cause(x))
	}
	late2, _ := newReqContext()
	late2.cancel(context.Canceled)
	<-late2.Done() // asked for the first time when it is over
}

func TestErrorIs(t *testing.T) {
	remote := &Error{"file does not exist", 5}
	for _, tt := range []struct {
		err, target error
		want        bool
	}{
		{Errorf(ErrInvalid, "bad word %q", "x"), ErrInvalid, true},
		{Errorf(ErrInvalid, "bad word"), ErrBusy, false},
		{remote, ErrNotExist, true},
		{errors.Join(errors.New("x"), ErrBusy), ErrBusy, true},
		{ErrBusy, &Error{"something else", 16}, false},
		{ErrBusy, errors.New("Device or resource busy"), false},
	} {
		if got := errors.Is(tt.err, tt.target); got != tt.want {
			t.Errorf("%q is %q: %v", tt.err, tt.target, got)
		}
	}
}

func TestRequestLine(t *testing.T) {
	var l line
	a, b, c, d := new(request), new(request), new(request), new(request)
	for _, r := range []*request{a, b, c, d} {
		l.push(r)
	}
	if !l.remove(b) || l.remove(b) || !l.remove(a) || !l.remove(d) {
		t.Error("remove")
	}
	l.push(a)
	if l.pop() != c || l.pop() != a || l.head != nil {
		t.Error("order")
	}
	if l.push(d); l.pop() != d || l.head != nil {
		t.Error("push after the end")
	}
}
