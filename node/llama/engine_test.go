//go:build !nollama && (((linux || windows || darwin) && (amd64 || arm64)) || (linux && riscv64))

package llama

import (
	"context"
	"testing"

	"llama9/node"
	"llama9/node/enginetest"
)

// oneThread is an engine whose contexts compute on one thread unless told
// otherwise: ggml's threads wait for each other in loops, which takes for ever
// on a machine that runs other tests beside.
type oneThread struct{ node.Engine }

func (e oneThread) Load(ctx context.Context, file string, o node.LoadOptions, progress func(float32)) (node.Model, error) {
	m, err := e.Engine.Load(ctx, file, o, progress)
	if err != nil {
		return nil, err
	}
	return oneThreadModel{m}, nil
}

type oneThreadModel struct{ node.Model }

func (m oneThreadModel) NewContext(o node.ContextOptions) (node.Context, error) {
	if o.Threads == 0 {
		o.Threads = 1
	}
	return m.Model.NewContext(o)
}

func TestEngine(t *testing.T) {
	enginetest.Run(t, oneThread{openEngine(t)}, demoFile(t))
}
