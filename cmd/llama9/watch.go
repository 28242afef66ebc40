package main

import (
	"bufio"
	"context"
	"strconv"
	"sync"

	"llama9/mnt"
	"llama9/ninep"
	"llama9/styxfs"
)

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
	case kind == "model" && styxfs.FindAttr(attrs, "state") == "loading":
		p.show("loading", num("percent"), 100)
	case kind == "model":
		p.show("loading", 100, 100)
	}
}
