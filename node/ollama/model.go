//go:build ollama && cgoflags && cgo

package ollama

// #include "shim.h"
import "C"

import (
	"errors"
	"runtime"
	"unsafe"

	upstream "github.com/ollama/ollama/llama"

	"llama9/node"
	"llama9/node/fit"
	"llama9/node/llamacpp"
)

// model is a llama_model.
type model struct {
	ptr   *C.struct_llama_model
	pkg   *upstream.Model // the same
	vocab *C.struct_llama_vocab
}

var _ llamacpp.RawModel = (*model)(nil)

// repack lays weights out for the processor's widest instructions as they are
// loaded. A benchmark turns it off.
var repack = true

// load implements llamacpp.Library's Load. No backend but the processor's is
// compiled in, so what tells of GPUs has no effect.
func load(file string, o node.LoadOptions, progress func(float32) bool) (llamacpp.RawModel, error) {
	p := C.llama_model_default_params()
	if o.NGPULayers > 0 {
		p.n_gpu_layers = C.int32_t(o.NGPULayers)
	}
	p.main_gpu = C.int32_t(o.MainGPU)
	p.use_extra_bufts = C.bool(repack)
	p.use_mmap, p.use_mlock = C.bool(!o.NoMmap), C.bool(o.Mlock)
	var pin runtime.Pinner
	defer pin.Unpin()
	if o.TensorSplit != nil {
		pin.Pin(&o.TensorSplit[0])
		p.tensor_split = (*C.float)(&o.TensorSplit[0])
	}
	handle, drop := onProgress(progress)
	defer drop()
	name := C.CString(file)
	defer C.free(unsafe.Pointer(name))
	ptr := C.l9_load(name, p, handle)
	if ptr == nil {
		return nil, errors.New("llama.cpp does not load it")
	}
	return &model{ptr, upstreamModel(ptr), C.llama_model_get_vocab(ptr)}, nil
}

func (m *model) About() llamacpp.About {
	var desc [256]C.char
	C.llama_model_desc(m.ptr, &desc[0], C.size_t(len(desc)))
	return llamacpp.About{
		Info: node.ModelInfo{
			Desc:       C.GoString(&desc[0]),
			Parameters: uint64(C.llama_model_n_params(m.ptr)),
			Bytes:      uint64(C.llama_model_size(m.ptr)),
			NCtxTrain:  int(C.llama_model_n_ctx_train(m.ptr)),
			NVocab:     m.pkg.NumVocab(),
			BOS:        node.Token(C.llama_vocab_bos(m.vocab)),
			EOS:        node.Token(C.llama_vocab_eos(m.vocab)),
			AddBOS:     m.pkg.AddBOSToken(),
		},
		Shape: fit.Shape{
			Layers: uint64(max(0, C.llama_model_n_layer(m.ptr))), KVHeads: uint64(max(0, C.llama_model_n_head_kv(m.ptr))),
			Embd: uint64(max(0, m.pkg.NEmbd())), Heads: uint64(max(0, C.llama_model_n_head(m.ptr))),
			Plain: !bool(C.llama_model_is_recurrent(m.ptr)) && !bool(C.llama_model_is_hybrid(m.ptr)) && C.llama_model_n_swa(m.ptr) == 0,
		},
		Decodes: bool(C.llama_model_has_decoder(m.ptr)) && !bool(C.llama_model_has_encoder(m.ptr)) && !bool(C.llama_model_is_diffusion(m.ptr)),
	}
}

func (m *model) Tokenize(text string, to []node.Token, special bool) int32 {
	return int32(C.l9_tokenize(m.vocab, (*C.char)(unsafe.Pointer(unsafe.StringData(text))), C.int32_t(len(text)),
		(*C.llama_token)(unsafe.SliceData(to)), C.int32_t(len(to)), C.bool(special)))
}

func (m *model) Piece(t node.Token, to []byte, special bool) int32 {
	return int32(C.l9_piece(m.vocab, C.llama_token(t), (*C.char)(unsafe.Pointer(unsafe.SliceData(to))), C.int32_t(len(to)), C.bool(special)))
}

func (m *model) EOG(t node.Token) bool { return m.pkg.TokenIsEog(int(t)) }

func (m *model) Free() error {
	upstream.FreeModel(m.pkg)
	return nil
}
