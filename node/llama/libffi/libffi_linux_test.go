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

// The program ends with one line where the layer would panic, and goes on where
// only our own look has found nothing.
func TestSays(t *testing.T) {
	if testing.Short() {
		t.Skip("builds a program")
	}
	dir := t.TempDir()
	bin := filepath.Join(dir, "llama9")
	build := exec.Command("go", "build", "-o", bin, "-ldflags",
		"-X llama9/node/llama/libffi.name=libnone.so.8 -X github.com/jupiterrider/ffi.filename=libother.so.8", "llama9/cmd/llama9")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	run := func() (string, error) {
		cmd := exec.Command(bin, "version")
		cmd.Env = append(os.Environ(), "LD_LIBRARY_PATH="+dir)
		out, err := cmd.CombinedOutput()
		return string(out), err
	}
	out, err := run()
	if e, ok := err.(*exec.ExitError); !ok || e.ExitCode() != 1 || !strings.HasPrefix(out, "llama9: libnone.so.8, ") || strings.Count(out, "\n") != 1 || !strings.Contains(out, "libffi8") {
		t.Errorf("without it: %v, %q", err, out)
	}
	var libs []string
	for _, d := range append(dirs(), "/lib/*-linux-gnu*", "/usr/lib/*-linux-gnu*") {
		found, err := filepath.Glob(d + "/libffi.so.8")
		if err != nil {
			t.Fatal(err)
		}
		libs = append(libs, found...)
	}
	if len(libs) == 0 {
		t.Fatal("no libffi.so.8 to try with")
	}
	if err := os.Symlink(libs[0], filepath.Join(dir, "libother.so.8")); err != nil {
		t.Fatal(err)
	}
	if out, err := run(); err != nil || !strings.HasPrefix(out, "llama9 ") {
		t.Errorf("where it is all the same: %v, %q", err, out)
	}
}
