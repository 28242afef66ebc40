//go:build unix

package deploy

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"syscall"
)

// terminateGroup asks a process and its children to end.
func terminateGroup(p *os.Process) { syscall.Kill(-p.Pid, syscall.SIGTERM) }

// killGroup ends them.
func killGroup(p *os.Process) { syscall.Kill(-p.Pid, syscall.SIGKILL) }

// A Lock is what one running deployment of a name holds. It goes with the
// process, however that ends.
type Lock struct{ f *os.File }

// TakeLock makes dir, for this user alone, and locks it.
func TakeLock(dir string) (*Lock, error) {
	if err := os.MkdirAll(filepath.Dir(dir), 0o700); err != nil {
		return nil, err
	}
	if err := os.Mkdir(dir, 0o700); err != nil && !os.IsExist(err) {
		return nil, err
	}
	for _, d := range []string{filepath.Dir(dir), dir} {
		fi, err := os.Lstat(d)
		if err != nil {
			return nil, err
		}
		if st, ok := fi.Sys().(*syscall.Stat_t); !ok || !fi.IsDir() || fi.Mode().Perm()&0o022 != 0 || int(st.Uid) != os.Geteuid() {
			return nil, fmt.Errorf("%s: not a directory of ours alone", d)
		}
	}
	f, err := os.OpenFile(filepath.Join(dir, LockName), os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, err
	}
	if err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		buf := make([]byte, 32)
		n, _ := f.Read(buf)
		f.Close()
		return nil, fmt.Errorf("a deployment of this name runs already (process %s): llama9 deploy stop ends it", string(buf[:n]))
	}
	if err := f.Truncate(0); err != nil {
		f.Close()
		return nil, err
	}
	if err := removeSockets(dir); err != nil {
		f.Close()
		return nil, err
	}
	fmt.Fprint(f, os.Getpid())
	return &Lock{f}, nil
}

// removeSockets removes what a deployment that was killed has left in dir.
func removeSockets(dir string) error {
	list, err := os.ReadDir(dir)
	for _, e := range list {
		if e.Type() == os.ModeSocket {
			err = errors.Join(err, os.Remove(filepath.Join(dir, e.Name())))
		}
	}
	return err
}

// Release leaves no lock and, if it is empty, no directory.
func (l *Lock) Release() {
	os.Remove(l.f.Name())
	os.Remove(filepath.Dir(l.f.Name()))
	l.f.Close()
}
