package node

import (
	"cmp"
	"slices"
	"time"
)

// A queue holds the turns that wait. Its order is by priority, to which a
// minute waited adds 1; among equals by user in turn, the one served least
// recently first; then by arrival. It knows nothing of models: the caller
// passes over those that cannot run yet.
type queue struct {
	turns  []*turn           // by arrival
	served map[string]uint64 // by user: the tick at which it was served last
	tick   uint64
}

// add puts t at the end; now is its arrival.
func (q *queue) add(t *turn, now time.Time) {
	q.tick++
	t.arrival, t.at = q.tick, now
	q.turns = append(q.turns, t)
}

// remove takes t out, served or not; false if it was not there.
func (q *queue) remove(t *turn, served bool) bool {
	i := slices.Index(q.turns, t)
	if i < 0 {
		return false
	}
	q.turns = slices.Delete(q.turns, i, i+1)
	if served {
		if q.served == nil {
			q.served = make(map[string]uint64)
		}
		q.tick++
		q.served[t.r.User] = q.tick
	}
	q.prune()
	return true
}

// prune forgets the users of long ago, so that the table stays small: to have
// been served longest ago and never is the same.
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

// order gives the turns, the next one first, as they would be served if all
// could run and none came.
func (q *queue) order(now time.Time) []*turn {
	type key struct {
		t     *turn
		level int
		round int
		last  uint64
	}
	type lane struct {
		level int
		user  string
	}
	rounds := make(map[lane]int)
	keys := make([]key, len(q.turns))
	for i, t := range q.turns {
		level := t.r.Params.Priority + int(now.Sub(t.at)/time.Minute)
		l := lane{level, t.r.User}
		keys[i] = key{t, level, rounds[l], q.served[t.r.User]}
		rounds[l]++
	}
	slices.SortStableFunc(keys, func(a, b key) int {
		return cmp.Or(cmp.Compare(b.level, a.level), cmp.Compare(a.round, b.round),
			cmp.Compare(a.last, b.last), cmp.Compare(a.t.arrival, b.t.arrival))
	})
	turns := make([]*turn, len(keys))
	for i, k := range keys {
		turns[i] = k.t
	}
	return turns
}
