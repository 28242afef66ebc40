package node

import (
	"sync"
	"time"

	"llama9/node/template"
)

// An instance is a loaded model with its context and its worker. Everything
// here but what mu of the Node guards is set once by the load.
type instance struct {
	name     string
	model    Model
	info     ModelInfo
	ctx      Context // the worker's
	opts     ContextOptions
	canShift bool
	ends     []Token // the vocabulary's end tokens
	endSet   map[Token]bool
	bos, eos string             // the texts of BOS and EOS, "" none
	spaced   bool               // the tokenizer puts a space before a text, as SentencePiece's do
	tmpl     *template.Template // what `auto` is
	tmplErr  error              // why tmpl is nil though the model carries one
	bytes    uint64

	templates *templates

	w    *worker
	prep sync.WaitGroup // prepares under way; Add under Node.mu and not once leaving

	// Node.mu guards below.
	leaving bool   // takes no new turns
	owed    uint64 // arrivals up to this are served before it leaves
	busy    int    // turns taken
	used    uint64
	expiry  *time.Timer // of an idle one: when it is unloaded; nil: never
}

// newInstance makes what a loaded model needs to serve. On an error the model
// is still the caller's to close.
func newInstance(name string, m Model, o ContextOptions, t *templates) (*instance, error) {
	in := &instance{name: name, model: m, info: m.Info(), templates: t, endSet: make(map[Token]bool)}
	ctx, err := m.NewContext(o)
	if err != nil {
		return nil, err
	}
	in.ctx, in.opts, in.canShift = ctx, ctx.Options(), ctx.CanShift()
	for t := range Token(in.info.NVocab) {
		if m.EOG(t) {
			in.ends = append(in.ends, t)
			in.endSet[t] = true
		}
	}
	if in.info.BOS >= 0 {
		in.bos = string(m.Piece(nil, in.info.BOS, true))
	}
	if in.info.EOS >= 0 {
		in.eos = string(m.Piece(nil, in.info.EOS, true))
	}
	if ids, err := m.Tokenize("a", false); err == nil && len(ids) > 0 {
		p := m.Piece(nil, ids[0], true)
		in.spaced = len(p) > 0 && p[0] == ' '
	}
	in.tmpl, in.tmplErr = in.autoTemplate()
	in.bytes = in.info.Bytes + cacheBytes(&in.info, in.opts)
	return in, nil
}

func (in *instance) isEnd(t Token) bool { return in.endSet[t] }

// keep ends the expiry. The caller holds Node.mu.
func (in *instance) keep() {
	if in.expiry != nil {
		in.expiry.Stop()
		in.expiry = nil
	}
}
