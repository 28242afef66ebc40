package main

import (
	"bufio"
	"context"
	"io"
	"os"
	"strconv"
	"sync"
	"time"

	"github.com/schollz/progressbar/v3"
	"golang.org/x/term"

	"llama9/mnt"
	"llama9/ninep"
	"llama9/styxfs"
)

// A progress shows one bar at a time on a terminal. On anything else, and as
// nil, it is silent.
type progress struct {
	w io.Writer

	mu   sync.Mutex // guards below
	bar  *progressbar.ProgressBar
	what string
	over bool
}

// newProgress is nil if f is no terminal.
func newProgress(f *os.File) *progress {
	if !term.IsTerminal(int(f.Fd())) {
		return nil
	}
	return &progress{w: f}
}

// show draws how far what has come; all of it takes the bar away.
func (p *progress) show(what string, done, total int) {
	if p == nil {
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.over {
		return
	}
	if p.bar == nil || p.what != what {
		p.clear()
		if done >= total {
			return
		}
		p.what = what
		p.bar = progressbar.NewOptions(total, progressbar.OptionSetWriter(p.w), progressbar.OptionSetDescription(what),
			progressbar.OptionClearOnFinish(), progressbar.OptionThrottle(50*time.Millisecond), progressbar.OptionSetWidth(30),
			progressbar.OptionShowCount(), progressbar.OptionSetPredictTime(false), progressbar.OptionSetElapsedTime(false))
	}
	p.bar.Set(done)
	if done >= total {
		p.clear()
	}
}

// clear takes the bar away. The caller holds mu.
func (p *progress) clear() {
	if p.bar != nil {
		p.bar.Clear()
		p.bar = nil
	}
}

// end takes the bar away and shows no other, until begin.
func (p *progress) end() {
	if p != nil {
		p.mu.Lock()
		p.clear()
		p.over = true
		p.mu.Unlock()
	}
}

func (p *progress) begin() {
	if p != nil {
		p.mu.Lock()
		p.over = false
		p.mu.Unlock()
	}
}

// watch shows what the event files tell of loads and of long prefills, until
// ctx is done. The files are opened before it returns; wait is for its end.
func (p *progress) watch(ctx context.Context, fs *mnt.Fsys, paths ...string) (wait func()) {
	var readers sync.WaitGroup
	if p != nil {
		for _, path := range paths {
			f, err := fs.Open(ctx, path, ninep.OREAD)
			if err != nil {
				continue // a bar is not worth an error
			}
			readers.Go(func() {
				defer f.Forget()
				for s := bufio.NewScanner(f.WithContext(ctx)); s.Scan(); {
					p.event(s.Text())
				}
			})
		}
	}
	return readers.Wait
}

func (p *progress) event(line string) {
	_, kind, attrs, err := styxfs.ParseEvent(line)
	num := func(name string) int {
		n, _ := strconv.Atoi(styxfs.FindAttr(attrs, name))
		return n
	}
	switch {
	case err != nil:
	case kind == "prefill" && num("total") > 0:
		p.show("prefill", num("done"), num("total"))
	case kind == "model" && styxfs.FindAttr(attrs, "percent") != "":
		p.show("loading", num("percent"), 100)
	}
}
