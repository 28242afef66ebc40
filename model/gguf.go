package model

import (
	"bufio"
	"encoding/binary"
	"fmt"
	"math"
)

// A ggmlType is the number of a tensor's representation in a GGUF.
type ggmlType uint32

const (
	f32  ggmlType = 0
	q4_0 ggmlType = 2
	q8_0 ggmlType = 8
)

// fileType is general.file_type for a model mostly of t (llama_ftype).
func (t ggmlType) fileType() uint32 {
	if t == q8_0 {
		return 7
	}
	return uint32(t)
}

// A tensor is an entry of a GGUF's tensor table; dims has the fastest first.
type tensor struct {
	name string
	kind ggmlType
	dims []int
}

func (t tensor) elements() int {
	n := 1
	for _, d := range t.dims {
		n *= d
	}
	return n
}

func (t tensor) bytes() uint64 {
	n := uint64(t.elements())
	switch t.kind {
	case q8_0:
		return n / 32 * 34
	case q4_0:
		return n / 32 * 18
	}
	return n * 4
}

// A keyValue is a line of a GGUF's metadata: a uint32, float32, bool, string,
// []string, []float32 or []int32.
type keyValue struct {
	key   string
	value any
}

// align is what GGUF pads its data to by default (general.alignment).
const align = 32

// A ggufWriter writes the parts of a GGUF in order; err is its first error.
// See docs/gguf.md of ggml.
type ggufWriter struct {
	w   *bufio.Writer
	n   uint64 // bytes written
	err error
}

func (g *ggufWriter) bytes(p []byte) {
	if g.err == nil {
		_, g.err = g.w.Write(p)
	}
	g.n += uint64(len(p))
}

func (g *ggufWriter) u32(v uint32) { g.bytes(binary.LittleEndian.AppendUint32(nil, v)) }
func (g *ggufWriter) u64(v uint64) { g.bytes(binary.LittleEndian.AppendUint64(nil, v)) }

func (g *ggufWriter) str(s string) {
	g.u64(uint64(len(s)))
	g.bytes([]byte(s))
}

// pad writes zeros up to the next multiple of align.
func (g *ggufWriter) pad() {
	g.bytes(make([]byte, (align-g.n%align)%align))
}

func (g *ggufWriter) header(tensors int, meta []keyValue) {
	g.bytes([]byte("GGUF"))
	g.u32(3)
	g.u64(uint64(tensors))
	g.u64(uint64(len(meta)))
	for _, kv := range meta {
		g.str(kv.key)
		g.value(kv.value)
	}
}

// The numbers of gguf_metadata_value_type.
const (
	ggufUint32  = 4
	ggufInt32   = 5
	ggufFloat32 = 6
	ggufBool    = 7
	ggufString  = 8
	ggufArray   = 9
)

func (g *ggufWriter) value(v any) {
	array := func(of uint32, n int) {
		g.u32(ggufArray)
		g.u32(of)
		g.u64(uint64(n))
	}
	switch v := v.(type) {
	case uint32:
		g.u32(ggufUint32)
		g.u32(v)
	case float32:
		g.u32(ggufFloat32)
		g.u32(math.Float32bits(v))
	case bool:
		g.u32(ggufBool)
		if v {
			g.bytes([]byte{1})
		} else {
			g.bytes([]byte{0})
		}
	case string:
		g.u32(ggufString)
		g.str(v)
	case []string:
		array(ggufString, len(v))
		for _, s := range v {
			g.str(s)
		}
	case []float32:
		array(ggufFloat32, len(v))
		for _, f := range v {
			g.u32(math.Float32bits(f))
		}
	case []int32:
		array(ggufInt32, len(v))
		for _, i := range v {
			g.u32(uint32(i))
		}
	default:
		panic(fmt.Sprintf("no GGUF type for %T", v))
	}
}

// tensorInfos writes the table of tensors: offsets count from the first
// aligned byte after it.
func (g *ggufWriter) tensorInfos(ts []tensor) {
	var off uint64
	for _, t := range ts {
		g.str(t.name)
		g.u32(uint32(len(t.dims)))
		for _, d := range t.dims {
			g.u64(uint64(d))
		}
		g.u32(uint32(t.kind))
		g.u64(off)
		off += (t.bytes() + align - 1) / align * align
	}
}
