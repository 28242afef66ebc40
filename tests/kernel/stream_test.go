//go:build linux && amd64 && !race

package kernel

import (
	"fmt"
	"strconv"
	"strings"
	"testing"
)

// live has each token printed in the machine before the next one is made.
func (c *client) live(t *testing.T) {
	readers := []string{"dd bs=1 status=none if=$S/out"}
	if c.dotl {
		readers = append(readers, "dd bs=4096 status=none if=$S/out")
		if c.fills() {
			readers = append(readers, "cat $S/out", "busybox cat $S/out", "bash -c 'cat' <$S/out")
		}
	}
	defer c.gate.open()
	for _, r := range readers {
		c.gate.hold()
		c.sh.start(t, c.vars()+"S=$M/infer/$(new); echo hi > $S/prompt; echo begun; "+r)
		c.sh.expect(t, "begun\n")
		for i, word := range strings.SplitAfter(sentence[1:], " ") {
			word = strings.TrimSuffix(" "+word, " ")
			c.gate.step(t)
			if got := c.sh.until(t, word); got != word {
				t.Fatalf("%s: token %d: %q, want %q", r, i, got, word)
			}
		}
		c.gate.open()
		if rest, status := c.sh.wait(t); rest != "" || status != 0 {
			t.Errorf("%s: at the end %q, status %d", r, rest, status)
		}
	}
	// What a reader of few bytes has is enough for it, while the turn runs.
	c.gate.hold()
	c.sh.start(t, c.vars()+"S=$M/infer/$(new); echo hi > $S/prompt; head -c 4 $S/out; echo; grep -o state=decode $S/status")
	c.gate.step(t)
	if got, status := c.sh.wait(t); got != " the\nstate=decode\n" || status != 0 {
		t.Errorf("head -c 4: %q, status %d", got, status)
	}
	c.gate.open()
	cat := "cat $M/event"
	switch {
	case !c.dotl:
		cat = "dd bs=1 if=$M/event"
	case !c.fills():
		cat = "dd bs=4096 if=$M/event"
	}
	c.sh.start(t, c.vars()+"exec 2>/dev/null; set -m; "+cat+" & p=$!; "+blocked+"; echo $p >/tmp/cat; echo begun; wait $p; echo $?")
	c.sh.until(t, "begun\n")
	other := c.machine.shells[1]
	id := strings.TrimSpace(other.must(t, c.vars()+"new"))
	c.sh.until(t, " session id="+id+" state=made\n")
	// Not SIGINT, which dd catches: the kernel ends a read for a signal that
	// ends the process only.
	other.must(t, "kill -TERM $(cat /tmp/cat)")
	if got, status := c.sh.wait(t); !strings.HasSuffix(got, "143\n") || status != 0 {
		t.Errorf(cat+": %q, status %d", got, status)
	}
}

// blocked waits until process $p waits for a server.
const blocked = "until grep -q p9_client /proc/$p/wchan; do :; done"

// kill ends a blocked reader at once, and nothing else.
func (c *client) kill(t *testing.T) {
	c.gate.hold()
	defer c.gate.open()
	got := c.must(t, `
exec 2>/dev/null; set -m
S=$M/infer/$(new); echo hi > $S/prompt
for sig in INT KILL TERM; do
	cat $S/out & p=$!; `+blocked+`; kill -$sig $p; wait $p; echo $sig $?
done
dd bs=1 if=$S/out & p=$!; `+blocked+`; kill -KILL $p; wait $p; echo $?
cat $M/event & p=$!; `+blocked+`; kill -INT $p; wait $p; echo $?
grep -c state= $M/status $S/status | tail -c 2; basename $S`)
	lines := strings.Split(strings.TrimSpace(got), "\n")
	c.gate.open()
	if want := "INT 130 KILL 137 TERM 143 137 130 1"; strings.Join(lines[:len(lines)-1], " ") != want {
		t.Fatalf("%q, want %q", lines, want)
	}
	c.prints(t, "cat $M/infer/"+lines[len(lines)-1]+"/out", sentence)
}

// shellsAtOnce makes turns in all shells.
func (c *client) shellsAtOnce(t *testing.T) {
	script := c.vars() + `S=$M/infer/$(new)
for n in 1 2 3 4 5; do echo $n > $S/prompt; cat $S/out; test "$(cat $S/prompt)" = $n || echo no; done`
	for _, sh := range c.machine.shells {
		sh.start(t, script)
	}
	for i, sh := range c.machine.shells {
		got, status := sh.wait(t)
		if want := strings.Repeat(sentence, 5); got != want || status != 0 {
			t.Errorf("shell %d: %q, status %d", i, got, status)
		}
	}
}

// manySessions makes 200, from a loop of the shell.
func (c *client) manySessions(t *testing.T) {
	got := c.must(t, `
for i in $(seq 200); do echo $i > $M/infer/new; done
cd $M/infer; cat $(ls -d [0-9]* | tail -n 200 | sed 's,.*,&/prompt &/out,')`)
	var want strings.Builder
	for i := range 200 {
		fmt.Fprintf(&want, "%d%s", i+1, sentence)
	}
	if got != want.String() {
		t.Errorf("%q", got)
	}
	// Not by rm -r: that is tried on a few.
	all, err := c.fs.ReadDir(t.Context(), "infer")
	if err != nil {
		t.Fatal(err)
	}
	for _, st := range all {
		if _, err := strconv.Atoi(st.Name); err == nil {
			if err := c.fs.Remove(t.Context(), "infer/"+st.Name); err != nil {
				t.Error(err)
			}
		}
	}
}

// users tells users of the machine apart where the mount does.
func (c *client) users(t *testing.T) {
	got := c.must(t, `
as() { su glenda -s /bin/sh -c "PATH=$PATH; $1"; }
echo mine > $M/infer/new
as "echo hers > $M/infer/new; cat $M/infer/last/prompt; echo"
cat $M/infer/last/prompt; echo
as "stat -L -c %u $M/infer/last"`)
	mine, owner := "mine", "1000"
	if strings.Contains(c.options, "access=any") || !c.dotl {
		// One attach for all: in 9P2000 the kernel makes access=any of
		// access=user (v9fs_session_init: "for legacy fall back").
		mine, owner = "hers", ""
	}
	lines := strings.Fields(got)
	if len(lines) != 3 || lines[0] != "hers" || lines[1] != mine {
		t.Fatalf("%q, want hers and %s", lines, mine)
	}
	if owner != "" && lines[2] != owner {
		t.Errorf("the session is of %s", lines[2])
	}
}
