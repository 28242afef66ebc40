package node

import (
	"fmt"
	"slices"
	"time"

	"llama9/styxfs"
)

// A Bare makes turns on a Context with nothing around it: no queue, no tree, no
// slots, no text. It is what the work of a node is measured against, by the
// same samplers and the same last pick. One goroutine uses it.
type Bare struct {
	m    Model
	c    Context
	info ModelInfo
	ends []Token
	rows []Row
	sc   scratch
}

// NewBare makes a Bare of m with a context of its own.
func NewBare(m Model, o ContextOptions) (*Bare, error) {
	c, err := m.NewContext(o)
	if err != nil {
		return nil, err
	}
	b := &Bare{m: m, c: c, info: m.Info()}
	for t := range Token(b.info.NVocab) {
		if m.EOG(t) {
			b.ends = append(b.ends, t)
		}
	}
	return b, nil
}

// Close gives the context back; the model is the caller's.
func (b *Bare) Close() error { return b.c.Close() }

// A BareRun is what Run did. Times count from its beginning.
type BareRun struct {
	Tokens [][]Token // made, of each prompt
	First  time.Duration
	Total  time.Duration
}

// Run answers all prompts at once, each with p.NPredict tokens, as p samples.
// First is when every prompt had its first token.
func (b *Bare) Run(prompts [][]Token, p *styxfs.Params) (*BareRun, error) {
	return b.run(prompts, p, nil)
}

// Resume continues turns that Run made, whole, from their first n tokens, as a
// turn that moved to another node is: these are prefilled after the prompt. It
// decodes on along whole and says how many of the picks, of all, are other than
// there.
func (b *Bare) Resume(prompts, whole [][]Token, n int, p *styxfs.Params) (flips, picks int, err error) {
	longer := make([][]Token, len(prompts))
	rest := make([][]Token, len(prompts))
	for i := range prompts {
		if n < 1 || n >= len(whole[i]) {
			return 0, 0, fmt.Errorf("no turn of %d tokens to resume at %d", len(whole[i]), n)
		}
		longer[i] = slices.Concat(prompts[i], whole[i][:n])
		rest[i] = whole[i][n:]
	}
	again, err := b.run(longer, p, rest)
	if err != nil {
		return 0, 0, err
	}
	for i := range rest {
		for k, t := range again.Tokens[i] {
			picks++
			if t != rest[i][k] {
				flips++
			}
		}
	}
	return flips, picks, nil
}

// run is Run; or, with forced, it picks as many tokens as that has, the last
// of p.NPredict, but decodes those of forced.
func (b *Bare) run(prompts [][]Token, p *styxfs.Params, forced [][]Token) (*BareRun, error) {
	o := b.c.Options()
	if len(prompts) > o.NSeq {
		return nil, fmt.Errorf("%d prompts for %d sequences", len(prompts), o.NSeq)
	}
	count := p.NPredict
	if forced != nil {
		count = len(forced[0])
	}
	began := time.Now()
	run := &BareRun{Tokens: make([][]Token, len(prompts))}
	samplers := make([]*sampler, len(prompts))
	defer func() {
		for _, s := range samplers {
			if s != nil {
				s.close()
			}
		}
	}()
	for i, ids := range prompts {
		if len(ids) == 0 || len(ids)+count > o.NCtx {
			return nil, fmt.Errorf("%d tokens do not fit a context of %d", len(ids)+count, o.NCtx)
		}
		b.c.RemoveSeq(Seq(i), 0, -1)
		s, err := newSampler(b.m, &b.info, b.ends, &styxfs.Request{Params: *p}, "")
		if err != nil {
			return nil, err
		}
		samplers[i] = s
	}
	pick := func(i, row int) error {
		logits, err := b.c.Logits(row)
		if err != nil {
			return err
		}
		t, err := samplers[i].pick(logits, p.NPredict-count+len(run.Tokens[i]), &b.sc)
		if err != nil {
			return err
		}
		run.Tokens[i] = append(run.Tokens[i], t)
		if forced != nil {
			t = forced[i][len(run.Tokens[i])-1]
		}
		return samplers[i].accept(t)
	}
	if err := b.prefill(prompts, pick); err != nil {
		return nil, err
	}
	run.First = time.Since(began)
	made := run.Tokens
	if forced != nil {
		made = forced
	}
	for n := 1; n < count; n++ {
		b.rows = b.rows[:0]
		for i, ids := range prompts {
			b.rows = append(b.rows, Row{Token: made[i][n-1], Pos: int32(len(ids) + n - 1), Seq: Seq(i), Logits: true})
		}
		if err := b.c.Decode(b.rows); err != nil {
			return nil, err
		}
		for i := range prompts {
			if err := pick(i, i); err != nil {
				return nil, err
			}
		}
	}
	run.Total = time.Since(began)
	return run, nil
}

// prefill decodes the prompts in the largest batches that the context takes,
// and picks each one's first token from its last row.
func (b *Bare) prefill(prompts [][]Token, pick func(i, row int) error) error {
	b.rows = b.rows[:0]
	flush := func() error {
		if err := b.c.Decode(b.rows); err != nil {
			return err
		}
		for row, r := range b.rows {
			if r.Logits {
				if err := pick(int(r.Seq), row); err != nil {
					return err
				}
			}
		}
		b.rows = b.rows[:0]
		return nil
	}
	for i, ids := range prompts {
		for j, t := range ids {
			b.rows = append(b.rows, Row{Token: t, Pos: int32(j), Seq: Seq(i), Logits: j == len(ids)-1})
			if len(b.rows) == b.c.Options().NBatch {
				if err := flush(); err != nil {
					return err
				}
			}
		}
	}
	if len(b.rows) == 0 {
		return nil
	}
	return flush()
}
