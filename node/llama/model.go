//go:build !nollama && (((linux || windows || darwin) && (amd64 || arm64)) || (linux && riscv64))

package llama

import (
	"runtime"
	"unsafe"

	"github.com/ebitengine/purego"
	yzma "github.com/hybridgroup/yzma/pkg/llama"
	"llama9/node"
	"llama9/node/fit"
	"llama9/node/llamacpp"
)

// model is a llama_model.
type model struct {
	c     *calls
	ptr   yzma.Model
	vocab uintptr
}

var _ llamacpp.RawModel = (*model)(nil)

func (m *model) About() llamacpp.About {
	v := yzma.Vocab(m.vocab)
	return llamacpp.About{
		Info: node.ModelInfo{
			Desc:       yzma.ModelDesc(m.ptr),
			Parameters: yzma.ModelNParams(m.ptr),
			Bytes:      yzma.ModelSize(m.ptr),
			NCtxTrain:  int(yzma.ModelNCtxTrain(m.ptr)),
			NVocab:     int(yzma.VocabNTokens(v)),
			BOS:        int32(yzma.VocabBOS(v)),
			EOS:        int32(yzma.VocabEOS(v)),
			AddBOS:     yzma.VocabGetAddBOS(v),
		},
		Shape: fit.Shape{
			Layers: uint64(max(0, yzma.ModelNLayer(m.ptr))), KVHeads: uint64(max(0, yzma.ModelNHeadKV(m.ptr))),
			Embd: uint64(max(0, yzma.ModelNEmbd(m.ptr))), Heads: uint64(max(0, yzma.ModelNHead(m.ptr))),
			Plain: !yzma.ModelIsRecurrent(m.ptr) && !yzma.ModelIsHybrid(m.ptr) && yzma.ModelNSWA(m.ptr) == 0,
		},
		Decodes: m.vocab != 0 && yzma.ModelHasDecoder(m.ptr) && !yzma.ModelHasEncoder(m.ptr) && !yzma.ModelIsDiffusion(m.ptr),
	}
}

func (m *model) Tokenize(text string, to []node.Token, special bool) int32 {
	r, _, _ := purego.SyscallN(m.c.tokenize, m.vocab,
		uintptr(unsafe.Pointer(unsafe.StringData(text))), int32Arg(int32(len(text))),
		uintptr(unsafe.Pointer(unsafe.SliceData(to))), int32Arg(int32(len(to))),
		boolArg(false), boolArg(special))
	runtime.KeepAlive(text)
	return int32(r)
}

func (m *model) Piece(t node.Token, to []byte, special bool) int32 {
	r, _, _ := purego.SyscallN(m.c.tokenToPiece, m.vocab, int32Arg(t),
		uintptr(unsafe.Pointer(unsafe.SliceData(to))), int32Arg(int32(len(to))), 0, boolArg(special))
	return int32(r)
}

func (m *model) EOG(t node.Token) bool {
	r, _, _ := purego.SyscallN(m.c.isEOG, m.vocab, int32Arg(t))
	return byte(r) != 0
}

func (m *model) Free() error { return yzma.ModelFree(m.ptr) }
