//go:build !unix

package deploy

import (
	"errors"
	"os"
)

var errNoGroups = errors.New("deploy: this system has no process groups")

func terminateGroup(p *os.Process) { p.Kill() }
func killGroup(p *os.Process)      { p.Kill() }

// A Lock is not to be had here.
type Lock struct{}

// TakeLock fails.
func TakeLock(string) (*Lock, error) { return nil, errNoGroups }

// Release does nothing.
func (*Lock) Release() {}
