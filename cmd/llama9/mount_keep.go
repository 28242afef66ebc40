//go:build linux

package main

import (
	"context"
	"fmt"
	"io"
	"math/rand/v2"
	"time"

	"llama9/fuse"
	"llama9/mnt"
)

// keep gives the mount another connection whenever the one that it has is lost.
// It returns when ctx is done, and has then ended the last.
func (m *mountFlags) keep(ctx context.Context, s *fuse.Server, fs *mnt.Fsys, end func(), stderr io.Writer) {
	back := mnt.Backoff{Max: 5 * time.Second}
	for {
		begun := time.Now()
		select {
		case <-fs.Conn().Done():
		case <-ctx.Done():
			end()
			return
		}
		fmt.Fprintf(stderr, "connection lost: %v; trying again\n", fs.Conn().Err())
		end()
		back.Lasted(time.Since(begun))
		if fs, end = m.again(ctx, &back, stderr); fs == nil {
			return
		}
		s.Use(fs)
		fmt.Fprintf(stderr, "%s is mounted at %s again\n", m.source(), m.dir)
	}
}

// again tries until the server is reached; nil: ctx was done before. It says
// what it fails of, once.
func (m *mountFlags) again(ctx context.Context, back *mnt.Backoff, stderr io.Writer) (*mnt.Fsys, func()) {
	for told := ""; ; {
		select {
		case <-time.After(back.Next(rand.Float64())):
		case <-ctx.Done():
			return nil, nil
		}
		fs, end, err := m.attach(ctx, stderr)
		if err == nil {
			return fs, end
		}
		if text := err.Error(); text != told && ctx.Err() == nil {
			fmt.Fprintln(stderr, text)
			told = text
		}
	}
}
