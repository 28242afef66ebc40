//go:build !nollama && (((linux || windows || darwin) && (amd64 || arm64)) || (linux && riscv64))

package llama

import (
	yzma "github.com/hybridgroup/yzma/pkg/llama"
	"llama9/node"
	"llama9/node/fit"
	"llama9/node/gguf"
)

// weightsFit refuses a model whose weights are more than the memory there is.
// Layers on a GPU are not counted against it.
func weightsFit(h *gguf.Header, o node.LoadOptions) error {
	if o.NGPULayers > 0 || yzma.SupportsGpuOffload() {
		return nil
	}
	return fit.Weights(h)
}

func shapeOf(m yzma.Model, h *gguf.Header) fit.Shape {
	return fit.Shape{
		Layers: uint64(max(0, yzma.ModelNLayer(m))), KVHeads: uint64(max(0, yzma.ModelNHeadKV(m))),
		Embd: uint64(max(0, yzma.ModelNEmbd(m))), Heads: uint64(max(1, yzma.ModelNHead(m))),
		Vocab: uint64(max(0, yzma.VocabNTokens(yzma.ModelGetVocab(m)))),
		Plain: !yzma.ModelIsRecurrent(m) && !yzma.ModelIsHybrid(m) && yzma.ModelNSWA(m) == 0,
	}.WithHeader(h)
}
