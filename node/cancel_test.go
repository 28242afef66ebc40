package node_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"llama9/node"
	"llama9/node/fake"
	"llama9/styxfs"
)

var errStop = errors.New("cancelled by the test")

func TestCancelInPrefill(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := newGate()
		b := newBench(t, &fake.Engine{OnDecode: g.hold}, func(c *node.Config) { c.NUbatch = 16; c.Parallel = 1 })
		f := b.start(request(1, strings.Repeat("x", 400), nil))
		g.step()
		g.step()
		<-g.at // the third chunk is being computed
		f.cancel(errStop)
		o, err := f.wait(t)
		if !errors.Is(err, errStop) || o.Reason != styxfs.Cancel || o.Tokens != 0 {
			t.Errorf("%+v %v", o, err)
		}
		synctest.Wait()
		if s := b.Status(); attr(s, "busy") != "0" {
			t.Errorf("busy %s after the cancel", attr(s, "busy"))
		}
		// The aborted chunk is not in the cache, those before are.
		stop := make(chan struct{})
		go g.open(stop)
		_, o2 := b.must(request(2, strings.Repeat("x", 300), nil))
		if o2.CachedTokens != 32 {
			t.Errorf("cached %d, want the two chunks", o2.CachedTokens)
		}
		close(stop)
	})
}

func TestCancelOneOfTwo(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := newGate()
		b := newBench(t, &fake.Engine{OnDecode: g.hold}, nil)
		one := b.start(request(1, "first prompt", func(r *styxfs.Request) { r.Params.IgnoreEOS = true }))
		g.step()
		two := b.start(request(2, "second prompt", func(r *styxfs.Request) { r.Params.IgnoreEOS = true }))
		synctest.Wait()
		for range 3 {
			g.step()
		}
		d := <-g.at
		if len(d.Rows) != 2 {
			t.Fatalf("%d rows in the batch", len(d.Rows))
		}
		two.cancel(errStop)
		o, _ := two.wait(t) // while the Decode still runs
		synctest.Wait()
		select {
		case <-d.Aborted:
			t.Error("the batch of another turn was aborted")
		default:
		}
		if o.Tokens == 0 || o.Tokens > 4 || o.Reason != styxfs.Cancel {
			t.Errorf("%+v", o)
		}
		g.go_ <- nil
		if d := <-g.at; len(d.Rows) != 1 {
			t.Errorf("%d rows after the cancel", len(d.Rows))
		}
		g.go_ <- nil
		stop := make(chan struct{})
		go g.open(stop)
		o, err := one.wait(t)
		close(stop)
		if err != nil || o.Tokens != 40 {
			t.Errorf("the other turn: %+v %v", o, err)
		}
	})
}

func TestCancelWhileTokenizing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		let := make(chan struct{})
		b := newBench(t, &fake.Engine{OnTokenize: func(text string) {
			if strings.HasPrefix(text, "long") {
				<-let
			}
		}}, nil)
		f := b.start(request(1, "long prompt", nil))
		synctest.Wait()
		b.must(request(2, "another", nil)) // it holds up nobody
		f.cancel(errStop)
		if o, err := f.wait(t); !errors.Is(err, errStop) || o.Reason != styxfs.Cancel {
			t.Errorf("%+v %v", o, err)
		}
		calls := f.rec.calls
		close(let)
		synctest.Wait()
		if s := b.Status(); attr(s, "queue") != "0" || attr(s, "busy") != "0" || f.rec.calls != calls {
			t.Errorf("after the cancel: %v, %d calls of the sink more", s, f.rec.calls-calls)
		}
	})
}

func TestForgetRunning(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := newGate()
		b := newBench(t, &fake.Engine{OnDecode: g.hold}, func(c *node.Config) { c.Parallel = 1 })
		f := b.start(request(1, "something private", nil))
		g.step()
		<-g.at
		b.Forget(1)
		g.go_ <- nil
		stop := make(chan struct{})
		go g.open(stop)
		if _, err := f.wait(t); err != nil {
			t.Error(err)
		}
		if _, o := b.must(request(2, "something private", nil)); o.CachedTokens != 0 {
			t.Errorf("cached %d of a session forgotten while it ran", o.CachedTokens)
		}
		close(stop)
	})
}

func TestTimeoutReason(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := newGate()
		b := newBench(t, &fake.Engine{OnDecode: g.hold}, nil)
		ctx, cancel := context.WithTimeout(context.Background(), time.Second)
		defer cancel()
		o, err := b.Generate(ctx, request(1, "slow", nil), newRecord())
		if !errors.Is(err, context.DeadlineExceeded) || o.Reason != styxfs.Timeout {
			t.Errorf("%+v %v", o, err)
		}
		f := b.start(request(1, "slow", nil))
		<-g.at
		f.cancel(styxfs.ErrTimeout)
		if o, err := f.wait(t); !errors.Is(err, styxfs.ErrTimeout) || o.Reason != styxfs.Timeout {
			t.Errorf("%+v %v", o, err)
		}
	})
}

func TestCloseEndsTurns(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := newGate()
		b := newBench(t, &fake.Engine{OnDecode: g.hold}, func(c *node.Config) { c.Parallel = 1 })
		one, two := b.start(request(1, "running", nil)), b.start(request(2, "waiting", nil))
		<-g.at
		synctest.Wait()
		if err := b.Close(t.Context()); err != nil {
			t.Error(err)
		}
		for _, f := range []*flight{one, two} {
			if _, err := f.wait(t); err == nil || err.Error() != "shut down" {
				t.Errorf("error %v", err)
			}
		}
		if _, _, err := b.run(request(3, "late", nil)); err == nil {
			t.Error("a turn after the end")
		}
	})
}
