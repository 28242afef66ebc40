package tests

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"regexp"
	"strings"
	"sync"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"
)

// A terminal is a program that runs on a pseudo terminal.
type terminal struct {
	master *os.File
	cmd    *exec.Cmd
	done   chan struct{} // closed when all output is read
	mu     sync.Mutex    // guards shown
	shown  bytes.Buffer
}

// onTerminal starts the program with all its files on a terminal of its own.
func onTerminal(t *testing.T, args ...string) *terminal {
	t.Helper()
	master, err := os.OpenFile("/dev/ptmx", os.O_RDWR|syscall.O_NOCTTY, 0)
	if err != nil {
		t.Fatal(err)
	}
	var n int
	raw, err := master.SyscallConn()
	if err == nil {
		var cerr error
		err = raw.Control(func(fd uintptr) {
			n, cerr = unix.IoctlGetInt(int(fd), unix.TIOCGPTN)
			cerr = errors.Join(cerr, unix.IoctlSetPointerInt(int(fd), unix.TIOCSPTLCK, 0),
				unix.IoctlSetWinsize(int(fd), unix.TIOCSWINSZ, &unix.Winsize{Row: 24, Col: 80}))
		})
		err = errors.Join(err, cerr)
	}
	if err != nil {
		t.Fatal(err)
	}
	slave, err := os.OpenFile(fmt.Sprintf("/dev/pts/%d", n), os.O_RDWR|syscall.O_NOCTTY, 0)
	if err != nil {
		t.Fatal(err)
	}
	term := &terminal{master: master, cmd: exec.Command(program, args...), done: make(chan struct{})}
	term.cmd.Stdin, term.cmd.Stdout, term.cmd.Stderr = slave, slave, slave
	term.cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true, Setctty: true}
	term.cmd.Env = append(os.Environ(), "TERM=xterm")
	if err := term.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	slave.Close()
	go func() {
		defer close(term.done)
		buf := make([]byte, 4096)
		for {
			n, err := master.Read(buf)
			term.mu.Lock()
			term.shown.Write(buf[:n])
			term.mu.Unlock()
			if err != nil {
				return
			}
		}
	}()
	t.Cleanup(func() {
		term.cmd.Process.Kill()
		term.cmd.Wait()
		<-term.done
		master.Close()
		if t.Failed() {
			t.Logf("the terminal: %q", term.shown.String())
		}
	})
	return term
}

// see waits until the screen shows what, and forgets it up to there.
func (s *terminal) see(t *testing.T, what string) {
	t.Helper()
	re := regexp.MustCompile(what)
	until(t, what+" on the terminal", func() bool {
		s.mu.Lock()
		defer s.mu.Unlock()
		m := re.FindIndex(s.shown.Bytes())
		if m != nil {
			s.shown.Next(m[1])
		}
		return m != nil
	})
}

func (s *terminal) enter(t *testing.T, keys string) {
	t.Helper()
	if _, err := s.master.WriteString(keys); err != nil {
		t.Fatal(err)
	}
}

// TestConversation: a talk on a terminal, an interrupt in it, and its end.
func TestConversation(t *testing.T) {
	addr, fs, _ := serve(t, "--engine", "fake", "-m", "fake:talk,step=5ms", "-c", "100000")
	term := onTerminal(t, "run", "-a", addr, "--seed", "1", "-n", "5")
	term.see(t, `> $`)
	term.enter(t, "Call me Ishmael.\r")
	term.see(t, `Ishmael\.\r\n`)
	term.see(t, `\w+\r\n.*> $`)
	term.enter(t, "/n_predict -1\r")
	term.see(t, `\r\n.*> $`)
	term.enter(t, "/ignore_eos on\r")
	term.see(t, `\r\n.*> $`)
	term.enter(t, "/temprature 1\r")
	term.see(t, `llama9: .*temprature`)
	term.see(t, `> $`)
	term.enter(t, "on and on\r")
	term.see(t, `and on\r\n.*\w`)
	until(t, "the turn runs", func() bool { return attr(t, readFile(t, fs, "status"), "busy") == "1" })
	term.enter(t, "\x03")
	term.see(t, `cancelled`)
	term.see(t, `> $`)
	until(t, "the node is idle after ^C", func() bool { return attr(t, readFile(t, fs, "status"), "busy") == "0" })
	term.enter(t, "/status\r")
	term.see(t, `state=cancelled `)
	term.see(t, `> $`)
	term.enter(t, "\x03") // at the prompt it only says how to leave
	term.see(t, `\^D ends`)
	term.see(t, `> $`)
	term.enter(t, "\x04")
	<-term.done
	if err := term.cmd.Wait(); err != nil {
		t.Errorf("after ^D: %v", err)
	}
	if list := command(t, "", "ls", "-a", addr, "infer"); strings.ContainsAny(list, "0123456789") {
		t.Errorf("the session is still there: %s", list)
	}
}

// TestBar: a load and a long prefill show bars on a terminal.
func TestBar(t *testing.T) {
	term := onTerminal(t, "run", "--engine", "fake", "-m", "fake:slow,load=500ms,row=200us", "--seed", "1", "-n", "5", "-c", "16384",
		strings.Repeat("Call me Ishmael. ", 800))
	term.see(t, `loading +[0-9]+%`)
	term.see(t, `prefill +[0-9]+%`)
	term.see(t, `\w+\r\n$`)
	<-term.done
	if err := term.cmd.Wait(); err != nil {
		t.Error(err)
	}
}
