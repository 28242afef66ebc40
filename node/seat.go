package node

import (
	"cmp"
	"slices"
)

// A seat is what the choice of models in memory knows of one.
type seat struct {
	name  string
	bytes uint64 // what it takes, or would
	state seatState
	busy  int    // turns that run on it
	owed  int    // turns that waited for it when it was loaded, and still do
	used  uint64 // tick of the last use
}

type seatState int

const (
	seatOut     seatState = iota // not in memory
	seatLoading                  // on its way in
	seatIn
	seatLeaving // takes no new turns, is unloaded once it is idle
)

// reseat says what to load, and what to send away for it. wants are the models
// that waiting turns name and that are not in, the longest waiting first. One
// that does not fit holds up those after it, and sends away those least
// recently used, idle ones first; one that still owes turns stays: so two
// models that do not fit together each serve what had gathered. bound 0 is no
// bound; a model that is bigger than the bound alone is tried alone.
func reseat(seats []seat, wants []string, bound uint64) (load, leave []string) {
	var sum uint64
	resident := 0
	for _, s := range seats {
		if s.state != seatOut {
			sum += s.bytes
			resident++
		}
	}
	for _, w := range wants {
		i := slices.IndexFunc(seats, func(s seat) bool { return s.name == w })
		if i < 0 || seats[i].state == seatIn || seats[i].state == seatLoading || slices.Contains(load, w) {
			continue
		}
		if seats[i].state == seatLeaving {
			return load, leave // comes back once it is gone
		}
		need := seats[i].bytes
		if bound == 0 || resident == 0 || sum+need <= bound {
			load = append(load, w)
			sum += need
			resident++
			continue
		}
		free := int64(bound) - int64(sum)
		for _, s := range seats {
			if s.state == seatLeaving {
				free += int64(s.bytes)
			}
		}
		for _, v := range victims(seats) {
			if free >= int64(need) {
				break
			}
			leave = append(leave, v.name)
			free += int64(v.bytes)
		}
		return load, leave
	}
	if bound > 0 && len(load) == 0 {
		leave = trim(seats, bound)
	}
	return load, leave
}

// victims are the models that may be sent away, the best first.
func victims(seats []seat) []seat {
	var v []seat
	for _, s := range seats {
		if s.state == seatIn && s.owed == 0 {
			v = append(v, s)
		}
	}
	slices.SortFunc(v, func(a, b seat) int {
		return cmp.Or(cmp.Compare(min(a.busy, 1), min(b.busy, 1)), cmp.Compare(a.used, b.used))
	})
	return v
}

// trim sends idle models away, never the one used last, while there is too much in
// memory: what a model takes is known only once it is loaded.
func trim(seats []seat, bound uint64) (leave []string) {
	var sum, newest uint64
	for _, s := range seats {
		if s.state == seatIn || s.state == seatLoading {
			sum += s.bytes
			newest = max(newest, s.used)
		}
	}
	for _, v := range victims(seats) {
		if sum <= bound || v.busy > 0 || v.used == newest {
			break
		}
		leave = append(leave, v.name)
		sum -= v.bytes
	}
	return leave
}
