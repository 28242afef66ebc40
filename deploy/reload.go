package deploy

import (
	"context"
	"fmt"
	"reflect"
	"strconv"

	"llama9/ninep"
	"llama9/styxfs"
)

// fixedKeys are those that a running deployment cannot change.
var fixedKeys = []struct {
	key string
	of  func(c *Config) any
}{
	{"name", func(c *Config) any { return c.Name }},
	{"network.listen", func(c *Config) any { return c.Network.Listen }},
	{"network.insecure", func(c *Config) any { return c.Network.Insecure }},
	{"network.socket_mode", func(c *Config) any { return c.Network.SocketMode }},
	{"network.join_key", func(c *Config) any { return c.Network.JoinKey }},
	{"network.queue", func(c *Config) any { return c.Network.Queue }},
	{"limits.sessions", func(c *Config) any { return c.Limits.Sessions }},
	{"limits.session_ttl", func(c *Config) any { return c.Limits.SessionTTL }},
}

// Reload makes the deployment what c says: new nodes are started, those that
// are no more are drained, and those that are others are made anew one by one,
// each when the one before is ready. An error says that nothing was changed.
func (s *Supervisor) Reload(c *Config) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	count, err := s.mayReload(c)
	if err != nil {
		return err
	}
	if err := s.askAll(c.coordLines()); err != nil {
		return fmt.Errorf("the coordinator: %w", err)
	}
	s.c, s.count, s.auto, s.scaler.Policy, s.note = c, count, c.Scaling.Auto, c.Scaling, ""
	want := c.specs(s.o.Place, count)
	s.rolling = nil
	for _, n := range s.nodes {
		n.life.Limits = &c.Limits
		spec := find(want, n.name)
		if spec == nil || n.gone || !n.life.Wanted() {
			continue
		}
		if n.spec.Weight != spec.Weight && n.mounted && n.spec.same(*spec) {
			n.spec.Weight = spec.Weight
			s.askAll([][]string{{"weight", n.name, strconv.FormatFloat(spec.Weight, 'g', -1, 64)}}) // said in status if it fails
		}
		if !n.spec.same(*spec) {
			s.rolling = append(s.rolling, *spec)
		} else if n.next != nil && !n.next.same(*spec) {
			n.next = nil
		}
	}
	s.o.Log.Info("reload", "nodes", len(want), "changed", len(s.rolling))
	s.post("deploy", styxfs.Attr{Name: "state", Value: "reload"}, styxfs.Attr{Name: "nodes", Value: strconv.Itoa(len(want))},
		styxfs.Attr{Name: "changed", Value: strconv.Itoa(len(s.rolling))})
	s.settle(want)
	return nil
}

// mayReload says why c cannot be what the deployment is, and how many nodes
// the scaled group would have: what the file says if that is new, else what it
// was scaled to. mu is held.
func (s *Supervisor) mayReload(c *Config) (count int, err error) {
	if s.stopping {
		return 0, errStopping
	}
	for _, f := range fixedKeys {
		if !reflect.DeepEqual(f.of(s.c), f.of(c)) {
			return 0, ninep.Errorf(ninep.ErrInvalid, "%s:%d: %s: a running deployment cannot change it; stop it and start it", c.file, c.at.find(f.key), f.key)
		}
	}
	for i, g := range c.Nodes {
		if old := s.c.group(g.Name); old != nil && old.Remote != g.Remote {
			return 0, ninep.Errorf(ninep.ErrInvalid, "%s%s: what was started here and what is adopted are two nodes; give it another name",
				c.where(fmt.Sprintf("nodes[%d].remote", i)), g.Name)
		}
	}
	count = s.count
	if g, old := c.group(c.Scaling.Group), s.c.group(s.c.Scaling.Group); g == nil {
		count = 0
	} else if old == nil || g.Count != old.Count {
		count = g.Count
	}
	if err := s.check(c, count, count); err != nil {
		return 0, ninep.Errorf(ninep.ErrInvalid, "%v", err)
	}
	return count, nil
}

// askAll writes lines to the coordinator's ctl. mu is held.
func (s *Supervisor) askAll(lines [][]string) error {
	ctx, cancel := context.WithTimeout(s.ctx, askTime)
	defer cancel()
	err := s.o.Cluster.Ctl(ctx, lines...)
	if err != nil {
		s.note = err.Error()
	}
	return err
}

// roll makes the next node anew, if the one before is ready. One that does not
// come back ends the roll: the nodes that are left go on as they were. mu is
// held.
func (s *Supervisor) roll() {
	for _, n := range s.nodes {
		if !n.rolled {
			continue
		}
		switch n.life.State {
		case Ready, Stopped:
			if n.next != nil && n.life.State == Ready {
				return // its drain is still to begin
			}
			n.rolled = false
		case Waiting, Failed:
			n.rolled = false
			if len(s.rolling) > 0 {
				s.note = fmt.Sprintf("reload: %s did not come back; %d nodes are left as they were: %s", n.name, len(s.rolling), n.life.Error)
				s.o.Log.Error("reload", "err", s.note)
				s.post("deploy", styxfs.Attr{Name: "state", Value: "reload"}, styxfs.Attr{Name: "error", Value: s.note})
			}
			s.rolling = nil
		default:
			return
		}
	}
	for len(s.rolling) > 0 {
		spec := s.rolling[0]
		s.rolling = s.rolling[1:]
		n := s.find(spec.Name)
		if n == nil || n.gone || !n.life.Wanted() {
			continue
		}
		n.next, n.rolled = &spec, true
		s.act(n, n.life.Restart(s.o.Now()))
		return
	}
}

// Pause makes turns wait, and Resume lets them go on. Nodes stay.
func (s *Supervisor) Pause() error  { return s.pause(true) }
func (s *Supervisor) Resume() error { return s.pause(false) }

func (s *Supervisor) pause(on bool) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.stopping {
		return errStopping
	}
	word := "resume"
	if on {
		word = "pause"
	}
	if err := s.askAll([][]string{{word}}); err != nil {
		return err
	}
	if s.paused != on {
		s.paused = on
		s.o.Log.Info(word)
		s.post("deploy", styxfs.Attr{Name: "state", Value: map[bool]string{true: "paused", false: "running"}[on]})
	}
	return nil
}

// Auto turns scaling by load on and off.
func (s *Supervisor) Auto(on bool) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := s.mayAuto(on); err != nil {
		return err
	}
	s.auto = on
	s.wake()
	return nil
}

func (s *Supervisor) mayAuto(on bool) error {
	switch {
	case s.stopping:
		return errStopping
	case on && (s.c.Scaling.Max == 0 || s.c.Scaling.Group == ""):
		return ninep.Errorf(ninep.ErrInvalid, "auto: scaling.max is not set")
	}
	return nil
}

// Restart makes a node begin anew, drained first.
func (s *Supervisor) Restart(name string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	n, err := s.mayRestart(name)
	if err == nil {
		s.act(n, n.life.Restart(s.o.Now()))
	}
	return err
}

func (s *Supervisor) mayRestart(name string) (*isolate, error) {
	n := s.find(name)
	switch {
	case s.stopping:
		return nil, errStopping
	case n == nil || n.gone:
		return nil, ninep.Errorf(ninep.ErrNotExist, "restart: %s: no such node", styxfs.Quote(name))
	}
	return n, nil
}
