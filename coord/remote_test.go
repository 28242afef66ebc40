package coord

import (
	"context"
	"errors"
	"math"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"llama9/mnt"
	"llama9/ninep"
	"llama9/styxfs"
)

// A turn arrives on the node as it is here, and all that the node makes of it
// arrives here.
func TestRemoteTurn(t *testing.T) {
	n := newFarNode(t)
	r := n.remote(RemoteConfig{})
	req := farRequest("system", "be brief\n", "user", "why is the sky blue?\n\n")
	p := &req.Params
	p.Temperature, p.TopK, p.Model, p.NPredict, p.Template = 0.25, 7, "large one", 99, "chat ml"
	p.Stop = []string{"\n\n", `"quoted" = stop`}
	p.LogitBias = []styxfs.Bias{{ID: 3, Bias: math.Inf(-1)}, {ID: 4, Bias: 1.5}}
	p.NProbs, p.Shift, p.CachePrompt, p.KeepAlive = 2, true, false, 90*time.Second
	p.Samplers = []string{"top_k", "temperature"}
	p.Timeout, p.Priority, p.OnClose = time.Hour, 5, "keep"
	req.Grammar = "root ::= \"a\"\n"
	c := farGenerate(t, r, req)
	ft := n.turn()

	want := req.Params
	want.Timeout, want.Priority, want.OnClose = 0, 0, "cancel"
	got := ft.Params
	if !got.Date.Equal(want.Date) {
		t.Errorf("date %v, want %v", got.Date, want.Date)
	}
	got.Date = want.Date
	if !reflect.DeepEqual(got, want) {
		t.Errorf("parameters\n%v, want\n%v", got, want)
	}
	if !reflect.DeepEqual(ft.Messages, req.Messages) {
		t.Errorf("conversation %q, want %q", ft.Messages, req.Messages)
	}
	if ft.User != "glenda" || ft.Grammar != req.Grammar || ft.Schema != "" || len(ft.Prefix) != 0 {
		t.Errorf("user %q, grammar %q, schema %q, prefix %v", ft.User, ft.Grammar, ft.Schema, ft.Prefix)
	}

	c.h.await(t, "queued", func() bool { return c.h.has("queued") })
	ft.State(styxfs.Loading)
	c.h.await(t, "loading", func() bool { return c.h.has("loading") })
	ft.Progress(10, 4, 30)
	c.h.await(t, "progress", func() bool { return c.h.has("progress 10 4 30") })
	ft.Note(styxfs.Note{Model: "large one", Node: "n1", PromptTokens: 30, CachedTokens: 4, NCtx: 512})
	tokens := []styxfs.Token{
		{ID: 0, Text: "a"},
		{ID: 1, Text: ""},
		{ID: 2, Text: "\n\"\\ \t=\x00", HasProb: true, LogProb: -0.5},
		{ID: -1, Text: "no token"},
		{ID: 3, Text: "\xff\xfe", HasProb: true, LogProb: float32(math.Inf(-1)), Top: []styxfs.Alt{
			{ID: 5, LogProb: -0.25, Text: `"`}, {ID: 6, LogProb: -1e-9, Text: " x"}}},
		{ID: math.MaxInt32, Text: strings.Repeat("\u00e9\n", 30000)},
	}
	for _, tok := range tokens {
		ft.Token(tok)
	}
	ft.end <- farEnd{o: styxfs.Outcome{Reason: styxfs.Stop, StopWord: "\n\n", PromptTokens: 30, CachedTokens: 4, Tokens: 5, PromptTime: 1500 * time.Microsecond, PredictTime: time.Second}}
	o, err := c.wait(t)
	if err != nil {
		t.Fatal(err)
	}
	if want := (styxfs.Outcome{Reason: styxfs.Stop, StopWord: "\n\n", PromptTokens: 30, CachedTokens: 4, Tokens: 5, PromptTime: 1500 * time.Microsecond, PredictTime: time.Second}); o != want {
		t.Errorf("outcome %+v, want %+v", o, want)
	}
	if !reflect.DeepEqual(c.h.tokens, tokens) {
		t.Errorf("tokens %.300v, want %.300v", c.h.tokens, tokens)
	}
	if c.h.note.NCtx != 512 || c.h.note.PromptTokens != 30 || c.h.note.Node != "n1" {
		t.Errorf("note %+v", c.h.note)
	}
}

// A traced writes down what is written to the node.
type traced struct {
	mu     sync.Mutex
	writes []string
}

func (w *traced) trace(dir string, f *ninep.Fcall) {
	if f.Type == ninep.Twrite {
		w.mu.Lock()
		defer w.mu.Unlock()
		w.writes = append(w.writes, string(f.Data))
	}
}

// take gives what was written since the last call.
func (w *traced) take() []string {
	w.mu.Lock()
	defer w.mu.Unlock()
	l := w.writes
	w.writes = nil
	return l
}

// The next turn of a session is in the same session of the node, and only what
// is new is written.
func TestRemoteSessionGoesOn(t *testing.T) {
	n := newFarNode(t)
	var w traced
	r := n.remote(RemoteConfig{Options: mnt.Options{Trace: w.trace}})
	req := farRequest("user", "one")
	req.Params.Temperature = 0
	first := play(t, n, r, req, "1")
	if got := w.take(); !slices.Contains(got, "one\n") || !slices.ContainsFunc(got, func(s string) bool { return strings.Contains(s, "temperature 0\n") }) {
		t.Errorf("written: %q", got)
	}

	req = farRequest("user", "one", "assistant", "1", "user", "two")
	req.Params.Temperature, req.Params.Seed = 0, 43
	second := play(t, n, r, req, "2")
	if first != second {
		t.Errorf("sessions %d and %d", first, second)
	}
	if got, want := w.take(), []string{"seed 43\n", "two\n"}; !sameSet(got, want) {
		t.Errorf("written: %q, want %q", got, want)
	}

	req = farRequest("user", "one", "assistant", "1", "user", "two", "assistant", "2", "user", "three")
	req.Params.Temperature, req.Params.Seed = 0, 43
	req.Params.Stop = []string{"x"}
	req.Schema = "{}"
	play(t, n, r, req, "3")
	if got, want := w.take(), []string{"stop\nstop x\n", "{}", "three\n"}; !sameSet(got, want) {
		t.Errorf("written: %q, want %q", got, want)
	}

	// What was edited here is written anew, and a list that was emptied, and a
	// schema that was taken away.
	req = farRequest("user", "uno", "assistant", "1", "user", "two")
	req.Params.Temperature, req.Params.Seed = 0, 43
	play(t, n, r, req, "4")
	if got, want := w.take(), []string{"stop\n", `{"role":"user","content":"uno"}` + "\n" + `{"role":"assistant","content":"1"}` + "\n", "two\n"}; !sameSet(got, want) {
		t.Errorf("written: %q, want %q", got, want)
	}
	if got := n.sessions(); len(got) != 1 {
		t.Errorf("sessions on the node: %v", got)
	}
}

func sameSet(a, b []string) bool {
	a, b = slices.Sorted(slices.Values(a)), slices.Sorted(slices.Values(b))
	return slices.Equal(a, b)
}

// play runs one turn whose answer is text. The conversation must arrive whole.
// It gives the session of the node.
func play(t testing.TB, n *farNode, r *Remote, req *styxfs.Request, text string) uint64 {
	t.Helper()
	c := farGenerate(t, r, req)
	ft := n.turn()
	for n.late != nil && reflect.DeepEqual(ft.Messages, n.late) {
		n.skipped = append(n.skipped, ft)
		ft = n.turn()
	}
	if !reflect.DeepEqual(ft.Messages, req.Messages) {
		t.Errorf("conversation %q, want %q", ft.Messages, req.Messages)
	}
	if ft.Grammar != req.Grammar || ft.Schema != req.Schema || !slices.Equal(ft.Prefix, req.Prefix) {
		t.Errorf("grammar %q, schema %q, prefix %v", ft.Grammar, ft.Schema, ft.Prefix)
	}
	ft.say(text)
	ft.done(styxfs.EOS)
	if _, err := c.wait(t); err != nil {
		t.Error(err)
	}
	if got := c.h.text(); got != text {
		t.Errorf("answer %q, want %q", got, text)
	}
	return ft.Session
}

// Every kind of conversation arrives as it is: those that no prompt can begin
// go by generate.
func TestRemoteConversations(t *testing.T) {
	n := newFarNode(t)
	r := n.remote(RemoteConfig{})
	long := strings.Repeat("long \u00e9\n", 20000)
	for i, words := range [][]string{
		{"user", "a\n"},
		{"user", "\n"},
		{"user", ""},
		{"user", "a", "assistant", ""},
		{"user", "a", "assistant", "go on"},
		{"system", "only"},
		{"user", "a", "tool", "{}\n"},
		{"system", "s", "user", "u1", "user", "u2"},
		{"user", long},
		{"user", long, "assistant", long, "user", "\"\\\u2028<&>"},
	} {
		req := farRequest(words...)
		req.Session = uint64(100 + i)
		play(t, n, r, req, "x")
		// And again in the same session, after an answer.
		if last := &req.Messages[len(req.Messages)-1]; last.Role == "assistant" {
			req.Messages = slices.Clone(req.Messages)
			req.Messages[len(req.Messages)-1].Content += "x"
		} else {
			req.Messages = append(req.Messages, styxfs.Message{Role: "assistant", Content: "x"})
		}
		req.Messages = append(req.Messages, styxfs.Message{Role: "user", Content: "more"})
		play(t, n, r, req, "y")
	}
}

// A prefix is written to token, and its text, which only the node knows, is
// told at the end.
func TestRemotePrefix(t *testing.T) {
	n := newFarNode(t)
	r := n.remote(RemoteConfig{})
	for _, words := range [][]string{{"user", "a"}, {"user", "a", "assistant", "old "}} {
		req := farRequest(words...)
		req.Prefix = []int32{5, 0, 131071}
		req.Params.Model = "large one"
		c := farGenerate(t, r, req)
		ft := n.turn()
		if !slices.Equal(ft.Prefix, req.Prefix) {
			t.Errorf("prefix %v", ft.Prefix)
		}
		ft.Note(styxfs.Note{PrefixText: "begin "})
		ft.say("end")
		ft.end <- farEnd{o: styxfs.Outcome{Reason: styxfs.EOS, Tokens: 4}}
		o, err := c.wait(t)
		if err != nil || o.Tokens != 4 || c.h.text() != "end" {
			t.Errorf("%+v, %v, %q", o, err, c.h.text())
		}
		if c.h.note.PrefixText != "begin " {
			t.Errorf("prefix text %q", c.h.note.PrefixText)
		}
		// It holds for one turn.
		last := "begin end"
		req = farRequest(append(words[:2:2], "assistant", last, "user", "b")...)
		if len(words) > 2 {
			req.Messages[1].Content = "old " + last
		}
		req.Params.Model = "large one"
		play(t, n, r, req, "z")
	}
}

func TestRemoteCancel(t *testing.T) {
	n := newFarNode(t)
	r := n.remote(RemoteConfig{})
	cause := styxfs.ErrCancelled
	cancelled := func(req *styxfs.Request, tokens ...string) uint64 {
		t.Helper()
		c := farGenerate(t, r, req)
		ft := n.turn()
		ft.say(tokens...)
		c.h.await(t, "the tokens", func() bool { return c.h.text() == strings.Join(tokens, "") })
		c.cancel(cause)
		o, err := c.wait(t)
		if err != cause || o.Reason != styxfs.Cancel || o.Tokens != len(tokens) {
			t.Errorf("%+v, %v", o, err)
		}
		select {
		case <-ft.ctx.Done():
		default:
			t.Error("the node's turn goes on")
		}
		if got := context.Cause(ft.ctx); !errors.Is(got, styxfs.ErrCancelled) {
			t.Errorf("the node's turn ended by %v", got)
		}
		return ft.Session
	}
	// In prefill, and in decode; the node's session is good for another turn.
	first := cancelled(farRequest("user", "a"))
	second := cancelled(farRequest("user", "a"), "x", "y")
	third := play(t, n, r, farRequest("user", "a", "assistant", "x", "user", "b"), "z")
	if first != second || second != third {
		t.Errorf("sessions %d, %d, %d", first, second, third)
	}
	// A turn that is given up to go on elsewhere takes its session along.
	cause = errors.New("too slow")
	moved := farRequest("user", "a")
	moved.Session = 9
	id := strconv.FormatUint(cancelled(moved, "x"), 10)
	eventually(t, "its session is gone", func() bool { return !slices.Contains(n.sessions(), id) && !r.Owns(id) })

	// Before it began.
	ctx, cancel := context.WithCancelCause(t.Context())
	cancel(cause)
	h := newHeard()
	if _, err := r.Generate(ctx, farRequest("user", "a"), h); err != cause {
		t.Error(err)
	}
	h.end(t)
	eventually(t, "no turn on the node", func() bool {
		select {
		case ft := <-n.turns: // it may have begun, but then was cancelled
			<-ft.ctx.Done()
		default:
		}
		return true
	})
	play(t, n, r, farRequest("user", "a"), "z")
}

func TestRemoteTimeout(t *testing.T) {
	n := newFarNode(t)
	r := n.remote(RemoteConfig{})
	c := farGenerate(t, r, farRequest("user", "a"))
	n.turn()
	c.cancel(styxfs.ErrTimeout)
	if o, err := c.wait(t); !errors.Is(err, styxfs.ErrTimeout) || o.Reason != styxfs.Timeout {
		t.Errorf("%+v, %v", o, err)
	}
}

// Errors are told apart: what another node may do better, and what is the
// turn's own.
func TestRemoteErrors(t *testing.T) {
	n := newFarNode(t)
	r := n.remote(RemoteConfig{})
	own := func(err error) bool { return !errors.Is(err, ErrLost) && !errors.Is(err, ErrRefused) }
	refused := func(err error) bool { return errors.Is(err, ErrRefused) && !errors.Is(err, ErrLost) }
	lost := func(err error) bool { return errors.Is(err, ErrLost) && !errors.Is(err, ErrRefused) }
	session := play(t, n, r, farRequest("user", "a"), "x")
	for _, tt := range []struct {
		what   string
		end    farEnd
		reason styxfs.Reason
		is     func(error) bool
		text   string
	}{
		{"the client's fault", farEnd{styxfs.Outcome{Reason: styxfs.Client}, errors.New("prompt of 9 tokens, n_ctx 8")}, styxfs.Client, own, "prompt of 9 tokens, n_ctx 8"},
		{"a failure", farEnd{styxfs.Outcome{Reason: styxfs.ReasonErr}, errors.New("decode: no memory")}, styxfs.ReasonErr, own, "decode: no memory"},
		{"a full queue at the commit", farEnd{styxfs.Outcome{Reason: styxfs.ReasonErr}, errors.New("queue full")}, styxfs.ReasonErr, refused, "queue full"},
		{"draining", farEnd{styxfs.Outcome{Reason: styxfs.ReasonErr}, errors.New("draining")}, styxfs.ReasonErr, refused, "draining"},
		{"the node's end", farEnd{styxfs.Outcome{Reason: styxfs.ReasonErr}, errors.New("shut down")}, styxfs.ReasonErr, lost, "node lost: shut down"},
		{"a cancel on the node", farEnd{styxfs.Outcome{Reason: styxfs.Cancel}, styxfs.ErrCancelled}, styxfs.Cancel, own, "cancelled"},
	} {
		c := farGenerate(t, r, farRequest("user", "a"))
		ft := n.turn()
		if tt.what != "the node's end" && ft.Session != session {
			t.Errorf("%s: session %d, before %d", tt.what, ft.Session, session)
		}
		ft.say("made")
		ft.end <- tt.end
		o, err := c.wait(t)
		if err == nil || !tt.is(err) || err.Error() != tt.text || o.Reason != tt.reason {
			t.Errorf("%s: %v, %q", tt.what, err, o.Reason)
		}
		if got := c.h.text(); got != "made" {
			t.Errorf("%s: the text before it is %q", tt.what, got)
		}
		if tt.is(ErrLost) {
			session = play(t, n, r, farRequest("user", "a"), "x")
		}
	}

	// Refused before anything began, in a session that is there and in a new one.
	session = play(t, n, r, farRequest("user", "a"), "x")
	n.setAdmit(errors.New("queue full"))
	for _, req := range []*styxfs.Request{farRequest("user", "b"), farRequest("user", "b", "assistant", "c"), farRequest("user", "b")} {
		req.Session = map[string]uint64{"user": 7, "assistant": 8}[req.Messages[len(req.Messages)-1].Role]
		req.Prefix = []int32{1}
		c := farGenerate(t, r, req)
		if _, err := c.wait(t); !refused(err) || err.Error() != "queue full" {
			t.Errorf("%q: %v", req.Messages, err)
		}
	}
	n.setAdmit(nil)
	if again := play(t, n, r, farRequest("user", "b"), "x"); again != session {
		t.Errorf("session %d, before %d", again, session)
	}

	// What the node does not take.
	req := farRequest("user", "a")
	req.Params.TopP = 7
	c := farGenerate(t, r, req)
	if o, err := c.wait(t); !own(err) || o.Reason != styxfs.Client || !strings.Contains(err.Error(), "top_p") {
		t.Errorf("%v, %q", err, o.Reason)
	}
	play(t, n, r, farRequest("user", "a"), "x")
}
