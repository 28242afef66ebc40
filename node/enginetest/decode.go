package enginetest

import (
	"errors"
	"slices"
	"strings"
	"testing"

	"llama9/node"
)

func (s *suite) testInfo(t *testing.T) {
	i := s.info
	if i.Arch == "" || i.NVocab < 2 || i.Bytes == 0 || i.Parameters == 0 || i.NCtxTrain == 0 {
		t.Errorf("info %+v", i)
	}
	for name, id := range map[string]node.Token{"bos": i.BOS, "eos": i.EOS} {
		if id < -1 || int(id) >= i.NVocab {
			t.Errorf("%s is %d", name, id)
		}
	}
	if i.EOS >= 0 && !s.m.EOG(i.EOS) {
		t.Error("eos does not end a generation")
	}
	if i.AddBOS && i.BOS < 0 {
		t.Error("a BOS is to be added and there is none")
	}
	if s.m.EOG(-1) || s.m.EOG(node.Token(i.NVocab)) {
		t.Error("an id out of range ends a generation")
	}
}

func (s *suite) testTokens(t *testing.T) {
	for _, text := range []string{"hello world", "The quick brown fox.\nAnd another line.", "naïve café", "日本語 and 🦙", "  two  spaces ", "tab\there"} {
		ids, err := s.m.Tokenize(text, false)
		if err != nil {
			t.Errorf("%q: %v", text, err)
			continue
		}
		var b []byte
		for _, id := range ids {
			if id < 0 || int(id) >= s.info.NVocab {
				t.Errorf("%q: id %d", text, id)
			}
			b = s.m.Piece(b, id, false)
		}
		// SentencePiece vocabularies put a space before the first word.
		if got := string(b); got != text && got != " "+text {
			t.Errorf("%q comes back as %q", text, got)
		}
	}
	if ids, err := s.m.Tokenize("", false); err != nil || len(ids) != 0 {
		t.Errorf("empty text: %v %v", ids, err)
	}
	if _, err := s.m.Tokenize("nul \x00 and \xff", true); err != nil {
		t.Errorf("text that is not UTF-8: %v", err)
	}
	long := strings.Repeat("all work and no play ", 5000)
	if ids, err := s.m.Tokenize(long, false); err != nil || len(ids) < 5000 {
		t.Errorf("long text: %d tokens, %v", len(ids), err)
	}
	for _, id := range []node.Token{-1, node.Token(s.info.NVocab), 1 << 30} {
		if b := s.m.Piece([]byte("x"), id, true); string(b) != "x" {
			t.Errorf("piece of %d: %q", id, b)
		}
	}
	if s.info.EOS < 0 {
		return
	}
	text := string(s.m.Piece(nil, s.info.EOS, true))
	if text == "" {
		t.Fatal("eos has no text")
	}
	if b := s.m.Piece(nil, s.info.EOS, false); len(b) != 0 {
		t.Errorf("eos gives %q where control tokens give nothing", b)
	}
	if ids, err := s.m.Tokenize(text, true); err != nil || !slices.Equal(ids, []node.Token{s.info.EOS}) {
		t.Errorf("%q with specials: %v %v", text, ids, err)
	}
	if ids, err := s.m.Tokenize(text, false); err != nil || slices.Contains(ids, s.info.EOS) {
		t.Errorf("%q without specials: %v %v", text, ids, err)
	}
}

func (s *suite) testContext(t *testing.T) {
	c := s.open(t, node.ContextOptions{NCtx: 64, NSeq: 3})
	o := c.Options()
	if o.NCtx < 64 || o.NSeq != 3 || o.NBatch <= 0 || o.NUbatch <= 0 || o.Threads <= 0 {
		t.Errorf("options %+v", o)
	}
	for q := range node.Seq(3) {
		if p := c.MaxPos(q); p != -1 {
			t.Errorf("sequence %d begins at %d", q, p)
		}
	}
	for name, o := range map[string]node.ContextOptions{
		"too many sequences": {NCtx: 64, NSeq: 1000},
		"negative":           {NCtx: -5, NSeq: 1},
		"no memory":          {NCtx: 1 << 30, NSeq: 256},
		"unknown type":       {NCtx: 64, NSeq: 1, KVTypeK: "q99"},
	} {
		if c, err := s.m.NewContext(o); err == nil {
			t.Errorf("%s: no error", name)
			c.Close()
		}
	}
}

func (s *suite) testDecodeErrors(t *testing.T) {
	c := s.open(t, node.ContextOptions{NCtx: 64, NSeq: 2, NBatch: 32})
	p := s.prompts[0]
	n := node.Token(s.info.NVocab)
	want := greedy(t, c, 0, p, 5)
	if !c.RemoveSeq(0, 0, -1) {
		t.Fatal("a whole sequence could not be removed")
	}
	decode(t, c, rows(c, 0, p))
	for name, r := range map[string][]node.Row{
		"empty":               {},
		"over n_batch":        make([]node.Row, 33),
		"negative token":      {{Token: -1, Pos: int32(len(p))}},
		"token out of range":  {{Token: n, Pos: int32(len(p))}},
		"sequence":            {{Token: p[0], Pos: 0, Seq: 2}},
		"negative sequence":   {{Token: p[0], Pos: 0, Seq: -1}},
		"gap":                 {{Token: p[0], Pos: int32(len(p) + 3)}},
		"position taken":      {{Token: p[0], Pos: 0}},
		"gap inside":          {{Token: p[0], Pos: 0, Seq: 1}, {Token: p[0], Pos: 2, Seq: 1}},
		"twice the same":      {{Token: p[0], Pos: 0, Seq: 1}, {Token: p[0], Pos: 0, Seq: 1}},
		"beyond the context":  {{Token: p[0], Pos: 1 << 20}},
		"negative position":   {{Token: p[0], Pos: -1, Seq: 1}},
		"good row, then none": {{Token: p[0], Pos: int32(len(p))}, {Token: n, Pos: int32(len(p) + 1)}},
	} {
		if err := c.Decode(r); err == nil {
			t.Errorf("%s: no error", name)
		}
		if got := c.MaxPos(0); int(got) != len(p)-1 {
			t.Errorf("%s: the sequence ends at %d, not %d", name, got, len(p)-1)
		}
	}
	c.RemoveSeq(0, int32(len(p)-1), -1)
	decode(t, c, []node.Row{{Token: p[len(p)-1], Pos: int32(len(p) - 1), Logits: true}, {Token: p[0], Pos: 0, Seq: 1}})
	for _, i := range []int{-1, 1, 2, 1000} {
		if _, err := c.Logits(i); err == nil {
			t.Errorf("logits of row %d, which has none", i)
		}
	}
	if l, err := c.Logits(0); err != nil || len(l) != s.info.NVocab {
		t.Errorf("%d logits, %v", len(l), err)
	}
	if got := append([]node.Token{best(t, c, 0)}, greedy(t, c, 0, []node.Token{want[0]}, 4)...); !slices.Equal(got, want) {
		t.Errorf("after the errors %v, before %v", got, want)
	}
	for _, q := range []node.Seq{-1, 2, 1000} {
		if c.MaxPos(q) != -1 {
			t.Errorf("sequence %d has an end", q)
		}
		if c.CopySeq(0, q) == nil || c.CopySeq(q, 0) == nil {
			t.Errorf("copy to or from sequence %d", q)
		}
		if c.RemoveSeq(q, 0, -1) {
			t.Errorf("sequence %d was removed", q)
		}
		if _, err := c.State(q); err == nil {
			t.Errorf("state of sequence %d", q)
		}
		if c.SetState(q, nil) == nil {
			t.Errorf("state set of sequence %d", q)
		}
	}
}

// testBatch: sequences decoded together give what each gives alone.
func (s *suite) testBatch(t *testing.T) {
	var want [][]node.Token
	for _, p := range s.prompts {
		c := s.open(t, node.ContextOptions{NSeq: 1})
		want = append(want, greedy(t, c, 0, p, 24))
	}
	c := s.open(t, node.ContextOptions{NSeq: len(s.prompts)})
	var batch []node.Row
	last := make([]int, len(s.prompts))
	for q, p := range s.prompts {
		batch = append(batch, rows(c, node.Seq(q), p)...)
		last[q] = len(batch) - 1
	}
	got := make([][]node.Token, len(s.prompts))
	for range 24 {
		decode(t, c, batch)
		batch = nil
		for q := range got {
			id := best(t, c, last[q])
			got[q] = append(got[q], id)
			batch = append(batch, rows(c, node.Seq(q), []node.Token{id})...)
		}
		for q := range last {
			last[q] = q
		}
	}
	for q := range got {
		if !slices.Equal(got[q], want[q]) {
			t.Errorf("sequence %d: %v in the batch, %v alone", q, got[q], want[q])
		}
	}
}

// testChunks: a prompt in parts gives what it gives at once.
func (s *suite) testChunks(t *testing.T) {
	p := s.prompts[2]
	one := s.open(t, node.ContextOptions{})
	want := greedy(t, one, 0, p, 16)
	c := s.open(t, node.ContextOptions{})
	for _, id := range p[:len(p)-1] {
		decode(t, c, []node.Row{{Token: id, Pos: c.MaxPos(1) + 1, Seq: 1}})
	}
	if got := greedy(t, c, 1, p[len(p)-1:], 16); !slices.Equal(got, want) {
		t.Errorf("token by token %v, at once %v", got, want)
	}
}

func (s *suite) testCopy(t *testing.T) {
	c := s.open(t, node.ContextOptions{})
	p, other := s.prompts[0], s.prompts[1]
	want := greedy(t, c, 0, p, 16)
	// A longer sequence is copied over another, then cut to the prompt.
	greedy(t, c, 1, other, 20)
	if err := c.CopySeq(0, 1); err != nil {
		t.Fatal(err)
	}
	if c.MaxPos(1) != c.MaxPos(0) {
		t.Fatalf("the copy ends at %d, not %d", c.MaxPos(1), c.MaxPos(0))
	}
	keep := int32(len(p) - 1)
	if !c.RemoveSeq(1, keep, -1) {
		t.Skip("this model's memory cannot go back")
	}
	if c.MaxPos(1) != keep-1 {
		t.Errorf("ends at %d after the cut, not %d", c.MaxPos(1), keep-1)
	}
	if got := greedy(t, c, 1, p[keep:], 16); !slices.Equal(got, want) {
		t.Errorf("from the copy %v, want %v", got, want)
	}
	// The source is as it was.
	c.RemoveSeq(0, keep, -1)
	if got := greedy(t, c, 0, p[keep:], 16); !slices.Equal(got, want) {
		t.Errorf("from the source %v, want %v", got, want)
	}
	// A removed sequence is empty and can be used again.
	c.RemoveSeq(1, 0, -1)
	if c.MaxPos(1) != -1 {
		t.Errorf("ends at %d after all was removed", c.MaxPos(1))
	}
	if got := greedy(t, c, 1, p, 16); !slices.Equal(got, want) {
		t.Errorf("used again %v, want %v", got, want)
	}
}

func (s *suite) testFull(t *testing.T) {
	c := s.open(t, node.ContextOptions{NCtx: 32, NSeq: 2, NBatch: 512})
	n := c.Options().NCtx
	id := s.prompts[0][0]
	fill := make([]node.Token, n)
	for i := range fill {
		fill[i] = s.prompts[0][min(i, len(s.prompts[0])-1)]
	}
	for i := 0; i < n; i += 16 {
		decode(t, c, rows(c, 0, fill[i:min(i+16, n)]))
	}
	if int(c.MaxPos(0)) != n-1 {
		t.Fatalf("ends at %d", c.MaxPos(0))
	}
	if err := c.Decode(rows(c, 0, []node.Token{id})); !errors.Is(err, node.ErrFull) {
		t.Errorf("token %d of %d: %v, not ErrFull", n+1, n, err)
	}
	if int(c.MaxPos(0)) != n-1 {
		t.Errorf("ends at %d after a Decode that found it full", c.MaxPos(0))
	}
	want := greedy(t, c, 1, s.prompts[1], 4) // the other one has its own room
	c.RemoveSeq(0, 0, -1)
	if got := greedy(t, c, 0, s.prompts[1], 4); !slices.Equal(got, want) {
		t.Errorf("after it was full %v, want %v", got, want)
	}
}

func (s *suite) testShift(t *testing.T) {
	c := s.open(t, node.ContextOptions{NCtx: 64, NSeq: 1})
	p := s.prompts[2]
	greedy(t, c, 0, p, 8)
	if !c.CanShift() {
		if c.ShiftSeq(0, 4, -1, -2) == nil {
			t.Error("a shift where CanShift is false")
		}
		return
	}
	have := c.MaxPos(0) + 1
	if !c.RemoveSeq(0, 2, 6) {
		t.Fatal("the middle of a sequence could not be removed")
	}
	if err := c.ShiftSeq(0, 6, have, -4); err != nil {
		t.Fatal(err)
	}
	if got := c.MaxPos(0); got != have-4-1 {
		t.Errorf("ends at %d after the shift, not %d", got, have-5)
	}
	greedy(t, c, 0, p[:1], 4)
}
