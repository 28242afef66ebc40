//go:build !nollama && (((linux || windows || darwin) && (amd64 || arm64)) || (linux && riscv64))

package llama

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"unsafe"

	"github.com/ebitengine/purego"
	yzma "github.com/hybridgroup/yzma/pkg/llama"
	"github.com/jupiterrider/ffi"
	"llama9/node/fit"
	"llama9/node/gguf"
)

func TestOpenAgain(t *testing.T) {
	e := openEngine(t)
	dir, err := library()
	if err != nil {
		t.Fatal(err)
	}
	again, err := Open(Options{Lib: dir})
	if err != nil || again != e {
		t.Errorf("%v, %v", again, err)
	}
	if _, err := Open(Options{Lib: t.TempDir()}); err == nil || !strings.Contains(err.Error(), "already") {
		t.Errorf("other libraries in the same process: %v", err)
	}
	if _, err := open(t.TempDir(), nil); err == nil || !strings.Contains(err.Error(), "--llama-lib") {
		t.Errorf("a directory without libraries: %v", err)
	}
}

// Libraries of another version, or of none, are refused by name before any
// other call.
func TestOpenRefusesVersions(t *testing.T) {
	cc, err := exec.LookPath("cc")
	if err != nil || runtime.GOOS != "linux" {
		fmt.Fprintf(os.Stderr, "\n*** %s SKIPPED: it builds libraries with cc\n\n", t.Name())
		t.Skip("no cc")
	}
	for code, want := range map[string]string{
		`const char *llama_version(void) { return "0.9.0"; }`:  "llama.cpp 0.9.0; this program was made for " + Version,
		`const char *llama_version(void) { return "0.5.01"; }`: "llama.cpp 0.5.01",
		`int llama_eval(void) { return 0; }`:                   "states no version",
	} {
		dir := t.TempDir()
		src := filepath.Join(dir, "x.c")
		if err := os.WriteFile(src, []byte(code), 0o644); err != nil {
			t.Fatal(err)
		}
		for _, name := range []string{"ggml", "ggml-base", "llama"} {
			if out, err := exec.Command(cc, "-shared", "-fPIC", "-o", filepath.Join(dir, libName(name)), src).CombinedOutput(); err != nil {
				t.Fatalf("%v\n%s", err, out)
			}
		}
		if _, err := open(dir, nil); err == nil || !strings.Contains(err.Error(), want) || !strings.Contains(err.Error(), dir) {
			t.Errorf("%v, want %q in it", err, want)
		}
	}
}

// The numbers and sizes of types in package gguf are those of the library.
func TestTypesAgree(t *testing.T) {
	openEngine(t)
	for kind, g := range gguf.Types {
		y := yzma.GGMLType(kind)
		if e, b := uint64(yzma.GGMLBlockSize(y)), yzma.GGMLTypeSize(y); e != g.Elements || b != g.Bytes {
			t.Errorf("type %d (%s): %d elements in %d bytes; the library has %d in %d", kind, y, g.Elements, g.Bytes, e, b)
		}
	}
	for name, n := range fit.CacheTypes {
		if y := yzma.GGMLType(n); y.String() != name {
			t.Errorf("type %d is %q, not %q", y, y, name)
		}
	}
}

// The C side sees the environment that was set on the Go side.
func TestNoBacktrace(t *testing.T) {
	openEngine(t)
	dir, err := library()
	if err != nil {
		t.Fatal(err)
	}
	lib, err := ffi.Load(filepath.Join(dir, libName("llama")))
	if err != nil {
		t.Fatal(err)
	}
	getenv, err := lib.Get("getenv")
	if err != nil {
		t.Skip(err) // no libc below
	}
	r, _, _ := purego.SyscallN(getenv, uintptr(unsafe.Pointer(unsafe.StringData("GGML_NO_BACKTRACE\x00"))))
	if got := goString(*(**byte)(unsafe.Pointer(&r))); got != "1" {
		t.Errorf("GGML_NO_BACKTRACE is %q", got)
	}
}

func TestVariant(t *testing.T) {
	if got := variant([]string{"/x/libggml-cpu-haswell.so", `C:\x\ggml-cuda.dll`}); got != "haswell+cuda" {
		t.Errorf("variant %q", got)
	}
	if got := variant(nil); got != "unknown" {
		t.Errorf("variant %q", got)
	}
}

func TestInfo(t *testing.T) {
	e := openEngine(t)
	if e.Name() != "llama" || !strings.HasPrefix(e.Build(), Version) || e.Exact() {
		t.Errorf("%s %s %v", e.Name(), e.Build(), e.Exact())
	}
	if v := e.Variant(); v == "unknown" || v == "" || strings.ContainsAny(v, "/. ") {
		t.Errorf("variant %q", v)
	}
}
