package coord

import (
	"context"
	"strings"
	"testing"
	"time"

	"llama9/styxfs"
)

// linesOf gives lines as ctl shows them.
func linesOf(cmds [][]string) string {
	var b []byte
	for _, w := range cmds {
		b = append(styxfs.AppendFields(b, w...), '\n')
	}
	return string(b)
}

// words gives lines as ctl takes them.
func words(t *testing.T, lines string) (cmds [][]string) {
	t.Helper()
	for line := range strings.Lines(lines) {
		w, err := styxfs.Fields(line)
		if err != nil {
			t.Fatal(err)
		}
		if len(w) > 0 {
			cmds = append(cmds, w)
		}
	}
	return cmds
}

// What ctl shows can be written to it: all stays as it was, and the turn that
// runs at a node runs on there.
func TestCtlWrittenBack(t *testing.T) {
	bubble(t, "a b", 4, func(c *Config) { c.Expect = []string{"later"} }, func(r *rig) {
		r.ctl("drain b\nweight a 2.5\nstrategy round-robin\nfailover strict\nexpect \"a b\"\ndefault words")
		q := request(1, 200, 1)
		h, wait := r.begin(context.Background(), q)
		time.Sleep(20 * time.Millisecond)
		if h.made() == "" {
			t.Fatal("no token was made")
		}
		before, served := linesOf(r.Settings()), r.places["a"].count()
		for _, more := range []string{"", "pause\n"} {
			r.ctl(more)
			if more != "" {
				before = strings.Replace(before, "resume\n", more, 1)
			}
			r.ctl(before)
			if now := linesOf(r.Settings()); now != before {
				t.Errorf("ctl was\n%s and is\n%s", before, now)
			}
		}
		wait()
		r.good(h, q)
		if n := r.places["a"].count(); n != served || h.notes.Route != roundRobin {
			t.Errorf("a has served %d turns, was %d; route %s", n, served, h.notes.Route)
		}
	})
}

// A copy of a coordinator's ctl makes of another one what the first is, also
// where that was the standard. What nodes it has beside it keeps.
func TestCtlCopied(t *testing.T) {
	bubble(t, "a b", 4, nil, func(r *rig) {
		from := strings.Replace(linesOf(r.Settings()), "mount b b \"weight=1\"\nundrain b\n", "", 1)
		r.ctl("drain a\ndrain b\nweight a 2\nstrategy random\nfailover strict\nexpect x\ndefault y\npause")
		changed := linesOf(r.Settings())
		r.ctl(from)
		if now, want := linesOf(r.Settings()), strings.Replace(from, "expect\n", "mount b b \"weight=1\"\ndrain b\nexpect\n", 1); now != want {
			t.Errorf("ctl is\n%s, want\n%s", now, want)
		}
		r.ctl(changed)
		if now := linesOf(r.Settings()); now != changed {
			t.Errorf("ctl is\n%s, want\n%s", now, changed)
		}
	})
}

// A name that is taken stays so for another address, and what has registered
// is not ctl's to have.
func TestMountAgain(t *testing.T) {
	bubble(t, "a", 4, nil, func(r *rig) {
		r.places["b"], r.places["c"] = newPlace("b", 4), newPlace("c", 4)
		for lines, word := range map[string]string{
			"mount a b":                       "mount: a: in use",
			"mount b b\nmount b c":            "mount: b: in use",
			"mount a a\nmount a a\nmount a c": "mount: a: in use",
			"unmount a\nmount a b\nmount a a": "mount: a: in use",
			"mount a a weight=0":              "0: not a weight",
			"mount b b weight=-1":             "-1: not a weight",
			"mount b b weight=NaN":            "NaN: not a weight",
			"mount b b weight=Inf":            "Inf: not a weight",
			"mount b b weight=":               "\"\": not a weight",
			"weight a 0":                      "0: not a weight",
			"weight a -1":                     "-1: not a weight",
			"weight a NaN":                    "NaN: not a weight",
			"weight a 1e999":                  "1e999: not a weight",
			"weight x 1":                      "x: no such node",
		} {
			if err := r.tryCtl(lines); err == nil || !strings.Contains(err.Error(), word) {
				t.Errorf("%q: %v, want %s", lines, err, word)
			}
		}
		m, err := r.register(context.Background(), []string{"c", "c"})
		if err != nil {
			t.Fatal(err)
		}
		if err := r.tryCtl("mount c c"); err == nil || !strings.Contains(err.Error(), "c: in use") {
			t.Errorf("a registered node: %v", err)
		}
		r.Coord.mu.Lock()
		r.unmount(m)
		r.Coord.mu.Unlock()
		for _, step := range [][2]string{
			{"weight a 3\nmount a a", "mount a a \"weight=3\"\nundrain a\n"},
			{"mount a a weight=2", "mount a a \"weight=2\"\nundrain a\n"},
			{"drain a\nmount a a", "mount a a \"weight=2\"\ndrain a\n"},
			{"mount b b\nmount b b\ndrain b\nweight b 7", "mount a a \"weight=2\"\ndrain a\nmount b b \"weight=7\"\ndrain b\n"},
			{"unmount a\nunmount b\nmount a b", "mount a b \"weight=1\"\nundrain a\n"},
		} {
			r.ctl(step[0])
			if l := linesOf(r.Settings()); !strings.Contains(l, "failover resume\n"+step[1]+"expect\ndefault\nresume") {
				t.Errorf("after %q ctl is\n%s", step[0], l)
			}
		}
	})
}

// Kept and Restore: what ctl has set comes back, but for what the command line
// says; what it says no more does not.
func TestRestore(t *testing.T) {
	const all = "mount c c \"weight=2\"\ndrain c\n"
	for _, test := range []struct {
		name        string
		flags, kept string // lines
		want        string // Settings, between failover and expect
		then        string // Kept
	}{
		{"nothing", "", "", "", ""},
		{"mounted by ctl", "", all, all, all},
		{"the command line alone", "a a\nb b weight=3", "", "mount a a \"weight=1\"\nundrain a\nmount b b \"weight=3\"\nundrain b\n", ""},
		{"both", "a a", all, "mount a a \"weight=1\"\nundrain a\n" + all, all},
		{"the command line wins", "c a", all, "mount c a \"weight=1\"\ndrain c\n", "drain c\n"},
		{"its node is drained", "a a", "drain a", "mount a a \"weight=1\"\ndrain a\n", "drain a\n"},
		{"its node is another", "b b", "weight a 2\ndrain a", "mount b b \"weight=1\"\nundrain b\n", ""},
		{"a weight", "a a", "weight a 2", "mount a a \"weight=2\"\nundrain a\n", "weight a 2\n"},
		{"a weight that the command line has", "a a weight=3", "weight a 2", "mount a a \"weight=3\"\nundrain a\n", ""},
		{"a line that is wrong", "", "mount x nowhere\nfrobnicate\n" + all, all, all},
		{"models", "", "expect later\nexpect m\ndefault m", "expect\nexpect later\nexpect m\ndefault m\n", "expect m\ndefault m\n"},
	} {
		t.Run(test.name, func(t *testing.T) {
			bubble(t, "", 0, func(c *Config) { c.Expect = []string{"later"} }, func(r *rig) {
				for _, name := range []string{"a", "b", "c"} {
					r.places[name] = newPlace(name, 4)
				}
				if err := r.Restore(words(t, test.flags), words(t, test.kept)); err != nil {
					t.Fatal(err)
				}
				want := test.want
				if !strings.Contains(want, "expect") {
					want += "expect\nexpect later\ndefault\n"
				}
				if l := linesOf(r.Settings()); l != "strategy least-loaded\nfailover resume\n"+want+"resume\n" {
					t.Errorf("ctl is\n%s", l)
				}
				if l := linesOf(r.Kept()); l != test.then {
					t.Errorf("kept is\n%s", l)
				}
			})
		})
	}
	t.Run("settings", func(t *testing.T) {
		bubble(t, "", 0, func(c *Config) { c.Strategy = random }, func(r *rig) {
			if l := r.Kept(); l != nil {
				t.Errorf("kept is %q", l)
			}
			const lines = "strategy round-robin\nfailover strict\npause\n"
			if err := r.Restore(nil, words(t, lines)); err != nil {
				t.Fatal(err)
			}
			if l := linesOf(r.Kept()); l != lines {
				t.Errorf("kept is\n%s", l)
			}
			r.ctl("strategy random\nfailover resume\nresume")
			if l := r.Kept(); l != nil {
				t.Errorf("kept is %q", l)
			}
		})
	})
	t.Run("refused", func(t *testing.T) {
		bubble(t, "", 0, nil, func(r *rig) {
			r.places["a"] = newPlace("a", 4)
			for _, bad := range [][2]string{
				{"a nowhere", "nowhere: no address"},
				{"b/c a", "no name for a node"},
				{"c a weight=-1", "not a weight"},
				{"e a weight=1 x=y", "x=y"},
				{"a a\na a", "a: in use"},
			} {
				flags, word := bad[0], bad[1]
				if err := r.Restore(words(t, flags), nil); err == nil || !strings.Contains(err.Error(), word) {
					t.Errorf("%q: %v, want %s", flags, err, word)
				}
			}
		})
	})
}
