package queue

import (
	"fmt"
	"strings"
	"testing"
	"time"
)

type turn struct {
	Entry
	name string
}

// TestOrder reads scripts: "name user priority minute" arrives, "serve name"
// takes it, "drop name" takes it unserved, "again name" puts it back as one
// that has lost its place, "order minute: names" is what is expected, and
// "fresh n" how many count as new.
func TestOrder(t *testing.T) {
	for _, script := range []string{`
		# one user: by arrival
		a ann 0 0
		b ann 0 0
		c ann 0 0
		order 0: a b c
	`, `
		# users in turn, whoever has more
		a1 ann 0 0
		a2 ann 0 0
		a3 ann 0 0
		b1 bob 0 0
		order 0: a1 b1 a2 a3
		serve a1
		order 0: b1 a2 a3
		serve b1
		b2 bob 0 0
		order 0: a2 b2 a3
	`, `
		# priority goes first
		low ann -1 0
		mid ann 0 0
		high bob 10 0
		order 0: high mid low
	`, `
		# a minute waited adds 1
		old ann 0 0
		new bob 2 2
		order 2: old new
		order 3: old new
		late cat 4 3
		order 3: late old new
		order 60: late old new
	`, `
		# ... so that nothing waits for ever
		old ann -10 0
		new bob 10 21
		order 21: old new
	`, `
		# a user served long ago comes before one served just now
		a ann 0 0
		b bob 0 0
		serve a
		serve b
		b bob 0 0
		a ann 0 0
		order 0: a b
	`, `
		# who is dropped was not served
		a ann 0 0
		b bob 0 0
		drop a
		a ann 0 0
		order 0: b a
	`, `
		# what has lost its place goes first, and then by where it was
		a ann 0 0
		b bob 0 0
		c cat 0 0
		fresh 3
		serve a
		serve b
		again b
		again a
		fresh 1
		d dan 10 0
		order 0: a b d c
		drop b
		fresh 2
		order 0: a d c
	`} {
		var q Queue[*turn]
		byName := make(map[string]*turn)
		start := time.Unix(0, 0)
		for _, line := range strings.Split(script, "\n") {
			line = strings.TrimSpace(line)
			f := strings.Fields(line)
			switch {
			case len(f) == 0 || f[0] == "#":
			case f[0] == "serve" || f[0] == "drop":
				x := byName[f[1]]
				if !q.Remove(x, f[0] == "serve") || q.Remove(x, false) {
					t.Fatalf("%s: not there, or twice", line)
				}
			case f[0] == "again":
				byName[f[1]].Again = true
				q.Add(byName[f[1]])
			case f[0] == "fresh":
				if got := fmt.Sprint(q.Fresh()); got != f[1] {
					t.Errorf("%s\n%s: got %s", script, line, got)
				}
			case f[0] == "order":
				var minute int
				fmt.Sscanf(f[1], "%d:", &minute)
				var got []string
				for _, x := range q.Order(start.Add(time.Duration(minute) * time.Minute)) {
					got = append(got, x.name)
				}
				if strings.Join(got, " ") != strings.Join(f[2:], " ") {
					t.Errorf("%s\n%s: got %s", script, line, strings.Join(got, " "))
				}
			default:
				var prio, minute int
				fmt.Sscan(f[2]+" "+f[3], &prio, &minute)
				x := &turn{Entry{User: f[1], Priority: prio, Since: start.Add(time.Duration(minute) * time.Minute)}, f[0]}
				byName[f[0]] = x
				q.Add(x)
			}
		}
	}
}

// A tick is later than what came before, and turns have theirs.
func TestTick(t *testing.T) {
	var q Queue[*turn]
	a, b := &turn{}, &turn{}
	q.Add(a)
	at := q.Tick()
	q.Add(b)
	if a.Arrival() >= at || at >= b.Arrival() {
		t.Errorf("ticks %d, %d, %d", a.Arrival(), at, b.Arrival())
	}
	q.Remove(a, true)
	was := a.Arrival()
	q.Add(a)
	if a.Arrival() != was {
		t.Errorf("it came again at %d, first at %d", a.Arrival(), was)
	}
}

// The table of users does not grow without end, nor is one forgotten that was
// served a moment ago.
func TestPrune(t *testing.T) {
	var q Queue[*turn]
	for i := range 10000 {
		x := &turn{Entry: Entry{User: fmt.Sprint(i)}}
		q.Add(x)
		q.Remove(x, true)
	}
	if n := len(q.served); n > 4096 || q.served["9999"] == 0 {
		t.Errorf("%d users are known; the last one at %d", n, q.served["9999"])
	}
}
