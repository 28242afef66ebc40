package llama

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"context"
	"crypto/sha512"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"runtime"
	"strings"
)

// Install gets the libraries of this platform into the user's cache and gives
// their directory: npm packs the pinned package, its digest is checked, and
// the unpacked directory takes its place in one rename. Two programs that
// install at once wait for each other. progress is called with a line of text
// at each step and may be nil. What is there already is not fetched again.
func Install(ctx context.Context, progress func(string)) (string, error) {
	dir, err := cacheDir()
	if err != nil {
		return "", err
	}
	p, ok := pins[platform()]
	if !ok {
		return "", fmt.Errorf("no pinned llama.cpp library for %s; %s", platform(), advice())
	}
	return install(ctx, dir, p, npmPack, progress)
}

// install is Install with its parts given: pack puts the package's archive
// into a directory and gives the archive's name.
func install(ctx context.Context, dir string, p pin, pack func(ctx context.Context, spec, dir string) (string, error), progress func(string)) (string, error) {
	say := func(format string, a ...any) {
		if progress != nil {
			progress(fmt.Sprintf(format, a...))
		}
	}
	if hasLibraries(dir) == nil {
		return dir, nil
	}
	if err := os.MkdirAll(filepath.Dir(dir), 0o755); err != nil {
		return "", err
	}
	unlock, err := lock(ctx, dir+".lock", func() { say("waiting for another llama9 that installs llama.cpp") })
	if err != nil {
		return "", err
	}
	defer unlock()
	if hasLibraries(dir) == nil { // the other one did it
		return dir, nil
	}
	tmp, err := os.MkdirTemp(filepath.Dir(dir), ".install-")
	if err != nil {
		return "", err
	}
	defer os.RemoveAll(tmp)
	say("getting llama.cpp %s (npm pack %s)", release, p.spec())
	tgz, err := pack(ctx, p.spec(), tmp)
	if err != nil {
		return "", err
	}
	archive, err := os.ReadFile(tgz)
	if err != nil {
		return "", err
	}
	if got := integrity(archive); got != p.integrity {
		return "", fmt.Errorf("%s: digest is %s, want %s; not installed. %s", p.spec(), got, p.integrity, advice())
	}
	say("unpacking llama.cpp %s", release)
	out := filepath.Join(tmp, "lib")
	if err := unpack(archive, out); err != nil {
		return "", fmt.Errorf("%s: %w", p.spec(), err)
	}
	if err := link(out); err != nil {
		return "", err
	}
	if err := hasLibraries(out); err != nil {
		return "", fmt.Errorf("%s: %w", p.spec(), err)
	}
	// What is in the way lacks a library: an older, broken try.
	if err := os.RemoveAll(dir); err != nil {
		return "", err
	}
	if err := os.Rename(out, dir); err != nil {
		return "", err
	}
	say("llama.cpp %s is in %s", release, dir)
	return dir, nil
}

// npmPack lets npm fetch a package's archive; npm knows its registry.
func npmPack(ctx context.Context, spec, dir string) (string, error) {
	npm, err := exec.LookPath("npm")
	if err != nil {
		return "", fmt.Errorf("npm, which gets llama.cpp, is not installed (Debian: npm); install it, or %s", advice())
	}
	cmd := exec.CommandContext(ctx, npm, "pack", "--silent", spec)
	cmd.Dir = dir
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	if _, err := cmd.Output(); err != nil {
		if ctx.Err() != nil {
			return "", ctx.Err()
		}
		return "", fmt.Errorf("npm pack %s: %w: %s; or %s", spec, err, lastLine(stderr.String()), advice())
	}
	found, err := filepath.Glob(filepath.Join(dir, "*.tgz"))
	if err != nil || len(found) != 1 {
		return "", fmt.Errorf("npm pack %s left %d archives", spec, len(found))
	}
	return found[0], nil
}

func lastLine(s string) string {
	lines := strings.Split(strings.TrimSpace(s), "\n")
	for _, l := range lines {
		if strings.Contains(l, "error") && !strings.Contains(l, "error code") {
			return strings.TrimSpace(l)
		}
	}
	return strings.TrimSpace(lines[len(lines)-1])
}

// integrity is the digest of an archive as npm writes it.
func integrity(archive []byte) string {
	sum := sha512.Sum512(archive)
	return "sha512-" + base64.StdEncoding.EncodeToString(sum[:])
}

// maxLibrary bounds one unpacked file.
const maxLibrary = 1 << 30

// unpack puts the libraries of a package (bins/PLATFORM/...) into dir.
func unpack(archive []byte, dir string) error {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	z, err := gzip.NewReader(bytes.NewReader(archive))
	if err != nil {
		return err
	}
	for t := tar.NewReader(z); ; {
		h, err := t.Next()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		name := path.Base(h.Name)
		if h.Typeflag != tar.TypeReg || !isLibrary(name) {
			continue
		}
		if h.Size > maxLibrary {
			return fmt.Errorf("%s has %d bytes", name, h.Size)
		}
		if err := writeFile(filepath.Join(dir, name), t); err != nil {
			return err
		}
	}
}

// isLibrary tells the libraries from the JavaScript; the addon for node is
// not needed, nor is libllama-common.
func isLibrary(name string) bool {
	switch {
	case name == "LICENSE":
		return true
	case strings.HasPrefix(name, "libllama-common"), strings.HasPrefix(name, "llama-common"):
		return false
	}
	return strings.HasSuffix(name, ".so") || strings.HasSuffix(name, ".dylib") || strings.HasSuffix(name, ".dll") || strings.HasSuffix(name, ".metal")
}

func writeFile(name string, r io.Reader) error {
	f, err := os.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o755)
	if err != nil {
		return err
	}
	if _, err := io.Copy(f, r); err != nil {
		f.Close()
		return err
	}
	return f.Close()
}

// link gives libggml and libllama the plain names that the binding opens;
// the files have the version in theirs.
func link(dir string) error {
	for _, name := range []string{"ggml", "llama"} {
		plain := libName(name)
		if _, err := os.Stat(filepath.Join(dir, plain)); err == nil {
			continue
		}
		ext := filepath.Ext(plain)
		versioned := strings.TrimSuffix(plain, ext) + "." + release + ext
		var err error
		if runtime.GOOS == "windows" { // links need a privilege there
			err = os.Link(filepath.Join(dir, versioned), filepath.Join(dir, plain))
		} else {
			err = os.Symlink(versioned, filepath.Join(dir, plain))
		}
		if err != nil {
			return err
		}
	}
	return nil
}
