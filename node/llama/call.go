//go:build !nollama && (((linux || windows || darwin) && (amd64 || arm64)) || (linux && riscv64))

package llama

import (
	"errors"
	"fmt"
	"path/filepath"
	"strings"
	"unsafe"

	"github.com/ebitengine/purego"
	yzma "github.com/hybridgroup/yzma/pkg/llama"
	"github.com/jupiterrider/ffi"
)

// calls are the functions of libllama that this package calls by itself,
// without the binding: those of every token, whose arguments are integers and
// pointers and need no description; and those that the binding does not have
// or has with a flaw (llama_tokenize of a text with a NUL, an abort callback
// made anew for each context).
type calls struct {
	version string // of the library

	decode        uintptr
	getLogitsIth  uintptr
	samplerApply  uintptr
	samplerAccept uintptr
	setAbort      uintptr
	tokenize      uintptr
	tokenToPiece  uintptr
	isEOG         uintptr
	seqRm         uintptr
	seqCp         uintptr
	seqAdd        uintptr
	seqPosMax     uintptr
	setAbortWords uintptr // ggml_set_abort_callback
	abortCallback uintptr // bool (*)(void *): whether the string it gets is not empty
	decodeCif     *ffi.Cif
}

// loadCalls opens the libraries in dir, asks for their version, and looks up the
// functions. The binding opens the same ones afterwards and gets the same
// handles.
func loadCalls(dir string) (*calls, error) {
	var lib, base ffi.Lib
	for _, l := range []struct {
		name string
		lib  *ffi.Lib
	}{{"ggml-base", &base}, {"ggml", &lib}, {"llama", &lib}} {
		var err error
		if *l.lib, err = ffi.Load(filepath.Join(dir, libName(l.name))); err != nil {
			return nil, err
		}
	}
	c := &calls{}
	v, err := lib.Get("llama_version")
	if err != nil {
		return nil, fmt.Errorf("a llama.cpp that states no version; this program was made for %s and no other; %s", Version, advice())
	}
	r, _, _ := purego.SyscallN(v)
	c.version = goString(*(**byte)(unsafe.Pointer(&r)))
	if number, _, _ := strings.Cut(c.version, "-"); number != Version {
		return nil, fmt.Errorf("llama.cpp %s; this program was made for %s and no other, since its structures are laid out by version; %s", c.version, Version, advice())
	}
	for _, f := range []struct {
		name string
		addr *uintptr
	}{
		{"llama_decode", &c.decode},
		{"llama_get_logits_ith", &c.getLogitsIth},
		{"llama_sampler_apply", &c.samplerApply},
		{"llama_sampler_accept", &c.samplerAccept},
		{"llama_set_abort_callback", &c.setAbort},
		{"llama_tokenize", &c.tokenize},
		{"llama_token_to_piece", &c.tokenToPiece},
		{"llama_vocab_is_eog", &c.isEOG},
		{"llama_memory_seq_rm", &c.seqRm},
		{"llama_memory_seq_cp", &c.seqCp},
		{"llama_memory_seq_add", &c.seqAdd},
		{"llama_memory_seq_pos_max", &c.seqPosMax},
	} {
		if *f.addr, err = lib.Get(f.name); err != nil {
			return nil, err
		}
	}
	if c.setAbortWords, err = base.Get("ggml_set_abort_callback"); err != nil {
		return nil, err
	}
	c.abortCallback = notEmpty(lib)
	if c.decodeCif, err = decodeCif(); err != nil {
		return nil, err
	}
	return c, nil
}

// notEmpty gives the abort callback: a C function that tells from its argument
// whether to stop. ggml asks it once for each node of the graph, some thousand
// times a decode, so it should not enter Go: strlen of "" or "\x01" is just
// that function. Where there is no strlen to be had it is one of Go.
func notEmpty(lib ffi.Lib) uintptr {
	if f, err := lib.Get("strlen"); err == nil { // found in the libc that lib needs
		return f
	}
	return purego.NewCallback(func(s *byte) bool { return *s != 0 })
}

// llamaBatch is the type of struct llama_batch, which llama_decode takes by
// value (llama.h).
var llamaBatch = ffi.NewType(&ffi.TypeSint32, &ffi.TypePointer, &ffi.TypePointer,
	&ffi.TypePointer, &ffi.TypePointer, &ffi.TypePointer, &ffi.TypePointer)

// decodeArgs are the types of llama_decode's arguments; libffi keeps the
// address, so it must live as long as the program.
var decodeArgs = []*ffi.Type{&ffi.TypePointer, &llamaBatch}

func decodeCif() (*ffi.Cif, error) {
	cif := new(ffi.Cif)
	if s := ffi.PrepCif(cif, ffi.DefaultAbi, uint32(len(decodeArgs)), &ffi.TypeSint32, decodeArgs...); s != ffi.OK {
		return nil, errors.New("llama_decode: " + s.String())
	}
	return cif, nil
}

// A decodeCall is a call of llama_decode with its arguments in place.
type decodeCall struct {
	ctx   yzma.Context
	batch yzma.BatchData
	ret   ffi.Arg
	args  [2]unsafe.Pointer
}

func (c *calls) decodeBatch(d *decodeCall) int32 {
	d.args = [2]unsafe.Pointer{unsafe.Pointer(&d.ctx), unsafe.Pointer(&d.batch)}
	ffi.Call(c.decodeCif, c.decode, unsafe.Pointer(&d.ret), d.args[:]...)
	return int32(d.ret)
}

func boolArg(b bool) uintptr {
	if b {
		return 1
	}
	return 0
}

// int32Arg passes a C int: its sign is in the low half of the register.
func int32Arg(n int32) uintptr { return uintptr(uint32(n)) }
