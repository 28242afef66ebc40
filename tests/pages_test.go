package tests

import (
	"context"
	"os"
	"os/exec"
	"path"
	"regexp"
	"strings"
	"testing"

	"llama9/mnt"
	"llama9/ninep"
)

// page is a manual page without its markup.
func page(t *testing.T, name string) string {
	t.Helper()
	b, err := os.ReadFile("../docs/" + name)
	if err != nil {
		t.Fatal(err)
	}
	s := strings.ReplaceAll(string(b), `\-`, "-")
	return regexp.MustCompile(`\\f.`).ReplaceAllString(s, "")
}

func hasWord(text, word string) bool {
	return regexp.MustCompile(`(?m)(^|[^A-Za-z0-9_-])` + regexp.QuoteMeta(word) + `($|[^A-Za-z0-9_-])`).MatchString(text)
}

// TestTreePage: every file that is served, every parameter and every attribute
// is in the manual of the tree.
func TestTreePage(t *testing.T) {
	_, fs, _ := serve(t, "--engine", "fake", "-m", "fake:tiny")
	id := strings.TrimSpace(readFile(t, fs, "infer/new"))
	text := page(t, "llama9.4")
	words := 0
	want := func(word, what string) {
		words++
		if !hasWord(text, word) {
			t.Errorf("docs/llama9.4 lacks %s %s", what, word)
		}
	}
	walkTree(t, fs, "", func(st ninep.Stat) {
		if st.Name != id {
			want(st.Name, "the file")
		}
	})
	for line := range strings.Lines(readFile(t, fs, "infer/"+id+"/ctl")) {
		want(strings.Fields(line)[0], "the parameter")
	}
	for _, file := range []string{"status", "model", "infer/" + id + "/status"} {
		for _, m := range regexp.MustCompile(`(?:^| )([a-z_/]+)=`).FindAllStringSubmatch(readFile(t, fs, file), -1) {
			want(m[1], "of "+path.Base(file)+" the attribute")
		}
	}
	if words < 80 {
		t.Errorf("only %d words were looked for", words)
	}
}

func walkTree(t *testing.T, fs *mnt.Fsys, dir string, see func(ninep.Stat)) {
	list, err := fs.ReadDir(context.Background(), dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, st := range list {
		see(st)
		if st.Mode&ninep.DMDIR != 0 {
			walkTree(t, fs, dir+"/"+st.Name, see)
		}
	}
}

// TestCommandPage: every command and every flag is in the command's manual,
// and those of mount and umount in that of mounting too.
func TestCommandPage(t *testing.T) {
	text, mounting := page(t, "llama9.1"), page(t, "mount.8")
	help := command(t, "", "--help")
	_, list, _ := strings.Cut(help, "Available Commands:")
	list, _, _ = strings.Cut(list, "\n\n")
	commands := regexp.MustCompile(`(?m)^  ([a-z]+) `).FindAllStringSubmatch(list, -1)
	if len(commands) < 10 {
		t.Fatalf("only %d commands in\n%s", len(commands), help)
	}
	flags := 0
	for _, c := range commands {
		if c[1] == "help" || c[1] == "completion" { // cobra's own
			continue
		}
		if !hasWord(text, c[1]) {
			t.Errorf("docs/llama9.1 lacks the command %s", c[1])
		}
		out, err := exec.Command(program, c[1], "--help").Output()
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range regexp.MustCompile(`(?m)^ +(-[a-zA-Z], )?--([a-z-]+)`).FindAllStringSubmatch(string(out), -1) {
			flags++
			if m[2] != "help" && !hasWord(text, "--"+m[2]) {
				t.Errorf("docs/llama9.1 lacks the flag --%s of %s", m[2], c[1])
			}
			if short := strings.TrimSuffix(m[1], ", "); short != "" && m[2] != "help" && !hasWord(text, short) {
				t.Errorf("docs/llama9.1 lacks the flag %s of %s", short, c[1])
			}
			if strings.HasSuffix(c[1], "mount") && m[2] != "help" && !hasWord(mounting, "--"+m[2]) {
				t.Errorf("docs/mount.8 lacks the flag --%s of %s", m[2], c[1])
			}
		}
	}
	if flags < 80 {
		t.Errorf("only %d flags were looked for", flags)
	}
}

// TestMountPage follows the example of the manual that anyone can, by FUSE.
func TestMountPage(t *testing.T) {
	needFUSE(t)
	_, example, ok := strings.Cut(page(t, "mount.8"), "\nAs yourself, by FUSE:\n.IP\n.EX\n")
	example, _, end := strings.Cut(example, ".EE")
	if !ok || !end || !strings.Contains(example, "llama9 umount") {
		t.Fatalf("no example in docs/mount.8: %q", example)
	}
	addr, fs, _ := serve(t, "--engine", "fake", "-m", "fake:tiny")
	home := mountDir(t)
	t.Setenv("HOME", home)
	t.Setenv("LLAMA9_ADDR", addr)
	t.Cleanup(func() {
		exec.Command(program, "umount", "-l", home+"/llama").Run() // fails where all is well
		if err := os.Remove(home + "/llama"); err != nil {
			t.Error(err)
		}
	})
	got := good(t, home, addr, "set -e\n"+example)
	// Its answer is as long as it happens to be.
	if want := readFile(t, fs, "infer/last/out"); !strings.HasSuffix(got, " status\n"+want) {
		t.Errorf("%q, want a listing and %q", got, want)
	}
	if status := readFile(t, fs, "infer/last/status"); !strings.HasPrefix(status, "state=done ") {
		t.Error(status)
	}
}
