package limbo

import (
	"regexp"
	"strings"
	"testing"
)

// TestModule runs test/moduletest.b, which says what is wrong.
func TestModule(t *testing.T) {
	i := findInferno(t)
	s := node(t, "1ms")
	out, err := i.exec(t, "test/moduletest $a\n", s.addr)
	checked(t, out, err, 100)
}

// killed is what sh says of a command that the script killed.
var killed = regexp.MustCompile(`^sh: \d+ "(Cat|Ask)":killed$`)

// checked looks at what a test in Limbo printed: at least so many checks that
// are ok, and no other line.
func checked(t *testing.T, out string, err error, least int) {
	t.Helper()
	if err != nil {
		t.Errorf("it ended with %v", err)
	}
	ok := 0
	for line := range strings.SplitSeq(strings.TrimSpace(out), "\n") {
		if strings.HasPrefix(line, "ok ") {
			ok++
		} else if !killed.MatchString(line) {
			t.Error(strings.TrimSpace(line))
		}
	}
	if ok < least {
		t.Errorf("only %d checks:\n%s", ok, out)
	}
}
