package tests

import (
	"fmt"
	"os"
	"strings"
	"testing"
)

// TestRestartCtl: what the ctl of a coordinator was told outlives kill -9: what
// it has mounted, and what it has not unmounted. What the command line says
// goes before it.
func TestRestartCtl(t *testing.T) {
	dir, err := os.MkdirTemp("", "l9")
	if err != nil {
		t.Fatal(err)
	}
	defer os.RemoveAll(dir)
	at := func(name string) string { return "unix!" + dir + "/" + name }
	for _, name := range []string{"a", "b", "c"} {
		start(t, "node", "--engine", "fake", "-m", "fake:words", "--alias", "words", "--listen", at(name))
	}
	state := []string{"--state", dir + "/state"}
	begin := func(up int, args ...string) (ctl func() string, tell func(lines string), end func()) {
		_, fs, p := coordinate(t, up, append(state, args...)...)
		return func() string { return readFile(t, fs, "ctl") }, func(lines string) { writeFile(t, fs, "ctl", lines) }, func() { fs.Close(); p.kill(t) }
	}
	mount := func(name, weight string) string {
		return fmt.Sprintf("mount %s %s \"weight=%s\"\n", name, at(name), weight)
	}

	ctl, tell, end := begin(1, "--node", "a="+at("a"))
	tell(fmt.Sprintf("mount b %s\nmount c %s\nmount gone %s\n", at("b"), at("c"), at("gone")))
	tell("weight b 3\ndrain a\nunmount gone\nstrategy round-robin\npause\n")
	said := ctl()
	want := "strategy round-robin\nfailover resume\n" + mount("a", "1") + "drain a\n" + mount("b", "3") + "undrain b\n" + mount("c", "1") + "undrain c\nexpect\ndefault\npause\n"
	if said != want {
		t.Fatalf("ctl is\n%s, want\n%s", said, want)
	}
	end()
	ctl, tell, end = begin(2, "--node", "a="+at("a"))
	if now := ctl(); now != said {
		t.Errorf("after kill -9 ctl is\n%s, it was\n%s", now, said)
	}
	tell("unmount c\nresume\nundrain a\n")
	end()

	// The command line has b now, and a no more.
	ctl, _, end = begin(1, "--node", "b="+at("c"), "--strategy", "random", "--failover", "strict")
	if now, want := ctl(), "strategy random\nfailover strict\n"+strings.Replace(mount("c", "1"), "mount c", "mount b", 1)+"undrain b\nexpect\ndefault\nresume\n"; now != want {
		t.Errorf("ctl is\n%s, want\n%s", now, want)
	}
	end()
	// Nothing has been said since.
	ctl, _, _ = begin(1)
	if now, want := ctl(), "strategy round-robin\nfailover resume\n"+mount("b", "3")+"undrain b\nexpect\ndefault\nresume\n"; now != want {
		t.Errorf("ctl is\n%s, want\n%s", now, want)
	}
}
