//go:build linux && amd64 && !race

package kernel

import (
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"
)

// A mount is one way to mount; its name is the directory's, below /n.
type mount struct {
	name    string
	version string
	options string
	dotl    bool
}

// fills says whether a read of GNU cat is smaller than a message.
func (m mount) fills() bool { return strings.Contains(m.options, "msize=1048576") }

// loose says whether the kernel caches lengths: then no file is read that was
// written, for what was written is a length to it, and a read that gets less
// goes on in vain until it has as much (6.12).
func (m mount) loose() bool { return strings.Contains(m.options, "loose") }

func (m mount) dir() string { return "/n/" + m.name }

// mounts are those that kernel k can do.
func mounts(k kernel) []mount {
	all := []mount{
		{"none", "9p2000.L", "msize=1048576,cache=none,access=user", true},
		{"any", "9p2000.L", "msize=131072,cache=none,access=any", true},
		{"small", "9p2000.L", "msize=8192,cache=none", true},
		{"plain", "9p2000", "msize=1048576,cache=none,access=user,dfltuid=0,dfltgid=0", false},
		{"plainany", "9p2000", "msize=131072,cache=none,access=any", false},
		{"plainsmall", "9p2000", "msize=8192,cache=none", false},
	}
	if k.atLeast(6, 4) { // before, it reads by the length
		all = append(all,
			mount{"loose", "9p2000.L", "msize=131072,cache=loose", true},
			mount{"plainloose", "9p2000", "msize=131072,cache=loose", false})
	}
	return all
}

// mount mounts s in the machine.
func (sh *shell) mount(t testing.TB, s *server, m mount) {
	t.Helper()
	sh.must(t, fmt.Sprintf("mkdir -p %s; mount -t 9p -o trans=tcp,port=%s,version=%s,%s,uname=glenda 10.0.2.2 %[1]s",
		m.dir(), s.port, m.version, m.options))
}

// TestKernels boots each kernel once and tries everything on it.
func TestKernels(t *testing.T) {
	all, err := kernels()
	if err != nil {
		if os.Getenv("CI") == "true" {
			t.Fatal(err)
		}
		t.Skipf("LEFT OUT, no kernel mounts the tree: %v", err)
	}
	program := build(t)
	for _, k := range all {
		t.Run(k.release, func(t *testing.T) {
			t.Parallel()
			m := boot(t, k, program, libffi(t))
			s := serveFake(t)
			for _, mt := range mounts(k) {
				t.Run(mt.name, func(t *testing.T) {
					m.shells[0].mount(t, s, mt)
					c := &client{server: s, machine: m, mount: mt, sh: m.shells[0]}
					c.test(t)
					m.shells[0].must(t, "umount "+mt.dir())
				})
			}
			t.Run("coord", func(t *testing.T) { throughCoord(t, m, s) })
			t.Run("deploy", func(t *testing.T) { deployment(t, m, program) })
			t.Run("restart", func(t *testing.T) { restart(t, m) })
			t.Run("command", func(t *testing.T) { command(t, m) })
			t.Run("words", func(t *testing.T) { words(t, m) })
		})
	}
}

// A client is a mount that is tried.
type client struct {
	*server
	*machine
	mount
	sh *shell
}

// vars begins a script with what it may use: $M, the mount, and new, which
// makes a session and gives its number.
func (c *client) vars() string {
	return "M=" + c.dir() + "\nnew() { cat $M/infer/new; }\n"
}

func (c *client) must(t testing.TB, script string) string {
	t.Helper()
	return c.sh.must(t, c.vars()+script)
}

func (c *client) prints(t testing.TB, script, want string) {
	t.Helper()
	c.sh.prints(t, c.vars()+script, want)
}

// fails runs a script that has to fail and print word.
func (c *client) fails(t testing.TB, script, word string) {
	t.Helper()
	c.sh.fails(t, c.vars()+script, word)
}

// test does all on the mounts none and plain, on the others what their options
// can change.
func (c *client) test(t *testing.T) {
	cases := []struct {
		name string
		run  func(*testing.T)
		on   string // other mounts
	}{
		{"list", c.list, "small loose"}, // it reads every file that is there
		{"second", c.second, "any small loose plainany plainsmall plainloose"},
		{"read", c.reads, "small loose plainsmall plainloose"},
		{"write", c.writes, ""},
		{"long prompt", c.longPrompt, "any small loose plainany plainsmall plainloose"},
		{"first", c.first, "any small loose plainany plainsmall plainloose"},
		{"descriptor", c.descriptor, "small plainsmall"},
		{"kill", c.kill, "small"},
		{"live", c.live, "any small plainsmall"},
		{"shells", c.shellsAtOnce, "any"},
		{"sessions", c.manySessions, ""},
		{"users", c.users, "any plainany"},
		{"remove", c.remove, "any small loose plainany plainsmall plainloose"},
	}
	for _, test := range cases {
		if c.name == "none" || c.name == "plain" || slices.Contains(strings.Fields(test.on), c.name) {
			t.Run(test.name, test.run)
		}
	}
}
