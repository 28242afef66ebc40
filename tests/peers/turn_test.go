package peers

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"sync"
	"testing"

	"9fans.net/go/plan9"
	"github.com/knusbaum/go9p/proto"

	"llama9/mnt"
	"llama9/ninep"
	"llama9/styxfs"
)

// parrot is a Backend that answers with what it is told, a word a token.
type parrot struct{}

func (parrot) Generate(ctx context.Context, r *styxfs.Request, sink styxfs.Sink) (styxfs.Outcome, error) {
	sink.State(styxfs.Decode)
	text := r.Messages[len(r.Messages)-1].Content
	words := strings.SplitAfter("you said "+text, " ")
	for i, w := range words {
		if strings.TrimSpace(w) == "fail" {
			return styxfs.Outcome{Reason: styxfs.ReasonErr, Tokens: i}, errors.New("as you wish")
		}
		sink.Token(styxfs.Token{ID: int32(i), Text: w})
	}
	return styxfs.Outcome{Reason: styxfs.EOS, Tokens: len(words)}, nil
}
func (parrot) Models(context.Context) []styxfs.Model { return nil }
func (parrot) Ctl(context.Context, [][]string) error { return nil }
func (parrot) Settings() [][]string                  { return nil }
func (parrot) Status() []styxfs.Attr                 { return nil }

// serveLlama serves the tree of llama9(4) and gives what dials it.
func serveLlama(t testing.TB) func(testing.TB) net.Conn {
	tree, err := styxfs.New(styxfs.Config{Backend: parrot{}})
	if err != nil {
		t.Fatal(err)
	}
	ln := listen(t)
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error)
	go func() { done <- (&ninep.Server{FS: tree}).Serve(ctx, ln) }()
	t.Cleanup(func() {
		cancel()
		<-done
		if err := tree.Close(context.Background()); err != nil {
			t.Error(err)
		}
	})
	return dialer(ln)
}

// attachMnt attaches by mnt.
func attachMnt(t testing.TB, conn net.Conn, o mnt.Options) *mnt.Fsys {
	c, err := mnt.NewConn(t.Context(), conn, o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	fs, err := c.Attach(t.Context(), "none", "")
	if err != nil {
		t.Fatal(err)
	}
	return fs
}

// answer reads a turn to its end.
func answer(turn *mnt.Turn, err error) (string, error) {
	if err != nil {
		return "", err
	}
	defer turn.Close()
	var text strings.Builder
	buf := make([]byte, 5)
	for {
		n, err := turn.Read(context.Background(), buf)
		text.Write(buf[:n])
		if err == io.EOF {
			return text.String(), nil
		}
		if err != nil {
			return text.String(), err
		}
	}
}

// A turn is the same by every client: by mnt's messages in a row, and by the
// single steps of the others.
func TestTurnByEachClient(t *testing.T) {
	dial := serveLlama(t)
	const prompt, want = "why is the sky blue", "you said why is the sky blue"
	t.Run("mnt", func(t *testing.T) {
		fs := attachMnt(t, dial(t), mnt.Options{})
		got, err := answer(mnt.StartTurn(t.Context(), fs, "temperature 0\n", []byte(prompt)))
		if err != nil || got != want {
			t.Errorf("%q, %v", got, err)
		}
	})
	t.Run("mnt, files", func(t *testing.T) {
		fs := attachMnt(t, dial(t), mnt.Options{})
		if err := fs.WriteFile(t.Context(), "infer/new", []byte(prompt+"\n")); err != nil {
			t.Fatal(err)
		}
		if got, err := fs.ReadFile(t.Context(), "infer/last/out"); err != nil || string(got) != want {
			t.Errorf("%q, %v", got, err)
		}
	})
	t.Run("plan9", func(t *testing.T) {
		c := newPlan9(t, dial(t)).(plan9Client)
		f, err := c.fs.Open("infer/new", plan9.ORDWR)
		if err != nil {
			t.Fatal(err)
		}
		defer f.Close()
		if _, err := f.Write([]byte(prompt + "\n")); err != nil {
			t.Fatal(err)
		}
		id, err := io.ReadAll(f)
		if err != nil {
			t.Fatal(err)
		}
		got, err := c.read("infer/" + strings.TrimSpace(string(id)) + "/out")
		if err != nil || got != want {
			t.Errorf("%q, %v", got, err)
		}
	})
	t.Run("go9p", func(t *testing.T) {
		c := newGo9p(t, dial(t)).(go9pClient)
		id, err := c.read("infer/new")
		if err != nil {
			t.Fatal(err)
		}
		dir := "infer/" + strings.TrimSpace(id) + "/"
		f, err := c.c.Open(dir+"prompt", proto.Owrite|proto.Otrunc)
		if err != nil {
			t.Fatal(err)
		}
		// Its Close does not wait for the Rclunk that commits, so the
		// answer is asked for while the prompt is being written.
		if err := c.put(f, prompt+"\n"); err != nil {
			t.Fatal(err)
		}
		if got, err := c.read(dir + "out"); err != nil || got != want {
			t.Errorf("%q, %v", got, err)
		}
	})
}

// However the messages of a row are taken up, an answer is that of its turn.
func TestTurnsInARow(t *testing.T) {
	dial := serveLlama(t)
	const sessions, turns = 8, 25
	var wait sync.WaitGroup
	for i := range sessions {
		fs := attachMnt(t, dial(t), mnt.Options{})
		wait.Go(func() {
			var id string
			for j := range turns {
				prompt := fmt.Sprintf("%d in session %d", j, i)
				settings := ""
				if j%2 == 1 {
					settings = fmt.Sprintf("n_predict %d\n", 100+j)
				}
				var turn *mnt.Turn
				var err error
				if j == 0 {
					turn, err = mnt.StartTurn(t.Context(), fs, settings, []byte(prompt))
				} else {
					turn, err = mnt.SayTurn(t.Context(), fs, id, settings, []byte(prompt))
				}
				got, err := answer(turn, err)
				if err != nil || got != "you said "+prompt {
					t.Errorf("%s: %q, %v", prompt, got, err)
					return
				}
				id = turn.ID
			}
			if err := fs.Remove(t.Context(), "infer/"+id); err != nil {
				t.Error(err)
			}
		})
	}
	wait.Wait()
}

// A turn costs three round trips when the session is made with it, two after
// that, and as many more reads as its answer comes in.
func TestTurnRoundTrips(t *testing.T) {
	dial := serveLlama(t)
	var mu sync.Mutex
	var rounds, pending int
	waited := true
	fs := attachMnt(t, dial(t), mnt.Options{Trace: func(dir string, _ *ninep.Fcall) {
		mu.Lock()
		defer mu.Unlock()
		if dir == "->" {
			pending--
			waited = true
			return
		}
		pending++
		if waited {
			rounds++
		}
		waited = false
	}})
	idle := func() bool {
		mu.Lock()
		defer mu.Unlock()
		return pending == 0
	}
	count := func(f func()) int {
		mu.Lock()
		rounds, waited = 0, true
		mu.Unlock()
		f()
		mu.Lock()
		defer mu.Unlock()
		return rounds
	}
	var turn *mnt.Turn
	var err error
	// What goes out together is traced at once, so that a message that comes
	// after a reply begins a round.
	if n := count(func() { turn, err = mnt.StartTurn(t.Context(), fs, "temperature 0\n", []byte("hello")) }); n != 3 || err != nil {
		t.Errorf("StartTurn: %d round trips, %v", n, err)
	}
	if got, err := answer(turn, err); err != nil || got != "you said hello" {
		t.Errorf("%q, %v", got, err)
	}
	// Until the Tclunk of out is answered. A probe comes first: what was
	// queued before it is sent when it is answered.
	for ok := false; !ok; ok = idle() {
		if err := fs.Conn().Probe(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	if n := count(func() { turn, err = mnt.SayTurn(t.Context(), fs, turn.ID, "", []byte("again")) }); n != 2 || err != nil {
		t.Errorf("SayTurn: %d round trips, %v", n, err)
	}
	if got, err := answer(turn, err); err != nil || got != "you said again" {
		t.Errorf("%q, %v", got, err)
	}
}

// What is refused begins no turn.
func TestRefusedTurns(t *testing.T) {
	fs := attachMnt(t, serveLlama(t)(t), mnt.Options{})
	ctx := t.Context()
	if turn, err := mnt.StartTurn(ctx, fs, "temperature hot\n", []byte("hello")); err == nil || !strings.Contains(err.Error(), "hot") || turn != nil {
		t.Errorf("a bad setting: %v", err)
	}
	if _, err := fs.Stat(ctx, "infer/last"); !errors.Is(err, ninep.ErrNotExist) {
		t.Errorf("a session is left: %v", err)
	}
	turn, err := mnt.StartTurn(ctx, fs, "", []byte("hello"))
	if _, err := answer(turn, err); err != nil {
		t.Fatal(err)
	}
	again, err := mnt.SayTurn(ctx, fs, turn.ID, "temperature hot\n", []byte("bad"))
	if err == nil || again == nil || again.ID != turn.ID {
		t.Errorf("a bad setting: %v", err)
	}
	status, err := fs.ReadFile(ctx, "infer/"+turn.ID+"/status")
	if err != nil {
		t.Fatal(err)
	}
	attrs, err := styxfs.ParseAttrs(string(status))
	if err != nil || styxfs.FindAttr(attrs, "turn") != "1" || styxfs.FindAttr(attrs, "state") != "done" {
		t.Errorf("after it: %s, %v", status, err)
	}
	got, err := answer(mnt.SayTurn(ctx, fs, turn.ID, "", []byte("please fail now")))
	if err == nil || !strings.Contains(err.Error(), "as you wish") {
		t.Errorf("a turn that fails: %q, %v", got, err)
	}
	if _, err := answer(mnt.SayTurn(ctx, fs, turn.ID, "", []byte("go on"))); err != nil {
		t.Errorf("the one after it: %v", err)
	}
}
