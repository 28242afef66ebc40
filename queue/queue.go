// Package queue says whose turn is next: the order is the same at a node,
// whose turns wait for a slot, and at a coordinator, whose turns wait for a
// node. It has no clock: who asks brings the time.
package queue

import (
	"cmp"
	"slices"
	"time"
)

// An Entry is what a Queue goes by. A turn has one in it.
type Entry struct {
	User     string
	Priority int
	Since    time.Time // when it came: a minute waited adds 1 to its priority
	Again    bool      // it ran, and lost its place: it goes before all that did not. It is as it was while in a Queue

	arrival uint64 // the tick at which it came first; 0: it has not yet
}

// Arrival is the tick at which the turn came: see Queue.Tick.
func (e *Entry) Arrival() uint64 { return e.arrival }

func (e *Entry) entry() *Entry { return e }

// A Waiter is a turn, a pointer to a struct that has an Entry in it.
type Waiter interface {
	comparable
	entry() *Entry
}

// A Queue holds the turns that wait: first those that come Again, then by
// priority; among equals by user in turn, the one served least recently first;
// then by arrival. Its zero value is empty. Who uses it locks it.
type Queue[T Waiter] struct {
	turns  []T
	served map[string]uint64 // by user: the tick at which it was served last
	tick   uint64
	fresh  int
}

// Tick counts what happens: it is greater than that of all that came before.
func (q *Queue[T]) Tick() uint64 {
	q.tick++
	return q.tick
}

// All gives the turns as they were added. It is the Queue's own.
func (q *Queue[T]) All() []T { return q.turns }

// Fresh counts the turns that do not come Again.
func (q *Queue[T]) Fresh() int { return q.fresh }

// Add puts t in. One that was there before keeps the place it had.
func (q *Queue[T]) Add(t T) {
	e := t.entry()
	if e.arrival == 0 {
		e.arrival = q.Tick()
	}
	if !e.Again {
		q.fresh++
	}
	q.turns = append(q.turns, t)
}

// Remove takes t out, served or not; false if it was not there.
func (q *Queue[T]) Remove(t T, served bool) bool {
	i := slices.Index(q.turns, t)
	if i < 0 {
		return false
	}
	q.turns = slices.Delete(q.turns, i, i+1)
	e := t.entry()
	if !e.Again {
		q.fresh--
	}
	if served {
		if q.served == nil {
			q.served = make(map[string]uint64)
		}
		q.served[e.User] = q.Tick()
		q.prune()
	}
	return true
}

// prune forgets the users of long ago, so that the table stays small: to have
// been served longest ago and never is the same.
func (q *Queue[T]) prune() {
	if len(q.served) <= 4096 {
		return
	}
	for u, at := range q.served {
		if at+2048 < q.tick {
			delete(q.served, u)
		}
	}
}

// Order gives the turns, the next one first, as they would be served if all
// could run and none came.
func (q *Queue[T]) Order(now time.Time) []T {
	if len(q.turns) < 2 {
		return slices.Clone(q.turns)
	}
	type lane struct {
		level int
		user  string
	}
	type key struct {
		t       T
		head    int
		level   int
		round   int
		last    uint64
		arrival uint64
	}
	rounds := make(map[lane]int)
	keys := make([]key, len(q.turns))
	for i, t := range q.turns {
		e := t.entry()
		head, level := 1, e.Priority+int(now.Sub(e.Since)/time.Minute)
		if e.Again {
			head = 0
		}
		l := lane{level, e.User}
		keys[i] = key{t, head, level, rounds[l], q.served[e.User], e.arrival}
		rounds[l]++
	}
	slices.SortStableFunc(keys, func(a, b key) int {
		return cmp.Or(cmp.Compare(a.head, b.head), cmp.Compare(b.level, a.level), cmp.Compare(a.round, b.round),
			cmp.Compare(a.last, b.last), cmp.Compare(a.arrival, b.arrival))
	})
	turns := make([]T, len(keys))
	for i, k := range keys {
		turns[i] = k.t
	}
	return turns
}
