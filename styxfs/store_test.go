package styxfs

import (
	"errors"
	"strings"
	"sync"
	"testing"
	"time"
)

// memStore is a journal in memory.
type memStore struct {
	mu   sync.Mutex
	recs []Record
	err  error
}

func (m *memStore) Append(r Record) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.recs = append(m.recs, r)
	return nil
}

func (m *memStore) Load(each func(Record) error) error {
	for _, r := range m.recs {
		if err := each(r); err != nil {
			return err
		}
	}
	return m.err
}

func TestSessionsComeBackFromTheJournal(t *testing.T) {
	st := &memStore{}
	at := time.Date(2026, 5, 1, 0, 0, 0, 0, time.UTC)
	with := func(c *Config) { c.Store, c.Now = st, func() time.Time { return at } }
	s := serve(t, with)
	c := s.dial("ann")
	d, gone := c.new(), c.new()
	c.write(d+"/ctl", "temperature 0.5\nlogit_bias 3 -Inf\n")
	c.write(d+"/system", "be brief")
	c.write(d+"/grammar", "bad")
	c.write(d+"/grammar", "")
	c.write(d+"/prompt", "hi")
	turn := s.turn()
	turn.say("ho")
	turn.done()
	c.read(d + "/out")
	c.write(gone+"/ctl", "close")
	ctl, chat := c.read(d+"/ctl"), c.read(d+"/chat")

	// The clock did not move, but numbers go on.
	s = serve(t, with)
	c = s.dial("ann")
	equal(t, "ctl", c.read(d+"/ctl"), ctl)
	equal(t, "chat", c.read(d+"/chat"), chat)
	equal(t, "system", c.read(d+"/system"), "be brief")
	if _, err := c.Stat(ctx, gone); err == nil {
		t.Fatal("a removed session came back")
	}
	if e := c.new(); e <= gone {
		t.Fatalf("%s after %s", e, gone)
	}
	c.write(d+"/prompt", "more")
	turn = s.turn()
	equal(t, "turn", turn.Turn, 2)
	equal(t, "messages", len(turn.Messages), 4)
	equal(t, "user", turn.User, "ann")
	turn.done()
	c.read(d + "/out")

	st.err = errors.New("torn")
	if _, err := New(Config{Backend: newFake(), Store: st}); err == nil || !strings.Contains(err.Error(), "torn") {
		t.Fatalf("got %v", err)
	}
	st.err = nil
	st.Append(Record{Session: 1, State: []byte("{")})
	if _, err := New(Config{Backend: newFake(), Store: st}); err == nil {
		t.Fatal("a broken record was taken")
	}
}
