package tests

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"llama9/mnt"
	"llama9/ninep"
)

// A follower reads an answer at the server that a Redial keeps at hand, and
// reads on from its offset when the connection was lost.
type follower struct {
	r    *mnt.Redial
	dir  string // of the session; "" before there is one
	text []byte
	lost int // connections
}

// read reads to the end of the answer; made counts the bytes of all.
func (f *follower) read(ctx context.Context, made *atomic.Int64) error {
	for {
		fs, err := f.r.Tree(ctx)
		if err != nil {
			return err
		}
		err = f.on(ctx, fs, made)
		switch {
		case err == nil:
			return nil
		case !errors.Is(err, ninep.ErrStale) && !errors.Is(err, ninep.ErrHangup):
			return err
		}
		f.lost++
	}
}

// on reads on from the offset.
func (f *follower) on(ctx context.Context, fs *mnt.Fsys, made *atomic.Int64) error {
	out, err := fs.Open(ctx, f.dir+"/out", ninep.OREAD)
	if err != nil {
		return err
	}
	defer out.Forget()
	buf := make([]byte, 256)
	for {
		n, err := out.ReadAt(ctx, buf, int64(len(f.text)))
		f.text = append(f.text, buf[:n]...)
		made.Add(int64(n))
		if err == io.EOF || err == nil && n == 0 {
			return nil
		}
		if err != nil {
			return err
		}
	}
}

// TestRestartUnderLoad: a coordinator is killed and started again, again and
// again, while many clients read: each connects again by itself, reads on from
// where it was, and has the answer of a run without a fault.
func TestRestartUnderLoad(t *testing.T) {
	const streams, tokens = 24, 150
	flags := words("20ms", "-np", "16")
	want := unbroken(t, streams, tokens, words("0")...)
	dir, err := os.MkdirTemp("", "l9")
	if err != nil {
		t.Fatal(err)
	}
	defer os.RemoveAll(dir)
	args := []string{"coord", "--log-level", "error", "--listen", "unix!" + dir + "/coord", "--state", dir + "/state"}
	for _, name := range []string{"a", "b"} {
		start(t, append([]string{"node", "--log-level", "error", "--listen", "unix!" + dir + "/" + name}, flags...)...)
		args = append(args, "--node", name+"=unix!"+dir+"/"+name)
	}
	coord := start(t, args...)
	ctx, cancel := context.WithTimeout(t.Context(), 2*deadline)
	defer cancel()
	var made atomic.Int64
	var readers, dialers sync.WaitGroup
	all := make([]*follower, streams)
	for i := range all {
		f := &follower{r: &mnt.Redial{
			Addr: "unix!" + dir + "/coord", Options: mnt.Options{Uname: fmt.Sprint("client", i)},
			Backoff: mnt.Backoff{Min: time.Millisecond, Max: 50 * time.Millisecond},
		}}
		all[i] = f
		dialers.Go(func() { f.r.Serve(ctx) })
		fs, err := f.r.Tree(ctx)
		if err != nil {
			t.Fatal(err)
		}
		f.dir = "infer/" + strings.TrimSpace(readFile(t, fs, "infer/new"))
		writeFile(t, fs, f.dir+"/ctl", settings(i, tokens))
		writeFile(t, fs, f.dir+"/prompt", question(i))
		readers.Go(func() {
			if err := f.read(ctx, &made); err != nil {
				t.Errorf("client %d: %v", i, err)
			}
		})
	}
	total := 0
	for _, s := range want {
		total += len(s)
	}
	for k := range 4 { // after each fifth of all that is to come
		until(t, "more is made", func() bool { return int(made.Load()) > (k+1)*total/5 || t.Failed() })
		coord.kill(t)
		coord = start(t, args...)
	}
	readers.Wait()
	lost := 0
	for i, f := range all {
		if got := string(f.text); got != want[i] {
			t.Errorf("client %d has\n%q, want\n%q", i, got, want[i])
		}
		lost += f.lost
	}
	if lost < streams {
		t.Errorf("only %d connections were lost", lost)
	}
	cancel()
	dialers.Wait()
}
