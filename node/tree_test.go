package node_test

import (
	"context"
	"net"
	"testing"

	"llama9/mnt"
	"llama9/ninep"
	"llama9/node"
	"llama9/node/fake"
	"llama9/styxfs"
	"llama9/styxfs/styxtest"
)

// serve runs the suite of the tree over a node.
func serve(t *testing.T, n *node.Node, o styxtest.Options) {
	fs, err := styxfs.New(styxfs.Config{Backend: n, Version: "test"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := fs.Close(context.Background()); err != nil {
			t.Error(err)
		}
	})
	srv := &ninep.Server{FS: fs}
	styxtest.Run(t, o, func(t *testing.T, user string) *mnt.Fsys {
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

func TestTree(t *testing.T) {
	b := newBench(t, &fake.Engine{}, nil)
	serve(t, b.Node, styxtest.Options{Deterministic: true, Exact: true})
}

func TestRealTree(t *testing.T) {
	b := newReal(t, nil)
	serve(t, b.Node, styxtest.Options{Deterministic: true, Settings: "n_predict 64\n"})
}
