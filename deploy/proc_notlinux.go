//go:build !linux

package deploy

import (
	"errors"
	"os/exec"
)

// startIsolate starts cmd in a process group of its own. Where there is no
// Linux there are no bounds: what asks for them is refused.
func startIsolate(cmd *exec.Cmd, spec *Spec, group string) error {
	if spec.CPUs != nil || spec.Memory != 0 || spec.OpenFiles != 0 {
		return errors.New("cpus, memory and open_files are for Linux")
	}
	cmd.SysProcAttr = ownGroup()
	return cmd.Start()
}
