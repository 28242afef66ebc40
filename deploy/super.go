package deploy

import (
	"context"
	"fmt"
	"log/slog"
	"path/filepath"
	"slices"
	"sync"
	"time"

	"llama9/ninep"
	"llama9/styxfs"
)

// Options are what a Supervisor is made of.
type Options struct {
	Config  *Config
	Program string   // llama9, that nodes are started with
	Place   Place    // of sockets, and of the demo model
	Logs    string   // directory of the logs; "" none are stored
	Cluster *Cluster // the coordinator
	Log     *slog.Logger
	Own     *Log             // the supervisor's own log, shown as deploy; nil: none
	Events  *styxfs.Events   // of deploy/event
	Now     func() time.Time // nil is time.Now
	// Check, if not nil, says why a configuration cannot be run here when the
	// scaled group goes from so many nodes to count: no such model, no memory.
	Check func(c *Config, from, count int) error
}

// A Supervisor runs the nodes of a deployment.
type Supervisor struct {
	o      Options
	spawn  *spawner
	groups *cgroups
	ctx    context.Context
	cancel context.CancelFunc
	all    sync.WaitGroup
	kick   chan struct{} // of size 1: there is something to look at
	done   chan struct{} // closed when all nodes have stopped after Stop

	mu       sync.Mutex // guards below
	c        *Config
	nodes    []*isolate // in the order of the file
	count    int        // of the scaled group
	scaler   Scaler
	auto     bool
	paused   bool
	begun    bool // the first nodes are there
	stopping bool
	rolling  []Spec // nodes that are to be made anew, one after the other
	note     string // error= of status
	load     Load
}

// An isolate is a node of a deployment. The Supervisor's mu guards it.
type isolate struct {
	name  string
	spec  Spec
	life  Life
	gone  bool // it is not to come back, and is forgotten when it has stopped
	log   *Log
	proc  *proc
	look  look
	watch context.CancelFunc // ends the watch; nil: there is none
	hurry chan struct{}      // of size 1: the watch is to look now

	starts  int
	started time.Time
	mounted bool

	next   *Spec // what it is started as when it begins anew; nil: spec
	rolled bool  // it is made anew by a reload

	told      State // in the log and in event
	toldError string

	acts []Action // to be done, in order
	busy bool     // they are being done
}

// askTime is how long the coordinator may take to answer.
const askTime = 10 * time.Second

// New makes a Supervisor; Run starts the nodes.
func New(o Options) *Supervisor {
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	s := &Supervisor{
		o: o, c: o.Config, kick: make(chan struct{}, 1), done: make(chan struct{}), auto: o.Config.Scaling.Auto,
		scaler: Scaler{Policy: o.Config.Scaling},
	}
	if g := s.c.group(s.c.Scaling.Group); g != nil {
		s.count = g.Count
	}
	s.ctx, s.cancel = context.WithCancel(context.Background())
	return s
}

// Run runs the nodes until Stop has stopped all of them, or ctx is done, which
// kills what is left. The coordinator must be served already.
func (s *Supervisor) Run(ctx context.Context) error {
	s.spawn = newSpawner()
	defer s.spawn.close()
	defer s.o.Cluster.Close()
	s.openGroups()
	defer s.killAll()
	if err := s.setUp(ctx); err != nil {
		return err
	}
	s.mu.Lock()
	if !s.stopping {
		for _, spec := range s.c.specs(s.o.Place, s.count) {
			s.add(spec)
		}
	}
	s.begun = true
	s.mu.Unlock()
	s.all.Go(s.follow)
	return s.loop(ctx)
}

// openGroups looks whether nodes may have control groups.
func (s *Supervisor) openGroups() {
	if !slices.ContainsFunc(s.c.Nodes, func(g Group) bool { return g.Memory != 0 }) {
		return
	}
	own, err := ownCgroup()
	if err == nil {
		s.groups, err = openCgroups(own, pid())
	}
	if err != nil {
		s.o.Log.Info("no control groups: memory is bounded by a limit of each process", "why", err)
	}
}

// setUp tells the coordinator what the configuration says of it.
func (s *Supervisor) setUp(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, askTime)
	defer cancel()
	s.mu.Lock()
	lines := s.c.coordLines()
	s.mu.Unlock()
	if err := s.o.Cluster.Ctl(ctx, lines...); err != nil {
		return fmt.Errorf("the coordinator: %w", err)
	}
	return nil
}

// coordLines are the ctl lines of what c says of the coordinator. Its models
// are expected: turns wait for them when no node is there.
func (c *Config) coordLines() [][]string {
	l := [][]string{{"strategy", c.Network.Strategy}, {"failover", c.Network.Failover}}
	for _, m := range c.Models {
		l = append(l, []string{"expect", m.Name})
	}
	return append(l, []string{"default", c.Models[0].Name})
}

// add makes a node and starts it. mu is held.
func (s *Supervisor) add(spec Spec) {
	if n := s.find(spec.Name); n != nil {
		n.next, n.gone = &spec, false
		s.act(n, n.life.Start(s.o.Now()))
		return
	}
	file := ""
	if s.o.Logs != "" {
		file = filepath.Join(s.o.Logs, spec.Name+".log")
	}
	n := &isolate{name: spec.Name, spec: spec, log: NewLog(file, int64(s.c.Limits.LogSize)), hurry: make(chan struct{}, 1)}
	n.life = Life{Limits: &s.c.Limits, Adopted: spec.Remote, State: Stopped}
	s.nodes = append(s.nodes, n)
	s.act(n, n.life.Start(s.o.Now()))
}

func (s *Supervisor) find(name string) *isolate {
	for _, n := range s.nodes {
		if n.name == name {
			return n
		}
	}
	return nil
}

func (s *Supervisor) network() Network {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.c.Network
}

// wake makes the loop look. It does not block.
func (s *Supervisor) wake() {
	select {
	case s.kick <- struct{}{}:
	default:
	}
}

func (s *Supervisor) post(kind string, attrs ...styxfs.Attr) { s.o.Events.Post(kind, attrs...) }

// loop does what time brings.
func (s *Supervisor) loop(ctx context.Context) error {
	for {
		s.scaleByLoad(ctx)
		until, all := s.tick()
		if all {
			close(s.done)
			return nil
		}
		wait := scaleLook
		if !until.IsZero() {
			wait = min(wait, max(until.Sub(s.o.Now()), time.Millisecond))
		}
		select {
		case <-time.After(wait):
		case <-s.kick:
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}

// tick lets each life go on, and gives the time of the next that wants it. all
// says that the deployment has stopped.
func (s *Supervisor) tick() (until time.Time, all bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	now := s.o.Now()
	for _, n := range s.nodes {
		s.act(n, n.life.Tick(now))
		if u := n.life.Until; !u.IsZero() && (until.IsZero() || u.Before(until)) {
			until = u
		}
	}
	s.nodes = slices.DeleteFunc(s.nodes, func(n *isolate) bool {
		if !n.gone || !n.life.Gone() || n.busy {
			return false
		}
		n.log.Close()
		return true
	})
	s.roll()
	all = s.stopping
	for _, n := range s.nodes {
		all = all && n.life.Gone() && !n.busy
	}
	return until, all
}

// check asks whether a configuration can be run here.
func (s *Supervisor) check(c *Config, from, count int) error {
	if s.o.Check == nil {
		return nil
	}
	return s.o.Check(c, from, count)
}

// Stop ends all nodes, drained first. Called again it drains no longer, and
// once more it kills. Done is closed when all have ended.
func (s *Supervisor) Stop() {
	s.mu.Lock()
	defer s.mu.Unlock()
	now := s.o.Now()
	hurry := s.stopping
	s.stopping, s.rolling = true, nil
	for _, n := range s.nodes {
		if hurry {
			s.act(n, n.life.Hurry(now))
		} else {
			s.act(n, n.life.Stop(now))
		}
	}
	s.post("deploy", styxfs.Attr{Name: "state", Value: "stopping"})
	s.wake()
}

// Done is closed when all nodes have ended after Stop.
func (s *Supervisor) Done() <-chan struct{} { return s.done }

// killAll ends what is left when Run ends, and waits for it.
func (s *Supervisor) killAll() {
	s.cancel() // nothing is started from now on
	s.mu.Lock()
	var left []*proc
	for _, n := range s.nodes {
		if n.proc != nil {
			killGroup(n.proc.cmd.Process)
			left = append(left, n.proc)
		}
		if n.watch != nil {
			n.watch()
		}
	}
	s.stopping = true
	s.mu.Unlock()
	for _, p := range left {
		<-p.exited
	}
	s.all.Wait()
	for _, n := range s.nodes {
		n.log.Close()
	}
}

var errStopping = ninep.Errorf(ninep.ErrBusy, "the deployment is stopping")
