//go:build linux

package main

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestChoose(t *testing.T) {
	full := machine{root: true, release: "6.1.0-40-amd64", ninep: true}
	user := machine{release: "6.1.0-40-amd64"}
	with := func(m machine, f func(*machine)) machine { f(&m); return m }
	noFuse := func(m *machine) { m.fuse = errors.New("no /dev/fuse") }
	for _, test := range []struct {
		name string
		m    mountFlags
		c    machine
		want string
	}{
		{"root", mountFlags{kind: "auto"}, full, "kernel"},
		{"user", mountFlags{kind: "auto"}, user, "fuse"},
		{"no module", mountFlags{kind: "auto"}, with(full, func(m *machine) { m.ninep = false }), "fuse"},
		{"6.8", mountFlags{kind: "auto"}, with(full, func(m *machine) { m.release = "6.8.0-31-generic" }), "fuse"},
		{"6.11", mountFlags{kind: "auto"}, with(full, func(m *machine) { m.release = "6.11.2" }), "kernel"},
		{"6.8 without FUSE", mountFlags{kind: "auto"}, with(full, func(m *machine) { m.release = "6.8.1"; noFuse(m) }), "empty files; no /dev/fuse"},
		{"6.8 forced", mountFlags{kind: "kernel"}, with(full, func(m *machine) { m.release = "6.8.1" }), "kernel"},
		{"foreground", mountFlags{kind: "auto", foreground: true}, full, "fuse"},
		{"foreground kernel", mountFlags{kind: "kernel", foreground: true}, full, "--type kernel: --foreground"},
		{"allow other", mountFlags{kind: "auto", allowOther: true}, full, "fuse"},
		{"user kernel", mountFlags{kind: "kernel"}, user, "--type kernel: only root"},
		{"no module kernel", mountFlags{kind: "kernel"}, with(full, func(m *machine) { m.ninep = false }), "no 9P client"},
		{"nothing", mountFlags{kind: "auto"}, with(user, noFuse), "only root may mount with the kernel's 9P client; no /dev/fuse"},
		{"no FUSE", mountFlags{kind: "fuse"}, with(full, noFuse), "--type fuse: no /dev/fuse"},
		{"options", mountFlags{kind: "auto", options: "cache=loose"}, full, "kernel"},
		{"options FUSE", mountFlags{kind: "fuse", options: "cache=loose"}, full, "--options"},
		{"options user", mountFlags{kind: "auto", options: "cache=loose"}, user, "--options"},
		{"other", mountFlags{kind: "nfs"}, full, "--type nfs: want"},
	} {
		got, err := choose(&test.m, test.c)
		if err != nil {
			got = err.Error()
		}
		if got != test.want && (err == nil || !strings.Contains(got, test.want)) {
			t.Errorf("%s: %s, want %s", test.name, got, test.want)
		}
	}
}

func TestEmptyReads(t *testing.T) {
	for release, want := range map[string]bool{
		"6.7.12": false, "6.8.0-rc1": true, "6.8.0-31-generic": true, "6.10.14": true, "6.11.0-rc3": true, "6.11.0": false,
		"6.1.0-40-amd64": false, "6.12.115+deb12-amd64": false, "5.10.0": false, "7.9.1": false, "": false, "x": false,
	} {
		if got := emptyReads(release); got != want {
			t.Errorf("%q: %v", release, got)
		}
	}
}

func TestTransport(t *testing.T) {
	for addr, want := range map[[2]string]string{
		{"tcp", "127.0.0.1:5640"}:                "127.0.0.1 trans=tcp,port=5640",
		{"tcp", ":5640"}:                         "127.0.0.1 trans=tcp,port=5640",
		{"tcp", "[::1]:5640"}:                    " ",
		{"unix", "/run/llama"}:                   "/run/llama trans=unix",
		{"unix", "llama"}:                        " ",
		{"unix", "/" + strings.Repeat("x", 107)}: " ",
		{"unix", "/" + strings.Repeat("x", 106)}: "/" + strings.Repeat("x", 106) + " trans=unix",
		{"tcp", "10.1.2.3:65535"}:                "10.1.2.3 trans=tcp,port=65535",
	} {
		source, trans, err := transport(t.Context(), addr[0], addr[1])
		if err != nil || source+" "+trans != want {
			t.Errorf("%v: %s %s, %v", addr, source, trans, err)
		}
	}
}

const mountinfo = `22 28 0:20 / /proc rw,nosuid shared:5 - proc proc rw
40 28 0:35 / /n/a\040b rw - 9p 127.0.0.1 rw,trans=tcp
41 28 0:36 / /n/llama rw,nosuid shared:7 master:2 - fuse.llama9 unix!/tmp/x\134y rw,user_id=0
42 41 0:37 / /n/llama rw - tmpfs none rw
bad line
`

func TestFindMount(t *testing.T) {
	for dir, want := range map[string]*mountEntry{
		"/proc":    {"/proc", "proc", "proc"},
		"/n/a b":   {"/n/a b", "9p", "127.0.0.1"},
		"/n/llama": {"/n/llama", "tmpfs", "none"}, // the last is on top
		"/n":       nil,
	} {
		got, err := findMount(strings.NewReader(mountinfo), dir)
		if err != nil || (got == nil) != (want == nil) || got != nil && *got != *want {
			t.Errorf("%s: %v, %v", dir, got, err)
		}
	}
	cut := strings.Join(strings.Split(mountinfo, "\n")[:3], "\n")
	if got, _ := findMount(strings.NewReader(cut), "/n/llama"); got == nil || got.source != `unix!/tmp/x\y` {
		t.Errorf("%v", got)
	}
}

func TestMountPoint(t *testing.T) {
	dir, err := filepath.EvalSymlinks(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	in := func(name string) string { return filepath.Join(dir, name) }
	for _, err := range []error{os.Mkdir(in("empty"), 0o755), os.Mkdir(in("full"), 0o755), os.WriteFile(in("full/x"), nil, 0o644),
		os.Symlink("empty", in("link")), os.Symlink("loop", in("loop"))} {
		if err != nil {
			t.Fatal(err)
		}
	}
	t.Chdir(dir)
	for name, want := range map[string]string{
		"empty": in("empty"), "empty/": in("empty"), "./full/../empty": in("empty"), in("link"): in("empty"), "link": in("empty"),
		"full": "full: not empty", "nothing": "nothing: no such directory", "full/x": "not a directory", "nothing/x": "no such file",
		"loop": "too many levels",
	} {
		got, err := mountPoint(name, false)
		if err != nil {
			got = err.Error()
		}
		if got != want && (err == nil || !strings.Contains(got, want)) {
			t.Errorf("%s: %s, want %s", name, got, want)
		}
	}
	if got, err := mountPoint("full", true); got != in("full") {
		t.Errorf("nonempty: %s, %v", got, err)
	}
}
