//go:build !nollama && (((linux || windows || darwin) && (amd64 || arm64)) || (linux && riscv64))

package llama

import (
	"errors"
	"fmt"
	"math"
	"runtime"
	"sync/atomic"
	"unsafe"

	"github.com/ebitengine/purego"
	yzma "github.com/hybridgroup/yzma/pkg/llama"
	"llama9/node"
	"llama9/node/fit"
	"llama9/node/gguf"
)

// model is a loaded GGUF. What it reads of llama_model never changes, so its
// methods may run side by side.
type model struct {
	e     *engine
	ptr   yzma.Model
	vocab uintptr
	info  node.ModelInfo
	shape fit.Shape
	users atomic.Int32 // contexts and samplers that are open
}

var _ node.Model = (*model)(nil)

func newModel(e *engine, ptr yzma.Model, h *gguf.Header) (*model, error) {
	m := &model{e: e, ptr: ptr, vocab: uintptr(yzma.ModelGetVocab(ptr))}
	v := yzma.Vocab(m.vocab)
	if m.vocab == 0 || yzma.VocabNTokens(v) <= 0 || !yzma.ModelHasDecoder(ptr) {
		yzma.ModelFree(ptr)
		return nil, errors.New("the model has no vocabulary or no decoder")
	}
	if yzma.ModelHasEncoder(ptr) || yzma.ModelIsDiffusion(ptr) {
		yzma.ModelFree(ptr)
		return nil, fmt.Errorf("architecture %s: only models that decode token by token can be served", h.Arch())
	}
	m.shape = shapeOf(ptr, h)
	m.info = node.ModelInfo{
		Arch:         h.Arch(),
		Desc:         yzma.ModelDesc(ptr),
		Parameters:   yzma.ModelNParams(ptr),
		Quantization: h.Quantization(),
		Bytes:        yzma.ModelSize(ptr),
		NCtxTrain:    int(yzma.ModelNCtxTrain(ptr)),
		NVocab:       int(yzma.VocabNTokens(v)),
		BOS:          int32(yzma.VocabBOS(v)),
		EOS:          int32(yzma.VocabEOS(v)),
		AddBOS:       yzma.VocabGetAddBOS(v),
		ChatTemplate: h.Meta["tokenizer.chat_template"],
		Meta:         h.Meta,
	}
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
		r, _, _ := purego.SyscallN(m.e.c.tokenize, m.vocab,
			uintptr(unsafe.Pointer(unsafe.StringData(text))), int32Arg(int32(len(text))),
			uintptr(unsafe.Pointer(unsafe.SliceData(buf))), int32Arg(int32(len(buf))),
			boolArg(false), boolArg(special))
		runtime.KeepAlive(text)
		switch got := int32(r); {
		case got == math.MinInt32:
			return nil, errors.New("too many tokens")
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
		r, _, _ := purego.SyscallN(m.e.c.tokenToPiece, m.vocab, int32Arg(t),
			uintptr(unsafe.Pointer(unsafe.SliceData(free))), int32Arg(int32(min(len(free), math.MaxInt32))), 0, boolArg(special))
		got := int32(r)
		if got >= 0 {
			return dst[: n+int(got) : cap(dst)]
		}
		room = int(-got)
	}
}

// EOG implements node.Model.
func (m *model) EOG(t node.Token) bool {
	if t < 0 || int(t) >= m.info.NVocab {
		return false
	}
	r, _, _ := purego.SyscallN(m.e.c.isEOG, m.vocab, int32Arg(t))
	return byte(r) != 0
}

// Close frees the model; it refuses while a context or sampler of it is open,
// which would be left without ground.
func (m *model) Close() error {
	if n := m.users.Load(); n != 0 {
		return fmt.Errorf("model in use by %d contexts and samplers", n)
	}
	if m.ptr == 0 {
		return nil
	}
	m.e.mu.Lock()
	defer m.e.mu.Unlock()
	err := yzma.ModelFree(m.ptr)
	m.ptr, m.vocab = 0, 0
	return err
}
