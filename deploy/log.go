package deploy

import (
	"cmp"
	"context"
	"os"
	"slices"
	"strings"
	"sync"

	"llama9/ninep"
)

// keptLog is how much of a log is kept for its readers, at least.
const keptLog = 256 << 10

// A Log is what a process has printed: the last of it in memory, for readers,
// and more in a file, of which one older is kept.
type Log struct {
	file string // "" none
	most int64  // of the file

	mu   sync.Mutex // guards below
	kept []byte
	end  int64 // of kept, counted from the first byte ever
	wake chan struct{}
	done bool
	f    *os.File
	size int64
	err  error // of the file; readers go on
}

// NewLog makes a log. A file is renamed when it has so many bytes; "" is none.
func NewLog(file string, most int64) *Log { return &Log{file: file, most: most} }

// Write adds to the log. It never fails: a process is not to end because of a
// full disk.
func (l *Log) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.kept = append(l.kept, p...)
	if len(l.kept) > 2*keptLog { // seldom, for it copies
		l.kept = append(l.kept[:0:0], l.kept[len(l.kept)-keptLog:]...)
	}
	l.end += int64(len(p))
	l.wakeLocked()
	if l.file != "" {
		l.err = l.store(p)
	}
	return len(p), nil
}

func (l *Log) wakeLocked() {
	if l.wake != nil {
		close(l.wake)
		l.wake = nil
	}
}

// store writes to the file, which is renamed when it is full.
func (l *Log) store(p []byte) error {
	if l.f != nil && l.size+int64(len(p)) > l.most {
		l.f.Close()
		l.f = nil
		if err := os.Rename(l.file, l.file+".1"); err != nil {
			return err
		}
	}
	if l.f == nil {
		f, err := os.OpenFile(l.file, os.O_WRONLY|os.O_CREATE|os.O_APPEND, 0o600)
		if err != nil {
			return err
		}
		fi, err := f.Stat()
		if err != nil {
			f.Close()
			return err
		}
		l.f, l.size = f, fi.Size()
	}
	n, err := l.f.Write(p)
	l.size += int64(n)
	return err
}

// dying are the beginnings of lines that say why a program ends: its own, and
// those of Go's runtime and of C's abort.
var dying = []string{"llama9: ", "panic: ", "fatal error: ", "terminate called ", "GGML_ASSERT("}

// reason gives what a process has said of its end: the first line that says so
// since the last mark, a line that begins with #, else the last line.
func (l *Log) reason() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	first, last := "", ""
	for line := range strings.Lines(string(l.kept)) {
		line = strings.TrimSpace(line)
		switch {
		case strings.HasPrefix(line, "#"):
			first, last = "", ""
		case line != "":
			last = line
			if first == "" && slices.ContainsFunc(dying, func(d string) bool { return strings.HasPrefix(line, d) }) {
				first = line
			}
		}
	}
	return cmp.Or(first, last)
}

// Close ends the log: those who follow it get the end.
func (l *Log) Close() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.done = true
	l.wakeLocked()
	if l.f == nil {
		return nil
	}
	err := l.f.Close()
	l.f = nil
	return err
}

// A logReader is an open file of a log. What is no longer kept is left out of
// what it reads. One that follows waits at the end.
type logReader struct {
	l      *Log
	follow bool

	mu   sync.Mutex // guards below; before Log.mu
	skip int64      // from the offsets of the reader to those of the log
	had  bool
}

var _ ninep.Waiter = (*logReader)(nil)

// at gives what the reader may have from off on.
func (r *logReader) at(off int64) (p []byte, wait <-chan struct{}) {
	r.mu.Lock()
	defer r.mu.Unlock()
	l := r.l
	l.mu.Lock()
	defer l.mu.Unlock()
	first := l.end - int64(len(l.kept))
	if !r.had || off+r.skip < first {
		r.skip, r.had = first-off, true
	}
	if i := off + r.skip - first; i < int64(len(l.kept)) {
		return l.kept[i:], nil
	}
	if !r.follow || l.done {
		return nil, nil
	}
	if l.wake == nil {
		l.wake = make(chan struct{})
	}
	return nil, l.wake
}

func (r *logReader) Ready(off int64) bool {
	_, wait := r.at(off)
	return wait == nil
}

func (r *logReader) Wait(ctx context.Context, off int64) error {
	for {
		_, wait := r.at(off)
		if wait == nil {
			return nil
		}
		select {
		case <-wait:
		case <-ctx.Done():
			return ninep.ErrInterrupted
		}
	}
}

func (r *logReader) ReadAt(ctx context.Context, p []byte, off int64) (int, error) {
	for {
		b, wait := r.at(off)
		if wait == nil {
			return copy(p, b), nil
		}
		if err := r.Wait(ctx, off); err != nil {
			return 0, err
		}
	}
}

func (r *logReader) Close(context.Context) error { return nil }
