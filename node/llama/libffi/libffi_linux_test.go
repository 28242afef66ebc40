package libffi

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

func TestFound(t *testing.T) {
	dir := t.TempDir()
	write := func(name, text string) string {
		t.Helper()
		file := filepath.Join(dir, name)
		if err := os.WriteFile(file, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
		return file
	}
	none := filepath.Join(dir, "none")
	for _, test := range []struct {
		cache string
		dirs  []string
		want  bool
	}{
		{none, nil, false},
		{none, []string{dir}, false},
		{write("a", "ld.so libfoo.so.1\x00libffi.so.7\x00"), nil, false},
		{write("b", "ld.so libfoo.so.1\x00libffi.so.8\x00"), nil, true},
		{write("c", strings.Repeat("x", 1<<16-5)+"libffi.so.8"), nil, true},
		{write("d", strings.Repeat("libffi.so.", 20000)), nil, false},
		{write("e", ""), nil, false},
	} {
		if got := found(test.cache, test.dirs); got != test.want {
			t.Errorf("%s %q: %v", test.cache, test.dirs, got)
		}
	}
	write(name, "")
	if !found(none, []string{"/nowhere", dir}) {
		t.Error("not found in a directory")
	}
	t.Setenv("LD_LIBRARY_PATH", "/a::"+dir+":")
	if d := dirs(); len(d) != 7 || d[5] != "/a" || d[6] != dir {
		t.Errorf("dirs %q", d)
	}
}

// The words come before the panic of a program that has the layer: one is
// built that looks for a library that is not there, with a check that fails.
func TestSaysItFirst(t *testing.T) {
	if testing.Short() {
		t.Skip("builds a program")
	}
	dir, err := os.MkdirTemp(".", "testprog")
	if err != nil {
		t.Fatal(err)
	}
	defer os.RemoveAll(dir)
	const prog = `package main

import (
	"github.com/jupiterrider/ffi"
	_ "llama9/node/llama/libffi/%s/sooner"
)

func main() { println(ffi.OK) }
`
	const sooner = `package sooner

import "syscall"

func init() { syscall.Write(2, []byte("first\n")) }
`
	if err := os.Mkdir(filepath.Join(dir, "sooner"), 0o755); err != nil {
		t.Fatal(err)
	}
	for file, text := range map[string]string{
		"main.go":          strings.Replace(prog, "%s", filepath.Base(dir), 1),
		"sooner/sooner.go": sooner,
	} {
		if err := os.WriteFile(filepath.Join(dir, file), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	bin := filepath.Join(t.TempDir(), "prog")
	build := exec.Command("go", "build", "-ldflags", "-X github.com/jupiterrider/ffi.filename=libnone.so.8", "-o", bin, "./"+dir)
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	out, err := exec.Command(bin).CombinedOutput()
	if err == nil || !strings.HasPrefix(string(out), "first\npanic: ") {
		t.Errorf("%v, %q", err, out)
	}
}
