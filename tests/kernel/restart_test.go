//go:build linux && amd64 && !race

package kernel

import (
	"regexp"
	"testing"
)

// restart ends a server under mounts, and starts it again.
func restart(t *testing.T, m *machine) {
	s := serveFake(t)
	sh := m.shells[0]
	for _, mt := range mounts(m.kernel) {
		if mt.name != "none" && mt.name != "plain" {
			continue
		}
		sh.mount(t, s, mt)
		c := &client{server: s, machine: m, mount: mt, sh: sh}
		c.prints(t, "echo hi > $M/infer/new; cat $M/infer/last/out", sentence)
		s.gate.hold()
		sh.start(t, c.vars()+`echo hi > $M/infer/new; exec 4<$M/infer/last/out; cat <&4 & p=$!; `+blocked+`; echo blocked; wait $p; echo $?`)
		sh.expect(t, "blocked\n")
		s.stop()
		// Which error is the kernel's: of an end of the connection it makes 0,
		// then takes the answer, which is empty, for a bad one (6.1).
		gone := regexp.MustCompile(`^cat: -: (Input/output error|Bad address|Connection reset by peer)\n1\n$`)
		if got, status := sh.wait(t); !gone.MatchString(got) || status != 0 {
			t.Errorf("%s: a blocked cat: %q, status %d", mt.name, got, status)
		}
		c.fails(t, "cat $M/status", "Input/output error")
		c.fails(t, "ls $M/infer", "Input/output error")
		c.fails(t, "echo hi > $M/infer/new", "Input/output error")
		sh.must(t, "umount "+mt.dir())
		s.start(t)
		sh.mount(t, s, mt)
		c.prints(t, "echo hi > $M/infer/new; cat $M/infer/last/out", sentence)
		sh.must(t, "umount "+mt.dir())
	}
}
