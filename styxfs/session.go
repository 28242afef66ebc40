package styxfs

import (
	"context"
	"strconv"
	"sync"
	"time"

	"llama9/ninep"
)

// A session is infer/N.
type session struct {
	f      *FS
	n      uint64 // stable, never used again
	owner  owner
	made   time.Time
	events *Events // of N/event
	note   notice  // error= of N/status

	mu       sync.Mutex // guards below; before turn.mu and FS.mu
	closed   bool
	open     int       // open files
	touched  time.Time // the last use
	params   Params
	system   string
	grammar  string
	schema   string
	faults   faults
	messages []Message // the conversation; never written to in place
	chatSize int       // bytes of messages
	drafted  int       // of a prompt that is being written
	answered int       // of the last turn's text and tokens
	counted  int       // of FS.held
	prefix   []int32   // of the next turn
	prompt   string    // as committed last
	excl     bool      // prompt is open for writing
	writers  []holder  // open files that a commit takes in, in the order of their opens
	writing  *turn     // whose prompt is being written
	cur      *turn     // that runs
	last     *turn     // that ended last
	turns    int
	kept     *kept // what the journal has; nil: nothing

	// journal.mu guards these.
	lost   bool // the journal has something older than kept says
	erased bool // it has that the session was removed
}

// faults are what is wrong with texts of the session: they fail a turn. The
// chat's fails one, the others all until they are mended.
type faults struct {
	system, grammar, schema, chat string
}

func (f *faults) first() string {
	for _, s := range []string{f.chat, f.system, f.grammar, f.schema} {
		if s != "" {
			return s
		}
	}
	return ""
}

// A holder is an open file that holds what is not yet valid.
type holder interface {
	// take makes what is held valid, as the clunk does. session.mu is held.
	take()
	// forget drops what is held for kind, as a truncation does.
	forget(kind textKind)
	// holds is how many bytes are held.
	holds() int
}

func newSession(f *FS, n uint64, o owner) *session {
	now := f.now()
	s := &session{f: f, n: n, owner: o, made: now, touched: now, params: DefaultParams(), events: NewEvents()}
	s.events.now = f.now
	s.params.Date = now.Truncate(time.Second)
	return s
}

func (s *session) name() string { return strconv.FormatUint(s.n, 10) }

// stat describes a file of the session. mode is the user's; where users are
// not known it is everybody's too.
func (s *session) stat(name string, mode uint32, file int) ninep.Stat {
	if !s.owner.known {
		mode |= mode>>3&0070 | mode>>6&0007
	}
	return ninep.Stat{
		Qid:  ninep.Qid{Type: uint8(mode >> 24), Path: qidPath(s.n, file)},
		Mode: mode, Name: name, Atime: s.made, Mtime: s.made,
		Uid: s.owner.user, Gid: s.owner.user, Muid: s.owner.user,
	}
}

func (s *session) gone() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.closed
}

// use counts an open file.
func (s *session) use() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return ninep.ErrNotExist
	}
	s.open++
	return nil
}

func (s *session) unuse() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.open--
	s.touched = s.f.now()
}

// base is what every handle of a session's file has. A nil session is none.
type base struct{ s *session }

func (b base) Close(ctx context.Context) error {
	if b.s != nil {
		b.s.unuse()
	}
	return nil
}

// expire closes the session if it was idle for too long, else says how long
// that may be still; 0 if it is in use.
func (s *session) expire(now time.Time) time.Duration {
	s.mu.Lock()
	if s.closed || s.open > 0 || s.cur != nil || s.writing != nil {
		s.mu.Unlock()
		return 0
	}
	ttl := s.f.cfg.SessionTTL
	if s.turns == 0 && len(s.messages) == 0 {
		ttl = min(ttl, s.f.cfg.UnpromptedTTL)
	}
	if left := s.touched.Add(ttl).Sub(now); left > 0 {
		s.mu.Unlock()
		return left
	}
	s.closeLocked()
	s.mu.Unlock()
	s.closed1()
	return 0
}

// close removes the session: the turn is cancelled, readers get the end.
func (s *session) close() error {
	s.mu.Lock()
	if s.closed {
		s.mu.Unlock()
		return ninep.ErrNotExist
	}
	s.closeLocked()
	s.mu.Unlock()
	s.closed1()
	return nil
}

// quiet ends what readers of the session wait for, but for the turn that runs:
// the server shuts down.
func (s *session) quiet() {
	s.mu.Lock()
	t := s.writing
	s.writing = nil
	s.mu.Unlock()
	if t != nil {
		t.void()
	}
	s.events.close()
}

func (s *session) closeLocked() {
	s.closed = true
	if t := s.writing; t != nil {
		s.writing = nil
		t.void()
	}
	if s.cur != nil {
		s.cur.stop(ErrCancelled)
	}
	s.account()
}

// closed1 does what of a removal needs no lock.
func (s *session) closed1() {
	if j := s.f.journal; j != nil {
		j.erase(s) // while it is among the living, for a compaction that begins now
	}
	s.f.drop(s)
	s.events.close()
	s.mu.Lock()
	runs := s.cur != nil // then the end of the turn sees to it
	s.mu.Unlock()
	if !runs {
		s.forget()
	}
}

// forget lets the Backend drop what it keeps for the session.
func (s *session) forget() {
	if b, ok := s.f.b.(Forgetter); ok {
		b.Forget(s.n)
	}
}

// A notice is error= of a status: the last thing refused or failed beside it,
// until the same file takes a good write or a turn begins.
type notice struct {
	mu   sync.Mutex // guards below; a leaf
	file string
	text string
}

// bad keeps err, which writing file gave.
func (n *notice) bad(file string, err error) error {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.file, n.text = file, err.Error()
	return err
}

// good is a good write of file; "" is the beginning of a turn.
func (n *notice) good(file string) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if file == "" || n.file == file {
		n.file, n.text = "", ""
	}
}

func (n *notice) String() string {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.text
}

// interrupted is the answer to a read whose ctx is done.
func interrupted(ctx context.Context) error { return ninep.ErrInterrupted }
