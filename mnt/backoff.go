package mnt

import (
	"cmp"
	"time"
)

// A Backoff gives the delays between attempts to reach a server: each twice
// the one before, up to Max, and half of each left to chance, so that the
// clients of a server that was away do not all come back at once. It has no
// clock and no dice of its own. The zero Backoff is ready.
type Backoff struct {
	Min time.Duration // the first; 0 is 100ms
	Max time.Duration // 0 is 15s

	tries int
}

// limits gives Min and Max.
func (b *Backoff) limits() (lo, hi time.Duration) {
	lo = max(cmp.Or(b.Min, 100*time.Millisecond), 1)
	return lo, max(cmp.Or(b.Max, 15*time.Second), lo)
}

// whole is the delay of the next attempt without chance.
func (b *Backoff) whole() time.Duration {
	lo, hi := b.limits()
	d := lo
	for i := 0; i < b.tries && d < hi; i++ {
		d *= 2
		if d <= 0 {
			return hi
		}
	}
	return min(d, hi)
}

// Next gives the time to wait before the next attempt. dice is from 0 to 1.
func (b *Backoff) Next(dice float64) time.Duration {
	d := b.whole()
	if _, hi := b.limits(); d < hi {
		b.tries++
	}
	return d/2 + time.Duration(float64(d-d/2)*min(max(dice, 0), 1))
}

// Lasted tells that an attempt succeeded and what it led to lasted for d. Only
// if that is longer than the next delay do the delays begin anew: a server
// that takes connections and drops them is not dialed without end.
func (b *Backoff) Lasted(d time.Duration) {
	if d > b.whole() {
		b.tries = 0
	}
}
