package coord

import (
	"context"
	"fmt"
	"io"
	"sync"
	"time"

	"llama9/styxfs"
	"llama9/styxfs/styxtest"
)

// A fakePlace is a node without a connection: its turns are those of
// styxtest.Words, which go on exactly where a prefix ends. It can be killed,
// frozen and started anew, and does what it is told at a token.
type fakePlace struct {
	name string
	id   func(n int) string // of start n

	mu sync.Mutex // guards below
	// at, if not nil, is called before token k of a turn is passed on.
	at     func(p *fakePlace, r *styxfs.Request, k int)
	starts int
	slots  int
	busy   int
	most   int // busy at once at most
	models []styxfs.Model
	late   []styxfs.Model // what models become just before the events are open
	refuse error
	dead   chan struct{} // closed when it is killed; nil: it is dead
	thaw   chan struct{} // closed when it goes on; nil: it is not frozen
	events []chan string
	forgot []uint64
	served int
	below  []string
	closed bool
}

func newPlace(name string, slots int) *fakePlace {
	p := &fakePlace{name: name, slots: slots, models: []styxfs.Model{{Name: "words", State: "loaded", NCtx: 1 << 20, Exact: true, Arch: "words"}}}
	p.start()
	return p
}

func (p *fakePlace) start() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.starts++
	p.dead = make(chan struct{})
}

// when has f called before each token.
func (p *fakePlace) when(f func(p *fakePlace, r *styxfs.Request, k int)) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.at = f
}

func (p *fakePlace) kill() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.dead != nil {
		close(p.dead)
		p.dead, p.busy = nil, 0
	}
}

// count is how many turns it was ever given.
func (p *fakePlace) count() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.served
}

func (p *fakePlace) freeze() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.thaw = make(chan struct{})
}

func (p *fakePlace) unfreeze() {
	p.mu.Lock()
	defer p.mu.Unlock()
	close(p.thaw)
	p.thaw = nil
}

// alive waits while the node is frozen, and says whether it lives.
func (p *fakePlace) alive(ctx context.Context) (dead chan struct{}, err error) {
	for {
		p.mu.Lock()
		dead, thaw := p.dead, p.thaw
		p.mu.Unlock()
		if thaw == nil {
			if dead == nil {
				return nil, fmt.Errorf("%w: refused", ErrLost)
			}
			return dead, nil
		}
		select {
		case <-thaw:
		case <-ctx.Done():
			return nil, context.Cause(ctx)
		}
	}
}

// A frozenSink passes on what a node says while it is not frozen, and then late.
type frozenSink struct {
	styxfs.Sink
	p   *fakePlace
	r   *styxfs.Request
	k   int
	die context.CancelCauseFunc
	ctx context.Context
	end chan struct{} // closed when the start that it is of is killed
}

func (s *frozenSink) Token(t styxfs.Token) {
	s.p.mu.Lock()
	at := s.p.at
	s.p.mu.Unlock()
	if at != nil {
		at(s.p, s.r, s.k)
	}
	s.p.alive(context.WithoutCancel(s.ctx))
	select {
	case <-s.end:
		s.die(fmt.Errorf("%w: hung up", ErrLost))
	default:
		s.k++
		s.Sink.Token(t)
	}
}

func (p *fakePlace) Generate(ctx context.Context, r *styxfs.Request, sink styxfs.Sink) (styxfs.Outcome, error) {
	dead, err := p.alive(ctx)
	if err != nil {
		return styxfs.Outcome{}, err
	}
	p.mu.Lock()
	if p.refuse != nil {
		err := p.refuse
		p.mu.Unlock()
		return styxfs.Outcome{}, err
	}
	p.busy++
	p.served++
	p.most = max(p.most, p.busy)
	p.mu.Unlock()
	p.tell()
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	gone := make(chan struct{})
	defer func() { <-gone }()
	over := make(chan struct{})
	defer close(over)
	go func() {
		defer close(gone)
		select {
		case <-dead:
			cancel(fmt.Errorf("%w: hung up", ErrLost))
		case <-over:
		}
	}()
	w := &styxtest.Words{Pace: time.Millisecond, Burst: 1}
	o, err := w.Generate(ctx, r, &frozenSink{sink, p, r, len(r.Prefix), cancel, ctx, dead})
	p.mu.Lock()
	if p.dead == dead {
		p.busy--
	}
	p.mu.Unlock()
	p.tell()
	return o, err
}

// tell posts the load.
func (p *fakePlace) tell() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.thaw != nil || p.dead == nil {
		return
	}
	for _, c := range p.events {
		select {
		case c <- fmt.Sprintf("2026-11-24T12:00:00Z load slots=%d busy=%d queue=0 tokens/s=1.5", p.slots, p.busy):
		default:
		}
	}
}

func (p *fakePlace) Probe(ctx context.Context) (Status, error) {
	if _, err := p.alive(ctx); err != nil {
		return Status{}, err
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	id := fmt.Sprint(p.name, "#", p.starts)
	if p.id != nil {
		id = p.id(p.starts)
	}
	return Status{ID: id, State: "ready", Slots: p.slots, Busy: p.busy, Engine: "words", Below: p.below}, nil
}

func (p *fakePlace) Models(ctx context.Context) []styxfs.Model {
	if _, err := p.alive(ctx); err != nil {
		return nil
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.models
}

func (p *fakePlace) Events(ctx context.Context, open func(), each func(line string)) error {
	dead, err := p.alive(ctx)
	if err != nil {
		return err
	}
	c := make(chan string, 1024)
	p.mu.Lock()
	p.events = append(p.events, c)
	if p.late != nil {
		p.models, p.late = p.late, nil
	}
	p.mu.Unlock()
	open()
	for {
		select {
		case line := <-c:
			each(line)
		case <-dead:
			return io.EOF
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}

func (p *fakePlace) Forget(session uint64) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.forgot = append(p.forgot, session)
}

func (p *fakePlace) Close() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.closed = true
	return nil
}
