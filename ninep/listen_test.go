package ninep

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestParseAddr(t *testing.T) {
	for _, tt := range []struct{ in, network, address string }{
		{"", "tcp", "127.0.0.1:5640"},
		{"tcp!127.0.0.1!564", "tcp", "127.0.0.1:564"},
		{"tcp!localhost", "tcp", "localhost:5640"},
		{"net!host!9pfs", "tcp", "host:9pfs"},
		{"tcp!*!5640", "tcp", ":5640"},
		{"tcp!::1!5640", "tcp", "[::1]:5640"},
		{"localhost:77", "tcp", "localhost:77"},
		{"localhost:", "tcp", "localhost:5640"},
		{":77", "tcp", ":77"},
		{"[::1]:77", "tcp", "[::1]:77"},
		{"::1", "tcp", "[::1]:5640"},
		{"host", "tcp", "host:5640"},
		{"unix!/tmp/a", "unix", "/tmp/a"},
		{"unix!a!b", "unix", "a!b"},
		{"/tmp/a", "unix", "/tmp/a"},
		{"unix!", "", ""},
		{"tcp!", "", ""},
		{"tcp!a!b!c", "", ""},
		{"il!host!17008", "", ""},
		{"a b", "", ""},
		{"some/path", "", ""},
	} {
		network, address, err := ParseAddr(tt.in)
		if network != tt.network || address != tt.address || (err == nil) != (tt.network != "") {
			t.Errorf("%q: %q %q %v", tt.in, network, address, err)
		}
	}
}

func TestNamespace(t *testing.T) {
	for in, want := range map[string]string{
		"": ":0", ":0": ":0", ":0.0": ":0", "host:10.0": "host:10", ":1.1": ":1.1", ":x.0": ":x.0",
		"/tmp/launch/:0": "_tmp_launch_:0", "plain": "plain",
	} {
		if got := canonDisplay(in); got != want {
			t.Errorf("DISPLAY %q is %q, want %q", in, got, want)
		}
	}
	dir := t.TempDir()
	t.Setenv("NAMESPACE", dir)
	if got, err := SrvAddr("llama"); err != nil || got != "unix!"+dir+"/llama" {
		t.Error(got, err)
	}
	if _, err := SrvAddr("../x"); err == nil {
		t.Error("a service name with a slash")
	}
	t.Setenv("NAMESPACE", "")
	display := ":ninep/" + filepath.Base(dir) + t.Name() // nobody's
	t.Setenv("DISPLAY", display)
	got, err := Namespace()
	if err != nil {
		t.Fatal(err)
	}
	defer os.Remove(got)
	if !strings.HasPrefix(got, "/tmp/ns.") || !strings.HasSuffix(got, "."+canonDisplay(display)) {
		t.Errorf("name space %q", got)
	}
	if again, err := Namespace(); err != nil || again != got {
		t.Error(again, err)
	}
	if err := os.Chmod(got, 0o755); err != nil {
		t.Fatal(err)
	}
	if _, err := Namespace(); err == nil {
		t.Error("others may look into the name space, and it is taken")
	}
}

func TestListenLoopback(t *testing.T) {
	for _, addr := range []string{":0", "tcp!*!0", "tcp!0.0.0.0!0", "[::]:0"} {
		if ln, err := Listen(t.Context(), addr, ListenOptions{}); err == nil {
			t.Errorf("%s: listens at %v", addr, ln.Addr())
			ln.Close()
		} else if !strings.Contains(err.Error(), "--insecure") {
			t.Errorf("%s: %v", addr, err)
		}
	}
	for addr, o := range map[string]ListenOptions{
		"tcp!127.0.0.1!0": {}, "localhost:0": {}, "tcp!0.0.0.0!0": {Insecure: true},
	} {
		ln, err := Listen(t.Context(), addr, o)
		if err != nil {
			t.Errorf("%s: %v", addr, err)
			continue
		}
		ln.Close()
	}
	if _, err := Listen(t.Context(), "il!a!b", ListenOptions{}); err == nil {
		t.Error("no error for a bad address")
	}
}
