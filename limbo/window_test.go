package limbo

import (
	"bufio"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"

	"llama9/tests/proc"
)

// TestWindow runs test/windowtest.b on a display of its own. It is left out
// where Xvfb is not there, or emu has no Tk: the one without a display, and
// InferNode's.
func TestWindow(t *testing.T) {
	i := findInferno(t)
	display(t)
	a, b := node(t, "5ms"), node(t, "5ms")
	out, err := i.exec(t, "test/windowtest $a $b $c\n", a.addr, b.addr, signals(t, a, b))
	if strings.HasPrefix(out, "SKIP ") {
		t.Skip("LEFT OUT, there is no Inferno with a display: ", strings.TrimPrefix(out, "SKIP "))
	}
	checked(t, out, err, 20)
}

// display starts an X server that shows nothing, for what has DISPLAY.
func display(t *testing.T) {
	t.Helper()
	if _, err := exec.LookPath("Xvfb"); err != nil {
		t.Skip("LEFT OUT, there is no Xvfb: ", err)
	}
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	x := proc.Command("Xvfb", "-displayfd", "3", "-screen", "0", "1024x768x24", "-nolisten", "tcp")
	x.Cmd.ExtraFiles = []*os.File{w}
	x.Start(t)
	t.Cleanup(func() { // a killed one would leave its lock
		x.Cmd.Process.Signal(syscall.SIGTERM)
		<-x.Ended
	})
	w.Close()
	number, err := bufio.NewReader(r).ReadString('\n')
	if err != nil {
		t.Fatalf("Xvfb: %v\n%s", err, x.Out.String())
	}
	t.Setenv("DISPLAY", fmt.Sprintf(":%s", strings.TrimSpace(number)))
}
