package tests

import (
	"os"
	"regexp"
	"strings"
	"testing"

	"llama9/mnt"
	"llama9/ninep"
)

// coordinate starts a coordinator on a Unix socket and gives its address and
// its tree, once so many of its nodes are up.
func coordinate(t testing.TB, up int, args ...string) (addr string, fs *mnt.Fsys, p *process) {
	t.Helper()
	dir, err := os.MkdirTemp("", "l9")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	addr = "unix!" + dir + "/coord"
	p = start(t, append([]string{"coord", "--listen", addr}, args...)...)
	until(t, "the coordinator answers", func() bool {
		select {
		case <-p.ended:
			t.Fatalf("the coordinator ended: %v\n%s", p.err, &p.out)
		default:
		}
		fs, err = mnt.Dial(t.Context(), addr, mnt.Options{})
		return err == nil
	})
	t.Cleanup(func() { fs.Close() })
	until(t, "the nodes are up", func() bool { return strings.Count(readFile(t, fs, "node/index"), " state=up ") == up })
	return addr, fs, p
}

// TestCoordPage: every file of a coordinator that a node has not, every
// attribute and every setting is in its manual page.
func TestCoordPage(t *testing.T) {
	node, _, _ := serve(t, "--engine", "fake", "-m", "fake:tiny")
	_, fs, _ := coordinate(t, 1, "--node", "a="+node, "--expect", "x")
	text := page(t, "llama9-coord.8")
	words := 0
	want := func(word, what string) {
		words++
		if !hasWord(text, word) {
			t.Errorf("docs/llama9-coord.8 lacks %s %s", what, word)
		}
	}
	list, err := fs.ReadDir(t.Context(), "node")
	if err != nil {
		t.Fatal(err)
	}
	for _, st := range list {
		if st.Mode&ninep.DMDIR == 0 {
			want(st.Name, "the file")
		}
	}
	for line := range strings.Lines(readFile(t, fs, "ctl")) {
		want(strings.Fields(line)[0], "the setting")
	}
	of4 := page(t, "llama9.4")
	for _, file := range []string{"status", "model", "node/index"} {
		for _, m := range regexp.MustCompile(`(?:^| )([a-z_/]+)=`).FindAllStringSubmatch(readFile(t, fs, file), -1) {
			if file == "node/index" || !hasWord(of4, m[1]) {
				want(m[1], "of "+file+" the attribute")
			}
		}
	}
	for _, m := range regexp.MustCompile(`(?m)^ +--([a-z-]+)`).FindAllStringSubmatch(command(t, "", "coord", "--help"), -1) {
		if !hasWord(page(t, "llama9.1"), "--"+m[1]) {
			t.Errorf("no page has the flag --%s of coord", m[1])
		}
	}
	if words < 20 {
		t.Errorf("only %d words were looked for", words)
	}
}
