package styxfs

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"llama9/mnt"
	"llama9/ninep"
)

// memStore is a journal in memory. What it has at any moment is what a process
// that is killed then leaves.
type memStore struct {
	mu   sync.Mutex // guards below
	recs [][]byte
	err  error // of Append
	due  bool
	gate chan struct{} // not nil: an Append waits for two values, or for its end
	sync int
}

func (m *memStore) Append(recs ...[]byte) error {
	m.mu.Lock()
	gate := m.gate
	m.mu.Unlock()
	if gate != nil {
		<-gate // says that it is there
		<-gate
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.err != nil {
		return m.err
	}
	for _, r := range recs {
		m.recs = append(m.recs, slices.Clone(r))
	}
	return nil
}

func (m *memStore) Load(each func([]byte) error) error {
	for i, r := range m.recs {
		if err := each(slices.Clone(r)); err != nil {
			return fmt.Errorf("record %d: %w", i, err)
		}
	}
	return nil
}

func (m *memStore) Sync() error {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.sync++
	return nil
}

func (m *memStore) Due() bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.due
}

func (m *memStore) Compact(write func() error) error {
	m.mu.Lock()
	from := len(m.recs)
	m.mu.Unlock()
	if err := write(); err != nil {
		return err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	m.recs, m.due = m.recs[from:], false
	return nil
}

// killed is the store as it is now; a cut of n leaves the first n records.
func (m *memStore) killed(n ...int) *memStore {
	m.mu.Lock()
	defer m.mu.Unlock()
	recs := slices.Clone(m.recs)
	if n != nil {
		recs = recs[:n[0]]
	}
	return &memStore{recs: recs}
}

func (m *memStore) set(f func(*memStore)) {
	m.mu.Lock()
	defer m.mu.Unlock()
	f(m)
}

// has waits until ok is true of the store.
func (m *memStore) has(t *testing.T, what string, ok func(*memStore) bool) {
	t.Helper()
	for end := time.Now().Add(patience); ; time.Sleep(time.Millisecond) {
		m.mu.Lock()
		done := ok(m)
		m.mu.Unlock()
		if done {
			return
		}
		if time.Now().After(end) {
			t.Fatal("in vain: ", what)
		}
	}
}

// keeping serves with a journal.
func keeping(t *testing.T, st *memStore, set ...func(*Config)) *server {
	t.Helper()
	return serve(t, append([]func(*Config){func(c *Config) { c.Store = st }}, set...)...)
}

// keptSession serves with a new journal; d is a session of ann, whose client c
// is.
func keptSession(t *testing.T) (st *memStore, s *server, c *client, d string) {
	t.Helper()
	st = &memStore{}
	s = keeping(t, st)
	c = s.dial("ann")
	return st, s, c, c.new()
}

// everything is what a client can see of a session.
func (c *client) everything(d string) string {
	c.t.Helper()
	var b strings.Builder
	for _, f := range []string{"ctl", "prompt", "system", "chat", "grammar", "schema", "status", "out", "token"} {
		s, err := c.tryRead(d + "/" + f)
		fmt.Fprintf(&b, "%s: %q %v\n", f, s, err)
	}
	return b.String()
}

func TestSessionsComeBack(t *testing.T) {
	st := &memStore{}
	at := time.Date(2026, 5, 1, 0, 0, 0, 0, time.UTC)
	clock := func(c *Config) { c.Now = func() time.Time { return at } }
	s := keeping(t, st, clock)
	c := s.dial("ann")
	equal(t, "journal=", c.attr("status", "journal"), "on")
	dirs := map[string]string{}
	for _, name := range []string{"plain", "done", "failed", "cancelled", "odd", "forked", "prefix", "gone"} {
		dirs[name] = c.new()
	}
	d := dirs["done"]
	c.write(d+"/ctl", "temperature 0.5\nlogit_bias 3 -Inf\nstop \"two\\nlines\"\nstop \"\\xe2\"\nsamplers\nseed 7\n")
	c.write(d+"/system", "be brief")
	c.write(d+"/grammar", "bad")
	c.write(d+"/grammar", "root ::= \"x\"")
	c.write(d+"/prompt", "hi")
	turn := s.turn()
	turn.Note(Note{Model: "small", Node: "here", Route: "fit", PromptTokens: 9, CachedTokens: 2, NCtx: 512})
	turn.Token(Token{ID: 5, Text: "ho", HasProb: true, LogProb: -0.5, Top: []Alt{{6, -1, " \"="}}})
	turn.say("<b>&", " \u2028 é ")
	turn.end <- ending{o: Outcome{Reason: Stop, StopWord: "\xe2", PromptTokens: 9, Tokens: 3, PromptTime: time.Second, PredictTime: time.Minute}}
	c.read(d + "/out")
	c.write(d+"/prompt", "again")
	turn = s.turn()
	turn.say("well")
	turn.done()
	c.read(d + "/out")

	c.write(dirs["failed"]+"/prompt", "fail")
	turn = s.turn()
	turn.say("half")
	turn.fail(ReasonErr, "no such thing")
	c.tryRead(dirs["failed"] + "/out")
	c.write(dirs["cancelled"]+"/prompt", "on and on")
	turn = s.turn()
	turn.say("a", "b")
	c.write(dirs["cancelled"]+"/ctl", "cancel")
	c.tryRead(dirs["cancelled"] + "/out")
	c.write(dirs["odd"]+"/system", "not \xff UTF-8")
	c.write(dirs["odd"]+"/schema", "bad")
	c.write(dirs["odd"]+"/chat", `{"role":"user","content":"kept"}`+"\n"+`{"role":`)
	c.write(dirs["forked"]+"/ctl", "fork "+strings.TrimPrefix(d, "infer/")+"\ntemperature 1")
	c.write(dirs["prefix"]+"/token", "1 2 3")
	c.write(dirs["gone"]+"/ctl", "close")
	want := map[string]string{}
	for name, d := range dirs {
		if name != "gone" {
			want[name] = c.everything(d)
		}
	}

	held := s.fs.held.Load()

	check := func(st *memStore) {
		t.Helper()
		s := keeping(t, st, clock)
		c := s.dial("ann")
		equal(t, "bytes held", s.fs.held.Load(), held)
		for name, d := range dirs {
			if name == "gone" {
				if _, err := c.Stat(ctx, d); err == nil {
					t.Fatal("a removed session came back")
				}
				continue
			}
			equal(t, name, c.everything(d), want[name])
		}
		// The clock did not move, but numbers go on.
		if e := c.new(); e <= dirs["gone"] {
			t.Fatalf("%s after %s", e, dirs["gone"])
		}
		c.write(dirs["prefix"]+"/prompt", "go")
		turn := s.turn()
		equal(t, "prefix", fmt.Sprint(turn.Prefix), "[1 2 3]")
		turn.done()
		c.write(d+"/prompt", "more")
		turn = s.turn()
		equal(t, "turn", turn.Turn, 3)
		equal(t, "messages", len(turn.Messages), 6)
		equal(t, "user", turn.User, "ann")
		turn.done()
		c.read(d + "/out")
		c.write(dirs["odd"]+"/ctl", "generate")
		if _, err := c.tryRead(dirs["odd"] + "/out"); err == nil || !strings.Contains(err.Error(), "not whole") {
			t.Fatalf("half a line of chat: %v", err)
		}
		st.has(t, "a sync", func(m *memStore) bool { return m.sync > 0 })
	}
	left := st.killed()
	check(st.killed())
	// The same after a restart, and after a compaction there.
	again := left.killed()
	again.due = true
	s = keeping(t, again, clock)
	compact(t, s, again)
	check(again.killed())
}

// Journal= is off without a Store, and one that is wrong is refused.
func TestWrongJournal(t *testing.T) {
	equal(t, "journal=", serve(t).dial("ann").attr("status", "journal"), "off")
	whole := (&session{n: 5, f: &FS{}}).record(wholeKind, change{Origin: &origin{User: "ann"}})
	begin := func(n int) []byte {
		return (&session{n: 5}).record(changeKind, change{Begin: &turnBegin{Turn: n}})
	}
	for what, recs := range map[string][][]byte{
		"empty":           {{}},
		"no number":       {{wholeKind}},
		"unknown kind":    {whole, {'?', 5}},
		"no JSON":         {{wholeKind, 5, '{'}},
		"no origin":       {{wholeKind, 5, '{', '}'}},
		"no beginning":    {(&session{n: 5}).record(changeKind, change{})},
		"turn comes back": {whole, begin(2), begin(2)},
		"no turn":         {whole, append([]byte{tokensKind, 5, 1, 0, 0}, "1 - \"x\"\n"...)},
		"wrong turn":      {whole, begin(2), append([]byte{tokensKind, 5, 1, 0, 0}, "1 - \"x\"\n"...)},
		"half a token":    {whole, begin(1), append([]byte{tokensKind, 5, 1, 0, 0}, "1 - \"x"...)},
		"bad parameter":   {(&session{n: 5}).record(wholeKind, change{Origin: &origin{}, Params: differ("", "temprature 1\n")})},
		"messages":        {whole, (&session{n: 5}).record(changeKind, change{Messages: &newMessages{Keep: 3}})},
		"large number":    {goneRecord(1 << 60)},
	} {
		if f, err := New(Config{Backend: newFake(), Store: &memStore{recs: recs}}); err == nil || !strings.HasPrefix(err.Error(), "journal: ") {
			t.Errorf("%s: got %v", what, err)
			if f != nil {
				f.Close(ctx)
			}
		}
	}
}

// A turn that runs when the process ends goes on from what it had made, at
// every token, and out is what it would have been.
func TestTurnGoesOn(t *testing.T) {
	words := []string{"one ", "two ", "", "é\xff", "\"four\" ", "five"}
	for made := range len(words) + 1 {
		for _, how := range []string{"killed", "closed"} {
			t.Run(fmt.Sprint(how, " after ", made), func(t *testing.T) {
				st, s, c, d := keptSession(t)
				c.write(d+"/system", "old\n")
				c.write(d+"/ctl", "seed 3\nn_predict 50")
				c.write(d+"/token", "7 8")
				c.write(d+"/prompt", "count")
				turn := s.turn()
				turn.Note(Note{Model: "large one", PrefixText: "given "})
				turn.say(words[:made]...)
				out := c.open(d+"/out", ninep.OREAD)
				want := strings.Join(words[:made], "")
				got := readN(t, out, len(want))
				equal(t, "out", got, want)
				c.write(d+"/ctl", "seed 4\nn_predict 3") // of the next turn
				c.write(d+"/system", "new")
				if made > 0 && words[made-1] == "" { // nothing of it is in out
					st.has(t, "the empty token", func(m *memStore) bool {
						return strings.Contains(string(slices.Concat(m.recs...)), fmt.Sprintf("%d - \"\"\n", 99+made))
					})
				}
				began := turn.Request
				if how == "closed" {
					if err := s.fs.Close(ctx); err != nil {
						t.Fatal(err)
					}
				}
				left := st.killed()

				s = keeping(t, left)
				c = s.dial("ann")
				turn = s.turn()
				r := turn.Request
				prefix := []int32{7, 8}
				for i := range made {
					prefix = append(prefix, int32(100+i))
				}
				equal(t, "prefix", fmt.Sprint(r.Prefix), fmt.Sprint(prefix))
				model := ""
				if made > 0 {
					model = "large one"
				}
				equal(t, "model", r.Params.Model, model)
				r.Params.Model = began.Params.Model
				equal(t, "request", fmt.Sprintf("%+v", [...]any{r.Session, r.Turn, r.User, r.Params.Lines(), r.Messages, r.Commit.UTC().Round(0)}),
					fmt.Sprintf("%+v", [...]any{began.Session, 1, "ann", began.Params.Lines(), began.Messages, began.Commit.UTC().Round(0)}))
				equal(t, "turn=", c.attr(d+"/status", "turn"), "1")
				equal(t, "state=", c.attr(d+"/status", "state"), "queued")
				if err := c.tryWrite(d+"/prompt", "another"); err == nil {
					t.Fatal("a prompt while the turn goes on")
				}
				out = c.open(d+"/out", ninep.OREAD)
				equal(t, "out again", readN(t, out, len(want)), want)
				turn.Note(Note{PrefixText: "given " + want})
				for i, w := range words[made:] {
					turn.Token(Token{ID: int32(100 + made + i), Text: w})
				}
				turn.end <- ending{o: Outcome{Reason: Limit, PromptTokens: 3, Tokens: 2 + len(words), PredictTime: time.Hour}}
				all := strings.Join(words, "")
				rest, err := readAll(out)
				equal(t, "the rest", want+rest, all)
				if err != nil {
					t.Fatal(err)
				}
				equal(t, "tokens=", c.attr(d+"/status", "tokens"), fmt.Sprint(2+len(words)))
				equal(t, "reason=", c.attr(d+"/status", "reason"), "limit")
				equal(t, "lines", strings.Count(c.read(d+"/token"), "\n"), len(words))
				l := s.fs.living()[0].messages
				equal(t, "chat", l[len(l)-1], Message{"assistant", "given " + all})
				seen := strings.Replace(c.everything(d), `error=\"Device or resource busy\"`, `error=\"\"`, 1) // that goes
				c = keeping(t, left.killed()).dial("ann")
				equal(t, "after another restart", c.everything(d), seen)
			})
		}
	}
}

// readN reads n bytes.
func readN(t *testing.T, f *mnt.File, n int) string {
	t.Helper()
	var all []byte
	p := make([]byte, 4096)
	for len(all) < n {
		m, err := f.Read(ctx, p[:min(len(p), n-len(all))])
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, p[:m]...)
	}
	return string(all)
}

// Wherever the journal ends, what there is of it makes sessions.
func TestEveryCut(t *testing.T) {
	st := &memStore{}
	s := keeping(t, st)
	c := s.dial("ann")
	a, b := c.new(), c.new()
	c.write(a+"/system", "sys")
	var turns []*fakeTurn
	for i := range 3 {
		for _, d := range []string{a, b} {
			c.write(d+"/prompt", fmt.Sprint("question ", i))
			turns = append(turns, s.turn())
		}
		for j := range 4 {
			for _, turn := range turns {
				turn.Token(Token{ID: int32(10*i + j), Text: fmt.Sprint(i, j, " ")})
			}
		}
		for k, d := range []string{a, b} {
			turns[k].done()
			c.read(d + "/out")
		}
		turns = nil
		if i == 1 {
			st.set(func(m *memStore) { m.due = true })
			c.write(a+"/ctl", "generate\ncancel")
			c.tryRead(a + "/out")
			(<-s.b.turns).done()
			st.has(t, "a compaction", func(m *memStore) bool { return !m.due })
		}
	}
	c.write(b+"/ctl", "close")
	whole := len(st.killed().recs)
	if whole < 15 {
		t.Fatalf("only %d records", whole)
	}
	compacted := slices.IndexFunc(st.killed().recs, func(r []byte) bool { return r[0] == compactedKind })
	for n := compacted + 1; n <= whole; n++ { // before, there is the old journal too
		s := keeping(t, st.killed(n))
		for _, p := range s.fs.living() {
			p.mu.Lock()
			for i, m := range p.messages {
				if want := []string{"user", "assistant"}[i%2]; i < 4 && m.Role != want {
					t.Fatalf("cut at %d: message %d is the %s's", n, i, m.Role)
				}
			}
			p.mu.Unlock()
		}
		if err := s.fs.Close(ctx); err != nil {
			t.Fatal(err)
		}
	}
}

// A token can be read once it is in the journal, and not before.
func TestTokenWaitsForTheJournal(t *testing.T) {
	st, s, c, d := keptSession(t)
	c.write(d+"/prompt", "x")
	turn := s.turn()
	gate := make(chan struct{})
	st.set(func(m *memStore) { m.gate = gate })
	turn.say("zero ")
	gate <- struct{}{} // it is being written, and what comes meanwhile is the next group
	turn.say("one ", "two")
	tn := s.fs.living()[0].cur
	for _, lines := range []bool{false, true} {
		if ready, _, _ := tn.look(lines, 0); ready {
			t.Fatal("a token can be read before it was written")
		}
	}
	equal(t, "tokens=", c.attr(d+"/status", "tokens"), "3")
	st.set(func(m *memStore) { m.gate = nil })
	close(gate)
	out := c.open(d+"/out", ninep.OREAD)
	equal(t, "out", readN(t, out, 12), "zero one two")
	if !strings.Contains(string(slices.Concat(st.killed().recs...)), "\"one \"\n101 - \"two\"\n") {
		t.Error("a group of tokens is not one record")
	}
	turn.done()
	c.read(d + "/out")
}

// A journal that cannot be written serves on, says so, and is mended.
func TestJournalFails(t *testing.T) {
	st := &memStore{}
	now := time.Date(2026, 5, 1, 0, 0, 0, 0, time.UTC)
	var mu sync.Mutex
	s := keeping(t, st, func(c *Config) {
		c.Now = func() time.Time { mu.Lock(); defer mu.Unlock(); return now }
	})
	c := s.dial("ann")
	d, gone := c.new(), c.new()
	c.write(d+"/prompt", "x")
	turn := s.turn()
	turn.say("one ")
	readN(t, c.open(d+"/out", ninep.OREAD), 4)
	events := c.open("event", ninep.OREAD)
	st.set(func(m *memStore) { m.err = errors.New("no space") })
	turn.say("two ")
	equal(t, "out", readN(t, c.open(d+"/out", ninep.OREAD), 8), "one two ")
	equal(t, "journal=", c.attr("status", "journal"), "failed")
	equal(t, "error=", c.attr("status", "error"), "no space")
	line := make([]byte, 200)
	n, err := events.Read(ctx, line)
	if err != nil || !strings.Contains(string(line[:n]), ` journal state=failed error="no space"`) {
		t.Errorf("event %q, %v", line[:n], err)
	}
	c.write(gone+"/ctl", "close")
	c.write(d+"/ctl", "temperature 0.25")
	turn.done()
	c.read(d + "/out")

	st.set(func(m *memStore) { m.err = nil })
	equal(t, "journal=", c.attr("status", "journal"), "failed") // nothing was written since
	mu.Lock()
	now = now.Add(mendTime)
	mu.Unlock()
	e := c.new()
	c.write(e+"/prompt", "y")
	s.turn().done()
	c.read(e + "/out")
	for end := time.Now().Add(patience); c.attr("status", "journal") != "on"; time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			t.Fatal("the journal is not mended")
		}
		mu.Lock()
		now = now.Add(mendTime)
		mu.Unlock()
		poke(s.fs.journal.settle)
	}
	equal(t, "error=", c.attr("status", "error"), "")
	want := c.everything(d)
	c = keeping(t, st.killed(), func(c *Config) { c.Now = s.fs.now }).dial("ann")
	equal(t, "after the restart", c.everything(d), want)
	if _, err := c.Stat(ctx, gone); err == nil {
		t.Error("a session removed while the journal failed came back")
	}
}

// What a restart does to a turn that may not go on.
func TestTurnDoesNotGoOn(t *testing.T) {
	begin := func(t *testing.T, ctl string) (*memStore, string) {
		st, s, c, d := keptSession(t)
		c.write(d+"/ctl", ctl)
		c.write(d+"/prompt", "x")
		turn := s.turn()
		turn.Note(Note{Model: "small"})
		turn.say("one ")
		readN(t, c.open(d+"/out", ninep.OREAD), 4)
		return st.killed(), d
	}
	t.Run("strict", func(t *testing.T) {
		st, d := begin(t, "failover strict")
		s := keeping(t, st)
		out, err := s.dial("ann").tryRead(d + "/out")
		equal(t, "out", out, "one ")
		refused(t, err, nil, "failover is strict")
		s.noTurn()
	})
	t.Run("strict without a token", func(t *testing.T) {
		st, s, c, d := keptSession(t)
		c.write(d+"/ctl", "failover strict")
		c.write(d+"/prompt", "x")
		s.turn()
		s = keeping(t, st.killed())
		s.turn().done()
		s.dial("ann").read(d + "/out")
	})
	t.Run("timeout", func(t *testing.T) {
		st, d := begin(t, "timeout 1h")
		s := keeping(t, st, func(c *Config) { c.Now = func() time.Time { return time.Now().Add(2 * time.Hour) } })
		_, err := s.dial("ann").tryRead(d + "/out")
		refused(t, err, nil, "timeout")
	})
	t.Run("another model with a grammar", func(t *testing.T) {
		st, s, c, d := keptSession(t)
		c.write(d+"/grammar", "root ::= x")
		c.write(d+"/prompt", "x")
		s.turn().say("one ")
		readN(t, c.open(d+"/out", ninep.OREAD), 4)
		s = keeping(t, st.killed())
		turn := s.turn()
		turn.busy.Lock()
		turn.Note(Note{PrefixText: "uno "})
		turn.say("dos ")
		turn.busy.Unlock()
		out, err := s.dial("ann").tryRead(d + "/out")
		equal(t, "out", out, "one ")
		refused(t, err, nil, "another model")
		s.noTurn()
	})
	for _, extends := range []bool{false, true} {
		for _, how := range []string{"another model", "no token"} {
			t.Run(fmt.Sprint(how, " extends=", extends), func(t *testing.T) {
				st, s, c, d := keptSession(t)
				c.write(d+"/ctl", "n_predict 9")
				begin, chat := "", `{"role":"user","content":"x"}`+"\n"
				if extends {
					begin = "zero "
					c.write(d+"/chat", chat+`{"role":"assistant","content":"zero "}`+"\n")
				} else {
					c.write(d+"/chat", chat)
				}
				c.write(d+"/token", "7")
				c.write(d+"/ctl", "generate")
				turn := s.turn()
				turn.Note(Note{PrefixText: "given "})
				turn.say("one ", "two ")
				if how == "no token" {
					turn.Token(Token{ID: -1, Text: "and "})
				}
				said := "one two " + map[string]string{"no token": "and "}[how]
				readN(t, c.open(d+"/out", ninep.OREAD), len(said))
				s = keeping(t, st.killed())
				c = s.dial("ann")
				turn = s.turn()
				if how == "another model" {
					turn.busy.Lock() // else the turn may have begun anew before it says
					turn.Note(Note{PrefixText: "uno dos tres "})
					turn.say("tacet")
					turn.busy.Unlock()
					turn = s.turn()
				}
				equal(t, "prefix", len(turn.Prefix), 0)
				equal(t, "n_predict", turn.Params.NPredict, 6)
				last := turn.Messages[len(turn.Messages)-1]
				equal(t, "asked", last, Message{"assistant", begin + "given " + said})
				turn.Note(Note{Model: "other"})
				turn.say("three")
				turn.done()
				equal(t, "out", c.read(d+"/out"), said+"three")
				equal(t, "chat", c.read(d+"/chat"), chat+`{"role":"assistant","content":"`+begin+"given "+said+`three"}`+"\n")
				equal(t, "tokens=", c.attr(d+"/status", "tokens"), "4")
				equal(t, "route=", c.attr(d+"/status", "route"), "text")
			})
		}
	}
	t.Run("nobody reads", func(t *testing.T) {
		st, d := begin(t, "onclose cancel")
		s := keeping(t, st)
		c := s.dial("ann")
		s.turn()
		tn := s.fs.living()[0].cur
		out := c.open(d+"/out", ninep.OREAD)
		tn.lonely() // when reconnect is over
		if tn.phase != running {
			t.Error("it was read, and has ended")
		}
		out.Close(ctx)
		c.tryRead(d + "/out")
		equal(t, "state=", c.attr(d+"/status", "state"), "cancelled")
		st, d = begin(t, "onclose cancel")
		s = keeping(t, st)
		s.turn()
		s.fs.living()[0].cur.lonely()
		c = s.dial("ann")
		c.tryRead(d + "/out")
		equal(t, "state=", c.attr(d+"/status", "state"), "cancelled")
	})
	t.Run("removed", func(t *testing.T) {
		st, s, c, d := keptSession(t)
		c.write(d+"/prompt", "x")
		turn := s.turn()
		turn.say("a")
		c.write(d+"/ctl", "close")
		turn.say("b", "c")
		s.fs.Close(ctx)
		s = keeping(t, st.killed())
		if n := len(s.fs.living()); n != 0 {
			t.Errorf("%d sessions", n)
		}
	})
}

// FuzzReplay: no record makes more than an error, and what is taken makes a
// session.
func FuzzReplay(f *testing.F) {
	st := &memStore{}
	fs, err := New(Config{Backend: newFake(), Store: st})
	if err != nil {
		f.Fatal(err)
	}
	s, err := fs.create(&attach{f: fs, owner: owner{user: "ann"}})
	if err != nil {
		f.Fatal(err)
	}
	s.mu.Lock()
	s.setText(systemText, "\xff")
	prompt := "hi"
	s.begin(newTurn(s), &prompt)
	t := s.cur
	s.mu.Unlock()
	t.Token(Token{ID: 4, Text: "x"})
	s.close()
	if err := fs.Close(ctx); err != nil {
		f.Fatal(err)
	}
	for _, r := range st.recs {
		f.Add(r)
	}
	f.Fuzz(func(t *testing.T, rec []byte) {
		whole := (&session{n: 5}).record(wholeKind, change{Origin: &origin{User: "ann"}})
		begin := (&session{n: 5}).record(changeKind, change{Begin: &turnBegin{Turn: 1}})
		fs, err := New(Config{Backend: newFake(), Store: &memStore{recs: [][]byte{whole, begin, rec}}})
		if err != nil {
			return
		}
		for _, s := range fs.living() {
			s.status()
		}
		if err := fs.Close(ctx); err != nil {
			t.Fatal(err)
		}
	})
}
