package main

import (
	"fmt"
	"strings"

	"github.com/spf13/pflag"

	"llama9/node"
)

// engineFlags are those of a node that this program starts, whether it is
// served or embedded in run. They are named as llama-server names them.
type engineFlags struct {
	models  []string // files
	aliases []string
	loads   []string // load lines, without load
	words   []string // option=value of every model, as in a load line
	queue   int
	memory  string
	chat    chatFlags
	lib     string
	engine  string
}

// loadFlags are flags that are options of a load line of ctl.
var loadFlags = []struct{ name, short, option, arg, usage, bare string }{
	{"ctx-size", "c", "n_ctx", "n", "tokens of one session (default: the model's, 4096 at most)", ""},
	{"parallel", "", "parallel", "n", "-np: turns at once on one model (default 4)", ""},
	{"threads", "t", "threads", "n", "threads of the engine (default: all cores)", ""},
	{"batch-size", "b", "n_batch", "n", "tokens of a batch at most", ""},
	{"ubatch-size", "", "n_ubatch", "n", "-ub: tokens computed at once at most", ""},
	{"n-gpu-layers", "", "n_gpu_layers", "n", "-ngl: layers on the GPU; -1 is all", ""},
	{"main-gpu", "", "main_gpu", "n", "-mg: the GPU to use", ""},
	{"tensor-split", "", "tensor_split", "n,n...", "-ts: how to split a model over GPUs", ""},
	{"cache-type-k", "", "cache_type_k", "type", "-ctk: of the cached keys: f16, q8_0 ...", ""},
	{"cache-type-v", "", "cache_type_v", "type", "-ctv: of the cached values", ""},
	{"flash-attn", "", "flash_attn", "when", "-fa: auto, on or off", "on"},
	{"no-mmap", "", "no_mmap", "on|off", "read the model instead of mapping it", "on"},
	{"mlock", "", "mlock", "on|off", "keep the model in memory", "on"},
}

func (e *engineFlags) flags(f *pflag.FlagSet) {
	f.StringArrayVarP(&e.models, "model", "m", nil, "GGUF `file`; may be given again (default: the built-in demo model)")
	f.StringArrayVar(&e.aliases, "alias", nil, "`name` of the model (default: the file's)")
	f.StringArrayVar(&e.loads, "load", nil, "a model as a `line` of ctl has it: name file option=value...; may be given again")
	for _, l := range loadFlags {
		fl := f.VarPF(&loadValue{&e.words, l.option, l.arg}, l.name, l.short, l.usage)
		fl.NoOptDefVal = l.bare
	}
	e.chat.flags(f)
	f.IntVar(&e.queue, "queue-size", 1024, "turns that wait at most")
	f.StringVar(&e.memory, "memory", "", "bound on the `size` of loaded models and caches, as 8G (default: none)")
	f.StringVar(&e.lib, "llama-lib", "", "`directory` of llama.cpp's libraries (default $LLAMA9_LIB, else found or installed)")
	e.engineFlag(f)
}

// A loadValue is a flag whose value an option of a load line takes.
type loadValue struct {
	words  *[]string
	option string
	arg    string
}

func (v *loadValue) String() string { return "" }
func (v *loadValue) Type() string   { return v.arg }

func (v *loadValue) Set(s string) error {
	word := v.option + "=" + s
	if _, err := node.ParseSpec([]string{"name", "file", word}); err != nil {
		return fmt.Errorf("%s", strings.TrimPrefix(err.Error(), "load: "+v.option+": "))
	}
	*v.words = append(*v.words, word)
	return nil
}
