//go:build ollama && cgoflags && cgo

package ollama

// #include "shim.h"
import "C"

import (
	"errors"
	"fmt"
	"math"
	"sync/atomic"
	"unsafe"

	upstream "github.com/ollama/ollama/llama"

	"llama9/node"
	"llama9/node/fit"
	"llama9/node/gguf"
)

// model is a loaded GGUF. What it reads of llama_model never changes, so its
// methods may run side by side.
type model struct {
	e     *engine
	ptr   *C.struct_llama_model
	pkg   *upstream.Model // the same
	vocab *C.struct_llama_vocab
	info  node.ModelInfo
	eog   []bool // by token
	shape fit.Shape
	users atomic.Int32 // contexts and samplers that are open
}

var _ node.Model = (*model)(nil)

func newModel(e *engine, ptr *C.struct_llama_model, h *gguf.Header) (*model, error) {
	m := &model{e: e, ptr: ptr, pkg: upstreamModel(ptr), vocab: C.llama_model_get_vocab(ptr)}
	if m.vocab == nil || m.pkg.NumVocab() <= 0 || !C.llama_model_has_decoder(ptr) {
		upstream.FreeModel(m.pkg)
		return nil, errors.New("the model has no vocabulary or no decoder")
	}
	if C.llama_model_has_encoder(ptr) || C.llama_model_is_diffusion(ptr) {
		upstream.FreeModel(m.pkg)
		return nil, fmt.Errorf("architecture %s: only models that decode token by token can be served", h.Arch())
	}
	var desc [256]C.char
	C.llama_model_desc(ptr, &desc[0], C.size_t(len(desc)))
	m.shape = fit.Shape{
		Layers: uint64(max(0, C.llama_model_n_layer(ptr))), KVHeads: uint64(max(0, C.llama_model_n_head_kv(ptr))),
		Embd: uint64(max(0, m.pkg.NEmbd())), Heads: uint64(max(1, C.llama_model_n_head(ptr))),
		Vocab: uint64(m.pkg.NumVocab()),
		Plain: !bool(C.llama_model_is_recurrent(ptr)) && !bool(C.llama_model_is_hybrid(ptr)) && C.llama_model_n_swa(ptr) == 0,
	}.WithHeader(h)
	m.info = node.ModelInfo{
		Arch:         h.Arch(),
		Desc:         C.GoString(&desc[0]),
		Parameters:   uint64(C.llama_model_n_params(ptr)),
		Quantization: h.Quantization(),
		Bytes:        uint64(C.llama_model_size(ptr)),
		NCtxTrain:    int(C.llama_model_n_ctx_train(ptr)),
		NVocab:       m.pkg.NumVocab(),
		BOS:          node.Token(C.llama_vocab_bos(m.vocab)),
		EOS:          node.Token(C.llama_vocab_eos(m.vocab)),
		AddBOS:       m.pkg.AddBOSToken(),
		ChatTemplate: h.Meta["tokenizer.chat_template"],
		Meta:         h.Meta,
	}
	m.eog = ends(m.pkg)
	return m, nil
}

func (m *model) Info() node.ModelInfo { return m.info }

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
		got := C.l9_tokenize(m.vocab, (*C.char)(unsafe.Pointer(unsafe.StringData(text))), C.int32_t(len(text)),
			(*C.llama_token)(unsafe.SliceData(buf)), C.int32_t(len(buf)), C.bool(special))
		switch {
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
	if t < 0 || int(t) >= m.info.NVocab {
		return dst
	}
	for room := 32; ; {
		n := len(dst)
		if cap(dst)-n < room {
			dst = append(make([]byte, 0, 2*n+room), dst...)
		}
		free := dst[n:cap(dst)]
		got := C.l9_piece(m.vocab, C.llama_token(t), (*C.char)(unsafe.Pointer(unsafe.SliceData(free))), C.int32_t(min(len(free), math.MaxInt32)), C.bool(special))
		if got >= 0 {
			return dst[: n+int(got) : cap(dst)]
		}
		room = int(-got)
	}
}

// EOG implements node.Model.
func (m *model) EOG(t node.Token) bool {
	return t >= 0 && int(t) < len(m.eog) && m.eog[t]
}

// Close frees the model; it refuses while a context or sampler of it is open,
// which would be left without ground.
func (m *model) Close() error {
	if n := m.users.Load(); n != 0 {
		return fmt.Errorf("model in use by %d contexts and samplers", n)
	}
	if m.ptr == nil {
		return nil
	}
	m.e.mu.Lock()
	defer m.e.mu.Unlock()
	upstream.FreeModel(m.pkg)
	m.ptr, m.pkg, m.vocab = nil, nil, nil
	return nil
}
