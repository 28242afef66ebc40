package fit

import (
	"os"
	"path/filepath"
	"testing"
)

func TestAvailable(t *testing.T) {
	dir := t.TempDir()
	file := func(name, text string) string {
		t.Helper()
		f := filepath.Join(dir, name)
		if err := os.WriteFile(f, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
		return f
	}
	none := filepath.Join(dir, "none")
	if got := memAvailable(file("meminfo", "MemTotal:       100 kB\nMemAvailable:    42 kB\nBuffers: 1 kB\n")); got != 42*1024 {
		t.Errorf("MemAvailable %d", got)
	}
	if got := memAvailable(none); got != 0 {
		t.Errorf("no meminfo: %d", got)
	}
	limit, now := file("max", "1000\n"), file("current", "700\n")
	stat := file("stat", "anon 1\ninactive_file 100\nactive_file 50\n")
	for _, test := range []struct {
		limit, now, stat string
		left             uint64
		ok               bool
	}{
		{limit, now, stat, 450, true},
		{limit, now, none, 300, true},
		{file("unbound", "max\n"), now, stat, 0, false},
		{file("v1", "9223372036854771712\n"), now, stat, 0, false},
		{none, now, stat, 0, false},
		{limit, none, stat, 0, false},
		{limit, file("over", "5000\n"), none, 1, true}, // 0 is "not known"
	} {
		if left, ok := groupLeft(test.limit, test.now, test.stat); left != test.left || ok != test.ok {
			t.Errorf("%+v: %d %v", test, left, ok)
		}
	}
	if n := Available(); n == 0 {
		t.Error("nothing is available on Linux")
	}
}
