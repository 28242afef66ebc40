//go:build linux && amd64 && !race

package kernel

import (
	"encoding/base64"
	"fmt"
	"net"
	"strconv"
	"strings"
	"testing"
	"time"
)

// A shell runs scripts in a machine, one after the other, on a serial line;
// testdata/agent is its other end.
type shell struct {
	conn net.Conn
	n    int    // scripts begun
	got  string // read, not taken yet
	err  error  // it answers no more
}

// start begins a script, of bash.
func (s *shell) start(t testing.TB, script string) {
	t.Helper()
	if s.err != nil {
		t.Fatalf("the shell is lost: %v", s.err)
	}
	s.n++
	// In pieces that the line's buffer in the kernel has room for: a serial
	// line holds nobody up.
	line := fmt.Sprintf("%d %s\n", s.n, base64.StdEncoding.EncodeToString([]byte(script)))
	if len(line) > 4000 {
		t.Fatalf("a script of %d bytes is too long", len(script))
	}
	if _, err := s.conn.Write([]byte(line)); err != nil {
		t.Fatal(err)
	}
}

// until takes what the shell prints up to and with mark.
func (s *shell) until(t testing.TB, mark string) string {
	t.Helper()
	buf := make([]byte, 64<<10)
	for from := 0; ; {
		if i := strings.Index(s.got[from:], mark); i >= 0 {
			i += from + len(mark)
			text := s.got[:i]
			s.got = s.got[i:]
			return text
		}
		from = max(len(s.got)-len(mark), 0)
		s.conn.SetReadDeadline(time.Now().Add(deadline)) // only a test that fails waits for it
		n, err := s.conn.Read(buf)
		s.got += string(buf[:n])
		if err != nil {
			s.err = err
			t.Fatalf("waiting for %q: %v; it printed %q", mark, err, s.got)
		}
	}
}

// expect waits until the shell has printed exactly text.
func (s *shell) expect(t testing.TB, text string) {
	t.Helper()
	if got := s.until(t, text); got != text {
		t.Fatalf("the guest printed %q, want %q", got, text)
	}
}

// wait waits for the end of the script and gives what it printed that was not
// taken, and its status.
func (s *shell) wait(t testing.TB) (string, int) {
	t.Helper()
	mark := fmt.Sprintf("\nllama9-end %d ", s.n)
	text := strings.TrimSuffix(s.until(t, mark), mark)
	status, err := strconv.Atoi(strings.TrimSpace(s.until(t, "\n")))
	if err != nil {
		t.Fatal(err)
	}
	return text, status
}

// run runs a script to its end.
func (s *shell) run(t testing.TB, script string) (string, int) {
	t.Helper()
	s.start(t, script)
	return s.wait(t)
}

// must runs a script that has to succeed, and gives what it printed.
func (s *shell) must(t testing.TB, script string) string {
	t.Helper()
	text, status := s.run(t, script)
	if status != 0 {
		t.Fatalf("%s\n: status %d, printed\n%s", script, status, text)
	}
	return text
}

// prints runs a script that has to print want.
func (s *shell) prints(t testing.TB, script, want string) {
	t.Helper()
	if got := s.must(t, script); got != want {
		t.Fatalf("%s\n: printed %q, want %q", script, got, want)
	}
}

// fails runs a script that has to fail and print word.
func (s *shell) fails(t testing.TB, script, word string) {
	t.Helper()
	if text, status := s.run(t, script); status == 0 || !strings.Contains(text, word) {
		t.Errorf("%s\n: status %d, printed %q, want a failure with %q", script, status, text, word)
	}
}
