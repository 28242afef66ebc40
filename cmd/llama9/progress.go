package main

import (
	"io"
	"os"
	"sync"
	"time"

	"github.com/schollz/progressbar/v3"
	"golang.org/x/term"
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
