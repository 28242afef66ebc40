// Package gguf reads what stands before the weights in a GGUF, and refuses what
// no engine may be given.
package gguf

import (
	"bufio"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"strconv"
	"strings"

	"llama9/node"
)

// A Header is what stands before the weights in a GGUF: enough to describe
// and to check a model without loading it. See docs/gguf.md of ggml.
type Header struct {
	Version    uint32
	Meta       map[string]string // scalars, printed as llama.cpp prints them
	Arrays     map[string]uint64 // the lengths of arrays
	Tensors    int
	Parameters uint64 // elements of all tensors
	Weights    uint64 // bytes of all tensors
	Size       int64  // bytes of the file
}

// Bounds on what a header may claim. llama.cpp's own are in ggml/src/gguf.cpp;
// real models are far below these.
const (
	maxKeys    = 1 << 16
	maxTensors = 1 << 18
	maxName    = 1 << 12 // bytes of a key or a tensor's name
	maxDims    = 4       // GGML_MAX_DIMS
)

// ReadHeader reads the header of file and checks that the tensors it tells of
// lie within the file. It says what is wrong with a file that is no GGUF.
func ReadHeader(file string) (*Header, error) {
	st, err := os.Stat(file)
	if err != nil {
		return nil, err
	}
	switch {
	case st.IsDir():
		return nil, fmt.Errorf("%s: is a directory, not a GGUF file", file)
	case !st.Mode().IsRegular():
		return nil, fmt.Errorf("%s: not a regular file", file)
	case st.Size() == 0:
		return nil, fmt.Errorf("%s: empty file", file)
	}
	f, err := os.Open(file)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	g := &ggufReader{r: bufio.NewReaderSize(f, 1<<20), size: st.Size()}
	h, err := g.header()
	if err != nil {
		if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
			err = fmt.Errorf("truncated: the header does not end within its %d bytes", st.Size())
		}
		return nil, fmt.Errorf("%s: %w", file, err)
	}
	return h, nil
}

// Arch is general.architecture.
func (h *Header) Arch() string { return h.Meta["general.architecture"] }

// Int gives a number of the architecture, as NCtxTrain does for
// "context_length"; 0 when it is absent or differs from layer to layer.
func (h *Header) Int(name string) int {
	n, _ := strconv.Atoi(h.Meta[h.Arch()+"."+name])
	return n
}

// NCtxTrain is the context the model was trained for.
func (h *Header) NCtxTrain() int { return h.Int("context_length") }

// Quantization is the name of general.file_type, as in file names: q8_0.
func (h *Header) Quantization() string { return fileTypeName(h.Meta["general.file_type"]) }

// Served reads the header of a file that holds a model that can be served.
func Served(file string) (*Header, error) {
	h, err := ReadHeader(file)
	if err != nil {
		return nil, err
	}
	if err := h.Check(); err != nil {
		return nil, fmt.Errorf("%s: %w", file, err)
	}
	return h, nil
}

// Check says why h is no model that can generate text.
func (h *Header) Check() error {
	switch {
	case h.Arch() == "":
		return errors.New("no general.architecture")
	case h.Meta["general.type"] != "" && h.Meta["general.type"] != "model":
		return fmt.Errorf("general.type is %s, not model", h.Meta["general.type"])
	case h.Arch() == "clip":
		return errors.New("a vision projector (clip), not a language model")
	case h.Meta["tokenizer.ggml.model"] == "":
		return errors.New("no tokenizer (tokenizer.ggml.model)")
	case h.Meta["tokenizer.ggml.model"] == "none" || h.Arrays["tokenizer.ggml.tokens"] == 0:
		return errors.New("no tokenizer (tokenizer.ggml.tokens)")
	case h.Tensors == 0:
		return errors.New("no tensors")
	}
	return nil
}

// Info is what the header tells of a model, as node.Model's Info tells it once
// it is loaded. What llama.cpp itself decides is left out: Desc, BOS and EOS.
func (h *Header) Info() node.ModelInfo {
	return node.ModelInfo{
		Arch:         h.Arch(),
		Parameters:   h.Parameters,
		Quantization: h.Quantization(),
		Bytes:        h.Weights,
		NCtxTrain:    h.NCtxTrain(),
		NVocab:       int(min(h.Arrays["tokenizer.ggml.tokens"], math.MaxInt32)),
		BOS:          -1,
		EOS:          -1,
		ChatTemplate: h.Meta["tokenizer.chat_template"],
		Meta:         h.Meta,
	}
}

// A ggufReader reads a header; left bounds what a count in it can mean.
type ggufReader struct {
	r    *bufio.Reader
	n    int64 // bytes read
	size int64 // of the file
}

func (g *ggufReader) left() uint64 { return uint64(max(0, g.size-g.n)) }

func (g *ggufReader) full(p []byte) error {
	n, err := io.ReadFull(g.r, p)
	g.n += int64(n)
	return err
}

func (g *ggufReader) skip(n uint64) error {
	if n > g.left() {
		return io.ErrUnexpectedEOF
	}
	for n > 0 {
		m, err := g.r.Discard(int(min(n, 1<<30)))
		g.n += int64(m)
		n -= uint64(m)
		if err != nil {
			return err
		}
	}
	return nil
}

func (g *ggufReader) u32() (uint32, error) {
	var b [4]byte
	err := g.full(b[:])
	return binary.LittleEndian.Uint32(b[:]), err
}

func (g *ggufReader) u64() (uint64, error) {
	var b [8]byte
	err := g.full(b[:])
	return binary.LittleEndian.Uint64(b[:]), err
}

func (g *ggufReader) str(limit uint64) (string, error) {
	n, err := g.u64()
	if err != nil {
		return "", err
	}
	if n > g.left() {
		return "", io.ErrUnexpectedEOF
	}
	if n > limit {
		return "", fmt.Errorf("a string of %d bytes where at most %d make sense", n, limit)
	}
	p := make([]byte, n)
	err = g.full(p)
	return string(p), err
}

func (g *ggufReader) header() (*Header, error) {
	var magic [4]byte
	if err := g.full(magic[:]); err != nil {
		return nil, err
	}
	if string(magic[:]) != "GGUF" {
		return nil, errors.New("not a GGUF file: it does not begin with GGUF")
	}
	h := &Header{Meta: map[string]string{}, Arrays: map[string]uint64{}, Size: g.size}
	var err error
	if h.Version, err = g.u32(); err != nil {
		return nil, err
	}
	if h.Version < 2 || h.Version > 3 {
		return nil, fmt.Errorf("GGUF version %d; llama.cpp reads 2 and 3, little-endian", h.Version)
	}
	tensors, err := g.u64()
	if err != nil {
		return nil, err
	}
	keys, err := g.u64()
	if err != nil {
		return nil, err
	}
	if tensors > maxTensors || keys > maxKeys {
		return nil, fmt.Errorf("claims %d tensors and %d keys; at most %d and %d make sense", tensors, keys, maxTensors, maxKeys)
	}
	for range keys {
		if err := g.key(h); err != nil {
			return nil, err
		}
	}
	if err := g.tensors(h, int(tensors)); err != nil {
		return nil, err
	}
	return h, nil
}

// key reads one line of metadata.
func (g *ggufReader) key(h *Header) error {
	name, err := g.str(maxName)
	if err != nil {
		return err
	}
	kind, err := g.u32()
	if err != nil {
		return err
	}
	if kind == ggufArray {
		of, err := g.u32()
		if err != nil {
			return err
		}
		n, err := g.u64()
		if err != nil {
			return err
		}
		h.Arrays[name] = n
		if err := g.skipArray(of, n); err != nil {
			return fmt.Errorf("%q: %w", name, err)
		}
		return nil
	}
	v, err := g.scalar(kind)
	if err != nil {
		return fmt.Errorf("%q: %w", name, err)
	}
	h.Meta[name] = v
	return nil
}

// The numbers of enum gguf_type that are not plain numbers.
const (
	ggufFloat32 = 6
	ggufBool    = 7
	ggufString  = 8
	ggufArray   = 9
	ggufFloat64 = 12
)

// scalarSize is the size of a value of each gguf_type, 0 for strings and arrays.
var scalarSize = [...]uint64{1, 1, 2, 2, 4, 4, 4, 1, 0, 0, 8, 8, 8}

func (g *ggufReader) scalar(kind uint32) (string, error) {
	if kind == ggufString {
		return g.str(math.MaxInt32)
	}
	if kind >= uint32(len(scalarSize)) || scalarSize[kind] == 0 {
		return "", fmt.Errorf("unknown type %d", kind)
	}
	var b [8]byte
	if err := g.full(b[:scalarSize[kind]]); err != nil {
		return "", err
	}
	u := binary.LittleEndian.Uint64(b[:])
	switch kind {
	case ggufFloat32:
		return strconv.FormatFloat(float64(math.Float32frombits(uint32(u))), 'f', 6, 32), nil
	case ggufFloat64:
		return strconv.FormatFloat(math.Float64frombits(u), 'f', 6, 64), nil
	case ggufBool:
		return strconv.FormatBool(b[0] != 0), nil
	case 1:
		return strconv.Itoa(int(int8(u))), nil
	case 3:
		return strconv.Itoa(int(int16(u))), nil
	case 5:
		return strconv.Itoa(int(int32(u))), nil
	case 11:
		return strconv.FormatInt(int64(u), 10), nil
	}
	return strconv.FormatUint(u, 10), nil
}

func (g *ggufReader) skipArray(of uint32, n uint64) error {
	if of == ggufString {
		if n > g.left()/8 {
			return fmt.Errorf("claims %d strings, more than the file can hold", n)
		}
		for range n {
			l, err := g.u64()
			if err != nil {
				return err
			}
			if err := g.skip(l); err != nil {
				return err
			}
		}
		return nil
	}
	if of >= uint32(len(scalarSize)) || scalarSize[of] == 0 {
		return fmt.Errorf("unknown type %d of an array", of)
	}
	if n > g.left()/scalarSize[of] {
		return fmt.Errorf("claims %d values, more than the file can hold", n)
	}
	return g.skip(n * scalarSize[of])
}

// tensors reads the tensor table and checks its ends against the file's.
func (g *ggufReader) tensors(h *Header, n int) error {
	var end uint64 // of the last tensor, from the start of the data
	var last string
	for range n {
		name, err := g.str(maxName)
		if err != nil {
			return err
		}
		dims, err := g.u32()
		if err != nil {
			return err
		}
		if dims > maxDims {
			return fmt.Errorf("tensor %q has %d dimensions", name, dims)
		}
		elements := uint64(1)
		for range dims {
			d, err := g.u64()
			if err != nil {
				return err
			}
			if d == 0 || d > math.MaxInt64/elements {
				return fmt.Errorf("tensor %q has an impossible shape", name)
			}
			elements *= d
		}
		kind, err := g.u32()
		if err != nil {
			return err
		}
		offset, err := g.u64()
		if err != nil {
			return err
		}
		bytes := tensorBytes(kind, elements)
		if offset > math.MaxInt64 || offset+bytes > math.MaxInt64 {
			return fmt.Errorf("tensor %q has an impossible offset", name)
		}
		h.Parameters += elements
		h.Weights = min(h.Weights+bytes, math.MaxInt64)
		if offset+bytes > end {
			end, last = offset+bytes, name
		}
	}
	h.Tensors = n
	align := uint64(32)
	if a, err := strconv.ParseUint(h.Meta["general.alignment"], 10, 32); err == nil {
		if a == 0 || a&(a-1) != 0 {
			return fmt.Errorf("general.alignment %d is no power of two", a)
		}
		align = a
	}
	data := (uint64(g.n) + align - 1) / align * align
	if n > 0 && data+end > uint64(g.size) {
		return fmt.Errorf("truncated: tensor %q ends at byte %d, the file at %d", last, data+end, g.size)
	}
	if h.Weights > uint64(g.size) {
		return fmt.Errorf("tensors of %d bytes in a file of %d: they lie over each other", h.Weights, g.size)
	}
	return nil
}

// A Type is a tensor's representation: elements and bytes of a block.
type Type struct{ Elements, Bytes uint64 }

// Types are the types of ggml.h by number (enum ggml_type).
var Types = map[uint32]Type{
	0: {1, 4}, 1: {1, 2}, 2: {32, 18}, 3: {32, 20}, 6: {32, 22}, 7: {32, 24}, 8: {32, 34}, 9: {32, 36},
	10: {256, 84}, 11: {256, 110}, 12: {256, 144}, 13: {256, 176}, 14: {256, 210}, 15: {256, 292},
	16: {256, 66}, 17: {256, 74}, 18: {256, 98}, 19: {256, 50}, 20: {32, 18}, 21: {256, 110}, 22: {256, 82}, 23: {256, 136},
	24: {1, 1}, 25: {1, 2}, 26: {1, 4}, 27: {1, 8}, 28: {1, 8}, 29: {256, 56}, 30: {1, 2},
	34: {256, 54}, 35: {256, 66}, 39: {32, 17},
}

// tensorBytes is the size of a tensor; 0 for a type that is not known here,
// which llama.cpp then judges.
func tensorBytes(kind uint32, elements uint64) uint64 {
	t, ok := Types[kind]
	if !ok {
		return 0
	}
	return elements / t.Elements * t.Bytes
}

// RowBytes is the size of a row of n elements of a type of ggml.h.
func RowBytes(kind uint32, n uint64) uint64 {
	t, ok := Types[kind]
	if !ok {
		return 0
	}
	return (n + t.Elements - 1) / t.Elements * t.Bytes
}

// fileTypes are the names of enum llama_ftype, as people name files.
var fileTypes = map[string]string{
	"0": "f32", "1": "f16", "2": "q4_0", "3": "q4_1", "7": "q8_0", "8": "q5_0", "9": "q5_1",
	"10": "q2_k", "11": "q3_k_s", "12": "q3_k_m", "13": "q3_k_l", "14": "q4_k_s", "15": "q4_k_m",
	"16": "q5_k_s", "17": "q5_k_m", "18": "q6_k", "19": "iq2_xxs", "20": "iq2_xs", "21": "q2_k_s",
	"22": "iq3_xs", "23": "iq3_xxs", "24": "iq1_s", "25": "iq4_nl", "26": "iq3_s", "27": "iq3_m",
	"28": "iq2_s", "29": "iq2_m", "30": "iq4_xs", "31": "iq1_m", "32": "bf16", "36": "tq1_0", "37": "tq2_0",
	"38": "mxfp4", "39": "nvfp4", "40": "q1_0", "41": "q2_0",
}

// fileTypeName names a general.file_type; "unknown" when there is none.
func fileTypeName(n string) string {
	if s, ok := fileTypes[strings.TrimSpace(n)]; ok {
		return s
	}
	return "unknown"
}
