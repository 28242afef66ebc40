package styxfs

import (
	"sync"
	"time"
)

// A journal tells the Store what becomes of the sessions: saved.go says how,
// and replay.go and resume.go make them again after a restart.
//
// What a client did is appended before it is answered. Tokens are appended in
// groups, by a goroutine that writes whatever has come since it wrote last, and
// only then can be read in out and token: what was read is never made anew as
// something else.
type journal struct {
	f     *FS
	store Store

	wake    chan struct{} // of size 1: there are turns in waiting
	settle  chan struct{} // of size 1: a turn has begun or ended
	stop    chan struct{}
	once    sync.Once // of stop
	running sync.WaitGroup

	pend    sync.Mutex // guards below; a leaf
	waiting []*turn    // with tokens that were not appended

	mu     sync.Mutex // the order of records; after session.mu, before turn.mu; guards below
	spare  []*turn
	gone   []uint64 // removed sessions whose removal could not be appended
	lost   int      // sessions with session.lost
	broken error    // why not all is kept; nil: it is
	again  time.Time
}

func newJournal(f *FS, store Store) *journal {
	return &journal{f: f, store: store, wake: make(chan struct{}, 1), settle: make(chan struct{}, 1), stop: make(chan struct{})}
}

// start begins to write tokens. close ends it.
func (j *journal) start() {
	j.running.Go(func() {
		for {
			select {
			case <-j.wake:
				j.flush()
			case <-j.stop:
				j.flush()
				return
			}
		}
	})
	j.running.Go(func() {
		for {
			select {
			case <-j.settle:
				j.tidy()
			case <-j.stop:
				return
			}
		}
	})
}

// close writes what there is. No turn runs any more.
func (j *journal) close() {
	j.once.Do(func() { close(j.stop) })
	j.running.Wait()
	if err := j.store.Sync(); err != nil {
		j.f.log.Error("journal", "err", err)
	}
}

// poke wakes who receives from c.
func poke(c chan<- struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}

// later has t's tokens appended and shown. t.mu is held.
func (j *journal) later(t *turn) {
	if t.waiting {
		return
	}
	t.waiting = true
	j.pend.Lock()
	j.waiting = append(j.waiting, t)
	j.pend.Unlock()
	poke(j.wake)
}

// flush appends the tokens that wait, and shows them.
func (j *journal) flush() {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.pend.Lock()
	list := j.waiting
	j.waiting = j.spare[:0]
	j.pend.Unlock()
	var recs [][]byte
	for _, t := range list {
		recs = append(recs, t.hand()...)
	}
	if len(recs) > 0 {
		if err := j.store.Append(recs...); err != nil {
			for _, t := range list {
				j.lose(t.s)
			}
			j.fail(err)
		}
	}
	for _, t := range list {
		t.shown()
	}
	if j.store.Due() {
		poke(j.settle)
	}
	clear(list)
	j.spare = list[:0]
}

// lose notes that the journal is behind s: its next record has to tell all.
// mu is held.
func (j *journal) lose(s *session) {
	if !s.lost && !s.erased {
		s.lost = true
		j.lost++
	}
}

// fail tells that something could not be kept. mu is held.
func (j *journal) fail(err error) {
	if j.broken == nil {
		j.f.log.Error("journal: sessions are not kept", "err", err)
		j.f.events.Post("journal", Attr{"state", "failed"}, Attr{"error", err.Error()})
	}
	j.broken = err
	j.f.note.bad("journal", err)
}

// save appends what has changed of s since it was appended last. s.mu is held.
func (s *session) save() {
	j := s.f.journal
	if j == nil || s.closed {
		return
	}
	j.mu.Lock()
	defer j.mu.Unlock()
	if err := s.append(s.lost || s.kept == nil); err != nil {
		j.lose(s)
		j.fail(err)
	}
}

// append appends what has changed of s, or all of it. s.mu and journal.mu are
// held.
func (s *session) append(all bool) error {
	j := s.f.journal
	recs, now := s.records(all)
	if len(recs) == 0 {
		return nil
	}
	for _, n := range j.gone {
		recs = append(recs, goneRecord(n))
	}
	err := j.store.Append(recs...)
	if now.turn != nil {
		now.turn.shown()
	}
	if err != nil {
		return err
	}
	if s.kept == nil || s.kept.turn != now.turn || s.kept.over != now.over || j.store.Due() {
		poke(j.settle)
	}
	s.kept, j.gone = now, nil
	if s.lost {
		s.lost = false
		j.lost--
	}
	return nil
}

// erase appends that s was removed.
func (j *journal) erase(s *session) {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.end(s)
}

// end is erase. mu is held.
func (j *journal) end(s *session) {
	if s.erased {
		return
	}
	if s.lost {
		s.lost = false
		j.lost--
	}
	s.erased = true
	if err := j.store.Append(goneRecord(s.n)); err != nil {
		j.gone = append(j.gone, s.n)
		j.fail(err)
	}
}

// tidy syncs, and compacts if it is time.
func (j *journal) tidy() {
	err := j.store.Sync()
	j.mu.Lock()
	now := j.f.now()
	if err != nil {
		j.fail(err)
	}
	mend := j.broken != nil && !now.Before(j.again)
	if mend {
		j.again = now.Add(mendTime)
	}
	j.mu.Unlock()
	if !mend && !j.store.Due() {
		return
	}
	err = j.store.Compact(j.rewrite)
	j.mu.Lock()
	defer j.mu.Unlock()
	switch {
	case err != nil:
		j.fail(err)
	case j.broken != nil && j.lost == 0 && len(j.gone) == 0:
		j.broken = nil
		j.f.note.good("journal")
		j.f.log.Info("journal: sessions are kept again")
		j.f.events.Post("journal", Attr{"state", "on"}, Attr{"error", ""})
	}
}

// mendTime is how long a journal that failed is left alone.
const mendTime = 10 * time.Second

// rewrite appends all that lives.
func (j *journal) rewrite() error {
	j.f.mu.Lock()
	next := j.f.next
	j.f.mu.Unlock()
	if err := j.store.Append(nextRecord(next)); err != nil {
		return err
	}
	for _, s := range j.f.living() {
		if err := s.rewrite(); err != nil {
			return err
		}
	}
	j.mu.Lock()
	defer j.mu.Unlock()
	recs := [][]byte{compactedRecord()}
	for _, n := range j.gone {
		recs = append(recs, goneRecord(n))
	}
	err := j.store.Append(recs...)
	if err == nil {
		j.gone = nil
	}
	return err
}

// rewrite appends all of s.
func (s *session) rewrite() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	j := s.f.journal
	j.mu.Lock()
	defer j.mu.Unlock()
	if s.closed { // a record of it may have come since the compaction began
		j.end(s)
		return nil
	}
	err := s.append(true)
	if err != nil {
		j.lose(s)
	}
	return err
}

// state is journal= of the root status.
func (j *journal) state() string {
	if j == nil {
		return "off"
	}
	j.mu.Lock()
	defer j.mu.Unlock()
	if j.broken != nil {
		return "failed"
	}
	return "on"
}

// hand gives the records of t's tokens that were not appended, and takes them
// as appended. journal.mu is held.
func (t *turn) hand() [][]byte {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.waiting = false
	recs := t.rest()
	if t.s.erased || t.s.lost {
		return nil
	}
	return recs
}

// shown lets readers have what was appended.
func (t *turn) shown() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.show()
}

// show lets readers have what was appended. mu is held.
func (t *turn) show() {
	if t.handed.text > t.seen.text || t.handed.lines > t.seen.lines {
		t.seen = t.handed
		t.wakeAll()
	}
}

// equalMessages counts how many messages a and b begin with alike.
func equalMessages(a, b []Message) int {
	n := min(len(a), len(b))
	for i := range n {
		if a[i] != b[i] {
			return i
		}
	}
	return n
}
