package coord

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"llama9/mnt"
	"llama9/ninep"
	"llama9/styxfs"
)

// A fidCount follows the messages of a connection, and so knows the fids that
// the server has.
type fidCount struct {
	mu     sync.Mutex // guards below
	calls  map[uint16]ninep.Fcall
	fids   map[uint32]bool
	attach map[uint32]bool
}

func newFidCount() *fidCount {
	return &fidCount{calls: make(map[uint16]ninep.Fcall), fids: make(map[uint32]bool), attach: make(map[uint32]bool)}
}

func (c *fidCount) trace(dir string, f *ninep.Fcall) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if dir == "<-" {
		t := *f
		t.Data, t.Stat = nil, nil
		t.Wname = append([]string(nil), f.Wname...)
		c.calls[f.Tag] = t
		return
	}
	t := c.calls[f.Tag]
	switch {
	case t.Type == ninep.Tclunk || t.Type == ninep.Tremove:
		delete(c.fids, t.Fid)
		delete(c.attach, t.Fid)
	case f.Type == ninep.Rattach:
		c.attach[t.Fid] = true
	case f.Type == ninep.Rwalk && len(f.Wqid) == len(t.Wname):
		c.fids[t.Newfid] = true
	}
}

func (c *fidCount) open() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return len(c.fids)
}

// Many turns at once, cancelled at any point, over connections that break: each
// ends once, with what was made or with an error, and nothing is left of them.
func TestRemoteStress(t *testing.T) {
	const workers, each = 20, 25
	n := newFarNode(t, func(c *styxfs.Config) {
		c.MaxUserSessions = 15
		c.UnpromptedTTL = 2 * time.Second // of those whose number was lost on its way
	})
	before := runtime.NumGoroutine()
	r := n.remote(RemoteConfig{Streams: 3})
	var mu sync.Mutex
	counts := map[*mnt.Conn]*fidCount{}
	r.dial = func(ctx context.Context) (*mnt.Conn, error) {
		o, count := r.c.Options, newFidCount()
		o.Trace = count.trace
		c, err := mnt.NewConn(ctx, n.pipe(), o)
		if err == nil {
			mu.Lock()
			counts[c] = count
			mu.Unlock()
		}
		return c, err
	}
	stop := make(chan struct{})
	var node sync.WaitGroup
	node.Go(func() { // the node answers
		for {
			select {
			case ft := <-n.turns:
				node.Go(func() {
					for i := range 10 {
						if ft.ctx.Err() != nil {
							return
						}
						ft.Token(styxfs.Token{ID: int32(i), Text: fmt.Sprintf("%s %d\n", ft.Messages[len(ft.Messages)-1].Content, i)})
						runtime.Gosched()
					}
					ft.done(styxfs.EOS)
				})
			case <-stop:
				return
			}
		}
	})
	var all sync.WaitGroup
	var ends [4]int // done, cancelled, lost, refused
	for w := range workers {
		all.Go(func() {
			dice := rand.New(rand.NewPCG(1, uint64(w)))
			for i := range each {
				req := farRequest("user", fmt.Sprintf("%d of %d", i, w))
				req.Session = uint64(1 + w)
				req.User = fmt.Sprintf("u%d", w%3)
				req.Params.Seed = int64(i)
				if dice.IntN(4) == 0 {
					req.Messages = append(req.Messages, styxfs.Message{Role: "assistant", Content: "so"})
				}
				ctx, cancel := context.WithCancelCause(t.Context())
				h := newHeard()
				if dice.IntN(3) == 0 {
					after := dice.IntN(12)
					all.Go(func() {
						for range after {
							select {
							case <-h.news:
							case <-ctx.Done():
							}
						}
						cancel(styxfs.ErrCancelled)
					})
				}
				if dice.IntN(40) == 0 {
					n.cut()
				}
				_, err := r.Generate(ctx, req, h)
				cancel(nil)
				h.end(t)
				var want strings.Builder
				for k := range 10 {
					fmt.Fprintf(&want, "%s %d\n", req.Messages[len(req.Messages)-1].Content, k)
				}
				end := 0
				switch {
				case err == nil && h.text() == want.String():
				case errors.Is(err, styxfs.ErrCancelled):
					end = 1
				case errors.Is(err, ErrLost):
					end = 2
				case errors.Is(err, ErrRefused):
					end = 3
				default:
					t.Errorf("%v, %q", err, h.text())
				}
				if !strings.HasPrefix(want.String(), h.text()) {
					t.Errorf("text %q", h.text())
				}
				mu.Lock()
				ends[end]++
				mu.Unlock()
				if dice.IntN(10) == 0 {
					r.Forget(req.Session)
				}
			}
		})
	}
	all.Wait()
	t.Logf("%d done, %d cancelled, %d lost, %d refused, %d connections", ends[0], ends[1], ends[2], ends[3], len(counts))
	for i, what := range []string{"done", "cancelled", "lost"} {
		if ends[i] == 0 {
			t.Errorf("no turn was %s", what)
		}
	}
	for w := range workers {
		r.Forget(uint64(1 + w))
	}
	eventually(t, "the sessions are gone on the node", func() bool {
		if _, err := r.Probe(t.Context()); err != nil {
			t.Error(err)
		}
		return len(n.sessions()) == 0
	})
	eventually(t, "no fid is left", func() bool {
		mu.Lock()
		defer mu.Unlock()
		left := 0
		for c, count := range counts {
			if c.Err() == nil {
				left += count.open()
			}
		}
		return left == 0
	})
	eventually(t, "nothing is kept of them", func() bool {
		r.Probe(t.Context())
		r.mu.Lock()
		defer r.mu.Unlock()
		return len(r.sessions) == 0 && len(r.own) == 0 && len(r.ghosts) == 0 && len(r.lone) == 0
	})
	r.mu.Lock()
	for _, l := range r.streams {
		if l.turns != 0 {
			t.Errorf("%d turns are counted", l.turns)
		}
	}
	r.mu.Unlock()
	r.Close()
	close(stop)
	node.Wait()
	n.cut()
	n.wg.Wait()
	eventually(t, "no goroutine is left", func() bool { return runtime.NumGoroutine() <= before })
}
