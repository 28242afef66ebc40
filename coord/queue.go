package coord

import (
	"cmp"
	"slices"
	"time"
)

// A queue holds the turns that wait for a slot: first those that have lost
// their node, then by priority, to which a minute waited adds 1; among equals by
// user in turn, the one served least recently first; then by arrival.
type queue struct {
	turns  []*turn
	served map[string]uint64 // by user: the tick at which it was served last
	tick   uint64
	fresh  int // turns that have not run yet: they are what the bound counts
}

// add puts t in. One that comes again keeps the place it had.
func (q *queue) add(t *turn) {
	if t.arrival == 0 {
		q.tick++
		t.arrival = q.tick
	}
	if !t.again {
		q.fresh++
	}
	q.turns = append(q.turns, t)
}

// remove takes t out, served or not; false if it was not there.
func (q *queue) remove(t *turn, served bool) bool {
	i := slices.Index(q.turns, t)
	if i < 0 {
		return false
	}
	q.turns = slices.Delete(q.turns, i, i+1)
	if !t.again {
		q.fresh--
	}
	if served {
		if q.served == nil {
			q.served = make(map[string]uint64)
		}
		q.tick++
		q.served[t.user] = q.tick
		q.prune()
	}
	return true
}

// prune forgets the users of long ago: to have been served longest ago and
// never is the same.
func (q *queue) prune() {
	if len(q.served) <= 4096 {
		return
	}
	for u, at := range q.served {
		if at+2048 < q.tick {
			delete(q.served, u)
		}
	}
}

// order gives the turns, the next one first.
func (q *queue) order(now time.Time) []*turn {
	if len(q.turns) < 2 {
		return q.turns
	}
	type lane struct {
		level int
		user  string
	}
	type key struct {
		t     *turn
		head  int
		level int
		round int
		last  uint64
	}
	rounds := make(map[lane]int)
	keys := make([]key, len(q.turns))
	for i, t := range q.turns {
		head, level := 1, t.priority+int(now.Sub(t.since)/time.Minute)
		if t.again {
			head = 0
		}
		l := lane{level, t.user}
		keys[i] = key{t, head, level, rounds[l], q.served[t.user]}
		rounds[l]++
	}
	slices.SortStableFunc(keys, func(a, b key) int {
		return cmp.Or(cmp.Compare(a.head, b.head), cmp.Compare(b.level, a.level), cmp.Compare(a.round, b.round),
			cmp.Compare(a.last, b.last), cmp.Compare(a.t.arrival, b.t.arrival))
	})
	turns := make([]*turn, len(keys))
	for i, k := range keys {
		turns[i] = k.t
	}
	return turns
}
