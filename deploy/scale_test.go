package deploy

import (
	"fmt"
	"strings"
	"testing"
	"time"
)

// scaling runs a script: SECONDS BUSY QUEUE -> NODES. The nodes of the line
// before are those of the next; slots are 4 a node, of which 3 are to be busy.
func scaling(t *testing.T, s *Scaler, nodes int, text string) {
	t.Helper()
	for line := range strings.Lines(strings.TrimSpace(text)) {
		line, _, _ = strings.Cut(strings.TrimSpace(line), "#")
		var sec, busy, queue, want int
		if _, err := fmt.Sscanf(line, "%d %d %d -> %d", &sec, &busy, &queue, &want); err != nil {
			t.Fatalf("%q: %v", line, err)
		}
		got, why := s.Step(time.Unix(int64(sec), 0), Load{Nodes: nodes, Slots: 4, Busy: busy, Queue: queue})
		if got != want {
			t.Fatalf("%q: %d (%s)", line, got, why)
		}
		if (why != "") != (got != nodes) {
			t.Errorf("%q: from %d to %d, because %q", line, nodes, got, why)
		}
		nodes = got
	}
}

func policy(least, most int) Scaling {
	return Scaling{
		Auto: true, Min: least, Max: most, Target: 0.75, UpAfter: 10 * time.Second, DownTime: 60 * time.Second,
		CoolDown: 30 * time.Second, Idle: 100 * time.Second,
	}
}

func TestScaleUp(t *testing.T) {
	scaling(t, &Scaler{Policy: policy(1, 5)}, 1, `
		0 3 0 -> 1
		100 4 0 -> 1		# above the target, for now
		105 2 0 -> 1		# it was a peak
		106 4 3 -> 1
		115 4 3 -> 1
		116 4 3 -> 3		# as many as it takes
		117 4 30 -> 3
		128 12 30 -> 3		# that long, but cooling down
		146 12 30 -> 5		# not more than five
		200 20 99 -> 5
	`)
}

func TestScaleDown(t *testing.T) {
	scaling(t, &Scaler{Policy: policy(1, 5)}, 3, `
		0 4 0 -> 3		# two nodes could take 6 at the target, 4.8 with slack
		59 4 0 -> 3
		60 5 0 -> 3		# in the band: the time begins anew
		61 4 0 -> 3
		120 4 0 -> 3
		121 4 0 -> 2
		122 2 0 -> 2		# one could take 2.4
		181 2 0 -> 2
		182 2 0 -> 1
		999 0 0 -> 1		# not less than one
	`)
}

// TestScaleBand: a load that stays never makes nodes go and come.
func TestScaleBand(t *testing.T) {
	for demand := range 20 {
		s := &Scaler{Policy: policy(0, 5)}
		nodes, changes := 2, 0
		var last int
		for sec := range 3000 {
			n, _ := s.Step(time.Unix(int64(sec), 0), Load{Nodes: nodes, Slots: 4, Busy: min(demand, 4*nodes), Queue: max(demand-4*nodes, 0)})
			if n != nodes {
				changes++
				if last != 0 && (n > nodes) != (last > 0) {
					t.Errorf("%d turns: to and fro at %d s", demand, sec)
				}
				last = n - nodes
			}
			nodes = n
		}
		if changes > 3 {
			t.Errorf("%d turns: %d changes", demand, changes)
		}
		if demand > 0 && nodes == 0 {
			t.Errorf("%d turns: no node", demand)
		}
	}
}

func TestScaleToZeroAndBack(t *testing.T) {
	scaling(t, &Scaler{Policy: policy(0, 4)}, 1, `
		0 0 0 -> 1
		99 0 0 -> 1
		100 0 0 -> 0
		101 0 1 -> 1		# the first turn does not wait for the cool-down
		102 0 1 -> 1
		110 1 0 -> 1
		200 0 0 -> 1
		299 0 0 -> 1
		300 0 0 -> 0
		301 0 9 -> 3		# as many as it takes
	`)
}

func TestScaleBounds(t *testing.T) {
	scaling(t, &Scaler{Policy: policy(2, 4)}, 0, `0 0 0 -> 2`)
	scaling(t, &Scaler{Policy: policy(2, 4)}, 9, `0 40 40 -> 4`)
}

// TestScaleByHand: what a person has set is left alone for the cool-down.
func TestScaleByHand(t *testing.T) {
	s := &Scaler{Policy: policy(1, 5)}
	scaling(t, s, 4, `0 0 0 -> 4`)
	s.Changed(time.Unix(50, 0))
	scaling(t, s, 4, `
		60 0 0 -> 4
		119 0 0 -> 4
		120 0 0 -> 3
	`)
}
