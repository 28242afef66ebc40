package ninep

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"net"
	"sync"
	"time"
)

// MaxMsize is the largest message that a Server offers: 1 MiB of data and its
// header. MinMsize is the smallest that it accepts; see version(5).
const (
	MaxMsize = 1<<20 + IOSize
	MinMsize = 256
)

// A Server serves the trees of FS to any number of connections. What is set in
// it is set before the first of Serve and ServeConn, and not changed after.
type Server struct {
	FS     FS
	Msize  uint32       // the largest message; 0 is MaxMsize
	Limits Limits       // zero fields have the defaults named there
	Log    *slog.Logger // nil is silence; never told what is read or written
	Trace  io.Writer    // gets every message in a line, as -D of Plan 9's servers; nil is off

	once    sync.Once
	limits  Limits
	traceMu sync.Mutex // one line at a time to Trace
	ids     ids
	locks   locks

	mu    sync.Mutex // guards below
	conns int
	addrs map[string]int // how many connections an address has
}

// Limits bound what clients can make a Server hold.
type Limits struct {
	Conns        int           // connections of one Serve; 0 is 20000
	ConnsPerAddr int           // of these by one address; 0 is as Conns
	Fids         int           // fids of a connection; 0 is 65536
	Requests     int           // requests of a connection under way; 0 is 16384
	Data         int           // bytes of writes of a connection that wait for their turn; 0 is 64 MiB
	Entries      int           // of directories that a connection is reading; 0 is 1048576
	FirstFrame   time.Duration // from the connection to its Tversion; 0 is 30 s
	Write        time.Duration // how long a client may not read while it is answered; 0 is 30 s
}

func (l Limits) orDefaults() Limits {
	or := func(p *int, n int) {
		if *p <= 0 {
			*p = n
		}
	}
	or(&l.Conns, 20000)
	or(&l.ConnsPerAddr, l.Conns)
	or(&l.Fids, 1<<16)
	or(&l.Requests, 1<<14)
	or(&l.Data, 64<<20)
	or(&l.Entries, 1<<20)
	if l.FirstFrame <= 0 {
		l.FirstFrame = 30 * time.Second
	}
	if l.Write <= 0 {
		l.Write = 30 * time.Second
	}
	return l
}

func (s *Server) setup() {
	s.once.Do(func() {
		s.limits = s.Limits.orDefaults()
		s.addrs = make(map[string]int)
	})
}

func (s *Server) log() *slog.Logger {
	if s.Log == nil {
		return slog.New(slog.DiscardHandler)
	}
	return s.Log
}

func (s *Server) msize() uint32 {
	if s.Msize == 0 || s.Msize > MaxMsize {
		return MaxMsize
	}
	return max(s.Msize, MinMsize)
}

// Serve serves every connection that ln accepts, until ctx is done (it then
// returns nil) or ln fails. It closes ln, hangs up on all its clients, and
// returns when every handle is closed and every goroutine has ended.
func (s *Server) Serve(ctx context.Context, ln net.Listener) error {
	s.setup()
	ctx, cancel := context.WithCancel(ctx)
	var clients sync.WaitGroup
	defer clients.Wait()
	defer cancel()
	stop := context.AfterFunc(ctx, func() { ln.Close() })
	defer stop()
	defer ln.Close()
	for pause := time.Duration(0); ; {
		conn, err := ln.Accept()
		if err != nil {
			if ctx.Err() != nil {
				return nil
			}
			if pause = acceptPause(err, pause); pause == 0 {
				return err
			}
			s.log().Warn("accept", "err", err)
			select {
			case <-time.After(pause):
			case <-ctx.Done():
			}
			continue
		}
		pause = 0
		addr := hostOf(conn)
		if !s.enter(addr) {
			s.log().Warn("too many connections", "addr", addr)
			conn.Close()
			continue
		}
		clients.Go(func() {
			defer s.leave(addr)
			s.ServeConn(ctx, conn)
		})
	}
}

// acceptPause says how long to wait after err before the next Accept: errors
// as of a full descriptor table pass. 0 is for those that do not.
func acceptPause(err error, last time.Duration) time.Duration {
	var ne net.Error
	if errors.Is(err, net.ErrClosed) || !errors.As(err, &ne) {
		return 0
	}
	return min(max(2*last, 5*time.Millisecond), time.Second)
}

// hostOf is what counts as one address: the host of a TCP peer, and all
// clients of a Unix socket together.
func hostOf(conn net.Conn) string {
	if a, ok := conn.RemoteAddr().(*net.TCPAddr); ok {
		return a.IP.String()
	}
	return "local"
}

func (s *Server) enter(addr string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.conns >= s.limits.Conns || s.addrs[addr] >= s.limits.ConnsPerAddr {
		return false
	}
	s.conns++
	s.addrs[addr]++
	return true
}

func (s *Server) leave(addr string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.conns--
	if s.addrs[addr]--; s.addrs[addr] == 0 {
		delete(s.addrs, addr)
	}
}
