//go:build linux && amd64 && !race

package kernel

import (
	"context"
	"io"
	"net"
	"os"
	"strings"
	"testing"

	"llama9/mnt"
	"llama9/ninep"
	"llama9/node"
	"llama9/node/fake"
	"llama9/styxfs"
)

// sentence is the answer to every prompt that ends in no word of it.
const sentence = " the of and to in is was that it he for as with his on be at by had not are but from or"

const (
	firstWord = fake.End + 1
	lastWord  = firstWord + 23
)

// next is a model that knows one sentence.
func next(seq []node.Token) (node.Token, bool) {
	switch last := seq[len(seq)-1]; {
	case last == lastWord:
		return fake.EOS, true
	case last >= firstWord && last < lastWord:
		return last + 1, true
	}
	return firstWord, true
}

// A server is a node that machines mount.
type server struct {
	engine node.Engine
	models []node.Spec
	port   string // of 127.0.0.1 here, of 10.0.2.2 in a machine
	gate   *gate  // of a fake engine
	trace  io.Writer

	stop func() // ends the one that runs
	fs   *mnt.Fsys
}

// serveFake starts a server with the model of one sentence.
func serveFake(t testing.TB) *server {
	g := &gate{}
	e := &fake.Engine{Next: next, OnDecode: g.pass}
	s := &server{engine: e, models: []node.Spec{{Name: "sentence", File: "fake:sentence"}}, gate: g}
	s.start(t)
	return s
}

// start serves at a port that is free, or at the one that it had before.
func (s *server) start(t testing.TB) {
	t.Helper()
	n, err := node.New(node.Config{Engine: s.engine, Models: s.models, CtxSize: contextOf(s.engine), Threads: 1})
	if err != nil {
		t.Fatal(err)
	}
	tree, err := styxfs.New(styxfs.Config{Backend: n, Version: "test"})
	if err != nil {
		t.Fatal(err)
	}
	s.listen(t, tree, n.Close)
}

// listen serves tree; end ends what is behind it.
func (s *server) listen(t testing.TB, tree *styxfs.FS, end func(context.Context) error) {
	t.Helper()
	if s.port == "" {
		s.port = "0"
	}
	ln, err := net.Listen("tcp", "127.0.0.1:"+s.port)
	if err != nil {
		t.Fatal(err)
	}
	_, s.port, _ = net.SplitHostPort(ln.Addr().String())
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- (&ninep.Server{FS: tree, Trace: s.traceTo(t)}).Serve(ctx, ln) }()
	if s.fs, err = mnt.Dial(t.Context(), "127.0.0.1:"+s.port, mnt.Options{}); err != nil {
		t.Fatal(err)
	}
	stopped := false
	s.stop = func() {
		if stopped {
			return
		}
		stopped = true
		s.fs.Close()
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
		if s.gate != nil {
			s.gate.open()
		}
		ctx, cancel := context.WithTimeout(context.Background(), deadline)
		defer cancel()
		if err := tree.Close(ctx); err != nil {
			t.Error(err)
		}
		if err := end(ctx); err != nil {
			t.Error(err)
		}
	}
	t.Cleanup(s.stop)
}

// contextOf is room for a prompt of 100 KiB in the fake's tokens, and what the
// demo model was made for.
func contextOf(e node.Engine) int {
	if e.Name() == "fake" {
		return 1 << 17
	}
	return 512
}

// traceTo is where KERNEL_TRACE wants the messages.
func (s *server) traceTo(t testing.TB) io.Writer {
	if s.trace != nil || os.Getenv("KERNEL_TRACE") == "" {
		return s.trace
	}
	f, err := os.OpenFile(os.Getenv("KERNEL_TRACE"), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { f.Close() })
	return f
}

// read reads a file of the tree here, as the machine should.
func (s *server) read(t testing.TB, name string) string {
	t.Helper()
	b, err := s.fs.ReadFile(t.Context(), name)
	if err != nil {
		t.Fatalf("%s: %v", name, err)
	}
	return string(b)
}

// attr gives an attribute of a session.
func (s *server) attr(t testing.TB, id, name string) string {
	t.Helper()
	attrs, err := styxfs.ParseAttrs(strings.TrimSuffix(s.read(t, "infer/"+id+"/status"), "\n"))
	if err != nil {
		t.Fatal(err)
	}
	return styxfs.FindAttr(attrs, name)
}
