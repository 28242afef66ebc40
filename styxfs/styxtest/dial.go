package styxtest

import (
	"context"
	"net"
	"testing"

	"llama9/mnt"
	"llama9/ninep"
	"llama9/styxfs"
)

// RunBackend is Run over a tree of its own, with b behind it.
func RunBackend(t *testing.T, o Options, b styxfs.Backend) {
	fs, err := styxfs.New(styxfs.Config{Backend: b, Version: "test"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := fs.Close(context.Background()); err != nil {
			t.Error(err)
		}
	})
	Run(t, o, Dialer(&ninep.Server{FS: fs}))
}

// Dialer gives a dial for Run: connections to srv without a network, which end
// with the test.
func Dialer(srv *ninep.Server) func(t *testing.T, user string) *mnt.Fsys {
	return func(t *testing.T, user string) *mnt.Fsys {
		a, b := net.Pipe()
		done := make(chan struct{})
		go func() {
			defer close(done)
			srv.ServeConn(context.Background(), b)
		}()
		c, err := mnt.NewConn(context.Background(), a, mnt.Options{})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { c.Close(); <-done })
		f, err := c.Attach(context.Background(), user, "")
		if err != nil {
			t.Fatal(err)
		}
		return f
	}
}
