package deploy

import (
	"fmt"
	"math"
	"time"
)

// A Load is what a cluster has to do, and with what.
type Load struct {
	Nodes int // that are to be there: also those that start
	Slots int // of one node
	Busy  int // turns that run
	Queue int // turns that wait
}

// A Scaler decides how many nodes there are to be. It is told times and loads;
// it has no clock.
//
// Nodes are added when the load was above the target for a while, as many as
// it takes, and removed one at a time when the load would leave room on fewer
// for a longer while. Between the two is a band where nothing is done, and
// after each change a time in which nothing is.
type Scaler struct {
	Policy Scaling

	high, low time.Time // since when; zero: it is not
	changed   time.Time
}

// slack is the part of fewer nodes' target that the load must fit into before
// one is removed: the band between adding and removing.
const slack = 0.8

// Changed says that the nodes were made more or less by somebody else.
func (s *Scaler) Changed(now time.Time) {
	s.changed, s.high, s.low = now, time.Time{}, time.Time{}
}

// Step says how many nodes there are to be, and why if they are to be others
// than there are.
func (s *Scaler) Step(now time.Time, l Load) (nodes int, why string) {
	p := &s.Policy
	demand := l.Busy + l.Queue
	per := p.Target * float64(max(l.Slots, 1))
	need := min(max(int(math.Ceil(float64(demand)/per-1e-9)), p.Min), p.Max)
	switch {
	case l.Nodes < p.Min || l.Nodes > p.Max:
		nodes = min(max(l.Nodes, p.Min), p.Max)
		s.Changed(now)
		return nodes, fmt.Sprintf("from %d to %d nodes are wanted", p.Min, p.Max)
	case l.Nodes == 0 && demand > 0 && p.Max > 0:
		s.Changed(now)
		return max(need, 1), fmt.Sprintf("%d turns and no node", demand)
	}
	s.high = since(s.high, now, need > l.Nodes)
	s.low = since(s.low, now, s.fewer(l.Nodes, demand, per))
	cooled := now.Sub(s.changed) >= p.CoolDown || s.changed.IsZero()
	switch {
	case !s.high.IsZero() && now.Sub(s.high) >= p.UpAfter && cooled:
		s.Changed(now)
		return need, fmt.Sprintf("%d turns on %d slots", demand, l.Nodes*l.Slots)
	case !s.low.IsZero() && now.Sub(s.low) >= s.patience(l.Nodes) && cooled:
		s.Changed(now)
		return l.Nodes - 1, fmt.Sprintf("%d turns on %d slots", demand, l.Nodes*l.Slots)
	}
	return l.Nodes, ""
}

// fewer says whether one node less would do.
func (s *Scaler) fewer(nodes, demand int, per float64) bool {
	switch {
	case nodes <= s.Policy.Min:
		return false
	case nodes == 1:
		return demand == 0
	}
	return float64(demand) <= slack*per*float64(nodes-1)
}

// patience is how long one node less must have done.
func (s *Scaler) patience(nodes int) time.Duration {
	if nodes == 1 {
		return s.Policy.Idle
	}
	return s.Policy.DownTime
}

// since gives since when something is so: what it was, now, or zero.
func since(was, now time.Time, is bool) time.Time {
	switch {
	case !is:
		return time.Time{}
	case was.IsZero():
		return now
	}
	return was
}
