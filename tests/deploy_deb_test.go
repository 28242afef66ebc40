package tests

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// TestDebianPackage: the package is built, installed into a root of its own,
// its program and unit are used, and it is removed without a trace but for its
// configuration.
func TestDebianPackage(t *testing.T) {
	for _, tool := range []string{"dpkg", "dpkg-deb"} {
		if _, err := exec.LookPath(tool); err != nil {
			msg := "LEFT OUT, no " + tool + ": Debian's packages are built on Debian"
			if os.Getenv("CI") == "true" {
				t.Fatal(msg)
			}
			t.Skip(msg)
		}
	}
	dir := deployDirs(t)
	build := exec.Command("deploy/deb", dir)
	build.Dir, build.Env = "..", append(os.Environ(), "LLAMA9="+program, "DPKG_DEB_COMPRESSOR_TYPE=gzip", "DPKG_DEB_COMPRESSOR_LEVEL=1")
	out, err := build.Output()
	if err != nil {
		t.Fatalf("deploy/deb: %v", err)
	}
	deb, root := strings.TrimSpace(string(out)), dir+"/root"
	for _, d := range []string{"info", "updates"} {
		if err := os.MkdirAll(filepath.Join(root, "var/lib/dpkg", d), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.WriteFile(root+"/var/lib/dpkg/status", nil, 0o644); err != nil {
		t.Fatal(err)
	}
	dpkg := func(args ...string) string {
		t.Helper()
		cmd := exec.Command("dpkg", append([]string{"--root=" + root, "--force-not-root", "--force-depends"}, args...)...)
		cmd.Env = append(os.Environ(), "PATH="+os.Getenv("PATH")+":/usr/sbin:/sbin")
		out, err := cmd.CombinedOutput()
		if err != nil {
			t.Fatalf("dpkg %s: %v\n%s", strings.Join(args, " "), err, out)
		}
		return string(out)
	}
	dpkg("-i", deb)
	list := dpkg("-L", "llama9")
	pages, err := filepath.Glob("../docs/*.[1-9]")
	if err != nil || len(pages) < 4 {
		t.Fatalf("pages %v, %v", pages, err)
	}
	want := []string{"/usr/bin/llama9", "/usr/lib/systemd/system/llama9.service", "/etc/llama9/llama9.yaml",
		"/usr/share/bash-completion/completions/llama9", "/usr/share/doc/llama9/copyright", "/usr/share/doc/llama9/examples/walk"}
	for _, p := range pages {
		name := filepath.Base(p)
		want = append(want, "/usr/share/man/man"+name[len(name)-1:]+"/"+name+".gz")
	}
	for _, w := range want {
		if !strings.Contains(list, w+"\n") {
			t.Errorf("the package has no %s", w)
		}
	}

	// What is installed runs: its configuration, on a socket of the test's own.
	b, err := os.ReadFile(root + "/etc/llama9/llama9.yaml")
	if err != nil {
		t.Fatal(err)
	}
	d := &deployment{t: t, dir: dir, file: dir + "/installed.yaml", addr: "unix!" + dir + "/installed"}
	text := strings.NewReplacer("tcp!127.0.0.1!5640", d.addr, "engine: llama\n", "engine: fake\n", "- name: demo\n", "- {name: demo, file: \"fake:tiny\"}\n").Replace(string(b))
	if err := os.WriteFile(d.file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	run := func(args ...string) {
		t.Helper()
		if out, err := exec.Command(root+"/usr/bin/llama9", args...).CombinedOutput(); err != nil {
			t.Fatalf("%s: %v\n%s", strings.Join(args, " "), err, out)
		}
	}
	run("deploy", "start", "-f", d.file, "--detach")
	if got, err := d.ask("n_predict 4", "hello"); err != nil || got == "" {
		t.Errorf("%q, %v", got, err)
	}
	run("deploy", "stop", "-f", d.file)

	dpkg("-r", "llama9")
	var left []string
	filepath.WalkDir(root, func(path string, e os.DirEntry, err error) error {
		if rel := strings.TrimPrefix(path, root); err == nil && !e.IsDir() && !strings.HasPrefix(rel, "/var/l") {
			left = append(left, rel)
		}
		return nil
	})
	if len(left) != 1 || left[0] != "/etc/llama9/llama9.yaml" {
		t.Errorf("left behind: %v", left)
	}
	dpkg("-P", "llama9")
	if _, err := os.Stat(root + "/etc/llama9/llama9.yaml"); err == nil {
		t.Error("purged, and the configuration is there")
	}
}
