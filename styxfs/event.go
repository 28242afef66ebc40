package styxfs

import (
	"context"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"llama9/ninep"
)

// Events is an event log: every open event file reads the lines that were
// posted since it was opened. It keeps the last few; a reader that falls
// further behind gets `TIME lost n=`, and never holds the server.
//
// The root's Events is shared with the Backend, which posts to it.
type Events struct {
	now     func() time.Time
	readers atomic.Int32

	mu     sync.Mutex // guards below
	ring   [][]byte   // of size eventRing once there is a reader
	next   uint64     // of the line that comes
	wake   chan struct{}
	closed bool
}

// eventRing is how many lines an event log keeps for its readers.
const eventRing = 1024

// NewEvents makes an event log.
func NewEvents() *Events { return &Events{now: time.Now} }

// Post adds a line for all readers. It does not block. A nil Events takes
// nothing.
func (e *Events) Post(kind string, attrs ...Attr) {
	if e == nil || e.readers.Load() == 0 {
		return
	}
	line := eventLine(e.now(), kind, attrs)
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.ring == nil || e.closed {
		return
	}
	e.ring[e.next%eventRing] = line
	e.next++
	e.wakeLocked()
}

func eventLine(at time.Time, kind string, attrs []Attr) []byte {
	b := append([]byte(formatTime(at)), ' ')
	b = append(b, kind...)
	if len(attrs) > 0 {
		b = AppendAttrs(append(b, ' '), attrs...)
	}
	return append(b, '\n')
}

func (e *Events) wakeLocked() {
	if e.wake != nil {
		close(e.wake)
		e.wake = nil
	}
}

// close ends the log: readers get what there is, then the end.
func (e *Events) close() {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.closed = true
	e.wakeLocked()
}

// open gives a reader of what comes. base is told when it is closed.
func (e *Events) open(base base) *eventHandle {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.ring == nil {
		e.ring = make([][]byte, eventRing)
	}
	e.readers.Add(1)
	return &eventHandle{base: base, e: e, next: e.next}
}

// Open gives an open event file of e, for nodes of Config.Extra.
func (e *Events) Open() ninep.Handle { return e.open(base{}) }

// An eventHandle is an open event file. Offsets mean nothing to it: a read
// gives what comes next.
type eventHandle struct {
	base
	e *Events

	mu   sync.Mutex // guards below; before Events.mu
	next uint64     // the line that comes next
	rest []byte     // of a line that was longer than the count
}

// wait gives nil if a read has something, else what to wait for.
func (h *eventHandle) wait() <-chan struct{} {
	h.mu.Lock()
	defer h.mu.Unlock()
	if len(h.rest) > 0 {
		return nil
	}
	h.e.mu.Lock()
	defer h.e.mu.Unlock()
	if h.next != h.e.next || h.e.closed {
		return nil
	}
	if h.e.wake == nil {
		h.e.wake = make(chan struct{})
	}
	return h.e.wake
}

func (h *eventHandle) Ready(off int64) bool { return h.wait() == nil }

func (h *eventHandle) Wait(ctx context.Context, off int64) error {
	for {
		c := h.wait()
		if c == nil {
			return nil
		}
		select {
		case <-c:
		case <-ctx.Done():
			return interrupted(ctx)
		}
	}
}

func (h *eventHandle) ReadAt(ctx context.Context, p []byte, off int64) (int, error) {
	for {
		if err := h.Wait(ctx, off); err != nil {
			return 0, err
		}
		n, end := h.take(p)
		if n > 0 || end || len(p) == 0 {
			return n, nil
		}
	}
}

// take fills p with whole lines, or with a part of one that is longer.
func (h *eventHandle) take(p []byte) (n int, end bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	e := h.e
	e.mu.Lock()
	defer e.mu.Unlock()
	for {
		line := h.rest
		if len(line) == 0 {
			if h.next == e.next {
				return n, e.closed && n == 0
			}
			if lost := e.next - h.next; lost > eventRing {
				lost -= eventRing
				h.next += lost
				h.rest = eventLine(e.now(), "lost", []Attr{{"n", strconv.FormatUint(lost, 10)}})
				continue
			}
			line = e.ring[h.next%eventRing]
		}
		if len(line) > len(p)-n && n > 0 {
			return n, false
		}
		m := copy(p[n:], line)
		n += m
		if len(h.rest) == 0 {
			h.next++
		}
		h.rest = line[m:]
		if len(h.rest) > 0 {
			return n, false
		}
	}
}

func (h *eventHandle) Close(ctx context.Context) error {
	h.e.mu.Lock()
	if h.e.readers.Add(-1) == 0 && len(h.e.ring) > 0 {
		h.e.ring = nil
	}
	h.e.mu.Unlock()
	return h.base.Close(ctx)
}
