package main

import (
	"strings"

	"github.com/spf13/pflag"
)

// dashes lets a flag be written as its parameter is in a ctl file (--top_k is
// --top-k), and by the other names that llama.cpp has for it.
func dashes(_ *pflag.FlagSet, name string) pflag.NormalizedName {
	name = strings.ReplaceAll(name, "_", "-")
	if other, ok := map[string]string{
		"temp": "temperature", "typical": "typical-p", "predict": "n-predict", "top-nsigma": "top-n-sigma",
		"mirostat-ent": "mirostat-tau", "mirostat-lr": "mirostat-eta", "context-shift": "shift",
		"keep": "n-keep", "gpu-layers": "n-gpu-layers", "system-prompt": "system", "dynatemp-exp": "dynatemp-exponent",
	}[name]; ok {
		name = other
	}
	return pflag.NormalizedName(name)
}

// expand replaces llama.cpp's short flags of several letters, which pflag
// would take for several flags.
func expand(args []string) []string {
	long := map[string]string{
		"-np": "--parallel", "-ub": "--ubatch-size", "-ngl": "--n-gpu-layers", "-mg": "--main-gpu", "-ts": "--tensor-split",
		"-fa": "--flash-attn", "-ctk": "--cache-type-k", "-ctv": "--cache-type-v", "-sys": "--system",
	}
	out := make([]string, 0, len(args))
	for i, a := range args {
		if a == "--" {
			return append(out, args[i:]...)
		}
		if l, ok := long[a]; ok {
			a = l
		}
		out = append(out, a)
	}
	return out
}
