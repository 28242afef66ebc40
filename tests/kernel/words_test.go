//go:build linux && amd64 && !race

package kernel

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"llama9/model"
	"llama9/node"
	"llama9/node/llama"
)

// serveDemo starts a server with llama.cpp and the demo model.
func serveDemo(t testing.TB) *server {
	t.Helper()
	lib, err := llama.Find("")
	if err != nil {
		if os.Getenv("CI") == "true" {
			t.Fatal(err)
		}
		t.Skipf("LEFT OUT, %v: llama9 engine install", err)
	}
	e, err := llama.Open(llama.Options{Lib: lib})
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "demo.gguf")
	if err := os.WriteFile(file, model.Demo, 0o600); err != nil {
		t.Fatal(err)
	}
	s := &server{engine: e, models: []node.Spec{{Name: "demo", File: file}}}
	s.start(t)
	return s
}

// words follows what must work on Linux, word for word, with the demo model.
func words(t *testing.T, m *machine) {
	s := serveDemo(t)
	sh := m.shells[0]
	// The server stands for one on the machine itself.
	sh.must(t, "nc -ll -p 5640 -e nc 10.0.2.2 "+s.port+" >/dev/null 2>&1 & until grep -q ':1608 .* 0A ' /proc/net/tcp*; do :; done")
	sh.must(t, "mkdir -p /n/llama; mount -t 9p -o trans=tcp,port=5640,version=9p2000.L,msize=1048576,cache=none 127.0.0.1 /n/llama")
	first := sh.must(t, "echo why is the sky blue > /n/llama/infer/new; cat /n/llama/infer/last/out")
	if want := s.read(t, "infer/"+strings.TrimSpace(sh.must(t, "readlink /n/llama/infer/last"))+"/out"); first != want || len(first) < 20 {
		t.Errorf("%q, want %q", first, want)
	}
	const second = "id=$(cat /n/llama/infer/new); echo temperature 0 > /n/llama/infer/$id/ctl; echo hello > /n/llama/infer/$id/prompt; cat /n/llama/infer/$id/out"
	greedy := sh.must(t, second)
	if len(greedy) < 20 {
		t.Errorf("%q", greedy)
	}
	sh.prints(t, second, greedy)
	sh.must(t, "ls -lR /n/llama; find /n/llama; df /n/llama; grep -r --exclude=event --exclude=new demo /n/llama")
	sh.must(t, "rm -r /n/llama/infer/$(readlink /n/llama/infer/last)")
	sh.must(t, `set -m; cat /n/llama/event >event 2>&1 & p=$!; `+blocked+`
echo hello > /n/llama/infer/new; cat /n/llama/infer/last/out >/dev/null
until grep -q " session id=$(readlink /n/llama/infer/last) " event; do :; done; kill -INT $p; wait $p; test $? = 130`)
	sh.prints(t, "exec 2>/dev/null; set -m; cat /n/llama/event & p=$!; "+blocked+"; kill -KILL $p; wait $p; echo $?", "137\n")
	sh.must(t, "umount /n/llama")
}
