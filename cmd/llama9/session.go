package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"llama9/mnt"
	"llama9/ninep"
	"llama9/styxfs"
)

// errCancelled is the end of a turn that the user has interrupted.
var errCancelled = errors.New("cancelled")

// A session is one of the tree's, used by its files as anyone would. See
// llama9(4).
type session struct {
	fs  *mnt.Fsys
	dir string // infer/N
}

func newSession(ctx context.Context, fs *mnt.Fsys) (*session, error) {
	buf := make([]byte, 64)
	f, n, err := fs.OpenRead(ctx, "infer/new", ninep.OREAD, buf)
	if err != nil {
		return nil, fmt.Errorf("infer/new: %w", err)
	}
	f.Forget()
	return &session{fs, "infer/" + strings.TrimSpace(string(buf[:n]))}, nil
}

// write replaces the text of a file, or commands ctl.
func (s *session) write(ctx context.Context, file, text string) error {
	return s.fs.WriteFile(ctx, s.dir+"/"+file, []byte(text))
}

// attr gives an attribute of the session's status.
func (s *session) attr(ctx context.Context, name string) (string, error) {
	b, err := s.fs.ReadFile(ctx, s.dir+"/status")
	if err != nil {
		return "", err
	}
	attrs, err := styxfs.ParseAttrs(string(b))
	return styxfs.FindAttr(attrs, name), err
}

// turn writes the prompt and copies the answer to w as it comes; seen is
// called before each piece and at the end. When ctx is done it cancels the
// turn, and returns errCancelled after the answer's end.
func (s *session) turn(ctx context.Context, prompt string, w io.Writer, seen func()) error {
	if ctx.Err() != nil {
		return errCancelled
	}
	quiet := context.WithoutCancel(ctx)
	if err := s.write(quiet, "prompt", prompt); err != nil {
		return err
	}
	cancelled := make(chan error, 1)
	stop := context.AfterFunc(ctx, func() { cancelled <- s.write(quiet, "ctl", "cancel\n") })
	err := read(quiet, noticed{w, seen}, s.fs, s.dir+"/out")
	seen()
	if stop() {
		return err
	}
	// It may have ended by itself just before: then cancel is refused.
	<-cancelled
	if state, serr := s.attr(quiet, "state"); serr == nil && state != string(styxfs.Cancelled) {
		return err
	}
	return errCancelled
}

// close removes the session, if the server answers at all.
func (s *session) close(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, 3*time.Second)
	defer cancel()
	return s.write(ctx, "ctl", "close\n")
}

// noticed calls seen before each write.
type noticed struct {
	w    io.Writer
	seen func()
}

func (n noticed) Write(p []byte) (int, error) {
	n.seen()
	return n.w.Write(p)
}
