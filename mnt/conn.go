package mnt

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/user"
	"sync"
	"sync/atomic"
	"time"

	"llama9/ninep"
)

// Options say how to connect. The zero value is good.
type Options struct {
	Uname string // who attaches; "" is the user of this process
	Aname string // which tree; "" is the server's root

	// Msize is the largest frame to ask for; 0 is 1 MiB of data.
	Msize uint32
	// FlushTimeout is how long a call whose context is done waits for the
	// server to answer the Tflush. Then it returns, and only its tag stays
	// in use until the server does answer. 0 is 3 seconds.
	FlushTimeout time.Duration
	// PeerTimeout is about how long a machine at the other end of a TCP
	// connection may be silent, the server on it aside, before the
	// connection is lost. 0 is a minute.
	PeerTimeout time.Duration
	// Sequential waits for each answer before the next message of a Batch
	// is sent. It is needed for servers that take up what came together in
	// any order, as 9P lets them; ninep's keeps the order of one fid's
	// messages. Where a Batch sees that a fid was lost that way, it is done
	// again, and the connection is Sequential from then on; but it cannot
	// see all that can go wrong.
	Sequential bool
	// Trace, if not nil, sees every message, sent ("<-") or received
	// ("->"). It is called from two goroutines and must not keep f.
	Trace func(dir string, f *ninep.Fcall)
}

const (
	defaultMsize   = 1<<20 + ninep.IOSize
	leastMsize     = 256
	versionMsize   = 8192 // no larger frame is accepted before Rversion
	defaultFlush   = 3 * time.Second
	version9P2000  = "9P2000"
	readBufferSize = 16 << 10
)

// A Conn is a connection to a server. Its methods may be called from many
// goroutines at once.
type Conn struct {
	rwc        io.ReadWriteCloser
	flushTime  time.Duration
	trace      func(dir string, f *ninep.Fcall)
	sequential atomic.Bool
	kick       chan struct{} // something is in queue
	dead       chan struct{} // closed with err set
	loops      sync.WaitGroup
	pool       sync.Pool // of calls

	mu      sync.Mutex // guards below, and every Fid and call of this Conn
	err     error
	stale   error // of what comes later to a fid, once err is set
	msize   uint32
	calls   []*call // by tag
	free    []uint16
	version *call   // the one with NoTag
	queue   []*call // not yet taken by the writer
	freeFid []uint32
	nextFid uint32
}

// NewConn speaks 9P over rwc, which it owns from now on: it is closed when
// NewConn fails or the connection ends, and Close must make a blocked Read
// and Write return, as that of a socket or a pipe does. ctx is for the
// exchange of versions only.
func NewConn(ctx context.Context, rwc io.ReadWriteCloser, o Options) (*Conn, error) {
	c := &Conn{
		rwc:       rwc,
		flushTime: o.FlushTimeout,
		trace:     o.Trace,
		kick:      make(chan struct{}, 1),
		dead:      make(chan struct{}),
		msize:     versionMsize,
	}
	if c.flushTime == 0 {
		c.flushTime = defaultFlush
	}
	c.sequential.Store(o.Sequential)
	c.loops.Add(2)
	go c.readLoop()
	go c.writeLoop()
	asked := o.Msize
	if asked == 0 {
		asked = defaultMsize
	}
	if err := c.negotiate(ctx, max(asked, leastMsize)); err != nil {
		c.Close()
		return nil, err
	}
	return c, nil
}

// negotiate does the exchange of versions. See version(5).
func (c *Conn) negotiate(ctx context.Context, msize uint32) error {
	k, err := c.newCall(&ninep.Fcall{Type: ninep.Tversion, Tag: ninep.NoTag, Msize: msize, Version: version9P2000})
	if err != nil {
		return err
	}
	c.start(k)
	select {
	case <-k.done:
	case <-ctx.Done():
		return context.Cause(ctx)
	}
	if err := k.result(); err != nil {
		return err
	}
	switch got := k.rx.Msize; {
	case k.rx.Version != version9P2000:
		return ninep.Errorf(ninep.ErrProto, "server does not speak %s but %q", version9P2000, k.rx.Version)
	case got < leastMsize || got > msize:
		return ninep.Errorf(ninep.ErrProto, "server wants an msize of %d", got)
	default:
		c.mu.Lock()
		c.msize = got
		c.mu.Unlock()
		return nil
	}
}

// Attach gives the tree that the server has for uname and aname; uname "" is
// the user of this process. See attach(5).
func (c *Conn) Attach(ctx context.Context, uname, aname string) (*Fsys, error) {
	if uname == "" {
		uname = username()
	}
	root := c.newFid()
	k, err := c.newCall(&ninep.Fcall{Type: ninep.Tattach, Fid: root.num, Afid: ninep.NoFid, Uname: uname, Aname: aname})
	if err != nil {
		c.dropFid(root)
		return nil, err
	}
	k.newfid = root
	if err := c.do(ctx, k); err != nil {
		return nil, err
	}
	root.qid = k.rx.Qid
	k.recycle()
	return &Fsys{root: root}, nil
}

// username is the name of this process's user.
func username() string {
	if u, err := user.Current(); err == nil && u.Username != "" {
		return u.Username
	}
	if u := os.Getenv("USER"); u != "" {
		return u
	}
	return "none"
}

// Probe asks the server for a sign of life: a Tflush of a tag that is not in
// use, which any server answers at once without touching a file. It fails when
// ctx is done first; what that means is the caller's to decide.
func (c *Conn) Probe(ctx context.Context) error {
	k, err := c.newCall(&ninep.Fcall{Type: ninep.Tflush, Oldtag: ninep.NoTag})
	if err != nil {
		return err
	}
	c.start(k)
	if !c.wait(ctx, k) {
		return context.Cause(ctx)
	}
	return k.err // an Rerror is a sign of life too
}

// Msize is the size of the largest frame that was agreed on.
func (c *Conn) Msize() uint32 {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.msize
}

// Done is closed when the connection has ended; Err then says why.
func (c *Conn) Done() <-chan struct{} { return c.dead }

// Err is nil while the connection lives. After that it is ErrHangup and what
// ended it.
func (c *Conn) Err() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.err
}

// Close ends the connection: every call that is under way fails, and the
// server drops all fids. It waits for the goroutines of the connection.
func (c *Conn) Close() error {
	c.fail(net.ErrClosed)
	c.loops.Wait()
	if err := c.Err(); !errors.Is(err, net.ErrClosed) {
		return err
	}
	return nil
}

// fail ends the connection for a cause. Only the first one counts.
func (c *Conn) fail(cause error) {
	c.mu.Lock()
	if c.err != nil {
		c.mu.Unlock()
		return
	}
	c.err = fmt.Errorf("%w: %w", ninep.ErrHangup, cause)
	c.stale = fmt.Errorf("%w: %w", ninep.ErrStale, c.err)
	close(c.dead)
	c.queue = nil
	for _, k := range c.calls {
		if k != nil {
			c.finish(k, c.err)
		}
	}
	if c.version != nil {
		c.finish(c.version, c.err)
	}
	c.mu.Unlock()
	c.rwc.Close()
}

// protocolError is the cause of a connection that a server lost by its fault.
func protocolError(format string, args ...any) error {
	return ninep.Errorf(ninep.ErrProto, "bad server: "+format, args...)
}
