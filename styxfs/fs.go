package styxfs

// The tree, as a node and a coordinator serve it:
//
//	/
//	  ctl  model  status  event  metrics
//	  infer/
//	    new
//	    last            (a link to the newest session of who asks)
//	    N/
//	      ctl  prompt  system  chat  grammar  schema  out  token  status  event
//	  node/  deploy/    (Config.Extra)
//
// rootFiles and sessionFiles below are the table of names, modes and kinds;
// dir.go has the directories and last, the kinds are in the files named after
// them.

import (
	"cmp"
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"llama9/ninep"
)

// rootFiles are the files of the root and of infer.
var (
	rootFiles = []entry{
		{name: "ctl", mode: 0660, open: openRootCtl, times: true},
		{name: "model", mode: 0444, open: openModel},
		{name: "status", mode: 0444, open: openRootStatus},
		{name: "event", mode: 0444, open: openRootEvent},
		{name: "metrics", mode: 0444, open: openMetrics},
	}
	newFile = entry{name: "new", mode: 0666, open: openNew, times: true}
)

// sessionFiles are the files of infer/N. A mode is for the session's user;
// where users are not known it is everybody's.
var sessionFiles = []entry{
	{name: "ctl", mode: 0600, open: openSessionCtl, times: true},
	{name: "prompt", mode: 0600 | ninep.DMEXCL, open: openPrompt, times: true},
	{name: "system", mode: 0600, open: openText(systemText), text: systemText, times: true},
	{name: "chat", mode: 0600, open: openText(chatText), text: chatText, times: true},
	{name: "grammar", mode: 0600, open: openText(grammarText), text: grammarText, times: true},
	{name: "schema", mode: 0600, open: openText(schemaText), text: schemaText, times: true},
	{name: "out", mode: 0600, open: openOut},
	{name: "token", mode: 0600, open: openToken, text: prefixText, times: true},
	{name: "status", mode: 0600, open: openSessionStatus},
	{name: "event", mode: 0600, open: openSessionEvent},
}

// Config is what an FS is made of. Zero numbers are the defaults named.
type Config struct {
	Backend Backend      // makes the answers; registered in Metrics if it is a prometheus.Collector
	Version string       // shown in status
	Log     *slog.Logger // nil is silence; never told what is prompted or answered

	MaxSessions     int           // living sessions in all; 0 is 10000
	MaxUserSessions int           // living sessions of one user; 0 is 1000
	MaxPrompt       int           // bytes of a prompt; 0 is 16 MiB. A longer one is refused
	MaxText         int           // bytes of a system message, a grammar or a schema; 0 is 16 MiB
	MaxChat         int           // bytes of a conversation as chat shows it, and of an answer (token: 8 times); 0 is 64 MiB
	MaxBytes        int64         // of texts, conversations and answers of all sessions; 0 is 4 GiB. More is refused
	SessionTTL      time.Duration // an idle session lives this long; 0 is 30m
	UnpromptedTTL   time.Duration // one that was made and never prompted; 0 is 1m

	ServerUser  string                // owns ctl; "" is "llama9"
	ServerGroup string                // may write ctl; "" is ServerUser
	Extra       map[string]ninep.Node // more entries of the root: node, deploy
	Store       Store                 // keeps sessions across restarts; nil: nothing does
	Events      *Events               // the root's event log, shared with the Backend; nil: a new one
	Metrics     *prometheus.Registry  // what metrics shows; nil: a new one
	Now         func() time.Time      // nil is time.Now
}

// An FS is the tree. It is the ninep.FS of a ninep.Server.
type FS struct {
	cfg     Config
	b       Backend
	log     *slog.Logger
	now     func() time.Time
	start   time.Time
	id      string
	boot    uint64 // the first number of this start; see epoch
	events  *Events
	metrics *metrics
	note    notice // error= of the root status
	rootCtl rootCtl
	journal *journal // nil: sessions end with the process

	ctx    context.Context // of the turns
	cancel context.CancelCauseFunc
	wg     sync.WaitGroup // turns and the reaper; Add under mu and not once closed
	kick   chan struct{}  // of size 1: the reaper has something to wait for

	held atomic.Int64 // bytes that clients keep in sessions; see quota.go

	mu       sync.Mutex // guards below; the last to be locked
	closed   bool
	next     uint64 // number of the session that comes
	paths    uint64 // qid paths given away by NewPath
	sessions map[uint64]*session
	perUser  map[owner]int
}

// An owner is whose a session is. A user that is only claimed is not the known
// one of the same name.
type owner struct {
	user  string
	known bool
}

// New makes the tree. Close ends it.
func New(c Config) (*FS, error) {
	if c.Backend == nil {
		return nil, errors.New("styxfs: no backend")
	}
	c.MaxSessions = cmp.Or(c.MaxSessions, 10000)
	c.MaxUserSessions = cmp.Or(c.MaxUserSessions, 1000)
	c.MaxPrompt = cmp.Or(c.MaxPrompt, 16<<20)
	c.MaxText = cmp.Or(c.MaxText, 16<<20)
	c.MaxChat = cmp.Or(c.MaxChat, 64<<20)
	c.MaxBytes = cmp.Or(c.MaxBytes, 4<<30)
	c.SessionTTL = cmp.Or(c.SessionTTL, 30*time.Minute)
	c.UnpromptedTTL = cmp.Or(c.UnpromptedTTL, time.Minute)
	c.ServerUser = cmp.Or(c.ServerUser, "llama9")
	c.ServerGroup = cmp.Or(c.ServerGroup, c.ServerUser)
	for name := range c.Extra {
		if name == "infer" || slices.ContainsFunc(rootFiles, func(e entry) bool { return e.name == name }) {
			return nil, errors.New("styxfs: " + name + " is taken")
		}
	}
	f := &FS{
		cfg: c, b: c.Backend, log: c.Log, now: c.Now, events: c.Events,
		kick: make(chan struct{}, 1), sessions: make(map[uint64]*session), perUser: make(map[owner]int),
	}
	if f.log == nil {
		f.log = slog.New(slog.DiscardHandler)
	}
	if f.now == nil {
		f.now = time.Now
	}
	if f.events == nil {
		f.events = NewEvents()
	}
	id := make([]byte, 8)
	rand.Read(id)
	f.id = hex.EncodeToString(id)
	f.start = f.now()
	f.boot = epoch(f.start)
	f.next = f.boot + 1
	f.rootCtl.f = f
	f.ctx, f.cancel = context.WithCancelCause(context.Background())
	var err error
	if f.metrics, err = newMetrics(f); err != nil {
		return nil, err
	}
	var unfinished []*session
	if c.Store != nil {
		f.journal = newJournal(f, c.Store)
		if unfinished, err = f.restore(); err != nil {
			return nil, fmt.Errorf("journal: %w", err)
		}
		f.journal.start()
	}
	f.wg.Add(1)
	go f.reap()
	for _, s := range unfinished {
		s.resume()
	}
	return f, nil
}

// epoch gives the first number of a server that starts at t: the seconds since
// 2026, shifted so that a server may make 256 sessions a second over its life
// and never use a number that a later start uses.
func epoch(t time.Time) uint64 {
	s := t.Unix() - time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC).Unix()
	if s <= 0 {
		s = max(t.Unix(), 1) // a clock that was not set
	}
	return uint64(s) << 8
}

// Qid paths are a session's number and one of pathsEach files of it; those of
// the server's own files are those of the number boot, which no session has.
// Those that NewPath gives away have the top bit set.
const pathsEach = 32

func qidPath(n uint64, file int) uint64 { return n*pathsEach + uint64(file) }

// NewPath gives a qid.path that no other file of this tree has, for the nodes
// of Config.Extra.
func (f *FS) NewPath() uint64 {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.paths++
	return 1<<63 | f.boot<<20 + f.paths
}

// ID is the random name of this start, as status shows it.
func (f *FS) ID() string { return f.id }

// Events is the log of the root's event file.
func (f *FS) Events() *Events { return f.events }

// Attach gives the root. The engine walks on to the aname. See attach(5).
func (f *FS) Attach(ctx context.Context, a *ninep.Attach) (ninep.Node, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.closed {
		return nil, errDown
	}
	return &rootDir{f: f, at: &attach{f: f, known: a.Known, owner: owner{a.User, a.Known}}}, nil
}

var errDown = ninep.Errorf(ninep.ErrIO, "server shut down")

// Close cancels the turns and waits for them, or until ctx is done. Blocked
// reads get the end. With a Store the turns go on when a tree is made of it
// again.
func (f *FS) Close(ctx context.Context) error {
	f.mu.Lock()
	f.closed = true
	f.mu.Unlock()
	f.cancel(errShutdown)
	f.events.close()
	for _, s := range f.living() {
		s.quiet()
	}
	done := make(chan struct{})
	go func() {
		f.wg.Wait()
		if f.journal != nil {
			f.journal.close()
		}
		close(done)
	}()
	select {
	case <-done:
	case <-ctx.Done():
		return context.Cause(ctx)
	}
	return nil
}

// begin counts a goroutine for Close to wait for; false once that was called.
func (f *FS) begin() bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.closed {
		return false
	}
	f.wg.Add(1)
	return true
}

// living gives the sessions in the order of their numbers.
func (f *FS) living() []*session {
	f.mu.Lock()
	all := make([]*session, 0, len(f.sessions))
	for _, s := range f.sessions {
		all = append(all, s)
	}
	f.mu.Unlock()
	slices.SortFunc(all, func(a, b *session) int { return cmp.Compare(a.n, b.n) })
	return all
}

// named gives the session called name, nil if there is none.
func (f *FS) named(name string) *session {
	n, err := strconv.ParseUint(name, 10, 64)
	if err != nil || strconv.FormatUint(n, 10) != name {
		return nil
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.sessions[n]
}

// create makes a session.
func (f *FS) create(at *attach) (*session, error) {
	f.mu.Lock()
	switch {
	case f.closed:
		f.mu.Unlock()
		return nil, errDown
	case len(f.sessions) >= f.cfg.MaxSessions:
		f.mu.Unlock()
		return nil, ninep.Errorf(ninep.ErrQuota, "too many sessions: %d", f.cfg.MaxSessions)
	case f.perUser[at.owner] >= f.cfg.MaxUserSessions:
		f.mu.Unlock()
		return nil, ninep.Errorf(ninep.ErrQuota, "too many sessions of one user: %d", f.cfg.MaxUserSessions)
	}
	s := newSession(f, f.next, at.owner)
	f.next++
	f.add(s)
	f.mu.Unlock()
	at.made(s.n)
	select {
	case f.kick <- struct{}{}:
	default:
	}
	f.metrics.sessions.Inc()
	f.events.Post("session", Attr{"id", s.name()}, Attr{"state", "made"})
	s.mu.Lock()
	s.save()
	s.mu.Unlock()
	return s, nil
}

// add enters s. mu is held, or nobody else has f yet.
func (f *FS) add(s *session) {
	f.sessions[s.n] = s
	f.perUser[s.owner]++
}

// drop takes out a session that was closed.
func (f *FS) drop(s *session) {
	f.mu.Lock()
	if f.sessions[s.n] == s {
		delete(f.sessions, s.n)
		if f.perUser[s.owner]--; f.perUser[s.owner] <= 0 {
			delete(f.perUser, s.owner)
		}
	}
	f.mu.Unlock()
	f.events.Post("session", Attr{"id", s.name()}, Attr{"state", "removed"})
}

// reap removes sessions that were idle for too long. It sleeps until the first
// of them can be due: one that is in use now is due after a whole TTL at least.
func (f *FS) reap() {
	defer f.wg.Done()
	least := min(f.cfg.SessionTTL, f.cfg.UnpromptedTTL)
	for {
		now := f.now()
		all := f.living()
		wait := least
		for _, s := range all {
			if d := s.expire(now); d > 0 {
				wait = min(wait, d)
			}
		}
		var timer <-chan time.Time
		if len(all) > 0 {
			timer = time.After(max(wait, min(time.Second, least/8))) // not one sweep for each of many
		}
		select {
		case <-timer:
		case <-f.kick:
		case <-f.ctx.Done():
			return
		}
	}
}
