package main

import (
	"bufio"
	"cmp"
	"errors"
	"os"
	"strconv"
	"strings"

	"llama9/deploy"
	"llama9/node/gguf"
)

// deployCheck says why a configuration cannot be run here when the scaled group
// goes from so many nodes to count.
func deployCheck(c *deploy.Config, from, count int, demo string) error {
	measure := func(m deploy.Model) (weights, cache uint64, err error) { return measureModel(m, cmp.Or(m.File, demo)) }
	if err := c.CheckModels(measure); err != nil {
		return err
	}
	return c.CheckMemory(from, count, freeMemory("/proc/meminfo"), measure)
}

// measureModel says what a model takes, by the header of its file: weights, and
// the KV cache of one node as llama.cpp allocates it.
func measureModel(m deploy.Model, file string) (weights, cache uint64, err error) {
	h, err := gguf.ReadHeader(file)
	if err != nil { // which names the file, as who asks does
		return 0, 0, errors.New(strings.TrimPrefix(unwrapPath(err).Error(), file+": "))
	}
	if m.NGPULayers != 0 {
		return 0, 0, nil // it is the GPU's memory, which is not known here
	}
	n := func(key string) uint64 { return uint64(max(0, h.Int(key))) }
	heads := max(n("attention.head_count"), 1)
	kv := cmp.Or(n("attention.head_count_kv"), heads)
	k := cmp.Or(n("attention.key_length"), n("embedding_length")/heads)
	v := cmp.Or(n("attention.value_length"), k)
	ctx := cmp.Or(m.NCtx, min(h.NCtxTrain(), 4096), 4096)
	cells := uint64(ctx) * uint64(cmp.Or(m.Parallel, 4))
	cache = uint64(float64(cells*n("block_count")*kv) * (float64(k)*cacheType(m.CacheTypeK) + float64(v)*cacheType(m.CacheTypeV)))
	return h.Weights, cache, nil
}

// cacheType is the size of one element, by ggml's block sizes.
func cacheType(t string) float64 {
	if size, ok := map[string]float64{
		"f32": 4, "q8_0": 34. / 32, "q5_1": 24. / 32, "q5_0": 22. / 32, "q4_1": 20. / 32, "q4_0": 18. / 32, "iq4_nl": 18. / 32,
	}[t]; ok {
		return size
	}
	return 2
}

// freeMemory is what the kernel thinks can be taken without swapping, 0 where
// that is not known. See proc_meminfo(5).
func freeMemory(file string) uint64 {
	f, err := os.Open(file)
	if err != nil {
		return 0
	}
	defer f.Close()
	for s := bufio.NewScanner(f); s.Scan(); {
		if rest, ok := strings.CutPrefix(s.Text(), "MemAvailable:"); ok {
			kib, _ := strconv.ParseUint(strings.TrimSpace(strings.TrimSuffix(strings.TrimSpace(rest), "kB")), 10, 64)
			return kib << 10
		}
	}
	return 0
}
