package node

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"llama9/node/gbnf"
	"llama9/node/template"
	"llama9/styxfs"
)

// An input is what a turn decodes: the prompt's tokens and the prefix of its
// answer, and how far it may go.
type input struct {
	ids     []Token // prompt and prefix
	prompt  int     // of ids, those of the prompt; 0 in a window
	counted int     // tokens of the prompt
	prefix  []Token
	keep    int    // tokens that a shift leaves at the front
	limit   int    // tokens of the answer, the prefix counted; -1: none
	route   string // "shifted": ids are a window
	reuse   int    // tokens that may come from a cache at most
	logits  int    // positions from here on ask for logits
	sampler *sampler
}

// A segment is a part of a rendered prompt. Only in special ones the text of
// control tokens becomes these tokens.
type segment = template.Segment

// A clientFault is an error that the client made: Reason is Client.
type clientFault struct{ error }

func (e clientFault) Unwrap() error { return e.error }

func clientError(err error) error { return clientFault{err} }

// prepare renders, tokenizes and makes the sampler. kept are the tokens that
// the session's last turn left, nil none. The instance must not be closed
// meanwhile.
func (in *instance) prepare(r *styxfs.Request, kept []Token) (_ *input, err error) {
	grammar := r.Grammar
	if r.Schema != "" {
		if grammar, err = gbnf.FromSchema(r.Schema); err != nil {
			return nil, clientError(err)
		}
	}
	if r.Params.Shift && !in.canShift {
		return nil, clientError(errors.New("shift: the memory of this model cannot be shifted"))
	}
	segs, err := in.render(r)
	if err != nil {
		return nil, clientError(err)
	}
	ids, err := in.tokenize(segs, kept)
	if err != nil {
		return nil, err
	}
	if len(ids) == 0 {
		// llama-server begins with BOS too where the prompt is empty.
		return nil, clientError(errors.New("empty prompt"))
	}
	t, err := in.layout(ids, r)
	if err != nil {
		return nil, err
	}
	if t.sampler, err = newSampler(in.model, &in.info, in.ends, r, grammar); err != nil {
		return nil, err
	}
	if err := in.replayPrefix(t, ids, r); err != nil {
		t.sampler.close()
		return nil, err
	}
	return t, nil
}

// layout checks the prompt and the prefix against the context.
func (in *instance) layout(ids []Token, r *styxfs.Request) (*input, error) {
	p := &r.Params
	nctx := in.opts.NCtx
	if len(ids) >= nctx {
		return nil, clientError(fmt.Errorf("prompt too long: %d tokens, the context has %d", len(ids), nctx))
	}
	for i, id := range r.Prefix {
		if id < 0 || int(id) >= in.info.NVocab {
			return nil, clientError(fmt.Errorf("token %d: %d is out of range, the vocabulary has %d", i, id, in.info.NVocab))
		}
		if in.isEnd(id) && !p.IgnoreEOS {
			return nil, clientError(fmt.Errorf("token %d: %d ends an answer", i, id))
		}
	}
	t := &input{prompt: len(ids), counted: len(ids), prefix: r.Prefix, limit: p.NPredict}
	t.ids = append(ids[:len(ids):len(ids)], r.Prefix...)
	t.keep = p.NKeep
	if t.keep < 0 {
		t.keep = t.prompt
	}
	if in.info.AddBOS && p.NKeep >= 0 {
		t.keep++ // as in llama-server
	}
	t.keep = min(t.keep, nctx-4)
	if len(t.ids) >= nctx && p.Shift {
		t.ids = t.ids[len(t.ids)-nctx/2:]
		t.prompt, t.keep, t.route = 0, 0, "shifted"
	}
	t.logits = len(t.ids) - 1
	if p.CachePrompt {
		t.reuse = len(t.ids)
	}
	return t, nil
}

// replayPrefix lets the sampler see the prompt's last tokens and the prefix.
func (in *instance) replayPrefix(t *input, ids []Token, r *styxfs.Request) error {
	s := t.sampler
	if s.history {
		last := ids
		p := &r.Params
		if n := max(p.RepeatLastN, p.DryPenaltyLastN); p.RepeatLastN >= 0 && p.DryPenaltyLastN >= 0 && n < len(last) {
			last = last[len(last)-n:]
		}
		for _, id := range last {
			s.acceptChain(id)
		}
	}
	for i, id := range t.prefix {
		if s.grammar != nil {
			if err := s.grammar.Accept(id); errors.Is(err, ErrAmbiguous) {
				return clientError(fmt.Errorf("token %d: %w", i, err))
			} else if err != nil {
				return clientError(fmt.Errorf("token %d: grammar", i))
			}
		}
		s.acceptChain(id)
	}
	if s.miro != nil && len(t.prefix) > 0 && t.route == "" {
		// Its state comes from the logits of the prefix's rows.
		t.logits = t.prompt - 1
		t.reuse = min(t.reuse, t.prompt-1)
	}
	return nil
}

// tokenize turns segments into tokens, splicing them onto kept where the text
// agrees: what a model made need not be what its text is tokenized to, and
// the cache holds what it made.
func (in *instance) tokenize(segs []segment, kept []Token) ([]Token, error) {
	ids, segs, inside := in.splice(segs, kept)
	if len(ids) == 0 && in.info.AddBOS && in.info.BOS >= 0 && !beginsWith(segs, in.bos) {
		ids = append(ids, in.info.BOS)
	}
	for i, s := range segs {
		if s.Text == "" {
			continue
		}
		tokenize := in.model.Tokenize
		if inside && i == 0 && in.spaced {
			tokenize = in.tokenizeOn
		}
		t, err := tokenize(s.Text, s.Special)
		if err != nil {
			return nil, err
		}
		ids = append(ids, t...)
	}
	return ids, nil
}

// tokenizeOn makes tokens of a text that goes on where another ended, so that
// no space is put before it: a newline keeps that off.
func (in *instance) tokenizeOn(text string, special bool) ([]Token, error) {
	guard, err := in.model.Tokenize("\n", false)
	if err != nil {
		return nil, err
	}
	ids, err := in.model.Tokenize("\n"+text, special)
	if err != nil {
		return nil, err
	}
	if n := len(guard); len(ids) > n && slices.Equal(ids[:n], guard) {
		return ids[n:], nil
	}
	return in.model.Tokenize(text, special) // the newline is part of a token
}

// beginsWith says whether the text begins with a special token's text.
func beginsWith(segs []segment, text string) bool {
	return text != "" && len(segs) > 0 && segs[0].Special && strings.HasPrefix(segs[0].Text, text)
}

// A place is how far splice has come: in kept, and in a segment's text.
type place struct{ ids, seg, off int }

// splice gives the beginning of kept that says the same as the beginning of
// segs, and the rest of segs, which may begin inside a segment. It ends where
// all of kept agrees, or else at the last border of two segments, so that no
// word is cut in two. A control token agrees only with text of the template: a
// user's text is never one.
func (in *instance) splice(segs []segment, kept []Token) (ids []Token, rest []segment, inside bool) {
	if len(kept) == 0 {
		return nil, segs, false
	}
	var at, good place
	if in.info.AddBOS && kept[0] == in.info.BOS && !beginsWith(segs, in.bos) {
		at.ids = 1
	}
	begun := -1   // the segment that a token was seen of
	fresh := true // the tokenizer puts a space here, if it puts any
	for at.ids < len(kept) {
		for at.seg < len(segs) && at.off == len(segs[at.seg].Text) {
			at.seg, at.off = at.seg+1, 0
		}
		if at.off == 0 && at.seg != begun {
			good, fresh = at, true
		}
		if at.seg == len(segs) {
			break
		}
		begun = at.seg
		id := kept[at.ids]
		b := in.model.Piece(in.piece(), id, true)
		control := len(b) > 0 && len(in.model.Piece(nil, id, false)) == 0
		next, ok := agree(segs, at, b, control)
		if !ok && fresh && in.spaced && !control && len(b) > 0 && b[0] == ' ' {
			next, ok = agree(segs, at, b[1:], false)
		}
		if !ok {
			break
		}
		at, fresh = next, control
		if at.ids == len(kept) {
			good = at
		}
	}
	if good.ids == 0 {
		return nil, segs, false
	}
	ids = append([]Token(nil), kept[:good.ids]...)
	if good.seg == len(segs) {
		return ids, nil, false
	}
	rest = append([]segment(nil), segs[good.seg:]...)
	rest[0].Text = rest[0].Text[good.off:]
	return ids, rest, good.off > 0
}

// agree says whether the text goes on with b, a token's, and where it is then.
func agree(segs []segment, at place, b []byte, control bool) (place, bool) {
	at.ids++
	for len(b) > 0 {
		if at.seg == len(segs) {
			return at, false
		}
		s := segs[at.seg]
		n := min(len(b), len(s.Text)-at.off)
		if string(b[:n]) != s.Text[at.off:at.off+n] || control && !s.Special {
			return at, false
		}
		b = b[n:]
		at.off += n
		if at.off == len(s.Text) && len(b) > 0 {
			at.seg, at.off = at.seg+1, 0
		}
	}
	return at, true
}

// piece is memory for one token's bytes; several goroutines prepare at once.
func (in *instance) piece() []byte { return make([]byte, 0, 32) }
