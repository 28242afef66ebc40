package mnt

import (
	"testing"
	"time"
)

func TestBackoff(t *testing.T) {
	b := Backoff{Min: time.Second, Max: 10 * time.Second}
	ms := func(n int) time.Duration { return time.Duration(n) * time.Millisecond }
	for i, tt := range []struct {
		lasted time.Duration // of what came before, 0: nothing
		dice   float64
		want   time.Duration
	}{
		{0, 0, ms(500)},
		{0, 1, ms(2000)},
		{0, 0.5, ms(3000)},
		{0, 0, ms(4000)},
		{0, 1, ms(10000)},
		{0, 0.5, ms(7500)},
		{ms(9000), 1, ms(10000)}, // not for long enough
		{ms(10001), 1, ms(1000)},
		{ms(1500), 0, ms(1000)},
		{0, 7, ms(4000)}, // dice of another kind
		{0, -1, ms(4000)},
	} {
		if tt.lasted > 0 {
			b.Lasted(tt.lasted)
		}
		if got := b.Next(tt.dice); got != tt.want {
			t.Errorf("%d: %v, want %v", i, got, tt.want)
		}
	}
	// It ends nowhere but at Max.
	far := Backoff{Min: 1, Max: 1<<63 - 1}
	for range 100 {
		far.Next(0)
	}
	if got := far.Next(1); got != 1<<63-1 {
		t.Errorf("the last delay is %v", got)
	}
	var zero Backoff
	if got := zero.Next(1); got != 100*time.Millisecond {
		t.Errorf("the first delay is %v", got)
	}
	for range 20 {
		zero.Next(1)
	}
	if got := zero.Next(1); got != 15*time.Second {
		t.Errorf("the longest delay is %v", got)
	}
}
