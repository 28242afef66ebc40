package styxfs

import (
	"errors"
	"fmt"
	"sync/atomic"
	"testing"
	"time"
)

// The lines of ctl that are to be kept are there after a restart, and after a
// compaction by a process that had not heard of them again.
func TestCtlIsKept(t *testing.T) {
	open := func(st *memStore) *server {
		return keeping(t, st, func(c *Config) {
			b := c.Backend.(*fakeBackend)
			c.Kept = func() [][]string {
				if l := b.Settings(); l[0][0] == "drain" {
					return [][]string{{"mount", "a b", "x"}, {"drain", "a b"}}
				}
				return nil
			}
		})
	}
	kept := func(st *memStore) string { return fmt.Sprintf("%q", open(st.killed()).fs.Kept()) }
	const lines = `[["mount" "a b" "x"] ["drain" "a b"]]`

	st := &memStore{}
	c := open(st).dial("boss")
	equal(t, "kept by nothing", kept(st), "[]")
	c.write("ctl", "drain\n")
	equal(t, "kept", kept(st), lines)
	n := len(st.killed().recs)
	c.write("ctl", "drain\n")
	equal(t, "records after the same again", len(st.killed().recs), n)
	c.tryWrite("ctl", "frobnicate\n")
	equal(t, "kept after a refusal", kept(st), lines)

	again := st.killed()
	again.due = true
	s := open(again)
	compact(t, s, again)
	equal(t, "kept after a compaction", kept(again), lines)

	c.write("ctl", "undrain\n")
	equal(t, "kept when it is gone", kept(st), "[]")

	// A line that could not be written is there when the journal is mended.
	st.set(func(m *memStore) { m.err = errors.New("no space") })
	c.write("ctl", "drain\n")
	equal(t, "journal=", c.attr("status", "journal"), "failed")
	equal(t, "error=", c.attr("status", "error"), "no space")
	st.set(func(m *memStore) { m.err = nil })
	c.write("ctl", "drain\n")
	equal(t, "kept when it could be", kept(st), lines)

	// Without a Store there is nothing.
	if l := serve(t).fs.Kept(); l != nil {
		t.Errorf("kept without a store: %q", l)
	}
}

// compact has s work until its journal is compacted.
func compact(t *testing.T, s *server, st *memStore) {
	t.Helper()
	c := s.dial("ann")
	d := c.new()
	c.write(d+"/prompt", "x")
	s.turn().done()
	c.read(d + "/out")
	st.has(t, "a compaction", func(m *memStore) bool { return !m.due })
	c.write(d+"/ctl", "close")
}

// A journal whose failure was a line of ctl is mended by a compaction.
func TestCtlIsMended(t *testing.T) {
	st := &memStore{}
	var mends atomic.Int64 // that the clock has made room for
	s := keeping(t, st, func(c *Config) {
		c.Kept = func() [][]string { return c.Backend.Settings() }
		c.Now = func() time.Time { return time.Unix(0, 0).Add(time.Duration(mends.Load()) * mendTime) }
	})
	c := s.dial("boss")
	st.set(func(m *memStore) { m.err = errors.New("no space") })
	c.write("ctl", "undrain\n")
	equal(t, "journal=", c.attr("status", "journal"), "failed")
	st.set(func(m *memStore) { m.err = nil })
	st.has(t, "mended", func(*memStore) bool {
		mends.Add(1)
		poke(s.fs.journal.settle)
		return s.fs.journal.state() == "on"
	})
	equal(t, "kept", fmt.Sprintf("%q", keeping(t, st.killed()).fs.Kept()), `[["undrain"]]`)
}
