package styxfs

import (
	"context"
	"sync"
	"time"

	"llama9/ninep"
)

// A ctlHandle is an open ctl: a page of the settings, and a write of commands
// that are all obeyed or none.
type ctlHandle struct {
	page
	obey func(ctx context.Context, cmds [][]string) error
	note *notice
}

func (h *ctlHandle) WriteAt(ctx context.Context, p []byte, off int64) (int, error) {
	cmds, err := lines(p)
	if err == nil && len(cmds) > 0 {
		err = h.obey(ctx, cmds)
	}
	if err != nil {
		return 0, h.note.bad("ctl", err)
	}
	if len(cmds) > 0 {
		h.note.good("ctl")
	}
	h.answer()
	return len(p), nil
}

// appendLines appends records, a line each.
func appendLines(b []byte, records [][]string) []byte {
	for _, words := range records {
		b = append(AppendFields(b, words...), '\n')
	}
	return b
}

// rootCtl is the root's ctl. What it sets is the Backend's.
type rootCtl struct {
	f *FS

	mu sync.Mutex // one write at a time
}

func openRootCtl(n *file, mode ninep.OpenMode) (ninep.Handle, error) {
	c := &n.f.rootCtl
	h := &ctlHandle{note: &n.f.note, obey: c.obey}
	h.make = func(context.Context) ([]byte, error) {
		return appendLines(nil, n.f.b.Settings()), nil
	}
	return h, nil
}

// obey passes the commands on to the Backend, one write at a time.
func (c *rootCtl) obey(ctx context.Context, cmds [][]string) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	err := c.f.b.Ctl(ctx, cmds)
	if err == nil && c.f.journal != nil {
		c.f.journal.saveCtl()
	}
	return err
}

// Kept gives the lines of the root's ctl that the Store had from before a
// restart: see Config.Kept. They are obeyed by who made the FS.
func (f *FS) Kept() [][]string {
	if f.journal == nil {
		return nil
	}
	f.journal.mu.Lock()
	defer f.journal.mu.Unlock()
	cmds, _ := lines([]byte(f.journal.ctl)) // restore has looked at them
	return cmds
}

func openSessionCtl(n *file, mode ninep.OpenMode) (ninep.Handle, error) {
	s := n.s
	h := &ctlHandle{note: &s.note}
	h.base = base{s}
	h.obey = func(ctx context.Context, cmds [][]string) error { return s.obey(n.at, cmds) }
	h.make = func(context.Context) ([]byte, error) {
		s.mu.Lock()
		p := s.params
		s.mu.Unlock()
		return appendLines(nil, p.Lines()), nil
	}
	return h, nil
}

// A verb is a command of N/ctl that is no parameter. check says what is wrong
// with it at this point of a write, and do does it.
type verb struct {
	words int // how many follow its name
	check func(p *plan, args []string) error
	do    func(p *plan, args []string)
}

// A plan is a write to N/ctl: it is first gone through as a whole, and what
// the session would be at each point is kept, then it is done.
type plan struct {
	s      *session
	at     *attach
	params Params // as they will be
	busy   bool   // a turn runs
	empty  bool   // there is no conversation
	admit  error
	close  bool
	after  []func() // to be done without the lock
}

// verbs are those of tree.md, A session.
var verbs = map[string]verb{
	"generate": {0, (*plan).checkGenerate, (*plan).generate},
	"cancel":   {0, func(*plan, []string) error { return nil }, (*plan).cancel},
	"reset":    {0, (*plan).checkReset, (*plan).reset},
	"fork":     {1, (*plan).checkFork, nil}, // by its snapshot
	"close":    {0, func(*plan, []string) error { return nil }, func(p *plan, _ []string) { p.close = true }},
}

// obey does a write to N/ctl.
func (s *session) obey(at *attach, cmds [][]string) error {
	p := &plan{s: s, at: at}
	for _, c := range cmds {
		if c[0] == "generate" {
			p.admit = s.f.admit() // may lock the Backend: not under s.mu
			break
		}
	}
	// The settings of other sessions are looked at before this one is locked.
	forks, err := p.findForks(cmds)
	if err != nil {
		return err
	}
	s.mu.Lock()
	if s.closed {
		s.mu.Unlock()
		return ninep.ErrNotExist
	}
	if err := p.check(cmds, forks); err != nil {
		s.mu.Unlock()
		return err
	}
	p.do(cmds, forks)
	s.touched = s.f.now()
	s.save()
	s.mu.Unlock()
	for _, f := range p.after {
		f()
	}
	if p.close {
		return s.close()
	}
	return nil
}

// check goes through cmds without doing them.
func (p *plan) check(cmds [][]string, forks []*snapshot) error {
	s := p.s
	p.params, p.busy = s.params, s.cur != nil
	takes := false
	for _, c := range cmds {
		takes = takes || c[0] == "generate"
	}
	if takes && !p.busy {
		s.takeIn()
	}
	p.empty = len(s.messages) == 0 && s.system == ""
	for _, c := range cmds {
		v, ok := verbs[c[0]]
		if !ok {
			if err := p.setParam(c); err != nil {
				return err
			}
			continue
		}
		if len(c)-1 != v.words {
			return ninep.Errorf(ninep.ErrInvalid, "%s: %d values, wants %d", c[0], len(c)-1, v.words)
		}
		if err := v.check(p, c[1:]); err != nil {
			return err
		}
		if c[0] == "fork" {
			p.params = forks[0].params
			p.empty = len(forks[0].messages) == 0 && forks[0].system == ""
			forks = forks[1:]
		}
	}
	return nil
}

// setParam sets a parameter in what the plan will leave.
func (p *plan) setParam(c []string) error {
	old := p.params.Priority
	if err := p.params.Set(c); err != nil {
		return err
	}
	if now := p.params.Priority; now > 0 && now > old && p.at.owner.user != p.s.f.cfg.ServerUser {
		return ninep.Errorf(ninep.ErrPermission, "priority %d: permission denied", now)
	}
	return nil
}

// do does what was checked.
func (p *plan) do(cmds [][]string, forks []*snapshot) {
	for _, c := range cmds {
		v, ok := verbs[c[0]]
		switch {
		case !ok:
			p.s.params.Set(c) // it was good a moment ago
		case c[0] == "fork":
			forks[0].into(p)
			forks = forks[1:]
		default:
			v.do(p, c[1:])
		}
	}
}

func (p *plan) checkGenerate([]string) error {
	switch {
	case p.busy || p.s.writing != nil:
		return ninep.ErrBusy
	case p.admit != nil:
		return p.admit
	case p.empty && p.s.faults.chat == "":
		return ninep.Errorf(ninep.ErrInvalid, "generate: the conversation is empty")
	}
	if err := p.s.chatLong(0); err != nil { // an answer that is continued again and again
		return err
	}
	p.busy = true
	return nil
}

func (p *plan) generate([]string) {
	t := newTurn(p.s)
	p.s.begin(t, nil)
}

func (p *plan) cancel([]string) {
	if p.s.cur != nil {
		p.s.cur.stop(ErrCancelled)
	}
}

func (p *plan) checkReset([]string) error {
	if p.busy {
		return ninep.ErrBusy
	}
	p.empty = p.s.system == ""
	return nil
}

func (p *plan) reset([]string) {
	p.s.setMessages(nil)
	p.s.faults.chat = ""
	p.after = append(p.after, p.s.forget)
}

func (p *plan) checkFork(args []string) error {
	if p.busy {
		return ninep.ErrBusy
	}
	return nil
}

// A snapshot is what fork copies of a session: settings and conversation, of a
// running one what is finished.
type snapshot struct {
	n                       uint64
	params                  Params
	system, grammar, schema string
	faults                  faults
	messages                []Message
}

// findForks takes the snapshots that the fork lines of cmds name.
func (p *plan) findForks(cmds [][]string) ([]*snapshot, error) {
	var l []*snapshot
	for _, c := range cmds {
		if c[0] != "fork" || len(c) != 2 {
			continue
		}
		from := p.s.f.find(p.at, c[1])
		if from == nil {
			return nil, ninep.Errorf(ninep.ErrNotExist, "fork: %s: no such session", Quote(clip(c[1])))
		}
		from.mu.Lock()
		from.takeIn()
		sn := &snapshot{from.n, from.params, from.system, from.grammar, from.schema, from.faults, from.messages}
		if from.cur != nil {
			sn.messages = sn.messages[:from.cur.base]
		}
		from.mu.Unlock()
		l = append(l, sn)
	}
	return l, nil
}

// find gives the session called name, if at may use it.
func (f *FS) find(at *attach, name string) *session {
	if s := f.named(name); s != nil && at.may(s) {
		return s
	}
	return nil
}

// into makes the plan's session the snapshot. Its mu is held.
func (sn *snapshot) into(p *plan) {
	s := p.s
	s.params, s.system, s.grammar, s.schema, s.faults = sn.params, sn.system, sn.grammar, sn.schema, sn.faults
	s.setMessages(sn.messages[:len(sn.messages):len(sn.messages)])
	if b, ok := s.f.b.(Forker); ok && sn.n != s.n {
		p.after = append(p.after, func() { b.Fork(sn.n, s.n) })
	}
}

// admit asks the Backend whether a turn would be refused.
func (f *FS) admit() error {
	b, ok := f.b.(Admitter)
	if !ok {
		return nil
	}
	err := b.Admit()
	if err == nil {
		return nil
	}
	if _, ok := err.(*ninep.Error); ok {
		return err
	}
	return ninep.Errorf(ninep.ErrAgain, "%v", err)
}

// Timeout of a turn counts from its commit.
func (t *turn) limit(d time.Duration) {
	if d > 0 {
		t.deadline = time.AfterFunc(d, func() { t.stop(ErrTimeout) })
	}
}
