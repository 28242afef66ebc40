package coord

import (
	"context"
	"errors"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"testing"

	"llama9/mnt"
	"llama9/ninep"
	"llama9/styxfs"
)

// A session that is gone on the node is made again; one that is removed in the
// middle of a turn is the node's loss.
func TestRemoteSessionGone(t *testing.T) {
	n := newFarNode(t)
	r := n.remote(RemoteConfig{})
	own := n.client("glenda")
	first := play(t, n, r, farRequest("user", "a"), "x")
	if err := own.Remove(t.Context(), "infer/"+strconv.FormatUint(first, 10)); err != nil {
		t.Fatal(err)
	}
	second := play(t, n, r, farRequest("user", "a", "assistant", "x", "user", "b"), "y")
	if first == second {
		t.Error("the same session")
	}
	c := farGenerate(t, r, farRequest("user", "a"))
	ft := n.turn()
	ft.say("made")
	c.h.await(t, "made", func() bool { return c.h.text() == "made" })
	if err := own.Remove(t.Context(), "infer/"+strconv.FormatUint(ft.Session, 10)); err != nil {
		t.Fatal(err)
	}
	if _, err := c.wait(t); !errors.Is(err, ErrLost) {
		t.Error(err)
	}
	play(t, n, r, farRequest("user", "a"), "x")
}

// Where the node has no room for a session, the one that was not used for the
// longest time gives way; one that is in use does not.
func TestRemoteEvicts(t *testing.T) {
	n := newFarNode(t, func(c *styxfs.Config) { c.MaxUserSessions = 2 })
	r := n.remote(RemoteConfig{})
	turn := func(session uint64) *farCall {
		req := farRequest("user", "a")
		req.Session = session
		return farGenerate(t, r, req)
	}
	first := turn(1)
	ft1 := n.turn()
	for s := uint64(2); s < 6; s++ {
		c := turn(s)
		n.turn().done(styxfs.EOS)
		if _, err := c.wait(t); err != nil {
			t.Errorf("session %d: %v", s, err)
		}
	}
	second := turn(5)
	ft2 := n.turn()
	third := turn(6)
	if _, err := third.wait(t); !errors.Is(err, ErrRefused) || !strings.Contains(err.Error(), "too many sessions") {
		t.Error(err)
	}
	ft1.done(styxfs.EOS)
	ft2.done(styxfs.EOS)
	for _, c := range []*farCall{first, second} {
		if _, err := c.wait(t); err != nil {
			t.Error(err)
		}
	}
}

func TestRemoteForgetAndFork(t *testing.T) {
	n := newFarNode(t)
	r := n.remote(RemoteConfig{})
	src := play(t, n, r, farRequest("user", "a"), "x")
	r.Fork(7, 8)
	req := farRequest("user", "a", "assistant", "x", "user", "b")
	req.Session = 8
	dst := play(t, n, r, req, "y")
	n.mu.Lock()
	if len(n.forked) != 1 || n.forked[0] != [2]uint64{src, dst} {
		t.Errorf("forked: %v, want %d to %d", n.forked, src, dst)
	}
	n.mu.Unlock()

	r.Forget(7)
	id := strconv.FormatUint(src, 10)
	eventually(t, "the session is gone on the node", func() bool { return !slices.Contains(n.sessions(), id) })
	if r.Owns(id) || !r.Owns(strconv.FormatUint(dst, 10)) {
		t.Error("Owns")
	}

	// While it has a turn: after it.
	req.Messages = append(req.Messages, styxfs.Message{Role: "assistant", Content: "y"}, styxfs.Message{Role: "user", Content: "c"})
	c := farGenerate(t, r, req)
	ft := n.turn()
	r.Forget(8)
	ft.say("z")
	ft.done(styxfs.EOS)
	if _, err := c.wait(t); err != nil || c.h.text() != "z" {
		t.Errorf("%v, %q", err, c.h.text())
	}
	eventually(t, "no session is left", func() bool { return len(n.sessions()) == 0 })

	// Nothing is known of either: nothing happens.
	r.Forget(99)
	r.Fork(98, 97)
	req = farRequest("user", "a")
	req.Session = 97
	play(t, n, r, req, "x")
}

func TestRemoteFiles(t *testing.T) {
	n := newFarNode(t)
	r := n.remote(RemoteConfig{})
	s, err := r.Probe(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if s.ID != n.fs.ID() || s.Start.IsZero() || s.State != "ready" || s.Slots != 4 || s.Busy != 1 || s.Queue != 2 || s.Rate != 12.5 || s.Engine != "fake" {
		t.Errorf("status %+v", s)
	}
	if got, want := r.Models(t.Context()), n.Models(t.Context()); !reflect.DeepEqual(got, want) {
		t.Errorf("models\n%+v, want\n%+v", got, want)
	}
	if err := r.Ctl(t.Context(), [][]string{{"load", "a b", "/f"}, {"drain"}}); err != nil || !reflect.DeepEqual(n.ctl, [][]string{{"load", "a b", "/f"}, {"drain"}}) {
		t.Errorf("%v: %q", err, n.ctl)
	}
	if err := r.Ctl(t.Context(), [][]string{{"bad"}}); err == nil || err.Error() != "bad: unknown" {
		t.Error(err)
	}
	if got := r.Settings(); !reflect.DeepEqual(got, n.Settings()) {
		t.Errorf("settings %q", got)
	}
	if got := styxfs.FindAttr(r.Status(), "slots"); got != "4" {
		t.Errorf("slots=%s", got)
	}

	// Events, until ctx is done.
	lines := make(chan string, 100)
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- r.Events(ctx, func() {}, func(l string) { lines <- l }) }()
	eventually(t, "an event", func() bool {
		n.event.Post("load", styxfs.Attr{Name: "slots", Value: strings.Repeat("9", 5000)})
		return len(lines) > 0
	})
	if l := <-lines; !strings.HasSuffix(l, " load slots="+strings.Repeat("9", 5000)) {
		t.Errorf("event %.80q", l)
	}
	cancel()
	if err := <-done; !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
	// And until the node is lost.
	go func() { done <- r.Events(t.Context(), func() {}, func(l string) { lines <- l }) }()
	for len(lines) > 0 {
		<-lines
	}
	eventually(t, "an event", func() bool {
		n.event.Post("load")
		return len(lines) > 0
	})
	n.cut()
	if err := <-done; !errors.Is(err, ErrLost) {
		t.Error(err)
	}
	// What is asked next is asked over a new connection.
	if _, err := r.Probe(t.Context()); err != nil {
		t.Error(err)
	}
}

// A node that has started anew has none of the sessions, and all is written
// again.
func TestRemoteRestart(t *testing.T) {
	n, anew := newFarNode(t), newFarNode(t)
	r := n.remote(RemoteConfig{})
	first, err := r.Probe(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	play(t, n, r, farRequest("user", "a"), "x")
	r.dial = anew.remote(RemoteConfig{}).dial
	n.cut()
	eventually(t, "the loss is noticed", func() bool { return !r.alive() })
	play(t, anew, r, farRequest("user", "a", "assistant", "x", "user", "b"), "y")
	second, err := r.Probe(t.Context())
	if err != nil || first.ID != n.fs.ID() || second.ID != anew.fs.ID() {
		t.Errorf("ids %s and %s, %v", first.ID, second.ID, err)
	}
	r.Forget(7)
	eventually(t, "nothing is left", func() bool {
		r.Probe(t.Context())
		r.mu.Lock()
		defer r.mu.Unlock()
		return len(r.own) == 0 && len(r.ghosts) == 0 && len(r.sessions) == 0
	})
	if got := anew.sessions(); len(got) != 0 {
		t.Errorf("sessions %v", got)
	}
}

// What is longer than a message goes in many, each whole lines where it must.
func TestRemoteSmallMessages(t *testing.T) {
	n := newFarNode(t)
	r := n.remote(RemoteConfig{Options: mnt.Options{Msize: 512}})
	req := farRequest("system", strings.Repeat("s", 5000), "user", strings.Repeat("u", 5000))
	for i := range 300 {
		req.Params.LogitBias = append(req.Params.LogitBias, styxfs.Bias{ID: int32(i), Bias: -1.5})
	}
	req.Grammar = "root ::= \"" + strings.Repeat("g", 3000) + "\"\n"
	for i := range 1000 {
		req.Prefix = append(req.Prefix, int32(i))
	}
	c := farGenerate(t, r, req)
	ft := n.turn()
	if !reflect.DeepEqual(ft.Messages, req.Messages) || ft.Grammar != req.Grammar || !slices.Equal(ft.Prefix, req.Prefix) ||
		!reflect.DeepEqual(ft.Params.LogitBias, req.Params.LogitBias) {
		t.Errorf("messages %.80q, grammar %.80q, %d ids, %d biases", ft.Messages, ft.Grammar, len(ft.Prefix), len(ft.Params.LogitBias))
	}
	ft.Note(styxfs.Note{PrefixText: "p"})
	ft.say(strings.Repeat("answer ", 1000))
	ft.done(styxfs.EOS)
	if _, err := c.wait(t); err != nil || c.h.text() != strings.Repeat("answer ", 1000) || c.h.note.PrefixText != "p" {
		t.Errorf("%v, %d bytes, %q", err, len(c.h.text()), c.h.note.PrefixText)
	}
	req = farRequest("user", "a")
	req.Session = 8
	req.Params.Stop = []string{strings.Repeat("a line that is too long ", 50)}
	c = farGenerate(t, r, req)
	if o, err := c.wait(t); !errors.Is(err, ninep.ErrTooBig) || o.Reason != styxfs.Client {
		t.Errorf("%v, %q", err, o.Reason)
	}
}

// Users may be any names: of the trees that nobody uses only so many are kept.
func TestRemoteUsers(t *testing.T) {
	n := newFarNode(t)
	r := n.remote(RemoteConfig{})
	ctx := t.Context()
	_, leave, err := r.ctl.tree(ctx, "in use")
	if err != nil {
		t.Fatal(err)
	}
	used := r.ctl.trees["in use"]
	for i := range 3 * maxTrees {
		fs, leave, err := r.ctl.tree(ctx, "u"+strconv.Itoa(i))
		if err != nil {
			t.Fatal(err)
		}
		if _, err := fs.Stat(ctx, "status"); err != nil {
			t.Fatal(err)
		}
		leave()
	}
	if got := len(r.ctl.trees); got > maxTrees {
		t.Errorf("%d trees", got)
	}
	if r.ctl.trees["in use"] != used {
		t.Error("a tree in use is gone")
	}
	if _, err := used.fs.Stat(ctx, "status"); err != nil {
		t.Error(err)
	}
	leave()
}
