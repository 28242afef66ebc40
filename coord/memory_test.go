package coord

import (
	"context"
	"errors"
	"io"
	"net"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"llama9/mnt"
	"llama9/ninep"
	"llama9/styxfs"
	"llama9/styxfs/styxtest"
)

// BenchmarkSessions tells what a session takes in a coordinator: of 10,000,
// each with a turn behind it of a prompt of 100 bytes and an answer of 64
// tokens, the heap after a collection. The node is in this process, and is taken
// away before that.
func BenchmarkSessions(b *testing.B) {
	const sessions = 10000
	for b.Loop() {
		var served sync.WaitGroup
		before := liveHeap()
		node := styxServer(b, &slots{}, sessions)
		var mu sync.Mutex
		var wires []net.Conn // to the node
		dial := func(ctx context.Context, s *ninep.Server) (*mnt.Conn, error) {
			ours, theirs := net.Pipe()
			mu.Lock()
			if s == node {
				wires = append(wires, theirs)
			}
			mu.Unlock()
			served.Go(func() { s.ServeConn(context.Background(), theirs) })
			return mnt.NewConn(ctx, ours, mnt.Options{})
		}
		c, err := New(Config{Open: func(string) (Place, error) {
			r := NewRemote(RemoteConfig{})
			r.dial = func(ctx context.Context) (*mnt.Conn, error) {
				mu.Lock()
				s := node
				mu.Unlock()
				if s == nil {
					return nil, errors.New("gone")
				}
				return dial(ctx, s)
			}
			return r, nil
		}})
		if err == nil {
			err = c.Ctl(b.Context(), [][]string{{"mount", "a", "a"}})
		}
		if err != nil {
			b.Fatal(err)
		}
		tree := styxServer(b, c, sessions)
		conn, err := dial(b.Context(), tree)
		if err != nil {
			b.Fatal(err)
		}
		fs, err := conn.Attach(b.Context(), "glenda", "")
		if err != nil {
			b.Fatal(err)
		}
		for range sessions {
			t, err := mnt.StartTurn(b.Context(), fs, "n_predict 64\nignore_eos on\n", []byte(strings.Repeat("prompt ", 14)))
			for p := make([]byte, 8192); err == nil; {
				_, err = t.Read(b.Context(), p)
			}
			if err != io.EOF {
				b.Fatal(err)
			}
			t.Close()
		}
		if err := node.FS.(*styxfs.FS).Close(b.Context()); err != nil {
			b.Fatal(err)
		}
		mu.Lock()
		node = nil
		for _, c := range wires {
			c.Close()
		}
		wires = nil
		mu.Unlock()
		b.ReportMetric(float64(liveHeap()-before)/sessions, "B/session")
		conn.Close()
		if err := errors.Join(tree.FS.(*styxfs.FS).Close(b.Context()), c.Close(b.Context())); err != nil {
			b.Fatal(err)
		}
		served.Wait()
	}
}

// slots are Words of a node that has some.
type slots struct{ styxtest.Words }

func (*slots) Status() []styxfs.Attr {
	return []styxfs.Attr{{Name: "state", Value: "ready"}, {Name: "slots", Value: "4"}}
}

// styxServer serves a Backend to so many sessions.
func styxServer(b *testing.B, back styxfs.Backend, sessions int) *ninep.Server {
	fs, err := styxfs.New(styxfs.Config{Backend: back, MaxSessions: sessions, MaxUserSessions: sessions})
	if err != nil {
		b.Fatal(err)
	}
	return &ninep.Server{FS: fs}
}

// liveHeap is what is in use after a collection; the goroutines that end are given
// a moment to.
func liveHeap() uint64 {
	var m runtime.MemStats
	for least, same := uint64(1<<63), 0; same < 3; time.Sleep(20 * time.Millisecond) {
		runtime.GC()
		runtime.ReadMemStats(&m)
		if m.HeapAlloc < least-least/1000 {
			least, same = m.HeapAlloc, 0
		} else {
			same++
		}
	}
	return m.HeapAlloc
}
