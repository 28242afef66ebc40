package deploy

import (
	"cmp"
	"context"
	"fmt"
	"time"

	"llama9/ninep"
	"llama9/styxfs"
)

// scaleLook is the time between two looks at the load.
const scaleLook = time.Second

// scaleByLoad asks the scaler, if it is to be asked.
func (s *Supervisor) scaleByLoad(ctx context.Context) {
	ask, cancel := context.WithTimeout(ctx, askTime)
	defer cancel()
	busy, queue, err := s.o.Cluster.Load(ask)
	s.mu.Lock()
	defer s.mu.Unlock()
	if err != nil || s.stopping {
		return
	}
	s.load = Load{Nodes: s.count, Slots: s.slots(), Busy: busy, Queue: queue}
	if !s.auto || s.paused {
		return
	}
	if n, why := s.scaler.Step(s.o.Now(), s.load); n != s.count {
		if err := s.check(s.c, s.count, n); err != nil && n > s.count {
			s.o.Log.Error("scale", "from", s.count, "to", n, "err", err)
			s.note = err.Error()
			return
		}
		s.scaleTo(n, why)
	}
}

// slots are those of one node of the scaled group. mu is held.
func (s *Supervisor) slots() int {
	for _, n := range s.nodes {
		if n.spec.Group == s.c.Scaling.Group && n.life.State == Ready && n.look.slots > 0 {
			return n.look.slots
		}
	}
	return s.c.slots()
}

// scaleTo makes the scaled group have n nodes. mu is held.
func (s *Supervisor) scaleTo(n int, why string) {
	s.o.Log.Info("scale", "from", s.count, "to", n, "why", why)
	s.post("scale", styxfs.Attr{Name: "from", Value: fmt.Sprint(s.count)}, styxfs.Attr{Name: "to", Value: fmt.Sprint(n)}, styxfs.Attr{Name: "why", Value: why})
	s.count = n
	s.settle(s.c.specs(s.o.Place, n))
}

// settle adds the nodes of want that are not there, and lets those go that are
// not of it. mu is held.
func (s *Supervisor) settle(want []Spec) {
	for i := len(s.nodes) - 1; i >= 0; i-- {
		if n := s.nodes[i]; find(want, n.name) == nil {
			n.gone = true
			s.act(n, n.life.Stop(s.o.Now()))
		}
	}
	for _, spec := range want {
		if n := s.find(spec.Name); n == nil || n.gone || !n.life.Wanted() {
			s.add(spec)
		}
	}
	s.wake()
}

// Scale makes the scaled group have n nodes.
func (s *Supervisor) Scale(n int) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := s.mayScale(n); err != nil {
		return err
	}
	s.scaler.Changed(s.o.Now())
	s.scaleTo(n, "ctl")
	return nil
}

// mayScale says why there cannot be n nodes. mu is held.
func (s *Supervisor) mayScale(n int) error {
	p := &s.c.Scaling
	most := cmp.Or(p.Max, mostNodes)
	least := 0
	if s.auto {
		least = p.Min
	}
	switch {
	case s.stopping:
		return errStopping
	case p.Group == "":
		return ninep.Errorf(ninep.ErrInvalid, "scale: no nodes with a count are configured")
	case n < least || n > most:
		return ninep.Errorf(ninep.ErrInvalid, "scale: %d: want a number from %d to %d", n, least, most)
	}
	if n > s.count {
		if err := s.check(s.c, s.count, n); err != nil {
			return ninep.Errorf(ninep.ErrNoMem, "scale: %v", err)
		}
	}
	return nil
}
