package coord

import (
	"fmt"
	"testing"
	"time"
)

// order gives the users' turns, as u1 u2 ..., in the order of the queue.
func (s *script) order(names map[*turn]string) string {
	var l []string
	for _, t := range s.queue.order(s.now) {
		l = append(l, names[t])
	}
	return fmt.Sprint(l)
}

func TestQueueOrder(t *testing.T) {
	s := newScript(t)
	names := make(map[*turn]string)
	ask := func(name, user string, priority int) *turn {
		u := s.ask(user)
		u.priority = priority
		names[u] = name
		return u
	}
	want := func(l string) {
		t.Helper()
		if got := s.order(names); got != l {
			t.Fatalf("got %s, want %s", got, l)
		}
	}
	a1 := ask("a1", "a", 0)
	ask("a2", "a", 0)
	ask("a3", "a", 0)
	ask("b1", "b", 0)
	want("[a1 b1 a2 a3]") // users in turn
	ask("c1", "c", 1)
	want("[c1 a1 b1 a2 a3]")
	s.queue.remove(a1, true)
	want("[c1 b1 a2 a3]") // a was served
	s.after(time.Minute)
	ask("d1", "d", 1)
	want("[c1 b1 d1 a2 a3]") // a minute counts as much
	a1.again = true
	s.queue.add(a1)
	want("[a1 c1 b1 d1 a2 a3]") // it has lost its node
	if s.queue.fresh != 5 {
		t.Fatalf("%d count for the bound", s.queue.fresh)
	}
	s.queue.remove(a1, false)
	if s.queue.fresh != 5 || s.queue.remove(a1, false) {
		t.Fatal("it was there twice")
	}
}
