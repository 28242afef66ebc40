package tests

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"llama9/node/llama"
)

// TestScripts runs scripts/*.txtar: llama9 as a person at a shell has it.
// Beside testscript's own commands they have
//
//	until REGEXP COMMAND...    repeats the command until its output matches
func TestScripts(t *testing.T) {
	testscript.Run(t, testscript.Params{
		Dir:                 "scripts",
		RequireExplicitExec: true,
		Setup: func(e *testscript.Env) error {
			dir, err := os.MkdirTemp("", "l9") // a socket's path is short
			if err != nil {
				return err
			}
			e.Defer(func() { os.RemoveAll(dir) })
			e.Setenv("SOCK", dir)
			e.Setenv("LLAMA9_ADDR", "unix!"+dir+"/node")
			e.Setenv("XDG_CACHE_HOME", filepath.Join(e.WorkDir, "cache"))
			if lib, err := llama.Find(""); err == nil {
				e.Setenv("LLAMA9_LIB", lib)
			}
			return nil
		},
		Condition: func(cond string) (bool, error) {
			if cond == "llama" { // the real engine
				_, err := llama.Find("")
				if err != nil && os.Getenv("CI") == "true" {
					return false, err
				}
				return err == nil, nil
			}
			return false, nil
		},
		Cmds: map[string]func(*testscript.TestScript, bool, []string){"until": scriptUntil},
	})
}

func scriptUntil(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: until REGEXP COMMAND...")
	}
	re := regexp.MustCompile(args[0])
	for end := time.Now().Add(deadline); ; time.Sleep(5 * time.Millisecond) {
		cmd := exec.Command(args[1], args[2:]...)
		if args[1] == "llama9" {
			cmd.Path = program
		}
		cmd.Dir = ts.MkAbs(".")
		cmd.Env = append(os.Environ(), "LLAMA9_ADDR="+ts.Getenv("LLAMA9_ADDR"))
		out, err := cmd.CombinedOutput()
		if err == nil && re.Match(out) {
			return
		}
		if time.Now().After(end) {
			ts.Fatalf("%s: never gave %s, at last %v\n%s", strings.Join(args[1:], " "), args[0], err, out)
		}
	}
}
