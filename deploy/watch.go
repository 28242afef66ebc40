package deploy

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"time"

	"llama9/mnt"
	"llama9/styxfs"
)

// A look is what a node says of itself.
type look struct {
	slots, busy, queue int
	rate               string // tokens/s
	model              string // state of the default model
	percent            int    // of its load
}

// lookAt asks a node.
func lookAt(ctx context.Context, fs *mnt.Fsys) (look, error) {
	var l look
	records, err := readRecords(ctx, fs, "status")
	if err == nil && len(records) == 0 {
		err = errors.New("status is empty")
	}
	if err != nil {
		return l, err
	}
	l.slots, l.busy, l.queue = number(records[0], "slots"), number(records[0], "busy"), number(records[0], "queue")
	l.rate = styxfs.FindAttr(records[0], "tokens/s")
	if records, err = readRecords(ctx, fs, "model"); err != nil || len(records) == 0 {
		return l, err
	}
	l.model, l.percent = styxfs.FindAttr(records[0], "state"), number(records[0], "percent")
	return l, nil
}

// The times between two looks at a node: at one that starts, at one that
// loads, and at one that is drained.
const (
	firstLook = 20 * time.Millisecond
	loadLook  = 200 * time.Millisecond
	drainLook = 50 * time.Millisecond
)

// watch looks at a node until ctx is done: it says when it is ready, what it
// does, and that it does not answer.
func (s *Supervisor) watch(ctx context.Context, n *isolate, addr string) {
	var fs *mnt.Fsys
	defer func() {
		if fs != nil {
			fs.Close()
		}
	}()
	wait, failures := firstLook, 0
	for {
		select {
		case <-time.After(wait):
		case <-n.hurry:
		case <-ctx.Done():
			return
		}
		net := s.network()
		l, err := func() (l look, err error) {
			ctx, cancel := context.WithTimeout(ctx, net.HealthTimeout)
			defer cancel()
			if fs == nil {
				if fs, err = mnt.Dial(ctx, addr, mnt.Options{}); err != nil {
					return l, err
				}
			}
			return lookAt(ctx, fs)
		}()
		if ctx.Err() != nil {
			return
		}
		if err != nil {
			failures++
			if fs != nil {
				fs.Close()
				fs = nil
			}
		} else {
			failures = 0
		}
		drained := err == nil && l.busy == 0 && l.queue == 0 && s.idle(ctx, n)
		wait = s.looked(ctx, n, l, err, failures, drained)
	}
}

// idle says whether a node that is drained has no turn of the coordinator's.
func (s *Supervisor) idle(ctx context.Context, n *isolate) bool {
	s.mu.Lock()
	asks := n.life.State == Draining && !n.busy
	s.mu.Unlock()
	if !asks { // or its actions are not yet done: the coordinator may not have heard of it
		return false
	}
	ctx, cancel := context.WithTimeout(ctx, askTime)
	defer cancel()
	inflight, err := s.o.Cluster.Inflight(ctx, n.name)
	return err == nil && inflight == 0
}

// looked takes in what a look has given, and says when the next is due.
func (s *Supervisor) looked(ctx context.Context, n *isolate, l look, err error, failures int, drained bool) time.Duration {
	s.mu.Lock()
	defer s.mu.Unlock()
	if ctx.Err() != nil {
		return 0 // it was of a process that is gone
	}
	now := s.o.Now()
	if err == nil {
		if l.model == "loading" && l.percent != n.look.percent {
			s.post("node", styxfs.Attr{Name: "name", Value: n.name}, styxfs.Attr{Name: "state", Value: string(n.life.State)},
				styxfs.Attr{Name: "percent", Value: strconv.Itoa(l.percent)})
		}
		n.look = l
	}
	switch n.life.State {
	case Starting:
		if err == nil && l.model == "loaded" {
			s.act(n, n.life.Ready(now))
		} else if err == nil {
			return loadLook
		} else {
			return firstLook
		}
	case Draining:
		if drained {
			s.act(n, n.life.Drained(now))
		}
	case Ready:
		if n.life.Adopted && err == nil {
			n.life.Error = ""
		}
		if most := s.c.Network.HealthFailures; failures >= most {
			s.act(n, n.life.Ill(now, fmt.Sprintf("%d looks failed: %v", failures, err)))
		}
	}
	if n.life.State == Draining {
		return drainLook
	}
	return s.c.Network.HealthInterval
}
