package coord

import (
	"context"
	"errors"
	"hash/maphash"
	"reflect"
	"slices"

	"llama9/mnt"
	"llama9/ninep"
	"llama9/styxfs"
)

// A nodeSession is a session of the node that stands for one of the
// coordinator's: its cache and conversation are used again. Who has taken it
// owns it; else Remote.mu guards.
type nodeSession struct {
	of    uint64 // the coordinator's session
	user  string
	start string // of the node
	id    string // its number there
	used  uint64 // Remote.tick of its last turn
	taken bool
	gone  bool        // Forget was called while it was taken
	held  []*mnt.File // whose clunk would commit: they are closed once it is removed

	// What the node has of it.
	vague           bool // what it has is not known: all is written
	params          styxfs.Params
	grammar, schema string
	known           int    // messages of its conversation
	sum             uint64 // of them
}

// A farSession names a session of a node: a number is of one start.
type farSession struct{ start, id string }

func (s *nodeSession) dir() string { return "infer/" + s.id + "/" }

// take gives the node's session for one of the coordinator's; nil if there is
// none that can be used. One that still ends a cancelled turn is left alone:
// it is removed when it is given back.
func (r *Remote) take(of uint64, user, start string) *nodeSession {
	r.mu.Lock()
	defer r.mu.Unlock()
	s := r.sessions[of]
	if s == nil {
		return nil
	}
	if s.taken || s.user != user || s.start != start {
		delete(r.sessions, of)
		if s.taken {
			s.gone = true
		} else {
			r.ghosts = append(r.ghosts, s)
		}
		return nil
	}
	s.taken = true
	return s
}

// give ends the use of s, and keeps it for the next turn if it may.
func (r *Remote) give(s *nodeSession, keep bool) {
	r.mu.Lock()
	r.tick++
	s.used, s.taken = r.tick, false
	keep = keep && !s.gone && !r.closed && len(s.held) == 0
	if !keep && r.sessions[s.of] == s {
		delete(r.sessions, s.of)
	}
	r.mu.Unlock()
	if !keep {
		r.remove(s)
	}
}

// remove removes s on the node, some time.
func (r *Remote) remove(s *nodeSession) {
	if !r.alive() || !r.begin() {
		r.haunt(s)
		return
	}
	go func() {
		defer r.wg.Done()
		ctx, cancel := r.within(r.ctx)
		defer cancel()
		r.drop(ctx, s)
	}()
}

// alive says whether some connection is not known to be lost.
func (r *Remote) alive() bool {
	r.mu.Lock()
	links := append(r.streams[:len(r.streams):len(r.streams)], r.ctl)
	r.mu.Unlock()
	return slices.ContainsFunc(links, (*link).alive)
}

// drop removes s on the node. If that fails it is tried again later.
func (r *Remote) drop(ctx context.Context, s *nodeSession) error {
	fs, leave, err := r.ctl.tree(ctx, s.user)
	if err == nil {
		if r.ctl.startID() == s.start { // else it went with the node
			err = fs.Remove(ctx, "infer/"+s.id)
		}
		leave()
	}
	if err != nil && !errors.Is(err, ninep.ErrNotExist) {
		r.haunt(s)
		return lostError(err)
	}
	r.disown(s)
	for _, f := range s.held {
		f.Forget()
	}
	return nil
}

// mostGhosts bounds the sessions that are to be removed when the node answers
// again. Those beyond go by their ttl.
const mostGhosts = 1 << 14

// haunt notes a session that could not be removed.
func (r *Remote) haunt(s *nodeSession) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if len(r.ghosts) < mostGhosts && !r.closed {
		r.ghosts = append(r.ghosts, s)
	} else {
		delete(r.own, farSession{s.start, s.id})
	}
}

// exorcise removes what could not be removed before: the node answers.
func (r *Remote) exorcise() {
	r.mu.Lock()
	ghosts := r.ghosts
	r.ghosts = nil
	r.mu.Unlock()
	if len(ghosts) == 0 || !r.begin() {
		return
	}
	go func() {
		defer r.wg.Done()
		ctx, cancel := r.within(r.ctx)
		defer cancel()
		for i, s := range ghosts {
			if r.drop(ctx, s) != nil && ctx.Err() != nil {
				for _, s := range ghosts[i+1:] {
					r.haunt(s)
				}
				return
			}
		}
	}()
}

func (r *Remote) disown(s *nodeSession) {
	r.mu.Lock()
	defer r.mu.Unlock()
	delete(r.own, farSession{s.start, s.id})
}

// Owns says whether the session called id on the node was made here: a graft
// does not show its files.
func (r *Remote) Owns(id string) bool {
	start := r.ctl.startID()
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.own[farSession{start, id}]
}

// Forget lets the node drop what it keeps for a session. It does not block.
func (r *Remote) Forget(session uint64) {
	r.mu.Lock()
	delete(r.forks, session)
	s := r.sessions[session]
	delete(r.sessions, session)
	if s != nil && s.taken {
		s.gone = true
		s = nil
	}
	r.mu.Unlock()
	if s != nil {
		r.remove(s)
	}
}

// Fork lets session dst begin with what the node keeps of src.
func (r *Remote) Fork(src, dst uint64) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.sessions[src] != nil && !r.closed {
		r.forks[dst] = src
	}
}

// forked gives the session of the node that of is to begin with; "" for none.
func (r *Remote) forked(of uint64, user, start string) string {
	r.mu.Lock()
	defer r.mu.Unlock()
	src, ok := r.forks[of]
	delete(r.forks, of)
	s := r.sessions[src]
	if !ok || s == nil || s.user != user || s.start != start {
		return ""
	}
	return s.id
}

// evict removes what was to be removed anyway, and the sessions that were not
// used for the longest time: the node has no room for more.
func (r *Remote) evict(ctx context.Context) (some bool) {
	const most = 16
	r.mu.Lock()
	n := min(most, len(r.ghosts))
	ghosts := r.ghosts[:n:n]
	r.ghosts = r.ghosts[n:]
	var idle []*nodeSession
	for _, s := range r.sessions {
		if !s.taken {
			idle = append(idle, s)
		}
	}
	slices.SortFunc(idle, func(a, b *nodeSession) int { return int(int64(a.used - b.used)) })
	idle = idle[:min(most-n, len(idle))]
	for _, s := range idle {
		delete(r.sessions, s.of)
	}
	r.mu.Unlock()
	for _, s := range append(ghosts, idle...) {
		if r.drop(ctx, s) == nil {
			some = true
		}
	}
	return some
}

// made enters a session that the node has just made.
func (r *Remote) made(of uint64, user, start, id string) *nodeSession {
	r.mu.Lock()
	defer r.mu.Unlock()
	s := &nodeSession{of: of, user: user, start: start, id: id, taken: true, params: styxfs.DefaultParams()}
	r.own[farSession{start, id}] = true
	r.sessions[of] = s
	return s
}

var paramTable = styxfs.ParamTable()

// wanted is what a node is told of p. Some of it is the coordinator's own: the
// deadline and the queue's order, and what a reader's hang-up means there. A
// coordinator that is gone leaves no turn behind.
func wanted(p styxfs.Params) styxfs.Params {
	p.OnClose = "cancel"
	p.Timeout = 0
	p.Priority = min(p.Priority, 0)
	return p
}

// ctlLines are the lines that make what the node has of s into p.
func (s *nodeSession) ctlLines(p *styxfs.Params) []byte {
	var b []byte
	if !s.vague {
		old := s.params
		old.Seed = p.Seed
		if reflect.DeepEqual(&old, p) { // a turn after another, most often
			if s.params.Seed == p.Seed {
				return nil
			}
			old.Seed = s.params.Seed
		}
	}
	for i := range paramTable {
		lines := paramTable[i].Lines(p)
		if !s.vague && sameLines(paramTable[i].Lines(&s.params), lines) {
			continue
		}
		for _, words := range lines {
			b = append(styxfs.AppendFields(b, words...), '\n')
		}
	}
	return b
}

func sameLines(a, b [][]string) bool {
	return slices.EqualFunc(a, b, func(x, y []string) bool { return slices.Equal(x, y) })
}

// sumOf is of a conversation: two that have the same are the same.
var sumSeed = maphash.MakeSeed()

func sumOf(l []styxfs.Message) uint64 {
	var h maphash.Hash
	h.SetSeed(sumSeed)
	for i := range l {
		maphash.WriteComparable(&h, len(l[i].Content))
		h.WriteString(l[i].Role)
		h.WriteByte(0)
		h.WriteString(l[i].Content)
	}
	return h.Sum64()
}

// has says whether the node's conversation is l.
func (s *nodeSession) has(l []styxfs.Message) bool {
	return !s.vague && s.known == len(l) && (len(l) == 0 || s.sum == sumOf(l))
}

// holds notes that the node's conversation is l.
func (s *nodeSession) holds(l []styxfs.Message) { s.known, s.sum = len(l), sumOf(l) }

// put replaces a text of the session by way of b.
func put(b *mnt.Batch, path string, data []byte) {
	f := b.Open(path, replace)
	pour(b, f, data)
	b.Close(f)
}

// pour writes data to f in as many messages as it takes.
func pour(b *mnt.Batch, f *mnt.File, data []byte) {
	most := f.IOUnit()
	for off := 0; off < len(data); off += most {
		b.Write(f, data[off:min(len(data), off+most)], int64(off))
	}
}
