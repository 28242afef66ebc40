package ninep

import (
	"fmt"
	"math/rand/v2"
	"testing"
)

// TestStress sends a random mix of everything that can wait, each request
// flushed sooner or later, and its tag used again at once. Every request has
// one answer, before its Rflush, and every flush has one.
func TestStress(t *testing.T) {
	w := dial(t, nil).start()
	close(w.fs.deaf)
	for i, name := range []string{"hello", "pipe", "stuck", "slow", "log", "deaf", "bell"} {
		w.do(fmt.Sprintf("Twalk tag 1 fid 0 newfid %d nwname 1 0:%s", i+1, name), "Rwalk tag 1*")
		w.do(fmt.Sprintf("Topen tag 1 fid %d mode 2", i+1), "Ropen tag 1*")
	}
	const window = 64 // requests have the tags 100 and up, their flushes 1000 and up
	rnd := rand.New(rand.NewPCG(1, 2))
	ask := func(tag int) string {
		fid := 1 + rnd.IntN(7)
		switch rnd.IntN(5) {
		case 0:
			return fmt.Sprintf("Twrite tag %d fid %d offset 0 count 1 \"x\"", tag, fid)
		case 1:
			return fmt.Sprintf("Tstat tag %d fid %d", tag, fid)
		case 2:
			return fmt.Sprintf("Twalk tag %d fid 0 newfid %d nwname 1 0:slowwalk", tag, 1000+tag)
		default:
			return fmt.Sprintf("Tread tag %d fid %d offset 1000000 count 100", tag, fid)
		}
	}
	answered := make([]bool, window)
	var in []string
	for i := range window {
		in = append(in, ask(100+i), fmt.Sprintf("Tflush tag %d oldtag %d", 1000+i, 100+i))
	}
	w.send(in...)
	rounds := 5000
	if testing.Short() {
		rounds = 500
	}
	for left := rounds; left > -window; {
		f := w.recv()
		switch i := int(f.Tag); {
		case i >= 1000 && f.Type == Rflush:
			if i -= 1000; !answered[i] {
				t.Fatalf("tag %d is flushed without an answer", 100+i)
			}
			answered[i] = false
			if left--; left < 0 {
				continue
			}
			w.send(ask(100+i), fmt.Sprintf("Tflush tag %d oldtag %d", 1000+i, 100+i))
		case i >= 100 && i < 1000 && f.Type != Rflush:
			if answered[i-100] {
				t.Fatalf("two answers: %v", f)
			}
			answered[i-100] = true
		default:
			t.Fatal(f)
		}
	}
}
