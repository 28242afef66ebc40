package deploy

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"syscall"

	"golang.org/x/sys/unix"
)

// startIsolate starts cmd from the thread that calls it. A control group, or
// else bounds of the process itself, hold it to what spec says.
func startIsolate(cmd *exec.Cmd, spec *Spec, group string) error {
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
	if group != "" {
		f, err := os.Open(group)
		if err != nil {
			return err
		}
		defer f.Close()
		cmd.SysProcAttr.UseCgroupFD, cmd.SysProcAttr.CgroupFD = true, int(f.Fd())
	}
	if spec.CPUs != nil { // a child has its parent thread's
		var old, set unix.CPUSet
		for _, i := range spec.CPUs {
			set.Set(i)
		}
		if err := unix.SchedGetaffinity(0, &old); err != nil {
			return fmt.Errorf("cpus: %w", err)
		}
		if err := unix.SchedSetaffinity(0, &set); err != nil {
			return fmt.Errorf("cpus: this machine has none of them, or may not use them: %w", err)
		}
		defer unix.SchedSetaffinity(0, &old)
	}
	if err := cmd.Start(); err != nil {
		return err
	}
	var err error
	if spec.Memory != 0 && group == "" {
		err = limit(cmd.Process.Pid, unix.RLIMIT_DATA, uint64(spec.Memory))
	}
	if spec.OpenFiles != 0 {
		err = errors.Join(err, limit(cmd.Process.Pid, unix.RLIMIT_NOFILE, uint64(spec.OpenFiles)))
	}
	if err != nil {
		killGroup(cmd.Process)
		cmd.Wait()
	}
	return err
}

func limit(pid, what int, most uint64) error {
	if err := unix.Prlimit(pid, what, &unix.Rlimit{Cur: most, Max: most}, nil); err != nil {
		return fmt.Errorf("limit of the process: %w", err)
	}
	return nil
}
