package styxtest

import (
	"context"
	"errors"
	"math/rand/v2"
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	"llama9/mnt"
	"llama9/ninep"
	"llama9/styxfs"
)

// TestHammer lets many clients do anything to a few sessions at once, hang up
// and come back. Nothing may be stuck at the end, and nothing be left.
func TestHammer(t *testing.T) {
	fs, err := styxfs.New(styxfs.Config{Backend: &Words{Burst: 20}, MaxSessions: 6})
	if err != nil {
		t.Fatal(err)
	}
	srv := &ninep.Server{FS: fs}
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Minute)
	defer cancel()
	var served, clients sync.WaitGroup
	dial := func() *mnt.Fsys {
		a, b := net.Pipe()
		served.Go(func() { srv.ServeConn(context.Background(), b) })
		c, err := mnt.NewConn(ctx, a, mnt.Options{})
		if err != nil {
			t.Error(err)
			return nil
		}
		f, err := c.Attach(ctx, "hammer", "")
		if err != nil {
			t.Error(err)
		}
		return f
	}
	texts := map[string][]string{
		"ctl":    {"cancel", "generate", "reset", "close", "n_predict 30\nonclose cancel", "onclose keep", "timeout 3ms", "timeout 0s", "temperature 9999"},
		"prompt": {"hello\n", "", "\n", strings.Repeat("x", 5000)},
		"system": {"be brief", ""}, "token": {"1 2 3", "x", ""}, "grammar": {"root ::= x", ""},
		"chat": {`{"role":"user","content":"x"}`, "{", "", `{"role":"assistant","content":"y"}` + "\n"},
	}
	for i := range 8 {
		clients.Go(func() {
			r := rand.New(rand.NewPCG(1, uint64(i)))
			f := dial()
			for range 150 {
				if f == nil || ctx.Err() != nil {
					return
				}
				short, stop := context.WithTimeout(ctx, time.Duration(1+r.IntN(20))*time.Millisecond)
				l, _ := f.ReadDir(ctx, "infer")
				dir := "infer/last"
				if n := len(l); n > 2 {
					dir = "infer/" + l[1+r.IntN(n-1)].Name
				}
				switch r.IntN(12) {
				case 0, 1:
					f.ReadFile(short, "infer/new")
				case 2:
					f.Conn().Close()
					f = dial()
				case 3, 4:
					names := []string{"out", "token", "status", "event", "chat", "prompt", "ctl"}
					f.ReadFile(short, dir+"/"+names[r.IntN(len(names))])
				case 5:
					if r.IntN(4) == 0 {
						f.Remove(ctx, dir)
					}
				default:
					for name, from := range texts {
						h, err := f.Open(ctx, dir+"/"+name, ninep.OpenMode(1+r.IntN(2))|ninep.OpenMode(r.IntN(2))*ninep.OTRUNC)
						if err != nil {
							break
						}
						h.WriteAt(ctx, []byte(from[r.IntN(len(from))]), 0)
						if r.IntN(3) == 0 {
							h.ReadAt(short, make([]byte, 100), 0)
						}
						if r.IntN(5) > 0 {
							h.Close(ctx)
						}
						break
					}
				}
				stop()
			}
			f.Conn().Close()
		})
	}
	clients.Wait()
	served.Wait() // every connection has ended, and every handle is closed
	if ctx.Err() != nil {
		t.Fatal("stuck")
	}
	f := dial()
	l, err := f.ReadDir(ctx, "infer")
	if err != nil {
		t.Fatal(err)
	}
	for _, st := range l {
		if st.Name == "new" || st.Name == "last" {
			continue
		}
		// All that was open is closed, so a prompt can be written once the
		// turn is over.
		if err := f.WriteFile(ctx, "infer/"+st.Name+"/ctl", []byte("cancel\ntimeout 0s\nn_predict 3\nonclose keep")); err != nil {
			t.Fatal(err)
		}
		f.ReadFile(ctx, "infer/"+st.Name+"/out")
		for _, name := range []string{"grammar", "token"} {
			if err := f.WriteFile(ctx, "infer/"+st.Name+"/"+name, nil); err != nil {
				t.Fatal(err)
			}
		}
		if err := f.WriteFile(ctx, "infer/"+st.Name+"/chat", []byte(line("user", "x"))); err != nil {
			t.Fatal(err)
		}
		if err := f.WriteFile(ctx, "infer/"+st.Name+"/prompt", []byte("once more")); err != nil {
			t.Fatal(err)
		}
		if out, err := f.ReadFile(ctx, "infer/"+st.Name+"/out"); err != nil || len(out) == 0 {
			t.Fatalf("out is %q, %v", out, err)
		}
		if err := f.Remove(ctx, "infer/"+st.Name); err != nil && !errors.Is(err, ninep.ErrNotExist) {
			t.Fatal(err)
		}
	}
	f.Conn().Close()
	served.Wait()
	if err := fs.Close(ctx); err != nil {
		t.Fatal(err)
	}
}
