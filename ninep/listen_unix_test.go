//go:build unix

package ninep

import (
	"net"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
)

// A Unix socket: its mode, the user at the other end, what is stale.
func TestListenUnix(t *testing.T) {
	path := filepath.Join(t.TempDir(), "sock")
	ctx := t.Context()
	for _, tt := range []struct{ o, want os.FileMode }{{0, 0o600}, {0o666, 0o666}, {0o660, 0o660}} {
		ln, err := Listen(ctx, "unix!"+path, ListenOptions{Mode: tt.o})
		if err != nil {
			t.Fatal(err)
		}
		if fi, err := os.Stat(path); err != nil || fi.Mode().Perm() != tt.want {
			t.Errorf("mode %o: %v %v", tt.want, fi.Mode(), err)
		}
		ln.Close()
		if _, err := os.Stat(path); err == nil {
			t.Error("the socket outlives its listener")
		}
	}
	// What a killed server leaves behind.
	ln, err := net.Listen("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	ln.(*net.UnixListener).SetUnlinkOnClose(false)
	ln.Close()
	if _, err := os.Stat(path); err != nil {
		t.Fatal("nothing stale to try: ", err)
	}
	fs := newMemFS()
	addr, _ := serve(t, &Server{FS: fs}, "unix!"+path)
	// A living one is left alone, and so is a file.
	if _, err := Listen(ctx, path, ListenOptions{}); err == nil || !strings.Contains(err.Error(), "another server") {
		t.Error("a second listener: ", err)
	}
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, []byte("x"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := Listen(ctx, file, ListenOptions{}); err == nil || !strings.Contains(err.Error(), "no socket") {
		t.Error("at a file: ", err)
	}
	connect(t, "unix", addr, fs).start()
	if runtime.GOOS != "linux" {
		return
	}
	a := fs.last
	if want := loginName(uint32(os.Getuid())); !a.Known || a.User != want || a.Uname != "glenda" {
		t.Errorf("the user is %+v, want %s", a, want)
	}
}
