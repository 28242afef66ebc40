package llama

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
)

// packed is an archive as npm packs them, with files that have the right names.
func packed(t *testing.T, names ...string) []byte {
	t.Helper()
	var b bytes.Buffer
	z := gzip.NewWriter(&b)
	w := tar.NewWriter(z)
	for _, name := range names {
		if err := w.WriteHeader(&tar.Header{Name: name, Typeflag: tar.TypeReg, Mode: 0o644, Size: int64(len(name))}); err != nil {
			t.Fatal(err)
		}
		if _, err := w.Write([]byte(name)); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func goodArchive(t *testing.T) []byte {
	ext := filepath.Ext(libName("x"))
	pre := strings.TrimSuffix(libName("x"), "x"+ext)
	return packed(t, "package/LICENSE", "package/package.json", "package/dist/index.js",
		"package/bins/p/"+pre+"ggml-base"+ext, "package/bins/p/"+pre+"ggml."+release+ext, "package/bins/p/"+pre+"llama."+release+ext,
		"package/bins/p/"+pre+"ggml-cpu-x64"+ext, "package/bins/p/"+pre+"llama-common"+ext, "package/bins/p/llama-addon.node",
		"../../../escape"+ext)
}

// packs gives the archive, as npmPack would.
func packs(archive []byte, calls *atomic.Int32) func(context.Context, string, string) (string, error) {
	return func(_ context.Context, _, dir string) (string, error) {
		calls.Add(1)
		file := filepath.Join(dir, "x.tgz")
		return file, os.WriteFile(file, archive, 0o644)
	}
}

func TestInstall(t *testing.T) {
	archive := goodArchive(t)
	p := pin{"@x/y", integrity(archive)}
	parent := t.TempDir()
	dir := filepath.Join(parent, "llama9", "lib")
	var calls atomic.Int32
	var lines []string
	got, err := install(context.Background(), dir, p, packs(archive, &calls), func(s string) { lines = append(lines, s) })
	if err != nil || got != dir {
		t.Fatal(got, err)
	}
	if len(lines) != 3 || !strings.Contains(lines[0], "@x/y@"+packageVersion) {
		t.Errorf("progress %q", lines)
	}
	for _, name := range []string{"llama", "ggml"} {
		b, err := os.ReadFile(filepath.Join(dir, libName(name)))
		if err != nil || !strings.Contains(string(b), name+"."+release) {
			t.Errorf("%s is %q, %v", name, b, err)
		}
	}
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		if strings.Contains(e.Name(), "common") || strings.Contains(e.Name(), "node") || strings.Contains(e.Name(), "js") {
			t.Errorf("%s was unpacked", e.Name())
		}
	}
	// Nothing is left beside but the lock, and nothing came out of the directory.
	left, err := filepath.Glob(filepath.Join(parent, "*", "*"))
	if err != nil || len(left) > 2 {
		t.Errorf("left %q, %v", left, err)
	}
	if _, err := install(context.Background(), dir, p, packs(archive, &calls), nil); err != nil || calls.Load() != 1 {
		t.Errorf("packed %d times, %v", calls.Load(), err)
	}
}

func TestInstallTwiceAtOnce(t *testing.T) {
	archive := goodArchive(t)
	p := pin{"@x/y", integrity(archive)}
	dir := filepath.Join(t.TempDir(), "lib")
	var calls atomic.Int32
	waiting := make(chan struct{})
	var once sync.Once
	// The first one packs only when the other waits for the lock.
	pack := func(ctx context.Context, spec, dir string) (string, error) {
		<-waiting
		return packs(archive, &calls)(ctx, spec, dir)
	}
	var wg sync.WaitGroup
	for range 2 {
		wg.Go(func() {
			got, err := install(context.Background(), dir, p, pack, func(s string) {
				if strings.HasPrefix(s, "waiting") {
					once.Do(func() { close(waiting) })
				}
			})
			if err != nil || got != dir {
				t.Error(got, err)
			}
		})
	}
	wg.Wait()
	if calls.Load() != 1 {
		t.Errorf("packed %d times", calls.Load())
	}
}

func TestInstallRefuses(t *testing.T) {
	good := goodArchive(t)
	half := packed(t, "package/bins/p/"+libName("ggml-base"))
	var calls atomic.Int32
	for _, test := range []struct {
		name string
		pin  pin
		pack func(context.Context, string, string) (string, error)
		want string
	}{
		{"digest", pin{"@x/y", "sha512-AAAA"}, packs(good, &calls), "digest"},
		{"no archive", pin{"@x/y", integrity([]byte("no gzip archive"))}, packs([]byte("no gzip archive"), &calls), "gzip"},
		{"half a package", pin{"@x/y", integrity(half)}, packs(half, &calls), "no " + libName("ggml")},
		{"npm fails", pin{"@x/y", ""}, func(context.Context, string, string) (string, error) { return "", errors.New("npm is away") }, "npm is away"},
	} {
		parent := t.TempDir()
		dir := filepath.Join(parent, "lib")
		_, err := install(context.Background(), dir, test.pin, test.pack, nil)
		if err == nil || !strings.Contains(err.Error(), test.want) {
			t.Errorf("%s: %v, want %q in it", test.name, err, test.want)
		}
		if left, _ := filepath.Glob(filepath.Join(parent, "*")); len(left) != 1 { // the lock
			t.Errorf("%s: left %q", test.name, left)
		}
	}
}

func TestInstallWithoutNpm(t *testing.T) {
	t.Setenv("PATH", t.TempDir())
	_, err := npmPack(context.Background(), "@x/y@1", t.TempDir())
	if err == nil {
		t.Fatal("packed without npm")
	}
	for _, word := range []string{"npm", "--llama-lib", EnvLib, libName("llama"), release} {
		if !strings.Contains(err.Error(), word) {
			t.Errorf("%q does not name %s", err, word)
		}
	}
}

func TestInstallWaitsNoLongerThanItsContext(t *testing.T) {
	file := filepath.Join(t.TempDir(), "lock")
	unlock, err := lock(context.Background(), file, func() {})
	if err != nil {
		t.Fatal(err)
	}
	defer unlock()
	ctx, cancel := context.WithCancel(context.Background())
	if _, err := lock(ctx, file, cancel); !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
}

func TestPins(t *testing.T) {
	for name, p := range pins {
		if !strings.HasPrefix(p.integrity, "sha512-") || len(p.integrity) != 7+88 || !strings.HasPrefix(p.name, "@node-llama-cpp/") {
			t.Errorf("%s: %+v", name, p)
		}
	}
}

func TestFind(t *testing.T) {
	home := t.TempDir()
	t.Setenv("HOME", home)
	t.Setenv("XDG_CACHE_HOME", filepath.Join(home, "cache"))
	t.Setenv("LocalAppData", filepath.Join(home, "cache"))
	t.Setenv(EnvLib, "")
	if got, err := Find(""); !errors.Is(err, ErrNoLibrary) {
		t.Fatalf("found %q, %v where there is nothing", got, err)
	}
	fill := func(dir string) string {
		t.Helper()
		if err := os.MkdirAll(dir, 0o755); err != nil {
			t.Fatal(err)
		}
		for _, name := range []string{"ggml", "ggml-base", "llama"} {
			if err := os.WriteFile(filepath.Join(dir, libName(name)), nil, 0o644); err != nil {
				t.Fatal(err)
			}
		}
		return dir
	}
	check := func(flag, want string) {
		t.Helper()
		if got, err := Find(flag); err != nil || got != want {
			t.Errorf("found %q, %v; want %q", got, err, want)
		}
	}
	cache, err := cacheDir()
	if err != nil {
		t.Fatal(err)
	}
	check("", fill(cache))
	env := fill(filepath.Join(home, "env"))
	t.Setenv(EnvLib, env)
	check("", env)
	flag := fill(filepath.Join(home, "flag"))
	check(flag, flag)

	// A directory that was named is not passed over.
	empty := t.TempDir()
	if _, err := Find(empty); err == nil || !strings.Contains(err.Error(), "--llama-lib") || !strings.Contains(err.Error(), libName("ggml")) {
		t.Errorf("%v", err)
	}
	t.Setenv(EnvLib, empty)
	if _, err := Find(""); err == nil || !strings.Contains(err.Error(), EnvLib) {
		t.Errorf("%v", err)
	}
	// One that was unpacked by hand lacks the links only.
	ext := filepath.Ext(libName("ggml"))
	versioned := strings.TrimSuffix(libName("ggml"), ext) + "." + release + ext
	if err := os.WriteFile(filepath.Join(empty, versioned), nil, 0o644); err != nil {
		t.Fatal(err)
	}
	if _, err := Find(empty); err == nil || !strings.Contains(err.Error(), "link it to "+versioned) {
		t.Errorf("%v", err)
	}
}
