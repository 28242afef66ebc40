package node

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"strconv"
	"strings"
)

// A Spec is a model by name: its file and how it is loaded. Zero fields are the
// Node's, or defaults.
type Spec struct {
	Name    string
	File    string
	Load    LoadOptions
	Context ContextOptions // NSeq is parallel=
}

// An option is one name=value of a load line.
type option struct {
	name string
	set  func(s *Spec, v string) error
	get  func(s *Spec) string // "": as the Node has it
}

func intOption(name string, low int, at func(s *Spec) *int) option {
	return option{name,
		func(s *Spec, v string) error {
			i, err := strconv.ParseInt(v, 10, 32)
			if err != nil || int(i) < low {
				return fmt.Errorf("bad value %q", v)
			}
			*at(s) = int(i)
			return nil
		},
		func(s *Spec) string {
			if *at(s) == 0 {
				return ""
			}
			return strconv.Itoa(*at(s))
		}}
}

func boolOption(name string, at func(s *Spec) *bool) option {
	return option{name,
		func(s *Spec, v string) error {
			if v != "on" && v != "off" {
				return fmt.Errorf("bad value %q", v)
			}
			*at(s) = v == "on"
			return nil
		},
		func(s *Spec) string {
			if *at(s) {
				return "on"
			}
			return ""
		}}
}

func wordOption(name string, at func(s *Spec) *string, words ...string) option {
	return option{name,
		func(s *Spec, v string) error {
			for _, w := range words {
				if v == w {
					*at(s) = v
					return nil
				}
			}
			return fmt.Errorf("bad value %q: one of %s", v, strings.Join(words, " "))
		},
		func(s *Spec) string { return *at(s) }}
}

var kvTypes = []string{"f32", "f16", "bf16", "q8_0", "q4_0", "q4_1", "iq4_nl", "q5_0", "q5_1"}

// options are those of a load line, named as llama-server names its flags.
var options = []option{
	intOption("n_ctx", 0, func(s *Spec) *int { return &s.Context.NCtx }),
	intOption("parallel", 0, func(s *Spec) *int { return &s.Context.NSeq }),
	intOption("n_gpu_layers", -1, func(s *Spec) *int { return &s.Load.NGPULayers }),
	intOption("threads", 0, func(s *Spec) *int { return &s.Context.Threads }),
	intOption("n_batch", 0, func(s *Spec) *int { return &s.Context.NBatch }),
	intOption("n_ubatch", 0, func(s *Spec) *int { return &s.Context.NUbatch }),
	intOption("main_gpu", 0, func(s *Spec) *int { return &s.Load.MainGPU }),
	{"tensor_split", setSplit, getSplit},
	boolOption("no_mmap", func(s *Spec) *bool { return &s.Load.NoMmap }),
	boolOption("mlock", func(s *Spec) *bool { return &s.Load.Mlock }),
	wordOption("cache_type_k", func(s *Spec) *string { return &s.Context.KVTypeK }, kvTypes...),
	wordOption("cache_type_v", func(s *Spec) *string { return &s.Context.KVTypeV }, kvTypes...),
	wordOption("flash_attn", func(s *Spec) *string { return &s.Context.FlashAttn }, "auto", "on", "off"),
}

func setSplit(s *Spec, v string) error {
	s.Load.TensorSplit = nil
	for _, f := range strings.Split(v, ",") {
		x, err := strconv.ParseFloat(f, 32)
		if err != nil || x < 0 || math.IsInf(x, 0) || math.IsNaN(x) {
			return fmt.Errorf("bad value %q", v)
		}
		s.Load.TensorSplit = append(s.Load.TensorSplit, float32(x))
	}
	return nil
}

func getSplit(s *Spec) string {
	var f []string
	for _, x := range s.Load.TensorSplit {
		f = append(f, strconv.FormatFloat(float64(x), 'g', -1, 32))
	}
	return strings.Join(f, ",")
}

// ParseSpec reads the words of a load line after load: NAME FILE [n_ctx=..]
// [parallel=..] ... An error names the word at fault.
func ParseSpec(words []string) (Spec, error) {
	if len(words) < 2 || words[0] == "" || words[1] == "" {
		return Spec{}, errors.New("load: usage: load NAME FILE [option=value]")
	}
	s := Spec{Name: words[0], File: words[1]}
next:
	for _, w := range words[2:] {
		name, v, _ := strings.Cut(w, "=")
		for _, o := range options {
			if o.name == name {
				if err := o.set(&s, v); err != nil {
					return Spec{}, fmt.Errorf("load: %s: %w", name, err)
				}
				continue next
			}
		}
		return Spec{}, fmt.Errorf("load: unknown option %q", w)
	}
	return s, nil
}

// words are those that ParseSpec reads.
func (s *Spec) words() []string {
	w := []string{s.Name, s.File}
	for _, o := range options {
		if v := o.get(s); v != "" {
			w = append(w, o.name+"="+v)
		}
	}
	return w
}

// cacheBytes estimates the KV cache from the model's metadata: keys and values
// of every layer, position and sequence. 0: the metadata does not say.
func cacheBytes(info *ModelInfo, o ContextOptions) uint64 {
	num := func(key string) uint64 {
		v, _ := strconv.ParseUint(info.Meta[info.Arch+"."+key], 10, 64)
		return v
	}
	layers, heads, kv := num("block_count"), num("attention.head_count"), num("attention.head_count_kv")
	if kv == 0 {
		kv = heads
	}
	k, v := num("attention.key_length"), num("attention.value_length")
	if heads > 0 && k == 0 {
		k = num("embedding_length") / heads
	}
	if v == 0 {
		v = k
	}
	cells := uint64(o.NCtx) * uint64(o.NSeq)
	return uint64(float64(cells*layers*kv) * (float64(k)*typeBytes(o.KVTypeK) + float64(v)*typeBytes(o.KVTypeV)))
}

// typeBytes is the size of one element (ggml's block sizes).
func typeBytes(t string) float64 {
	switch t {
	case "f32":
		return 4
	case "q8_0":
		return 34. / 32
	case "q5_1":
		return 24. / 32
	case "q5_0":
		return 22. / 32
	case "q4_1":
		return 20. / 32
	case "q4_0", "iq4_nl":
		return 18. / 32
	}
	return 2
}

// fileDigest tells files apart without reading all of one that may have many
// gigabytes: SHA-256 over its size, its first MiB (the metadata begins there)
// and 64 pieces of 64 KiB spread over it; the prefix "part-" says that no tool
// for whole files gives the same. "": unreadable.
func fileDigest(file string) string {
	f, err := os.Open(file)
	if err != nil {
		return ""
	}
	defer f.Close()
	fi, err := f.Stat()
	if err != nil || !fi.Mode().IsRegular() {
		return ""
	}
	const head, part, parts = 1 << 20, 64 << 10, 64
	h := sha256.New()
	binary.Write(h, binary.LittleEndian, fi.Size())
	io.Copy(h, io.NewSectionReader(f, 0, head))
	for i := range int64(parts) {
		io.Copy(h, io.NewSectionReader(f, fi.Size()/parts*i, part))
	}
	return "part-sha256:" + hex.EncodeToString(h.Sum(nil)[:8])
}
