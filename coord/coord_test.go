package coord

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"llama9/styxfs"
	"llama9/styxfs/styxtest"
)

// A rig is a Coord over fake places, in a bubble of synctest: its time is not
// the world's, and passes when all wait.
type rig struct {
	*testing.T
	*Coord
	places map[string]*fakePlace
	mu     sync.Mutex // guards events
	events []string
}

// bubble runs f on a Coord with the nodes named, of so many slots each.
func bubble(t *testing.T, names string, slots int, set func(*Config), f func(r *rig)) {
	synctest.Test(t, func(t *testing.T) {
		r := &rig{T: t, places: make(map[string]*fakePlace)}
		c := Config{
			Open: func(addr string) (Place, error) {
				if p := r.places[addr]; p != nil {
					return p, nil
				}
				return nil, errors.New("no address")
			},
			Event: func(kind string, attrs ...styxfs.Attr) {
				r.mu.Lock()
				defer r.mu.Unlock()
				r.events = append(r.events, kind+" "+string(styxfs.AppendAttrs(nil, attrs...)))
			},
		}
		if set != nil {
			set(&c)
		}
		var err error
		if r.Coord, err = New(c); err != nil {
			t.Fatal(err)
		}
		for _, name := range strings.Fields(names) {
			r.places[name] = newPlace(name, slots)
			r.ctl("mount " + name + " " + name)
		}
		defer func() { r.Close(context.Background()) }()
		synctest.Wait()
		f(r)
		if err := r.Close(context.Background()); err != nil {
			t.Error(err)
		}
		for name, m := range r.members {
			if m.n.inflight != 0 || m.n.suspects != 0 || len(m.tries) != 0 || !r.places[m.n.addr].closed {
				t.Errorf("%s: left are %d turns, %d suspects, %d tries; closed %v", name, m.n.inflight, m.n.suspects, len(m.tries), r.places[m.n.addr].closed)
			}
		}
		if n := len(r.cluster.queue.All()); n != 0 {
			t.Errorf("%d turns are left in the queue", n)
		}
	})
}

// ctl does lines of ctl.
func (r *rig) ctl(lines string) {
	r.Helper()
	if err := r.tryCtl(lines); err != nil {
		r.Fatal(err)
	}
}

func (r *rig) tryCtl(lines string) error {
	var cmds [][]string
	for line := range strings.Lines(lines) {
		w, err := styxfs.Fields(line)
		if err != nil {
			r.Fatal(err)
		}
		cmds = append(cmds, w)
	}
	return r.Ctl(context.Background(), cmds)
}

// node gives a node's state and error.
func (r *rig) node(name string) (state, err string) {
	r.Coord.mu.Lock()
	defer r.Coord.mu.Unlock()
	n := r.members[name].n
	return n.state(), n.err
}

// A record is a Sink that keeps what it is told, and what became of the turn.
type record struct {
	mu    sync.Mutex // guards below
	text  strings.Builder
	ids   []int32
	notes styxfs.Note
	state []styxfs.State
	over  bool
	o     styxfs.Outcome
	err   error
	late  int // calls after the end
}

func (h *record) lock() func() {
	h.mu.Lock()
	if h.over {
		h.late++
	}
	return h.mu.Unlock
}

func (h *record) State(s styxfs.State) { defer h.lock()(); h.state = append(h.state, s) }
func (h *record) Progress(_, _, _ int) { defer h.lock()() }
func (h *record) Token(t styxfs.Token) {
	defer h.lock()()
	h.text.WriteString(t.Text)
	h.ids = append(h.ids, t.ID)
}
func (h *record) Note(n styxfs.Note) {
	defer h.lock()()
	if n.Node != "" {
		h.notes.Node = n.Node
	}
	if n.Route != "" {
		h.notes.Route = n.Route
	}
	if n.Position != 0 {
		h.notes.Position = n.Position
	}
	if n.PrefixText != "" {
		h.notes.PrefixText = n.PrefixText
	}
}

// made gives the text so far.
func (h *record) made() string {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.text.String()
}

// request is of a turn of n tokens.
func request(session uint64, n int, seed int64) *styxfs.Request {
	r := &styxfs.Request{Session: session, Turn: 1, User: "u", Params: styxfs.DefaultParams(), Commit: time.Now()}
	r.Params.NPredict, r.Params.Seed, r.Params.IgnoreEOS = n, seed, true
	r.Messages = []styxfs.Message{{Role: "user", Content: fmt.Sprint("prompt of ", session)}}
	return r
}

// begin runs a turn; the function waits for its end.
func (r *rig) begin(ctx context.Context, q *styxfs.Request) (*record, func()) {
	h := &record{}
	done := make(chan struct{})
	go func() {
		defer close(done)
		o, err := r.Generate(ctx, q, h)
		h.mu.Lock()
		defer h.mu.Unlock()
		h.o, h.err, h.over = o, err, true
	}()
	return h, func() { <-done }
}

// turn runs a turn to its end.
func (r *rig) turn(q *styxfs.Request) *record {
	h, wait := r.begin(context.Background(), q)
	wait()
	return h
}

// alone is the answer of a node without a fault.
func alone(q *styxfs.Request) string {
	h := &record{}
	(&styxtest.Words{Burst: 1 << 20}).Generate(context.Background(), q, h)
	return h.text.String()
}

// good wants a turn to be done with the text of a run without a fault.
func (r *rig) good(h *record, q *styxfs.Request) {
	r.Helper()
	if h.err != nil || h.o.Reason != styxfs.Limit || h.late > 0 {
		r.Fatalf("ended with %v, %v; %d calls after that", h.o.Reason, h.err, h.late)
	}
	if got, want := h.text.String(), alone(q); got != want {
		r.Fatalf("the text is\n%q, want\n%q", got, want)
	}
	if h.o.Tokens != q.Params.NPredict {
		r.Fatalf("%d tokens, want %d", h.o.Tokens, q.Params.NPredict)
	}
}

func TestGenerate(t *testing.T) {
	bubble(t, "a b", 4, nil, func(r *rig) {
		q := request(1, 20, 7)
		h := r.turn(q)
		r.good(h, q)
		if h.notes.Node != "a" || h.notes.Route != leastLoaded || h.o.PromptTokens == 0 {
			t.Errorf("notes %+v, outcome %+v", h.notes, h.o)
		}
		q = request(1, 20, 8)
		h = r.turn(q)
		r.good(h, q)
		if h.notes.Node != "a" || h.notes.Route != bySticky {
			t.Errorf("the second turn: %+v", h.notes)
		}
		r.Forget(1)
		if f := r.places["a"].forgot; len(f) != 1 || f[0] != 1 {
			t.Errorf("forgotten: %v", f)
		}
	})
}

// The node is killed at each of the first tokens: the client sees nothing of it.
func TestKillAtEachToken(t *testing.T) {
	for k := range 50 {
		bubble(t, "a b c", 8, nil, func(r *rig) {
			var once sync.Once
			for _, p := range r.places {
				p.when(func(p *fakePlace, q *styxfs.Request, n int) {
					if q.Session == 3 && n == k {
						once.Do(p.kill)
					}
				})
			}
			var all []*record
			var waits []func()
			var qs []*styxfs.Request
			for i := range uint64(20) {
				q := request(i+1, 60, int64(i))
				h, wait := r.begin(context.Background(), q)
				all, waits, qs = append(all, h), append(waits, wait), append(qs, q)
			}
			for i, wait := range waits {
				wait()
				r.good(all[i], qs[i])
			}
			if n := r.stat.lost.Load(); n < 6 && k > 0 {
				t.Errorf("only %d turns lost their node", n)
			}
			if !strings.Contains(all[2].notes.Route, ",resumed") && k > 0 {
				t.Errorf("route of the third: %s", all[2].notes.Route)
			}
		})
	}
}

// A client's own prefix is not given again, and counts.
func TestKillWithPrefix(t *testing.T) {
	bubble(t, "a b", 4, nil, func(r *rig) {
		whole := request(1, 30, 5)
		full := &record{}
		(&styxtest.Words{}).Generate(context.Background(), whole, full)
		q := request(1, 30, 5)
		q.Prefix = full.ids[:10]
		r.places["a"].when(func(p *fakePlace, _ *styxfs.Request, n int) {
			if n == 17 {
				p.kill()
			}
		})
		h := r.turn(q)
		if h.err != nil || h.notes.PrefixText+h.text.String() != full.text.String() || h.o.Tokens != 30 {
			t.Fatalf("%v: %q and %q, want %q", h.err, h.notes.PrefixText, h.text.String(), full.text.String())
		}
	})
}

// A stop string whose beginning was made before the node was lost ends the
// answer.
func TestKillInStopString(t *testing.T) {
	bubble(t, "a b", 4, nil, func(r *rig) {
		q := request(1, 30, 5)
		full := []rune(alone(q))
		stop := string(full[40:52]) // some tokens
		want, _, _ := strings.Cut(string(full), stop)
		for k := range 20 {
			q.Params.Stop = []string{stop}
			victim := r.places["a"]
			if k%2 > 0 {
				victim = r.places["b"]
			}
			for _, p := range r.places {
				p.when(nil)
			}
			victim.when(func(p *fakePlace, _ *styxfs.Request, n int) {
				if n == k {
					p.kill()
				}
			})
			h := r.turn(q)
			if h.err != nil || h.text.String() != want || h.o.Reason != styxfs.Stop || h.o.StopWord != stop {
				t.Fatalf("lost at %d: %v, %v, %q; want %q", k, h.err, h.o, h.text.String(), want)
			}
			victim.mu.Lock()
			dead := victim.dead == nil
			victim.mu.Unlock()
			if dead {
				victim.start()
			}
			time.Sleep(time.Minute) // it is mounted again
		}
	})
}

// A frozen node costs its clients a deadline, and what it says late nothing.
func TestFreeze(t *testing.T) {
	bubble(t, "a b", 8, nil, func(r *rig) {
		a := r.places["a"]
		a.when(func(p *fakePlace, _ *styxfs.Request, n int) {
			if n == 10 {
				p.when(nil)
				p.freeze()
			}
		})
		begun := time.Now()
		var waits []func()
		var all []*record
		var qs []*styxfs.Request
		for i := range uint64(8) {
			q := request(i+1, 50, int64(i))
			h, wait := r.begin(context.Background(), q)
			all, waits, qs = append(all, h), append(waits, wait), append(qs, q)
		}
		for i, wait := range waits {
			wait()
			r.good(all[i], qs[i])
		}
		if d := time.Since(begun); d > floor+2*time.Second {
			t.Errorf("it took %v", d)
		}
		q := request(100, 5, 1)
		begun = time.Now()
		r.good(r.turn(q), q)
		if d := time.Since(begun); d > time.Second {
			t.Errorf("the next turn took %v", d)
		}
		a.unfreeze()
		time.Sleep(time.Second)
		for i, h := range all { // nothing came late
			r.good(h, qs[i])
		}
		time.Sleep(10 * time.Second)
		r.ctl("drain b")
		q = request(101, 5, 1)
		h := r.turn(q) // a is used again
		r.good(h, q)
		if h.notes.Node != "a" {
			t.Errorf("it ran at %s", h.notes.Node)
		}
	})
}

// All nodes are gone, and one comes back: what waits runs.
func TestAllGone(t *testing.T) {
	bubble(t, "a b c", 2, nil, func(r *rig) {
		for _, p := range r.places {
			p.kill()
		}
		time.Sleep(time.Second)
		var waits []func()
		var all []*record
		var qs []*styxfs.Request
		for i := range uint64(6) {
			q := request(i+1, 5, 1)
			h, wait := r.begin(context.Background(), q)
			all, waits, qs = append(all, h), append(waits, wait), append(qs, q)
		}
		time.Sleep(time.Minute)
		synctest.Wait()
		seen := make(map[int]bool)
		for _, h := range all {
			seen[h.notes.Position] = true
		}
		if len(seen) != 6 || !seen[1] || !seen[6] {
			t.Errorf("positions %v", seen)
		}
		r.places["b"].start()
		for i, wait := range waits {
			wait()
			r.good(all[i], qs[i])
		}
		if n := r.places["b"].most; n != 2 {
			t.Errorf("%d turns at once on 2 slots", n)
		}
	})
}

// A turn that has lost three nodes fails, and says so.
func TestLostThree(t *testing.T) {
	bubble(t, "a b c d", 2, nil, func(r *rig) {
		for _, p := range r.places {
			p.when(func(p *fakePlace, q *styxfs.Request, n int) {
				if n == len(q.Prefix)+20 { // beyond the proof
					p.kill()
				}
			})
		}
		q := request(1, 200, 1)
		h := r.turn(q)
		if h.err == nil || !strings.HasPrefix(h.err.Error(), "lost 3 nodes: ") || h.o.Reason != styxfs.ReasonErr || h.o.Tokens != 60 {
			t.Fatalf("%v, %v", h.err, h.o)
		}
	})
}

func TestFailoverStrict(t *testing.T) {
	for _, by := range []string{"session", "ctl"} {
		bubble(t, "a b", 2, nil, func(r *rig) {
			for _, p := range r.places {
				p.when(func(p *fakePlace, _ *styxfs.Request, n int) {
					if n == 5 {
						p.kill()
					}
				})
			}
			q := request(1, 20, 1)
			if by == "ctl" {
				r.ctl("failover strict")
			} else {
				q.Params.Failover = "strict"
			}
			h := r.turn(q)
			if h.err == nil || h.err.Error() != "node a lost" || !strings.HasPrefix(alone(q), h.text.String()) {
				t.Fatalf("%v, %q", h.err, h.text.String())
			}
		})
	}
}

// One of 20 prompts ends the process of its node.
func TestPoisonPrompt(t *testing.T) {
	bubble(t, "a b c", 8, nil, func(r *rig) {
		deaths := 0
		for _, p := range r.places {
			p.when(func(p *fakePlace, q *styxfs.Request, n int) {
				if q.Session == 9 && n == 2 {
					deaths++
					p.kill()
					p.start()
				}
			})
		}
		var waits []func()
		var all []*record
		var qs []*styxfs.Request
		for i := range uint64(20) {
			q := request(i+1, 50, int64(i))
			h, wait := r.begin(context.Background(), q)
			all, waits, qs = append(all, h), append(waits, wait), append(qs, q)
		}
		for i, wait := range waits {
			wait()
			if i == 8 {
				if all[i].err == nil || !strings.HasPrefix(all[i].err.Error(), "killed 2 nodes: ") {
					t.Errorf("the poison: %v", all[i].err)
				}
				continue
			}
			r.good(all[i], qs[i])
		}
		if deaths != 2 {
			t.Errorf("%d deaths", deaths)
		}
	})
}

// What a client refuses, or its turn, is not held against a node; what a node
// refuses is done elsewhere.
func TestRefusals(t *testing.T) {
	bubble(t, "a b", 2, nil, func(r *rig) {
		r.places["a"].refuse = fmt.Errorf("%w: queue full", ErrRefused)
		q := request(1, 5, 1)
		h := r.turn(q)
		r.good(h, q)
		if h.notes.Node != "b" {
			t.Errorf("it ran at %s", h.notes.Node)
		}
		q = request(2, 5, 1)
		q.Prefix = []int32{499}
		h = r.turn(q)
		if h.err == nil || h.o.Reason != styxfs.Client {
			t.Errorf("a bad prefix: %v, %v", h.err, h.o)
		}
		q.Params.Model = "none"
		h = r.turn(q)
		if h.err == nil || h.o.Reason != styxfs.Client || h.err.Error() != "model none: unknown" {
			t.Errorf("an unknown model: %v, %v", h.err, h.o)
		}
		for _, name := range []string{"a", "b"} {
			if s, _ := r.node(name); s != "up" {
				t.Errorf("%s is %s", name, s)
			}
		}
	})
}

func TestQueueBounds(t *testing.T) {
	bubble(t, "a", 1, func(c *Config) { c.QueueSize = 2 }, func(r *rig) {
		ctx, cancel := context.WithCancelCause(context.Background())
		_, wait := r.begin(ctx, request(1, -1, 1))
		time.Sleep(time.Second)
		timeout, stop := context.WithTimeoutCause(context.Background(), time.Second, styxfs.ErrTimeout)
		defer stop()
		two, wait2 := r.begin(timeout, request(2, 5, 1))
		q := request(3, 5, 1)
		three, wait3 := r.begin(context.Background(), q)
		synctest.Wait()
		if err := r.Admit(); err == nil || err.Error() != "queue full" {
			t.Errorf("admitted: %v", err)
		}
		if h := r.turn(request(4, 5, 1)); h.err == nil || h.err.Error() != "queue full" {
			t.Errorf("a third waits: %v", h.err)
		}
		wait2()
		if two.o.Reason != styxfs.Timeout || two.made() != "" {
			t.Errorf("it ended with %v", two.o)
		}
		if err := r.Admit(); err != nil {
			t.Error(err)
		}
		cancel(styxfs.ErrCancelled)
		wait()
		wait3()
		r.good(three, q)
	})
}

// A cancel does not wait for a node that is frozen.
func TestCancelFrozen(t *testing.T) {
	bubble(t, "a", 1, nil, func(r *rig) {
		ctx, cancel := context.WithCancelCause(context.Background())
		h, wait := r.begin(ctx, request(1, -1, 1))
		time.Sleep(100 * time.Millisecond)
		r.places["a"].freeze()
		text := h.made()
		begun := time.Now()
		cancel(styxfs.ErrCancelled)
		wait()
		if d := time.Since(begun); d > 0 || h.o.Reason != styxfs.Cancel || text == "" {
			t.Errorf("after %v: %v", d, h.o)
		}
		r.places["a"].unfreeze()
		time.Sleep(time.Minute)
		if h.late > 0 {
			t.Error("something came late")
		}
	})
}

// Drain under load loses nothing, and nothing new comes.
func TestDrainUnderLoad(t *testing.T) {
	for _, how := range []string{"drain a", "unmount a"} {
		bubble(t, "a b", 8, nil, func(r *rig) {
			var waits []func()
			var all []*record
			var qs []*styxfs.Request
			for i := range uint64(30) {
				q := request(i+1, 40, int64(i))
				h, wait := r.begin(context.Background(), q)
				all, waits, qs = append(all, h), append(waits, wait), append(qs, q)
			}
			time.Sleep(20 * time.Millisecond)
			served := r.places["a"].count()
			r.ctl(how)
			for i, wait := range waits {
				wait()
				r.good(all[i], qs[i])
			}
			if now := r.places["a"].count(); served == 0 || now != served {
				t.Errorf("%s: served %d, then %d", how, served, now)
			}
		})
	}
}

// A node that is this coordinator, or that has it below, is refused.
func TestLoop(t *testing.T) {
	bubble(t, "a b", 4, nil, func(r *rig) {
		r.Coord.mu.Lock()
		r.id = "self"
		r.Coord.mu.Unlock()
		r.places["c"], r.places["d"] = newPlace("c", 4), newPlace("d", 4)
		r.places["c"].id = func(int) string { return "self" }
		r.places["d"].below = []string{"x", "self"}
		r.ctl("mount c c\nmount d d")
		time.Sleep(time.Minute)
		for _, name := range []string{"c", "d"} {
			if s, err := r.node(name); s != "down" || !strings.Contains(err, "loop") {
				t.Errorf("%s is %s, %s", name, s, err)
			}
		}
		// One that closes later is found as well.
		r.places["a"].mu.Lock()
		r.places["a"].below = []string{"self"}
		r.places["a"].mu.Unlock()
		time.Sleep(time.Minute)
		if s, err := r.node("a"); s != "down" || !strings.Contains(err, "loop") {
			t.Errorf("a is %s, %s", s, err)
		}
	})
}

// A node's new start is used again, and what it knew is not.
func TestRestart(t *testing.T) {
	bubble(t, "a", 4, nil, func(r *rig) {
		q := request(1, 5, 1)
		r.good(r.turn(q), q)
		r.places["a"].kill()
		r.places["a"].start()
		time.Sleep(10 * time.Second)
		h := r.turn(q)
		r.good(h, q)
		if h.notes.Route != leastLoaded {
			t.Errorf("route %s", h.notes.Route)
		}
		var states []string
		r.mu.Lock()
		for _, e := range r.events {
			if strings.HasPrefix(e, "node ") {
				states = append(states, e)
			}
		}
		r.mu.Unlock()
		want := []string{"node name=a addr=a state=down", "node name=a addr=a state=up", "node name=a addr=a state=down", "node name=a addr=a state=up"}
		for i, e := range states {
			if i >= len(want) || !strings.HasPrefix(e, want[i]) {
				t.Fatalf("events %q", states)
			}
		}
	})
}

// A turn whose node has ended it before its try looks is not taken for one that
// was cancelled, nor for one that was lost, where the node is given up as it
// does.
func TestEndsAtOnce(t *testing.T) {
	bubble(t, "", 0, func(c *Config) {
		open := c.Open
		c.Open = func(addr string) (Place, error) {
			p, err := open(addr)
			return atOnce{p}, err
		}
	}, func(r *rig) {
		r.places["a"] = newPlace("a", 4)
		r.ctl("mount a a")
		r.spawn = func(f func()) {
			ended := make(chan struct{})
			r.work.Go(func() { defer close(ended); f() })
			<-ended
		}
		for i := range uint64(64) { // of what is ready at once, either may be seen
			if h := r.turn(request(i+1, 5, 1)); h.err != nil || h.o.Reason != styxfs.Limit || r.stat.lost.Load() > 0 {
				t.Fatalf("turn %d ended with %v, %v; %d lost", i, h.o.Reason, h.err, r.stat.lost.Load())
			}
		}
	})
}

// atOnce is a place whose turns have no tokens, and that is given up at the end
// of every second one.
type atOnce struct{ Place }

func (p atOnce) Generate(_ context.Context, r *styxfs.Request, s styxfs.Sink) (styxfs.Outcome, error) {
	if r.Session%2 == 0 {
		s.(*try).giveUp(errMissed)
	}
	return styxfs.Outcome{Reason: styxfs.Limit}, nil
}

// TestModelBeforeEvents: a model that is loaded between the look at the table
// and the open of event is seen, though no event tells of it.
func TestModelBeforeEvents(t *testing.T) {
	bubble(t, "", 0, nil, func(r *rig) {
		a := newPlace("a", 4)
		a.late = a.models
		a.models = []styxfs.Model{{Name: "words", State: "available", NCtx: 1 << 20, Exact: true, Arch: "words"}}
		r.places["a"] = a
		r.ctl("mount a a")
		synctest.Wait()
		if l := r.Models(context.Background()); len(l) != 1 || l[0].State != "loaded" {
			t.Errorf("models %+v", l)
		}
	})
}
