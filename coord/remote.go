package coord

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"llama9/mnt"
	"llama9/ninep"
	"llama9/styxfs"
)

// RemoteConfig says how a node is mounted. Zero fields are the defaults named.
type RemoteConfig struct {
	Addr    string
	Options mnt.Options   // of every connection; Uname is for what no user asks for
	Streams int           // connections that turns share; 0 is 4
	Dial    time.Duration // from the dial to the node's first status; 0 is 5s
	Setup   time.Duration // for an answer that takes a healthy node no time; 0 is 5s
	Linger  time.Duration // for the node to end a turn that was cancelled; 0 is 2s
	Ahead   bool          // makes sessions of the node before they are needed; see remoteahead.go
}

// A Remote is a mounted node as a place to run turns. It dials when it is
// asked something and has no living connection: when to ask a node that was
// lost is its owner's to decide; mnt.Backoff gives the delays. One connection
// is for small things, so that no probe waits behind a conversation, and turns
// spread over others.
type Remote struct {
	c      RemoteConfig
	dial   func(ctx context.Context) (*mnt.Conn, error)
	ctx    context.Context // of all connections; done at Close
	cancel context.CancelFunc
	wg     sync.WaitGroup // what goes on after a call has returned; Add under mu and not once closed
	ctl    *link
	first  first

	mu       sync.Mutex // guards below; after link.mu
	closed   bool
	streams  []*link
	sessions map[uint64]*nodeSession // by the coordinator's number
	forks    map[uint64]uint64       // sessions that are to begin as a fork
	own      map[farSession]bool     // sessions of the node that were made here
	ghosts   []*nodeSession          // to be removed when the node answers again
	ahead    map[string]*spare       // by user: sessions made ahead
	spare    []*link                 // see alone
	lone     map[*link]bool          // in use
	paths    mnt.Paths               // of grafts
	tick     uint64
}

var (
	_ Place            = (*Remote)(nil)
	_ styxfs.Backend   = (*Remote)(nil)
	_ styxfs.Forgetter = (*Remote)(nil)
	_ styxfs.Forker    = (*Remote)(nil)
)

// NewRemote makes a Remote; nothing is dialed yet.
func NewRemote(c RemoteConfig) *Remote {
	if c.Streams <= 0 {
		c.Streams = 4
	}
	c.Dial = cmp.Or(c.Dial, 5*time.Second)
	c.Setup = cmp.Or(c.Setup, 5*time.Second)
	c.Linger = cmp.Or(c.Linger, 2*time.Second)
	c.Options.PeerTimeout = cmp.Or(c.Options.PeerTimeout, 18*time.Second)
	c.Options.FlushTimeout = cmp.Or(c.Options.FlushTimeout, 200*time.Millisecond)
	r := &Remote{c: c, sessions: make(map[uint64]*nodeSession), forks: make(map[uint64]uint64), own: make(map[farSession]bool), ahead: make(map[string]*spare), lone: make(map[*link]bool)}
	r.dial = func(ctx context.Context) (*mnt.Conn, error) { return mnt.DialConn(ctx, c.Addr, c.Options) }
	r.ctx, r.cancel = context.WithCancel(context.Background())
	r.ctl = &link{r: r}
	return r
}

// Addr is where the node is.
func (r *Remote) Addr() string { return r.c.Addr }

// Close ends the use of the node: turns under way are lost. A node that is
// connected is told to drop the sessions that were made here.
func (r *Remote) Close() error {
	r.mu.Lock()
	if r.closed {
		r.mu.Unlock()
		return nil
	}
	r.closed = true
	var links []*link
	links = append(append(append(links, r.ctl), r.streams...), r.spare...)
	for l := range r.lone {
		links = append(links, l)
	}
	var left []*nodeSession
	for _, s := range r.sessions {
		left = append(left, s)
	}
	clear(r.sessions)
	r.mu.Unlock()
	for _, d := range r.takeAllAhead() {
		left = append(left, d.s)
	}
	if r.ctl.alive() {
		ctx, cancel := context.WithTimeout(r.ctx, time.Second)
		for _, s := range left {
			if r.drop(ctx, s) != nil {
				break
			}
		}
		cancel()
	}
	r.cancel()
	for _, l := range links {
		l.close()
	}
	r.wg.Wait()
	return nil
}

// begin counts a goroutine that Close waits for; false once that was called.
func (r *Remote) begin() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.closed {
		return false
	}
	r.wg.Add(1)
	return true
}

// within bounds what a healthy node does at once, if ctx does not.
func (r *Remote) within(ctx context.Context) (context.Context, context.CancelFunc) {
	if _, ok := ctx.Deadline(); ok {
		return ctx, func() {}
	}
	return context.WithTimeoutCause(ctx, r.c.Setup, silent(r.c.Setup))
}

// small reads a small file on the connection for those.
func (r *Remote) small(ctx context.Context, name string) ([]byte, error) {
	ctx, cancel := r.within(ctx)
	defer cancel()
	fs, leave, err := r.ctl.tree(ctx, r.c.Options.Uname)
	if err != nil {
		return nil, err
	}
	defer leave()
	return readSmall(ctx, fs, name)
}

// mostSmall bounds what is read of a file that a node makes on reading.
const mostSmall = 4 << 20

// readStatus reads a status, which is one line: its end needs no round trip of
// its own.
func readStatus(ctx context.Context, fs *mnt.Fsys, path string) ([]byte, error) {
	return readUntil(ctx, fs, path, func(b []byte) bool { return bytes.HasSuffix(b, []byte("\n")) })
}

// readSmall reads a small file.
func readSmall(ctx context.Context, fs *mnt.Fsys, path string) ([]byte, error) {
	return readUntil(ctx, fs, path, func([]byte) bool { return false })
}

// readUntil reads a small file to its end, or until it is all that is wanted.
func readUntil(ctx context.Context, fs *mnt.Fsys, path string, all func(b []byte) bool) ([]byte, error) {
	buf := make([]byte, 4096)
	f, n, err := fs.OpenRead(ctx, path, ninep.OREAD, buf)
	if err != nil {
		return nil, lostError(err)
	}
	defer f.Forget()
	b := buf[:n]
	for n > 0 && !all(b) {
		if len(b) > mostSmall {
			return nil, badAnswer("its %s is longer than %d bytes", path, mostSmall)
		}
		b = slices.Grow(b, max(len(b), 512))
		if n, err = f.ReadAt(ctx, b[len(b):cap(b)], int64(len(b))); err != nil {
			return nil, lostError(err)
		}
		b = b[:len(b)+n]
	}
	return b, nil
}

// Probe reads the node's status. It loads no model.
func (r *Remote) Probe(ctx context.Context) (Status, error) {
	b, err := r.small(ctx, "status")
	if err != nil {
		return Status{}, err
	}
	r.exorcise()
	return parseStatus(b)
}

// ReadModels reads the node's model table.
func (r *Remote) ReadModels(ctx context.Context) ([]styxfs.Model, error) {
	b, err := r.small(ctx, "model")
	if err != nil {
		return nil, err
	}
	return parseModels(b)
}

// Models is the node's model table, nil if it does not answer.
func (r *Remote) Models(ctx context.Context) []styxfs.Model {
	l, err := r.ReadModels(ctx)
	if err != nil {
		return nil
	}
	return l
}

// maxLine bounds a line that a node sends.
const maxLine = 16 << 20

// Events calls each with every line of the node's root event, in order and
// without the newline, until ctx is done or the node is lost. It calls open
// first, once no event is missed any more.
func (r *Remote) Events(ctx context.Context, open func(), each func(line string)) error {
	fs, leave, err := r.ctl.tree(ctx, r.c.Options.Uname)
	if err != nil {
		return err
	}
	defer leave()
	soon, cancel := r.within(ctx)
	defer cancel()
	f, err := fs.Open(soon, "event", ninep.OREAD)
	if err != nil {
		return lostError(err)
	}
	defer f.Forget()
	open()
	return readLines(ctx, f, make([]byte, 4096), func(line []byte) error {
		each(string(line))
		return nil
	})
}

// readLines gives each line of f as it comes, without the newline, until the
// end of the file, which it returns as io.EOF, or an error.
func readLines(ctx context.Context, f *mnt.File, buf []byte, each func(line []byte) error) error {
	var rest []byte
	for {
		n, err := f.Read(ctx, buf)
		if rest, err = cut(rest, buf[:n], err, each); err != nil {
			return err
		}
		if n == len(buf) && n < 64<<10 {
			buf = make([]byte, 4*n)
		}
	}
}

// cut gives each whole line of rest and b, and what is left. err is passed on.
func cut(rest, b []byte, err error, each func(line []byte) error) ([]byte, error) {
	for {
		i := bytes.IndexByte(b, '\n')
		if i < 0 {
			break
		}
		line := b[:i]
		if len(rest) > 0 {
			rest = append(rest, line...)
			line = rest
		}
		if e := each(line); e != nil {
			return nil, e
		}
		b, rest = b[i+1:], rest[:0]
	}
	rest = append(rest, b...)
	if len(rest) > maxLine {
		return nil, badAnswer("a line of more than %d bytes", maxLine)
	}
	return rest, lostError(err)
}

// Ctl obeys lines of the node's root ctl.
func (r *Remote) Ctl(ctx context.Context, cmds [][]string) error {
	var b []byte
	for _, words := range cmds {
		b = append(styxfs.AppendFields(b, words...), '\n')
	}
	ctx, cancel := r.within(ctx)
	defer cancel()
	fs, leave, err := r.ctl.tree(ctx, r.c.Options.Uname)
	if err != nil {
		return err
	}
	defer leave()
	return lostError(fs.WriteFile(ctx, "ctl", b))
}

// Settings gives the lines of the node's root ctl, nil if it does not answer.
func (r *Remote) Settings() [][]string {
	b, err := r.small(r.ctx, "ctl")
	if err != nil {
		return nil
	}
	var l [][]string
	for line := range strings.Lines(string(b)) {
		if words, err := styxfs.Fields(line); err == nil && len(words) > 0 {
			l = append(l, words)
		}
	}
	return l
}

// Status gives the attributes of the node's root status, nil if it does not
// answer.
func (r *Remote) Status() []styxfs.Attr {
	b, err := r.small(r.ctx, "status")
	if err != nil {
		return nil
	}
	attrs, err := styxfs.ParseAttrs(string(b))
	if err != nil {
		return nil
	}
	return attrs
}

// silent is the cause of a node that does not answer.
func silent(d time.Duration) error { return fmt.Errorf("%w: no answer in %v", ErrLost, d) }

// badAnswer is a node that says what is no answer.
func badAnswer(format string, args ...any) error {
	return fmt.Errorf("%w: bad answer: "+format, append([]any{ErrLost}, args...)...)
}

// shutdowns are what a server says that is about to be gone.
var shutdowns = []string{"server shut down", "shut down"}

// lostError makes of what a connection or a node said an error that Is ErrLost if
// the node is gone, and ErrRefused if it takes nothing now.
func lostError(err error) error {
	var said *ninep.Error
	switch {
	case err == nil, errors.Is(err, ErrLost), errors.Is(err, ErrRefused):
		return err
	case errors.Is(err, ninep.ErrHangup), errors.Is(err, ninep.ErrProto):
		return fmt.Errorf("%w: %w", ErrLost, err)
	case !errors.As(err, &said):
		return err
	}
	for _, text := range shutdowns {
		if said.Text == text {
			return fmt.Errorf("%w: %w", ErrLost, err)
		}
	}
	if refusal(said.Text) {
		return &refusedError{err}
	}
	return err
}

// refusal says whether a node that says text may be asked again later, and
// another one at once.
func refusal(text string) bool {
	return text == "queue full" || text == "draining" || strings.HasPrefix(text, "too many sessions")
}

// A refusedError reads as the node has said it.
type refusedError struct{ err error }

func (e *refusedError) Error() string   { return e.err.Error() }
func (e *refusedError) Unwrap() []error { return []error{ErrRefused, e.err} }
