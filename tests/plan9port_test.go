package tests

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// TestPlan9port follows what must work with plan9port's 9p, word for word, with
// the demo model. tests/peers has the rest that 9p does. No package of
// Debian's has it, so that there it is left out, even where CI is true;
// tests/run says so.
func TestPlan9port(t *testing.T) {
	root := os.Getenv("PLAN9")
	if root == "" {
		t.Skip("LEFT OUT, no package has plan9port: set PLAN9 to where it is built")
	}
	lib := library(t)
	space, err := os.MkdirTemp("", "l9") // a socket's path is short
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(space) })
	t.Setenv("NAMESPACE", space)
	t.Setenv("PATH", filepath.Join(root, "bin")+string(os.PathListSeparator)+os.Getenv("PATH"))
	_, fs, p := serve(t, "--llama-lib", lib, "-t", "1", "--listen", "tcp!127.0.0.1!0", "--srv", "llama")
	tcp := regexp.MustCompile(`addr=(tcp!127\.0\.0\.1!\d+)`).FindStringSubmatch(p.out.String())
	if tcp == nil {
		t.Fatalf("no port in\n%s", &p.out)
	}
	same := func(what, got string) {
		t.Helper()
		id := strings.TrimSpace(good(t, "", tcp[1], "9p -a $a ls -t infer | grep '^[0-9]' | tail -n 1"))
		if want := readFile(t, fs, "infer/"+id+"/out"); got != want || len(got) < 20 {
			t.Errorf("%s: %q, want %q", what, got, want)
		}
	}
	same("the transcript", good(t, "", tcp[1], "echo why is the sky blue | 9p -a $a write infer/new; 9p -a $a read infer/last/out"))
	same("by a posted name", good(t, "", "", "echo why is the sky blue | 9p write llama/infer/new; 9p read llama/infer/last/out"))

	// A conversation of two turns, and a fixed answer.
	const two = `
		id=$(9p read llama/infer/new)
		printf 'temperature 0\nn_predict 20\n' | 9p write llama/infer/$id/ctl
		echo Call me Ishmael. | 9p write llama/infer/$id/prompt; 9p read llama/infer/$id/out
		echo And then? | 9p write llama/infer/$id/prompt; 9p read llama/infer/$id/out
		9p read llama/infer/$id/status | grep -c state=done.turn=2`
	first := good(t, "", "", two)
	if again := good(t, "", "", two); again != first || !strings.HasSuffix(first, "1\n") {
		t.Errorf("a conversation: %q, then %q", first, again)
	}
	if got := good(t, "", "", `
		id=$(9p read llama/infer/new)
		echo 'root ::= "yes" | "no"' | 9p write llama/infer/$id/grammar
		echo Is water wet? | 9p write llama/infer/$id/prompt
		9p read llama/infer/$id/out
		9p rm llama/infer/$id`); got != "yes" && got != "no" {
		t.Errorf("by a grammar: %q", got)
	}
}
