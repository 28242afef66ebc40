package peers

import (
	"context"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"
)

// diod runs one of diod's client tools, a 9P2000.L client written by others, to
// its end and gives what it printed. The package diod has them; without them
// the test is left out, but not where CI is true.
func diod(t *testing.T, tool, addr string, args ...string) (string, error) {
	t.Helper()
	file, err := exec.LookPath(tool)
	if err != nil {
		if file = "/usr/sbin/" + tool; !executable(file) {
			if os.Getenv("CI") == "true" {
				t.Fatalf("%s is not there: install diod", tool)
			}
			t.Skipf("LEFT OUT, %s is not there: install diod", tool)
		}
	}
	// Only a test that fails waits for it.
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	out, err := exec.CommandContext(ctx, file, append([]string{"-s", addr}, args...)...).CombinedOutput()
	return string(out), err
}

func executable(file string) bool {
	s, err := os.Stat(file)
	return err == nil && s.Mode().IsRegular() && s.Mode()&0111 != 0
}

// diod's tools attach by the number of the user alone, after a Tauth that
// ENOENT only lets them go on from.
func TestDiod(t *testing.T) {
	addr := serveLlama(t)(t).RemoteAddr().String()
	out, err := diod(t, "diodls", addr, "-a", "/")
	if err != nil || strings.Join(strings.Fields(out), " ") != "ctl model status event metrics infer" {
		t.Errorf("diodls: %q, %v", out, err)
	}
	// A session, made by one connection and used by the next ones.
	id, err := diod(t, "diodcat", addr, "-a", "/", "infer/new")
	if id = strings.TrimSpace(id); err != nil || id == "" {
		t.Fatalf("diodcat infer/new: %q, %v", id, err)
	}
	for _, aname := range []string{"/", "ctl"} {
		out, err = diod(t, "diodls", addr, "-a", aname, "infer")
		if err != nil || strings.Join(strings.Fields(out), " ") != "new last "+id {
			t.Errorf("diodls -a %s infer: %q, %v", aname, out, err)
		}
	}
	out, err = diod(t, "diodls", addr, "-a", "/", "-l", "infer/"+id)
	if err != nil || !strings.Contains(out, "prompt") || strings.Count(out, "\n") != 12 || !strings.HasPrefix(out, "drwxrwxrwx") {
		t.Errorf("diodls -l: %q, %v", out, err)
	}
	byNumber, err := diod(t, "diodcat", addr, "-a", "/", "infer/"+id+"/ctl")
	if err != nil || !strings.Contains(byNumber, "\ntop_k ") {
		t.Errorf("diodcat of a ctl: %q, %v", byNumber, err)
	}
	// By the link too, and below an aname.
	if out, err = diod(t, "diodcat", addr, "-a", "/", "infer/last/ctl"); err != nil || out != byNumber {
		t.Errorf("by last: %q, %v", out, err)
	}
	if out, err = diod(t, "diodcat", addr, "-a", "infer/"+id, "ctl"); err != nil || out != byNumber {
		t.Errorf("by aname: %q, %v", out, err)
	}
	for _, args := range [][]string{{"-a", "/", "nothing"}, {"-a", "nothing", "ctl"}, {"-a", "/", "infer"}} {
		if out, err = diod(t, "diodcat", addr, args...); err == nil {
			t.Errorf("diodcat %q: %q", args, out)
		}
	}
	// dioddate asks for a file of diod's own, and ends with 0 whatever it gets.
	if out, _ = diod(t, "dioddate", addr); !strings.Contains(out, "No such file or directory") {
		t.Errorf("dioddate: %q", out)
	}
}
