package styxfs

import (
	"context"
	"sync"

	"llama9/ninep"
)

// A page is an open file that is made on reading: a table, a status, a ctl, a
// text. It is made anew at each read at offset 0. Where the file is written
// too and answers, the first read after a write gets the answer, at whatever
// offset it comes: kernels go on where the write ended.
type page struct {
	base
	make func(ctx context.Context) ([]byte, error)
	text bool // cut at runes, not at lines

	mu   sync.Mutex // guards below
	data []byte
	at   int64 // the offset of data
	have bool
}

// anew makes the next read get a new page.
func (p *page) anew() {
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
		p.data, p.at, p.have = data, off, true
	}
	if p.text {
		return cutText(b, p.data, off-p.at), nil
	}
	return cutLines(b, p.data, off-p.at), nil
}

// newPage is a page of a file that is only read: its offsets are the file's.
func newPage(b base, make func(ctx context.Context) ([]byte, error)) *page {
	p := &page{base: b, make: make}
	return p
}

// readOnly refuses an open that could write.
func readOnly(mode ninep.OpenMode) error {
	if mode.Writable() || mode&ninep.OTRUNC != 0 {
		return ninep.ErrPermission
	}
	return nil
}
