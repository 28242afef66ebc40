//go:build !nollama && (((linux || windows || darwin) && (amd64 || arm64)) || (linux && riscv64))

package llama

import (
	"errors"

	yzma "github.com/hybridgroup/yzma/pkg/llama"
)

// poolPoll is how long the threads of a pool look for work before they sleep,
// as ggml counts it: 0 is not at all. A node has other things to do between two
// steps, and does them on the same cores.
const poolPoll = 0

// attachPool gives the context threads of its own. Without, ggml makes new ones
// for every step, just when the tokens of the step before are on their way to
// their readers: the system then puts two threads on one core, each step waits
// for both, and a stream on two cores was a tenth slower for being read.
// A library that has no pools goes without.
func (c *kvContext) attachPool(threads int) error {
	if threads < 2 {
		return nil
	}
	p := yzma.ThreadpoolParamsDefault(int32(threads))
	p.Poll = poolPoll
	pool, err := yzma.ThreadpoolNew(&p)
	if errors.Is(err, yzma.ErrNoThreadpool) {
		return nil
	}
	if err != nil {
		return err
	}
	c.pool = pool
	yzma.AttachThreadpool(c.ptr, uintptr(pool), uintptr(pool))
	return nil
}
