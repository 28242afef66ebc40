package node_test

import (
	"context"
	"errors"
	"strconv"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"llama9/node"
	"llama9/node/fake"
	"llama9/styxfs"
)

// A gate holds every Decode until step lets one through.
type gate struct {
	at  chan *fake.Decode // a Decode has come
	go_ chan error        // it may go on
}

func newGate() *gate { return &gate{make(chan *fake.Decode), make(chan error)} }

func (g *gate) hold(d *fake.Decode) error {
	c := *d
	c.Rows = append([]node.Row(nil), d.Rows...)
	select {
	case g.at <- &c:
	case <-d.Aborted:
		return node.ErrAborted
	}
	select {
	case err := <-g.go_:
		return err
	case <-d.Aborted:
		return node.ErrAborted
	}
}

func (g *gate) step() *fake.Decode {
	d := <-g.at
	g.go_ <- nil
	return d
}

// open lets all through that come until stop is closed.
func (g *gate) open(stop <-chan struct{}) {
	for {
		select {
		case <-g.at:
			g.go_ <- nil
		case <-stop:
			return
		}
	}
}

// A flight is a Generate in the background.
type flight struct {
	rec    *record
	cancel context.CancelCauseFunc
	done   chan struct{}
	o      styxfs.Outcome
	err    error
}

func (b *bench) start(r *styxfs.Request) *flight {
	ctx, cancel := context.WithCancelCause(context.Background())
	f := &flight{rec: newRecord(), cancel: cancel, done: make(chan struct{})}
	go func() {
		defer close(f.done)
		f.o, f.err = b.Generate(ctx, r, f.rec)
	}()
	return f
}

func (f *flight) wait(t *testing.T) (styxfs.Outcome, error) {
	t.Helper()
	<-f.done
	return f.o, f.err
}

func attr(as []styxfs.Attr, name string) string {
	for _, a := range as {
		if a.Name == name {
			return a.Value
		}
	}
	return "?"
}

// A cancel does not wait for the tokenizer of a long prompt.
func TestPrefillBesideDecodes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := newGate()
		b := newBench(t, &fake.Engine{OnDecode: g.hold}, func(c *node.Config) { c.NUbatch = 8 })
		long := func(r *styxfs.Request) { r.Params.IgnoreEOS = true; r.Params.NPredict = 1000 }
		one := b.start(request(1, "a", long))
		g.step()
		two := b.start(request(2, strings.Repeat("y", 60), long))
		three := b.start(request(3, strings.Repeat("z", 60), long))
		synctest.Wait()
		g.step()                        // began before they were there
		turns := make(map[node.Seq]int) // steps with prefill of it
		for range 10 {
			d := g.step()
			rows := make(map[node.Seq]int)
			decodes := 0
			for _, r := range d.Rows {
				rows[r.Seq]++
			}
			for seq, n := range rows {
				if n > 1 {
					turns[seq]++
				} else {
					decodes++
				}
			}
			if len(d.Rows) != 8 || len(rows) != 2 || decodes != 1 {
				t.Errorf("a step of %d rows of %d turns: %v", len(d.Rows), len(rows), rows)
			}
		}
		if len(turns) != 2 {
			t.Errorf("steps with prefill, by sequence: %v", turns)
		}
		for seq, n := range turns {
			if n != 5 {
				t.Errorf("sequence %d had %d of 10 steps", seq, n)
			}
		}
		for _, f := range []*flight{one, two, three} {
			f.cancel(errStop)
		}
		for _, f := range []*flight{one, two, three} {
			f.wait(t)
		}
	})
}

func TestWaitsForTheSamePrefix(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var mu sync.Mutex
		rows := 0
		g := newGate()
		b := newBench(t, &fake.Engine{OnDecode: func(d *fake.Decode) error {
			mu.Lock()
			rows += len(d.Rows)
			mu.Unlock()
			return g.hold(d)
		}}, func(c *node.Config) { c.NUbatch = 64 })
		system := strings.Repeat("s", 500)
		var fs []*flight
		for i := range uint64(4) {
			fs = append(fs, b.start(request(i+1, system+string(rune('a'+i)), func(r *styxfs.Request) { r.Params.NPredict = 2 })))
			synctest.Wait()
		}
		stop := make(chan struct{})
		go g.open(stop)
		for i, f := range fs {
			o, err := f.wait(t)
			if err != nil {
				t.Error(err)
			}
			if i > 0 && o.CachedTokens < 501 {
				t.Errorf("turn %d: cached %d", i, o.CachedTokens)
			}
		}
		close(stop)
		mu.Lock()
		defer mu.Unlock()
		if rows > 530 {
			t.Errorf("%d rows decoded for 4 prompts of the same 501 tokens", rows)
		}
	})
}

func TestQueue(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := newGate()
		b := newBench(t, &fake.Engine{OnDecode: g.hold}, func(c *node.Config) { c.Parallel = 1; c.QueueSize = 2 })
		one := b.start(request(1, "first", nil))
		<-g.at
		two := b.start(request(2, "second", nil))
		synctest.Wait()
		three := b.start(request(3, "third", func(r *styxfs.Request) { r.Params.Priority = 5 }))
		synctest.Wait()
		if err := b.Admit(); err == nil || err.Error() != "queue full" {
			t.Errorf("admit: %v", err)
		}
		if _, _, err := b.run(request(4, "fourth", nil)); err == nil || err.Error() != "queue full" {
			t.Errorf("a turn too many: %v", err)
		}
		if s := b.Status(); attr(s, "queue") != "2" || attr(s, "busy") != "1" || attr(s, "slots") != "1" {
			t.Errorf("status %v", s)
		}
		two.rec.did(func() {
			if two.rec.note.Position != 2 {
				t.Errorf("position %d of the second", two.rec.note.Position)
			}
		})
		one.cancel(errStop)
		one.wait(t)
		<-g.at // the third one's prefill
		synctest.Wait()
		two.rec.did(func() {
			if two.rec.note.Position != 1 || two.rec.states[len(two.rec.states)-1] != styxfs.Queued {
				t.Errorf("second: position %d states %v", two.rec.note.Position, two.rec.states)
			}
		})
		three.cancel(errStop)
		three.wait(t)
		two.cancel(errStop)
		if o, err := two.wait(t); !errors.Is(err, errStop) || o.Reason != styxfs.Cancel {
			t.Errorf("second: %+v %v", o, err)
		}
		if err := b.Ctl(t.Context(), [][]string{{"drain"}}); err != nil {
			t.Fatal(err)
		}
		if err := b.Admit(); err == nil || err.Error() != "draining" {
			t.Errorf("admit: %v", err)
		}
		if attr(b.Status(), "state") != "draining" {
			t.Error("status does not say draining")
		}
	})
}

func TestIdleDoesNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var mu sync.Mutex
		steps := 0
		b := newBench(t, &fake.Engine{OnDecode: func(*fake.Decode) error { mu.Lock(); steps++; mu.Unlock(); return nil }}, nil)
		b.must(request(1, "hello", nil))
		mu.Lock()
		before := steps
		mu.Unlock()
		time.Sleep(time.Hour) // of the bubble: returns at once if nothing runs
		synctest.Wait()
		mu.Lock()
		defer mu.Unlock()
		if steps != before {
			t.Errorf("%d steps of an idle node", steps-before)
		}
	})
}

func TestDecodeFails(t *testing.T) {
	for name, o := range map[string]fake.Options{"error": {Fail: "BAD"}, "panic": {Panic: "BAD"}} {
		b := newBench(t, &fake.Engine{Options: o}, func(c *node.Config) { c.Parallel = 1 })
		good, _ := b.must(request(1, "good", nil))
		rec, out, err := b.run(request(2, "a BAD prompt", nil))
		if err == nil || out.Reason != styxfs.ReasonErr || rec.text.Len() > 0 {
			t.Errorf("%s: %+v %v", name, out, err)
		}
		again, _ := b.must(request(3, "good", nil))
		if again.text.String() != good.text.String() {
			t.Errorf("%s: %q after a failure, %q before", name, again.text.String(), good.text.String())
		}
	}
}

func TestCacheFull(t *testing.T) {
	var fails int
	b := newBench(t, &fake.Engine{OnDecode: func(d *fake.Decode) error {
		if fails > 0 {
			fails--
			return node.ErrFull
		}
		return nil
	}}, func(c *node.Config) { c.Parallel = 2 })
	good, _ := b.must(request(1, "good", nil))
	b.must(request(5, "something else", nil))
	fails = 1 // an idle cache is dropped and the step is made again
	again, o := b.must(request(2, "good", nil))
	if again.text.String() != good.text.String() || o.Tokens == 0 {
		t.Errorf("%q, want %q", again.text.String(), good.text.String())
	}
	fails = 3
	if _, o, err := b.run(request(3, "good", nil)); !errors.Is(err, node.ErrFull) || o.Reason != styxfs.ReasonErr {
		t.Errorf("nothing to drop: %+v %v", o, err)
	}
	fails = 0
	b.must(request(4, "good", nil))
}

// A long turn changes the load at its two ends only; that tokens are made, and
// how fast, is told in between too. An idle node says nothing.
func TestRateIsTold(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const every = 100 * time.Millisecond
		var mu sync.Mutex
		var rates []string
		var at []time.Time
		e := &fake.Engine{OnDecode: func(*fake.Decode) error { time.Sleep(every); return nil }}
		b := newBench(t, e, func(c *node.Config) {
			c.Event = func(kind string, as ...styxfs.Attr) {
				mu.Lock()
				defer mu.Unlock()
				if kind == "load" {
					at, rates = append(at, time.Now()), append(rates, attr(as, "busy")+" "+attr(as, "tokens/s"))
				}
			}
		})
		b.must(request(1, "x", func(r *styxfs.Request) { r.Params.NPredict, r.Params.IgnoreEOS = 300, true }))
		synctest.Wait()
		mu.Lock()
		n, last := len(rates), rates[len(rates)-1]
		for i := range n - 1 {
			if d := at[i+1].Sub(at[i]); d > 5*time.Second+2*every {
				t.Errorf("nothing was told for %v of a turn", d)
			}
		}
		if n < 7 || n > 12 || last[:2] != "0 " {
			t.Errorf("told were %q", rates)
		}
		if rate, err := strconv.ParseFloat(strings.TrimPrefix(rates[n-2], "1 "), 64); err != nil || rate < 9 || rate > 10.5 {
			t.Errorf("told were %q", rates)
		}
		mu.Unlock()
		time.Sleep(time.Hour)
		if len(rates) != n {
			t.Errorf("told of an idle node were %q", rates[n:])
		}
	})
}
