//go:build linux && amd64 && !race

package kernel

import (
	"fmt"
	"os"
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
	for _, k := range all {
		t.Run(k.release, func(t *testing.T) {
			t.Parallel()
			m := boot(t, k)
			s := serveFake(t)
			for _, mt := range mounts(k) {
				t.Run(mt.name, func(t *testing.T) {
					m.shells[0].mount(t, s, mt)
					c := &client{server: s, machine: m, mount: mt, sh: m.shells[0]}
					c.test(t)
					m.shells[0].must(t, "umount "+mt.dir())
				})
			}
			t.Run("restart", func(t *testing.T) { restart(t, m) })
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

// vars begins a script with what it may use: $M, the mount, and turn, which
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
	if text, status := c.sh.run(t, c.vars()+script); status == 0 || !strings.Contains(text, word) {
		t.Errorf("%s\n: status %d, printed %q, want a failure with %q", script, status, text, word)
	}
}

func (c *client) test(t *testing.T) {
	t.Run("second", c.second)
	t.Run("list", c.list)
	t.Run("read", c.reads)
	t.Run("write", c.writes)
	t.Run("long prompt", c.longPrompt)
	if strings.Contains(c.options, "loose") {
		// What was written is a length to this cache, and a read goes on in
		// vain until it has as much: no file that answers is written here.
		t.Run("remove", c.remove)
		t.Run("first", c.first)
		return
	}
	t.Run("first", c.first)
	t.Run("descriptor", c.descriptor)
	t.Run("kill", c.kill)
	t.Run("live", c.live)
	t.Run("shells", c.shellsAtOnce)
	if c.name == "none" || c.name == "plain" {
		t.Run("sessions", c.manySessions)
	}
	t.Run("users", c.users)
	t.Run("remove", c.remove)
}
