package llamacpp

import (
	"errors"
	"fmt"
	"math"
	"sync/atomic"

	"llama9/node"
	"llama9/node/fit"
	"llama9/node/gguf"
)

// model is a loaded GGUF. What it reads of llama_model never changes, so its
// methods may run side by side.
type model struct {
	e     *Engine
	raw   RawModel // nil: closed
	info  node.ModelInfo
	shape fit.Shape
	eog   []bool       // by token
	users atomic.Int32 // contexts and samplers that are open
}

var _ node.Model = (*model)(nil)

func newModel(e *Engine, raw RawModel, h *gguf.Header) (*model, error) {
	a := raw.About()
	if !a.Decodes || a.Info.NVocab <= 0 {
		raw.Free()
		return nil, fmt.Errorf("architecture %s: only models that decode token by token can be served", h.Arch())
	}
	m := &model{e: e, raw: raw, info: a.Info, eog: make([]bool, a.Info.NVocab)}
	m.info.Arch, m.info.Quantization = h.Arch(), h.Quantization()
	m.info.Meta, m.info.ChatTemplate = h.Meta, h.Meta["tokenizer.chat_template"]
	a.Shape.Vocab = uint64(a.Info.NVocab)
	m.shape = a.Shape.WithHeader(h)
	for t := range m.eog {
		m.eog[t] = raw.EOG(node.Token(t))
	}
	return m, nil
}

func (m *model) Info() node.ModelInfo { return m.info }

// has says whether t is in the vocabulary.
func (m *model) has(t node.Token) bool { return t >= 0 && int(t) < len(m.eog) }

// EOG implements node.Model.
func (m *model) EOG(t node.Token) bool { return m.has(t) && m.eog[t] }

// Tokenize implements node.Model.
func (m *model) Tokenize(text string, special bool) ([]node.Token, error) {
	if text == "" {
		return nil, nil
	}
	if len(text) > math.MaxInt32/2 {
		return nil, fmt.Errorf("a text of %d bytes is too long to tokenize", len(text))
	}
	// No token is shorter than a byte, but a space can be put before the
	// text; a long text is tried with less, and again if that was too little.
	n := len(text) + 16
	if n > 1<<16 {
		n = len(text)/2 + 16
	}
	for range 2 {
		buf := make([]node.Token, n)
		switch got := m.raw.Tokenize(text, buf, special); {
		case got == math.MinInt32:
			return nil, errors.New("llama.cpp cannot tokenize it")
		case got >= 0:
			return buf[:got:got], nil
		default:
			n = int(-got)
		}
	}
	return nil, errors.New("llama_tokenize changed its mind about a length")
}

// Piece implements node.Model.
func (m *model) Piece(dst []byte, t node.Token, special bool) []byte {
	if !m.has(t) {
		return dst
	}
	for room := 32; ; {
		n := len(dst)
		if cap(dst)-n < room {
			dst = append(make([]byte, 0, 2*n+room), dst...)
		}
		free := dst[n:cap(dst)]
		got := int(m.raw.Piece(t, free[:min(len(free), math.MaxInt32)], special))
		if got >= 0 {
			return dst[:n+got]
		}
		room = -got
	}
}

// Close frees the model; it refuses while a context or sampler of it is open,
// which would be left without ground.
func (m *model) Close() error {
	if n := m.users.Load(); n != 0 {
		return fmt.Errorf("model in use by %d contexts and samplers", n)
	}
	if m.raw == nil {
		return nil
	}
	m.e.mu.Lock()
	defer m.e.mu.Unlock()
	err := m.raw.Free()
	m.raw = nil
	return err
}
