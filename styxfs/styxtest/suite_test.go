package styxtest

import (
	"context"
	"net"
	"testing"

	"llama9/mnt"
	"llama9/ninep"
	"llama9/styxfs"
)

func TestBareTree(t *testing.T) {
	fs, err := styxfs.New(styxfs.Config{Backend: &Words{}, Version: "test"})
	if err != nil {
		t.Fatal(err)
	}
	srv := &ninep.Server{FS: fs}
	t.Cleanup(func() { fs.Close(context.Background()) })
	Run(t, Options{Deterministic: true, Exact: true}, func(t *testing.T, user string) *mnt.Fsys {
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
	})
}
