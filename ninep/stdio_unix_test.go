//go:build unix

package ninep

import (
	"context"
	"io"
	"os"
	"syscall"
	"testing"
)

// blockingPipe is a pipe as a program inherits it.
func blockingPipe(t *testing.T) (r, w *os.File) {
	var fd [2]int
	if err := syscall.Pipe(fd[:]); err != nil {
		t.Fatal(err)
	}
	return os.NewFile(uintptr(fd[0]), "r"), os.NewFile(uintptr(fd[1]), "w")
}

// Two pipes, as of ssh and inetd.
func TestStdio(t *testing.T) {
	inR, inW := blockingPipe(t)
	outR, outW := blockingPipe(t)
	defer outR.Close()
	defer inW.Close()
	stdin, stdout := os.Stdin, os.Stdout
	os.Stdin, os.Stdout = inR, outW
	rw := Stdio()
	os.Stdin, os.Stdout = stdin, stdout
	ctx, stop := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- (&Server{FS: newMemFS()}).ServeConn(ctx, rw) }()
	if _, err := inW.Write(frames(t, lineVersion)); err != nil {
		t.Fatal(err)
	}
	got := make([]byte, len(lineVersionFrame(t)))
	if _, err := io.ReadFull(outR, got); err != nil {
		t.Fatal(err, <-done)
	}
	if l := lines(t, got); len(l) != 1 || l[0] != "Rversion tag 65535 msize 8192 version '9P2000'" {
		t.Error(l)
	}
	stop() // ends a server that waits for its client
	if err := <-done; err != nil {
		t.Error(err)
	}
}
