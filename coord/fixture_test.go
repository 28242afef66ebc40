package coord

import (
	"testing"
	"time"

	"llama9/styxfs"
)

// A script is a cluster with a clock that it sets.
type script struct {
	*testing.T
	*cluster
	now     time.Time
	session uint64
	where   map[*turn]*node
}

func newScript(t *testing.T) *script {
	return &script{T: t, cluster: newCluster(1), now: time.Date(2026, 11, 24, 12, 0, 0, 0, time.UTC), where: make(map[*turn]*node)}
}

func (s *script) after(d time.Duration) { s.now = s.now.Add(d) }

// add mounts a node that is up, with a model m that is loaded.
func (s *script) add(name string, slots int) *node {
	n := &node{name: name, weight: 1}
	s.mount(n)
	s.upAs(n, "id-"+name, slots, styxfs.Model{Name: "m", State: "loaded", NCtx: 1000, Arch: "x"})
	return n
}

func (s *script) upAs(n *node, id string, slots int, models ...styxfs.Model) {
	s.up(n, s.now, &Status{ID: id, State: "ready", Slots: slots}, models)
}

// ask makes a turn that waits. prompts are its conversation.
func (s *script) ask(user string, prompts ...string) *turn {
	s.session++
	return s.say(s.session, user, prompts...)
}

func (s *script) say(session uint64, user string, prompts ...string) *turn {
	r := &styxfs.Request{Session: session, User: user, Params: styxfs.DefaultParams()}
	r.Params.Model = "m"
	for _, p := range prompts {
		r.Messages = append(r.Messages, styxfs.Message{Role: "user", Content: p})
	}
	t := newTurn(r, nil, s.now)
	s.queue.add(t)
	return t
}

// place gives the first turn that has a place one, and says where and why.
func (s *script) place() (t *turn, node, route string) {
	s.refresh(s.nodes...) // scripts change nodes as they like
	t, n, route := s.next(s.now)
	if t == nil {
		return nil, "", ""
	}
	s.where[t] = n
	return t, n.name, route
}

// goes wants the next turn to be t, and placed at node for the reason route,
// "" for any.
func (s *script) goes(t *turn, node, route string) {
	s.Helper()
	got, at, why := s.place()
	if got != t || at != node || route != "" && why != route {
		s.Fatalf("placed %p at %q (%s), want %p at %q (%s)", got, at, why, t, node, route)
	}
}

// waits wants no turn to be placed.
func (s *script) waits() {
	s.Helper()
	if t, at, why := s.place(); t != nil {
		s.Fatalf("placed a turn at %q (%s), want none to be", at, why)
	}
}

// done ends a turn that runs. Of its prompt so many tokens were cached.
func (s *script) done(t *turn, prompt, cached int) {
	n := s.where[t]
	s.ended(n, t, &styxfs.Outcome{PromptTokens: prompt, CachedTokens: cached, Tokens: 10}, "answer")
	s.returned(n, t)
	delete(s.where, t)
}

// loses takes the turn's node from it, and puts it in the queue again.
func (s *script) loses(t *turn, died bool) error {
	n := s.where[t]
	err := t.loss(n, n.id, died, false)
	s.returned(n, t)
	delete(s.where, t)
	if err == nil {
		s.queue.add(t)
	}
	return err
}
