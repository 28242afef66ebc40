package coord

import (
	"context"
	"errors"
	"net"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// The nodes of a DNS name come and go with its records; while it cannot be
// looked up they stay.
func TestDiscover(t *testing.T) {
	bubble(t, "a", 4, nil, func(r *rig) {
		for _, addr := range []string{"tcp!one.example!5640", "tcp!two.example!7000", "tcp!a!5640"} {
			r.places[addr] = newPlace(addr, 4)
		}
		var mu sync.Mutex
		var records []*net.SRV
		var fail error
		set := func(err error, l ...*net.SRV) {
			mu.Lock()
			defer mu.Unlock()
			records, fail = l, err
		}
		lookup := func(_ context.Context, service, proto, name string) (string, []*net.SRV, error) {
			mu.Lock()
			defer mu.Unlock()
			if service != "" || proto != "" || name != "_styx._tcp.example" {
				t.Errorf("looked up %q %q %q", service, proto, name)
			}
			return name, records, fail
		}
		names := func() string {
			r.Coord.mu.Lock()
			defer r.Coord.mu.Unlock()
			var l []string
			for _, n := range r.cluster.nodes {
				l = append(l, n.name+" "+n.state()+" "+n.source)
			}
			return strings.Join(l, ", ")
		}
		want := func(s string) {
			t.Helper()
			time.Sleep(discoverEvery + time.Second)
			synctest.Wait()
			if got := names(); got != s {
				t.Fatalf("nodes: %s; want %s", got, s)
			}
		}
		one, two := &net.SRV{Target: "one.example.", Port: 5640, Weight: 5}, &net.SRV{Target: "two.example.", Port: 7000}
		ctx, cancel := context.WithCancel(context.Background())
		done := make(chan struct{})
		go func() {
			defer close(done)
			r.Discover(ctx, "_styx._tcp.example", lookup)
		}()
		set(nil, one, two)
		const both = "a up ctl, one.example up srv:_styx._tcp.example, two.example-7000 up srv:_styx._tcp.example"
		want(both)
		r.Coord.mu.Lock()
		w1, w2 := r.cluster.node("one.example").weight, r.cluster.node("two.example-7000").weight
		r.Coord.mu.Unlock()
		if w1 != 5 || w2 != 1 {
			t.Errorf("weights %v, %v", w1, w2)
		}
		set(errors.New("no such host"))
		want(both)
		set(nil, two, &net.SRV{Target: "a.", Port: 5640}) // a name that another has
		want("a up ctl, two.example-7000 up srv:_styx._tcp.example")
		set(nil)
		want("a up ctl")
		if l := r.Settings(); slices.ContainsFunc(l, func(w []string) bool { return len(w) > 1 && strings.HasPrefix(w[1], "two") }) {
			t.Errorf("settings %q", l)
		}
		cancel()
		<-done
	})
}
