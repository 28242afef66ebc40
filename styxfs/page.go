package styxfs

import (
	"context"
	"sync"

	"llama9/ninep"
)

// A page is an open file that is made on reading: a table, a status, a ctl, a
// text. It is made anew at each read at offset 0. Where the file answers what
// is written to it, the first read after a write gets the answer, at whatever
// offset it comes: kernels go on where the write ended. Else a read gets what
// its offset says, also if it is the first: pipelined reads need not begin in
// order, and tail(1) begins at the end.
type page struct {
	base
	make func(ctx context.Context) ([]byte, error)
	text bool // cut at runes, not at lines

	mu      sync.Mutex // guards below; before session.mu
	data    []byte
	at      int64 // the offset of data
	have    bool
	answers bool // the next page is the answer to a write
}

// answer makes the next read get a new page, the answer to a write.
func (p *page) answer() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.have, p.answers = false, true
}

// stale makes the next read get a new page: the text has changed.
func (p *page) stale() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.have = false
}

func (p *page) ReadAt(ctx context.Context, b []byte, off int64) (int, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if !p.have || off == 0 {
		data, err := p.make(ctx)
		if err != nil {
			return 0, err
		}
		p.data, p.at, p.have = data, 0, true
		if p.answers {
			p.at, p.answers = off, false
		}
	}
	if p.text {
		return cutText(b, p.data, off-p.at), nil
	}
	return cutLines(b, p.data, off-p.at), nil
}

// newPage is a page of a file that is only read.
func newPage(b base, make func(ctx context.Context) ([]byte, error)) *page {
	return &page{base: b, make: make}
}

// NewPage is an open file that is made on reading, for nodes of Config.Extra: a
// read at offset 0 makes it anew, and one ends at the end of a line unless one
// line is longer than the count.
func NewPage(make func() []byte) ninep.Handle {
	return newPage(base{}, func(context.Context) ([]byte, error) { return make(), nil })
}

// readOnly refuses an open that could write.
func readOnly(mode ninep.OpenMode) error {
	if mode.Writable() || mode&ninep.OTRUNC != 0 {
		return ninep.ErrPermission
	}
	return nil
}
