//go:build linux && amd64 && !race

package kernel

import (
	"bytes"
	"debug/elf"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"sort"
	"strings"
)

// An archive is an initramfs in the making: a cpio of the kind newc. See the
// kernel's Documentation/driver-api/early-userspace/buffer-format.rst.
type archive struct {
	files map[string]archived
}

type archived struct {
	mode uint32
	data []byte
}

const (
	modeDir  = 0o040755
	modeExec = 0o100755
	modeLink = 0o120777
)

// add puts a file where path says, and the directories above it.
func (a *archive) add(path string, mode uint32, data []byte) {
	path = strings.TrimPrefix(filepath.Clean(path), "/")
	if a.files == nil {
		a.files = make(map[string]archived)
	}
	a.files[path] = archived{mode, data}
	for dir := filepath.Dir(path); dir != "."; dir = filepath.Dir(dir) {
		if _, ok := a.files[dir]; !ok {
			a.files[dir] = archived{mode: modeDir}
		}
	}
}

// copy takes a file of this machine.
func (a *archive) copy(from, to string) error {
	b, err := os.ReadFile(from)
	if err == nil {
		a.add(to, modeExec, b)
	}
	return err
}

var library = regexp.MustCompile(`(/\S+) \(0x`)

// program takes a program of this machine and the libraries that it needs.
func (a *archive) program(path string) error {
	if err := a.copy(path, "/gnu/"+filepath.Base(path)); err != nil {
		return err
	}
	if static(path) {
		return nil
	}
	out, err := exec.Command("ldd", path).Output()
	if err != nil {
		return fmt.Errorf("ldd %s: %w", path, err)
	}
	for _, m := range library.FindAllStringSubmatch(string(out), -1) {
		if err := a.copy(m[1], m[1]); err != nil {
			return err
		}
	}
	return nil
}

// bytes gives the archive, directories before what is in them.
func (a *archive) bytes() []byte {
	var names []string
	for name := range a.files {
		names = append(names, name)
	}
	sort.Strings(names)
	var b bytes.Buffer
	pad := func() {
		for b.Len()%4 != 0 {
			b.WriteByte(0)
		}
	}
	put := func(ino int, name string, f archived) {
		fmt.Fprintf(&b, "070701%08x%08x%08x%08x%08x%08x%08x%08x%08x%08x%08x%08x%08x%s\x00",
			ino, f.mode, 0, 0, 1, 0, len(f.data), 0, 0, 0, 0, len(name)+1, 0, name)
		pad()
		b.Write(f.data)
		pad()
	}
	for i, name := range names {
		put(i+1, name, a.files[name])
	}
	put(0, "TRAILER!!!", archived{})
	return b.Bytes()
}

// static says whether the program needs no libraries.
func static(path string) bool {
	f, err := elf.Open(path)
	if err != nil {
		return false
	}
	defer f.Close()
	return f.Section(".interp") == nil
}
