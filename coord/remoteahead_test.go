package coord

import (
	"slices"
	"strconv"
	"testing"

	"llama9/styxfs"
)

// ready says whether a session was made ahead for user.
func (r *Remote) ready(user string) bool {
	r.mu.Lock()
	a := r.ahead[user]
	r.mu.Unlock()
	if a == nil {
		return false
	}
	<-a.done
	return a.d != nil
}

// other is the request of another session.
func other(session uint64, words ...string) *styxfs.Request {
	req := farRequest(words...)
	req.Session = session
	return req
}

// After the first turn of a session another session is made, which the next
// new one has, whatever its settings are. It is the node's as others are, and
// nobody else's.
func TestRemoteAhead(t *testing.T) {
	n := newFarNode(t)
	r := n.remote(RemoteConfig{Ahead: true})
	if _, err := r.Probe(t.Context()); err != nil {
		t.Fatal(err)
	}
	first := play(t, n, r, farRequest("user", "a"), "x")
	eventually(t, "one is made ahead", func() bool { return r.ready("glenda") })
	ids := n.sessions()
	if len(ids) != 2 {
		t.Fatalf("sessions %v", ids)
	}
	ahead := ids[1]
	if ahead == strconv.FormatUint(first, 10) {
		ahead = ids[0]
	}
	if !r.Owns(ahead) {
		t.Error("a graft would show it")
	}
	// A turn of a session that is on the node already does not take it.
	play(t, n, r, farRequest("user", "a", "assistant", "x", "user", "b"), "y")
	// One that has more to be set up does.
	req := other(8, "system", "s", "user", "u")
	req.Grammar, req.Params.Temperature = "root ::= \"a\"\n", 0
	if got := play(t, n, r, req, "z"); strconv.FormatUint(got, 10) != ahead {
		t.Errorf("session %d, made ahead was %s", got, ahead)
	}
	eventually(t, "another is made ahead", func() bool { return r.ready("glenda") })

	// One that was removed on the node is not missed.
	ids = n.sessions()
	for _, id := range ids {
		if id != ahead && id != strconv.FormatUint(first, 10) {
			if err := n.client("glenda").Remove(t.Context(), "infer/"+id); err != nil {
				t.Fatal(err)
			}
		}
	}
	play(t, n, r, other(9, "user", "c"), "x")
	eventually(t, "another is made ahead", func() bool { return r.ready("glenda") })

	// Those that wait for no turn go, at the latest at Close.
	for _, s := range []uint64{7, 8, 9} {
		r.Forget(s)
	}
	eventually(t, "one is left", func() bool { return len(n.sessions()) == 1 })
	r.Close()
	eventually(t, "none is left", func() bool { return len(n.sessions()) == 0 })
}

// A session that was made ahead is no reason to refuse another one.
func TestRemoteAheadGivesWay(t *testing.T) {
	n := newFarNode(t, func(c *styxfs.Config) { c.MaxSessions = 2 })
	r := n.remote(RemoteConfig{Ahead: true})
	play(t, n, r, farRequest("user", "a"), "x")
	eventually(t, "one is made ahead", func() bool { return r.ready("glenda") })
	req := other(8, "user", "b")
	req.User = "rob"
	play(t, n, r, req, "y")
	if r.ready("glenda") {
		t.Error("the session that was made ahead is still there")
	}
	if !slices.ContainsFunc(n.sessions(), r.Owns) {
		t.Error("no session is left")
	}
}

// Those whose connection is lost are not used.
func TestRemoteAheadLost(t *testing.T) {
	n := newFarNode(t)
	r := n.remote(RemoteConfig{Ahead: true})
	play(t, n, r, farRequest("user", "a"), "x")
	eventually(t, "one is made ahead", func() bool { return r.ready("glenda") })
	n.cut()
	eventually(t, "the loss is noticed", func() bool { return !r.alive() })
	play(t, n, r, other(8, "user", "b"), "y")
	r.Forget(7)
	r.Forget(8)
	eventually(t, "those of the lost connection are gone", func() bool {
		if _, err := r.Probe(t.Context()); err != nil {
			t.Error(err)
		}
		return len(n.sessions()) == 1 && r.ready("glenda")
	})
}
