package fake

import (
	"bytes"
	"encoding/gob"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"sync"
	"time"

	"llama9/node"
)

// A cell is one position of a sequence. hash is of it and all before it, as a
// model's KV entry depends on all before it.
type cell struct {
	Token node.Token
	Hash  uint64
}

// A fctx is a Context.
type fctx struct {
	m      *model
	o      node.ContextOptions
	seqs   [][]cell
	rows   []node.Row // of the last Decode
	hashes []uint64   // of each of them
	text   [][]cell   // the sequence of each, for Next
	logits []float32
	made   int // the row logits are of
	closed bool

	mu      sync.Mutex // guards below
	abort   bool
	aborted chan struct{}
}

var kvTypes = []string{"f32", "f16", "q8_0", "q4_0"}

func (m *model) NewContext(o node.ContextOptions) (node.Context, error) {
	if o.NBatch == 0 {
		o.NBatch = 2048
	}
	if o.NUbatch == 0 {
		o.NUbatch = 512
	}
	o.NUbatch = min(o.NUbatch, o.NBatch)
	if o.Threads == 0 {
		o.Threads = 1
	}
	if o.KVTypeK == "" {
		o.KVTypeK = "f16"
	}
	if o.KVTypeV == "" {
		o.KVTypeV = "f16"
	}
	if o.FlashAttn == "" {
		o.FlashAttn = "auto"
	}
	most := m.o.NCtxMax
	if most == 0 {
		most = 1 << 20
	}
	switch {
	case o.NCtx <= 0 || o.NSeq <= 0 || o.NSeq > 256:
		return nil, fmt.Errorf("context of %d tokens and %d sequences", o.NCtx, o.NSeq)
	case o.NCtx > most/o.NSeq:
		return nil, fmt.Errorf("no memory for %d tokens", o.NCtx*o.NSeq)
	case !slices.Contains(kvTypes, o.KVTypeK) || !slices.Contains(kvTypes, o.KVTypeV):
		return nil, fmt.Errorf("unknown cache type %s or %s", o.KVTypeK, o.KVTypeV)
	case o.NBatch < o.NSeq:
		return nil, fmt.Errorf("n_batch %d is less than %d sequences", o.NBatch, o.NSeq)
	}
	if err := m.open(); err != nil {
		return nil, err
	}
	return &fctx{m: m, o: o, seqs: make([][]cell, o.NSeq), logits: make([]float32, len(vocab)), aborted: make(chan struct{})}, nil
}

func (c *fctx) Options() node.ContextOptions { return c.o }

func (c *fctx) Decode(rows []node.Row) error {
	if c.closed {
		return errors.New("context is closed")
	}
	c.rows = nil
	if err := c.check(rows); err != nil {
		return err
	}
	c.mu.Lock()
	abort, aborted := c.abort, c.aborted
	c.mu.Unlock()
	if abort {
		return node.ErrAborted
	}
	if f := c.m.e.OnDecode; f != nil {
		if err := f(&Decode{Model: c.m.file, Rows: rows, Aborted: aborted}); err != nil {
			return err
		}
	}
	if sleep(aborted, c.m.o.Step+time.Duration(len(rows))*c.m.o.Row) != nil {
		return node.ErrAborted
	}
	select {
	case <-aborted:
		return node.ErrAborted
	default:
	}
	c.hashes, c.text = c.hashes[:0], c.text[:0]
	for _, r := range rows {
		s := c.seqs[r.Seq]
		h := uint64(1469598103934665603)
		if len(s) > 0 {
			h = s[len(s)-1].Hash
		}
		h = mix(h ^ uint64(r.Token)*0x9e3779b97f4a7c15)
		c.seqs[r.Seq] = append(s, cell{r.Token, h})
		c.hashes = append(c.hashes, h)
		c.text = append(c.text, c.seqs[r.Seq])
	}
	if err := c.fault(rows); err != nil {
		return err
	}
	c.rows = append(c.rows, rows...)
	c.made = -1
	return nil
}

// check refuses what llama.cpp would refuse, or abort the process for.
func (c *fctx) check(rows []node.Row) error {
	if len(rows) == 0 {
		return errors.New("empty batch")
	}
	if len(rows) > c.o.NBatch {
		return fmt.Errorf("batch of %d rows, n_batch is %d", len(rows), c.o.NBatch)
	}
	var next map[node.Seq]int
	for i, r := range rows {
		if r.Token < 0 || int(r.Token) >= len(vocab) {
			return fmt.Errorf("row %d: token %d out of range", i, r.Token)
		}
		if r.Seq < 0 || int(r.Seq) >= c.o.NSeq {
			return fmt.Errorf("row %d: sequence %d out of range", i, r.Seq)
		}
		if next == nil {
			next = make(map[node.Seq]int, 8)
		}
		want, ok := next[r.Seq]
		if !ok {
			want = len(c.seqs[r.Seq])
		}
		if int(r.Pos) != want {
			return fmt.Errorf("row %d: position %d, not %d", i, r.Pos, want)
		}
		if want >= c.o.NCtx {
			return node.ErrFull
		}
		next[r.Seq] = want + 1
	}
	return nil
}

// fault is the failure that a sequence's text asks for.
func (c *fctx) fault(rows []node.Row) error {
	o := &c.m.o
	if o.Exit == "" && o.Panic == "" && o.Fail == "" {
		return nil
	}
	for _, r := range rows {
		s := c.seqs[r.Seq]
		ids := make([]node.Token, len(s))
		for i, x := range s {
			ids[i] = x.Token
		}
		text := Text(ids)
		switch {
		case o.Exit != "" && strings.Contains(text, o.Exit):
			os.Exit(3)
		case o.Panic != "" && strings.Contains(text, o.Panic):
			panic("fake: " + o.Panic)
		case o.Fail != "" && strings.Contains(text, o.Fail):
			return errors.New("decode failed")
		}
	}
	return nil
}

func (c *fctx) Logits(i int) ([]float32, error) {
	if i < 0 || i >= len(c.rows) || !c.rows[i].Logits {
		return nil, fmt.Errorf("row %d has no logits", i)
	}
	if c.made != i {
		c.made = i
		c.fill(i)
	}
	return c.logits, nil
}

func (c *fctx) CopySeq(src, dst node.Seq) error {
	if src < 0 || int(src) >= c.o.NSeq || dst < 0 || int(dst) >= c.o.NSeq {
		return errors.New("sequence out of range")
	}
	if src != dst {
		c.seqs[dst] = append([]cell(nil), c.seqs[src]...)
	}
	return nil
}

func (c *fctx) RemoveSeq(s node.Seq, from, to int32) bool {
	if s < 0 || int(s) >= c.o.NSeq {
		return false
	}
	cells := c.seqs[s]
	from = max(from, 0)
	if to < 0 || int(to) > len(cells) {
		to = int32(len(cells))
	}
	if from >= to {
		return true
	}
	if c.m.o.NoGoBack && from > 0 {
		return false
	}
	if int(to) == len(cells) {
		c.seqs[s] = cells[:from:from]
		return true
	}
	// A hole, which ShiftSeq closes: the cells behind stay as they were
	// computed, as a KV cache's do.
	c.seqs[s] = append(append([]cell(nil), cells[:from]...), cells[to:]...)
	return true
}

// ShiftSeq follows a RemoveSeq; the fake closes the hole there.
func (c *fctx) ShiftSeq(s node.Seq, from, to, delta int32) error {
	if c.m.o.NoShift {
		return errors.New("cannot shift")
	}
	if s < 0 || int(s) >= c.o.NSeq {
		return errors.New("sequence out of range")
	}
	if from < 0 || to >= 0 && to < from || from+delta < 0 {
		return errors.New("bad range")
	}
	return nil
}

func (c *fctx) CanShift() bool { return !c.m.o.NoShift }

func (c *fctx) MaxPos(s node.Seq) int32 {
	if s < 0 || int(s) >= c.o.NSeq {
		return -1
	}
	return int32(len(c.seqs[s])) - 1
}

func (c *fctx) State(s node.Seq) ([]byte, error) {
	if s < 0 || int(s) >= c.o.NSeq {
		return nil, errors.New("sequence out of range")
	}
	var b bytes.Buffer
	if err := gob.NewEncoder(&b).Encode(c.seqs[s]); err != nil {
		return nil, err
	}
	return b.Bytes(), nil
}

func (c *fctx) SetState(s node.Seq, state []byte) error {
	if s < 0 || int(s) >= c.o.NSeq {
		return errors.New("sequence out of range")
	}
	var cells []cell
	if err := gob.NewDecoder(bytes.NewReader(state)).Decode(&cells); err != nil {
		return fmt.Errorf("bad state: %w", err)
	}
	if len(cells) > c.o.NCtx {
		return node.ErrFull
	}
	c.seqs[s] = cells
	return nil
}

func (c *fctx) Abort(on bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if on && !c.abort {
		close(c.aborted)
	}
	if !on && c.abort {
		c.aborted = make(chan struct{})
	}
	c.abort = on
}

func (c *fctx) Close() error {
	if c.closed {
		return errors.New("closed twice")
	}
	c.closed = true
	c.m.release()
	return nil
}
