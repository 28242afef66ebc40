package limbo

import (
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"syscall"
	"testing"
)

// TestCoordinator runs test/coordtest.b over two nodes. It kills one, which is
// started again here.
func TestCoordinator(t *testing.T) {
	i := findInferno(t)
	a, b := node(t, "5ms"), node(t, "5ms")
	again(t, a)
	again(t, b)
	out, err := i.exec(t, "test/coordtest $a $b $c\n", a.addr, b.addr, signals(t, a, b))
	checked(t, out, err, 40)
}

// TestCoordinatorFrozen: a node that neither hangs up nor answers is left.
func TestCoordinatorFrozen(t *testing.T) {
	i := findInferno(t)
	a, b := node(t, "5ms"), node(t, "5ms")
	out, err := i.exec(t, "test/coordtest $a $b $c freeze\n", a.addr, b.addr, signals(t, a, b))
	checked(t, out, err, 25)
}

// signals is an address where a line tells to signal a or b, as in STOP a.
func signals(t *testing.T, a, b *server) string {
	t.Helper()
	servers := map[string]*server{"a": a, "b": b}
	known := map[string]os.Signal{"STOP": syscall.SIGSTOP, "CONT": syscall.SIGCONT, "KILL": syscall.SIGKILL}
	return listen(t, func(c net.Conn) {
		var how, name string
		if _, err := fmt.Fscanln(c, &how, &name); err != nil || servers[name] == nil || known[how] == nil {
			fmt.Fprintf(c, "%s %s: %v\n", how, name, err)
		} else if err := servers[name].Cmd.Process.Signal(known[how]); err != nil {
			fmt.Fprintln(c, err)
		} else {
			fmt.Fprintln(c, "done")
		}
	})
}

func (s *server) pid() string { return strconv.Itoa(s.Cmd.Process.Pid) }

// again starts s again at its address when it has ended, once.
func again(t *testing.T, s *server) {
	done := make(chan struct{})
	var next *exec.Cmd
	go func() {
		defer close(done)
		<-s.Ended
		if s.stopped.Load() {
			return
		}
		args := s.Cmd.Args[1 : len(s.Cmd.Args)-1]
		next = exec.Command(s.Cmd.Path, append(args, s.addr)...)
		if err := next.Start(); err != nil {
			t.Error(err)
			next = nil
		}
	}()
	t.Cleanup(func() {
		s.stop()
		<-done
		if next != nil {
			next.Process.Kill()
			next.Wait()
		}
	})
}

// TestMountedCoordinator runs test/mountedtest.b over llama9 coord.
func TestMountedCoordinator(t *testing.T) {
	i := findInferno(t)
	a, b := node(t, "1ms"), node(t, "1ms")
	c := serve(t, "coord", "--node", "a="+a.addr)
	out, err := i.exec(t, "test/mountedtest $a $b\n", c.addr, b.addr)
	checked(t, out, err, 21)
}

// TestAskMany: llama9/ask of two nodes by the coordinator in Limbo and by the
// one in Go.
func TestAskMany(t *testing.T) {
	i := findInferno(t)
	a, b := node(t, "5ms"), node(t, "5ms")
	c := serve(t, "coord", "--node", "a="+a.addr, "--node", "b="+b.addr)
	script(t, i, "many", 14, a.addr, b.addr, c.addr, a.pid(), b.pid(), "/n/local"+filepath.Join(t.TempDir(), "answer"))
}
