package ninep

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"net"
	"sync"
	"sync/atomic"
	"time"
)

// What ends a connection, beside the errors of the network.
var (
	errSilent  = errors.New("no Tversion in time")
	errVersion = errors.New("first message is no Tversion")
	errTag     = errors.New("tag used twice at once")
	errInferno = errors.New("client wants Inferno authentication, use mount -A")
)

// A conn is a connection. One goroutine at a time is its reader: it takes the
// frames in, in order, and runs each request itself if it can begin at once.
// Most are over in no time, and so cost no change of goroutine. A request that
// turns out to wait (it asks for the Done of its context) or to take long (the
// watch sees it) loses the role of the reader to a new goroutine, and goes on
// as one of its own.
type conn struct {
	srv      *Server
	rw       io.ReadWriteCloser
	deadline interface{ SetWriteDeadline(time.Time) error } // nil if rw has none
	vectored bool                                           // rw can send many pieces at once
	peer     peer
	base     context.Context
	first    *time.Timer // the reader's; hangs up if there is no Tversion
	in       input       // the reader's
	bufs     net.Buffers
	idle     chan struct{} // closed when the last goroutine has ended

	// role is odd while the reader runs a request. The reader adds 1 before
	// and after; if another adds the second 1, that one is the reader.
	role    atomic.Uint64
	watched atomic.Bool   // the watch is set
	seen    atomic.Uint64 // the role when the watch was set
	watch   *time.Timer
	snaps   atomic.Int64 // in openFile.entries of all fids

	mu      sync.Mutex // guards below
	cond    sync.Cond  // output got shorter, or a request ended in a reset
	running int        // goroutines
	closed  bool
	err     error // why, if not the client's own wish
	session context.Context
	cancel  context.CancelCauseFunc
	dialect dialect // nil before the first Tversion
	linux   bool    // it is 9P2000.L
	msize   uint32
	fids    map[uint32]*fid
	tags    map[uint16]*request // under way, but for cur
	data    int                 // bytes of their data
	cur     *request            // runs on the reader's goroutine
	resets  bool                // the session is being ended
	ready   line                // reads that were parked, for the pump
	pumping bool                // it runs
	out     output

	gathering gathering
}

// watchTime is how long a request may keep the reader from reading, about.
const watchTime = 4 * time.Millisecond

// ServeConn serves one client, until it hangs up (the error is then nil),
// breaks the protocol or is lost, or ctx is done. It closes rw, and returns
// when every handle is closed and every goroutine has ended.
//
// If rw is a Unix socket, or has a method PeerUser, the user is known by it.
func (s *Server) ServeConn(ctx context.Context, rw io.ReadWriteCloser) error {
	s.setup()
	c := &conn{srv: s, rw: rw, base: context.WithoutCancel(ctx), peer: peerOf(rw), idle: make(chan struct{}), running: 1}
	c.in = newInput(rw)
	c.cond.L = &c.mu
	c.deadline, _ = rw.(interface{ SetWriteDeadline(time.Time) error })
	switch rw.(type) {
	case *net.TCPConn, *net.UnixConn:
		c.vectored = true
	}
	c.begin()
	c.watch = time.AfterFunc(time.Hour, c.look)
	c.watch.Stop()
	c.first = time.AfterFunc(s.limits.FirstFrame, func() { c.hangup(errSilent) })
	stop := context.AfterFunc(ctx, func() { c.hangup(nil) })
	defer stop()
	c.read()
	<-c.idle
	if c.first != nil {
		c.first.Stop()
	}
	c.watch.Stop()
	c.clunkAll()
	c.in.blk.free()
	if c.err != nil {
		level := slog.LevelInfo
		switch {
		case c.err == errInferno:
			level = slog.LevelWarn // somebody waits for this advice
		case resetConn(c.err):
			level = slog.LevelDebug // it went without reading its last answers, as 9p(1) does
		}
		s.log().Log(c.base, level, "connection ended", "peer", c.peer.addr, "err", c.err)
	}
	return c.err
}

// begin begins a session: no fids, no requests. See version(5).
func (c *conn) begin() {
	c.session, c.cancel = context.WithCancelCause(c.base)
	c.fids = make(map[uint32]*fid)
	c.tags = make(map[uint16]*request)
	c.msize = firstSize
}

// release notes that a goroutine ends.
func (c *conn) release() {
	c.mu.Lock()
	if c.running--; c.running == 0 {
		close(c.idle)
	}
	c.mu.Unlock()
}

// hangup ends the connection. What runs is canceled, not waited for.
func (c *conn) hangup(err error) {
	c.mu.Lock()
	if c.closed {
		c.mu.Unlock()
		return
	}
	c.closed, c.err = true, err
	c.cancelAll()
	c.cond.Broadcast()
	c.mu.Unlock()
	c.rw.Close()
}

// cancelAll cancels the session and every request of it. c.mu is held.
func (c *conn) cancelAll() {
	c.cancel(ErrHangup)
	for _, r := range c.tags {
		r.mute = true
		c.stop(r)
	}
	if c.cur != nil {
		c.cur.mute = true
		c.cur.ctx.cancel(context.Canceled)
	}
}
