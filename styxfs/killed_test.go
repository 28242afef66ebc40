package styxfs

import (
	"bufio"
	"context"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"sync"
	"testing"
	"time"

	logs "llama9/journal"
)

// A counter is a Backend whose answers are told by turn and token.
type counter struct{ *fakeBackend }

const countTo = 20

func (counter) Generate(ctx context.Context, r *Request, sink Sink) (Outcome, error) {
	sink.Note(Note{Model: "count", PrefixText: counted(r.Turn, len(r.Prefix))})
	for k, id := range r.Prefix {
		if int(id) != k {
			return Outcome{}, fmt.Errorf("token %d is %d", k, id)
		}
	}
	for k := len(r.Prefix); k < countTo; k++ {
		sink.Token(Token{ID: int32(k), Text: fmt.Sprintf("%d.%d ", r.Turn, k)})
	}
	return Outcome{Reason: Limit, Tokens: countTo}, nil
}

// counted is the answer of a turn after n tokens.
func counted(turn, n int) string {
	var b strings.Builder
	for k := range n {
		fmt.Fprintf(&b, "%d.%d ", turn, k)
	}
	return b.String()
}

// counting opens a tree of counters on a journal that compacts often.
func counting(t *testing.T, dir string) (*FS, *logs.Log) {
	t.Helper()
	log, err := logs.Open(dir, logs.Options{Segment: 8 << 10, Slack: 16 << 10})
	if err != nil {
		t.Fatal(err)
	}
	f, err := New(Config{Backend: counter{newFake()}, Store: log})
	if err != nil {
		t.Fatal(err)
	}
	return f, log
}

// TestKilled kills a process that works on its sessions and compacts its
// journal all the time, again and again. What it had told of is there, and
// all else is as it can be.
func TestKilled(t *testing.T) {
	if dir := os.Getenv("STYXFS_JOURNAL"); dir != "" {
		keepCounting(t, dir)
		return
	}
	dir := t.TempDir()
	const leaving, gone = -1, -2
	told := make(map[uint64]int) // the last turn of a session that was seen to end
	compacted := false
	for round := range 6 {
		cmd := exec.Command(os.Args[0], "-test.run=^TestKilled$")
		cmd.Env = append(os.Environ(), "STYXFS_JOURNAL="+dir)
		cmd.Stderr = os.Stderr
		out, err := cmd.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		lines := bufio.NewScanner(out)
		for n := 0; lines.Scan(); n++ {
			if n == 60+round*37 {
				cmd.Process.Kill() // and then what it told before
			}
			var what string
			var id uint64
			var turn int
			switch fmt.Sscan(lines.Text(), &what, &id, &turn); what {
			case "ended":
				if told[id] >= 0 { // else another worker had begun to remove it
					told[id] = turn
				}
			case "removing":
				if told[id] != gone { // else another worker has removed it
					told[id] = leaving
				}
			case "removed":
				told[id] = gone
			case "compacted":
				compacted = true
			default:
				t.Errorf("the process says %s", lines.Text())
			}
		}
		cmd.Wait()
		if t.Failed() {
			return
		}

		f, log := counting(t, dir)
		ends := make(map[uint64]bool)
		for _, s := range f.living() {
			s.mu.Lock()
			run := s.cur
			s.mu.Unlock()
			if run != nil {
				h := &outHandle{base: base{s}, bound: run}
				p := make([]byte, 512)
				for off := int64(0); ; {
					n, err := h.ReadAt(ctx, p, off)
					if err != nil {
						t.Errorf("session %d: its turn does not go on: %v", s.n, err)
					}
					if n == 0 {
						break
					}
					off += int64(n)
				}
			}
			s.mu.Lock()
			if s.turns < told[s.n] {
				t.Errorf("session %d has %d turns, %d have ended", s.n, s.turns, told[s.n])
			}
			if told[s.n] == gone {
				t.Errorf("session %d was removed", s.n)
			}
			if len(s.messages) != 2*s.turns {
				t.Errorf("session %d has %d messages after %d turns", s.n, len(s.messages), s.turns)
			}
			for i, m := range s.messages {
				want := Message{"user", fmt.Sprint("question ", i/2+1)}
				if i%2 == 1 {
					want = Message{"assistant", counted(i/2+1, countTo)}
				}
				if m != want {
					t.Errorf("session %d: message %d is %v", s.n, i, m)
				}
			}
			ends[s.n] = true
			s.mu.Unlock()
		}
		for id, turn := range told {
			if turn > 0 && !ends[id] {
				t.Errorf("session %d is gone", id)
			}
		}
		poke(f.journal.settle) // to compact it is what the killed one may not have come to
		for end := time.Now().Add(patience); log.Size() > 400<<10; time.Sleep(time.Millisecond) {
			if time.Now().After(end) {
				t.Fatalf("the journal has %d bytes", log.Size())
			}
		}
		if _, err := os.Stat(dir + "/0000000000000001.log"); err != nil {
			compacted = true
		}
		if err := f.Close(ctx); err != nil {
			t.Error(err)
		}
		log.Close()
		if t.Failed() {
			return
		}
	}
	if !compacted {
		t.Error("the journal was never compacted")
	}
}

// keepCounting works on sessions until it is killed.
func keepCounting(t *testing.T, dir string) {
	f, log := counting(t, dir)
	var mu sync.Mutex
	say := func(format string, args ...any) {
		mu.Lock()
		defer mu.Unlock()
		fmt.Printf(format+"\n", args...)
	}
	// Of two that remove a session at once, the one that comes too late cannot
	// say that it is gone: it may not be written yet.
	remove := func(s *session) {
		say("removing %d", s.n)
		if s.close() == nil {
			say("removed %d", s.n)
		}
	}
	at := &attach{f: f, owner: owner{user: "ann"}}
	old := f.living()
	var all sync.WaitGroup
	for w := range 4 {
		all.Go(func() {
			for i := 0; ; i++ {
				var s *session
				if i == 0 && w < len(old) {
					s = old[w]
				} else {
					var err error
					if s, err = f.create(at); err != nil {
						t.Error(err)
						return
					}
				}
				for range 7 {
					s.mu.Lock()
					if s.closed { // by another worker
						s.mu.Unlock()
						break
					}
					run := s.cur
					if run == nil {
						run = newTurn(s)
						q := fmt.Sprint("question ", s.turns+1)
						s.begin(run, &q)
					}
					s.mu.Unlock()
					h := &outHandle{base: base{s}, bound: run}
					if err := h.Wait(ctx, 1<<30); err != nil {
						t.Error(err)
						return
					}
					say("ended %d %d", s.n, run.n)
				}
				if i%2 == 0 {
					remove(s)
				}
				if w == 0 {
					f.mu.Lock()
					n := len(f.sessions)
					f.mu.Unlock()
					if n > 12 {
						for _, s := range f.living()[:4] {
							s.mu.Lock()
							idle := s.cur == nil && s.open == 0
							s.mu.Unlock()
							if idle {
								remove(s)
							}
						}
					}
					if _, err := os.Stat(dir + "/0000000000000001.log"); err != nil {
						say("compacted")
					}
				}
			}
		})
	}
	all.Wait()
	log.Close()
}
