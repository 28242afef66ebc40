package coord

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"llama9/styxfs"
)

// A turn is one Generate under way: it waits in the queue, is tried on a node,
// and comes back to the head of the queue when that is lost.
type turn struct {
	r    *styxfs.Request // set once
	sink styxfs.Sink     // set once

	session  uint64
	user     string
	priority int
	messages []styxfs.Message
	chain    []uint64 // of messages
	size     int      // their bytes
	since    time.Time

	placed chan *try     // of size 1: where it is to run
	poke   chan struct{} // of size 1: its position is another

	// Coord.mu guards these.
	model     string
	arrival   uint64
	position  int
	again     bool            // it has lost its node
	tried     map[string]bool // incarnations that it lost
	lost      []string        // their names
	deaths    int             // of those, the ones that hung up
	suspected bool            // counted so on its node
	matched   int             // blocks of chain that its node was believed to have
	need      int             // tokens that a context must hold; 0: not known
	vocab     *styxfs.Model   // whose ids the tokens made are; nil: none were

	// What was made so far: only the try that runs adds to it, under its mu.
	ids        []int32 // the prefix that came with the turn, and after it what was made
	fresh      int     // tokens since the last loss
	text       []byte  // released
	prefixText string
	noIDs      bool // some of text has no token
	outcome    styxfs.Outcome
	first      time.Time
	last       time.Time
}

// A turn whose node died is a suspect until it has made this many new tokens.
const proof = 16

// mostLosses is how many nodes a turn may lose.
const mostLosses = 3

func newTurn(r *styxfs.Request, sink styxfs.Sink, now time.Time) *turn {
	t := &turn{
		r: r, sink: sink, session: r.Session, user: r.User, priority: r.Params.Priority, messages: r.Messages,
		model: r.Params.Model, since: now, ids: slices.Clone(r.Prefix),
		placed: make(chan *try, 1), poke: make(chan struct{}, 1), tried: make(map[string]bool),
	}
	t.chain, t.size = chainOf(r.Messages)
	t.outcome.Tokens = len(r.Prefix)
	return t
}

// suspect says whether t may have been what its node died of.
func (t *turn) suspect() bool { return t.deaths > 0 && t.fresh < proof }

// wake makes Generate look at the position.
func (t *turn) wake() {
	select {
	case t.poke <- struct{}{}:
	default:
	}
}

// made counts the tokens that were made for t.
func (t *turn) made() int { return len(t.ids) - len(t.r.Prefix) }

// uncached guesses how many tokens of the prompt n has to compute.
func (t *turn) uncached(n *node) int { return max(t.size-t.matched*blockSize, 0)/4 + len(t.ids) }

// end makes the outcome of the last try that of the turn.
func (t *turn) end(o styxfs.Outcome) styxfs.Outcome {
	o.Tokens = max(o.Tokens, len(t.ids))
	if t.outcome.PromptTokens > 0 || o.PromptTokens == 0 {
		o.PromptTokens, o.CachedTokens = t.outcome.PromptTokens, t.outcome.CachedTokens
	}
	if o.PredictTime == 0 || len(t.lost) > 0 {
		o.PredictTime = t.last.Sub(t.first)
	}
	return o
}

// request is what a node whose model is m is asked: the turn, from the tokens
// made so far. note says what of that the client should know.
func (t *turn) request(m *styxfs.Model) (r *styxfs.Request, note string, err error) {
	c := *t.r
	c.Params.Model = t.model
	if len(t.text) == 0 && t.made() == 0 {
		return &c, "", nil
	}
	if t.vocab != nil && m != nil && sameVocabulary(t.vocab, m) && !t.noIDs {
		c.Prefix = t.ids
		if m.Exact && t.vocab.Exact && m.Build == t.vocab.Build && m.Variant == t.vocab.Variant {
			return &c, "resumed", nil
		}
		return &c, "continued", nil
	}
	// Another vocabulary: it goes on from the text.
	if c.Grammar != "" || c.Schema != "" {
		return nil, "", errors.New("node lost, and a grammar cannot go on with another vocabulary")
	}
	if len(t.r.Prefix) > 0 && t.prefixText == "" {
		return nil, "", errors.New("node lost, and the tokens that were written to it cannot go on with another vocabulary")
	}
	said := t.prefixText + string(t.text)
	c.Prefix = nil
	c.Messages = slices.Clone(c.Messages)
	if n := len(c.Messages); n > 0 && c.Messages[n-1].Role == "assistant" {
		c.Messages[n-1].Content += said
	} else {
		c.Messages = append(c.Messages, styxfs.Message{Role: "assistant", Content: said})
	}
	if c.Params.NPredict >= 0 {
		c.Params.NPredict = max(c.Params.NPredict-len(t.ids), 0)
	}
	return &c, "text", nil
}

// loss notes that the node of t was lost, in the start called id; died: it hung
// up. An error ends the turn.
func (t *turn) loss(n *node, id string, died, strict bool) error {
	culprit := died && t.suspected && n.suspects == 1
	t.tried[incarnation(n.name, id)] = true
	t.lost = append(t.lost, n.name)
	if died {
		t.deaths++
	}
	t.again, t.fresh = true, 0
	switch {
	case strict:
		return fmt.Errorf("node %s lost", n.name)
	case culprit:
		return fmt.Errorf("killed %d nodes: %s", t.deaths, strings.Join(t.lost, ", "))
	case len(t.lost) >= mostLosses:
		return fmt.Errorf("lost %d nodes: %s", len(t.lost), strings.Join(t.lost, ", "))
	}
	return nil
}

// reasonOf names why a context ended.
func reasonOf(cause error) styxfs.Reason {
	if errors.Is(cause, styxfs.ErrTimeout) || errors.Is(cause, context.DeadlineExceeded) {
		return styxfs.Timeout
	}
	return styxfs.Cancel
}
