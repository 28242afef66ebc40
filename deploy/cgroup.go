package deploy

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// Cgroups makes a control group for each node, where that is permitted: in
// version 2's hierarchy, in a group that was delegated to this process alone
// (systemd: Delegate=yes). See cgroups(7).
type cgroups struct {
	dir string // below which the nodes' groups are made; "" none are
}

// ownCgroup gives the directory of this process's group of version 2.
func ownCgroup() (string, error) {
	b, err := os.ReadFile("/proc/self/cgroup")
	if err != nil {
		return "", err
	}
	for line := range strings.Lines(string(b)) {
		if path, ok := strings.CutPrefix(strings.TrimSpace(line), "0::"); ok {
			return filepath.Join("/sys/fs/cgroup", path), nil
		}
	}
	return "", errors.New("no control groups of version 2")
}

// openCgroups prepares own, the group that this process is in, to have the
// groups of nodes below it. Nothing is changed if it is not ours to use.
func openCgroups(own string, pid int) (*cgroups, error) {
	has, err := os.ReadFile(filepath.Join(own, "cgroup.controllers"))
	if err != nil {
		return nil, err
	}
	if !slices.Contains(strings.Fields(string(has)), "memory") {
		return nil, fmt.Errorf("%s: no memory controller", own)
	}
	procs, err := os.ReadFile(filepath.Join(own, "cgroup.procs"))
	if err != nil {
		return nil, err
	}
	if strings.TrimSpace(string(procs)) != fmt.Sprint(pid) {
		return nil, fmt.Errorf("%s: others are in it", own)
	}
	// Only the leaves of a tree of groups may have processes.
	leaf := filepath.Join(own, "supervisor")
	if err := os.Mkdir(leaf, 0o755); err != nil && !os.IsExist(err) {
		return nil, err
	}
	if err := os.WriteFile(filepath.Join(leaf, "cgroup.procs"), fmt.Append(nil, pid), 0o644); err != nil {
		return nil, err
	}
	if err := os.WriteFile(filepath.Join(own, "cgroup.subtree_control"), []byte("+memory"), 0o644); err != nil {
		return nil, err
	}
	return &cgroups{own}, nil
}

// make gives the group of a node.
func (c *cgroups) make(s *Spec) (string, error) {
	if c == nil || s.Memory == 0 {
		return "", nil
	}
	dir := filepath.Join(c.dir, "node-"+s.Name)
	if err := os.Mkdir(dir, 0o755); err != nil && !os.IsExist(err) {
		return "", err
	}
	return dir, os.WriteFile(filepath.Join(dir, "memory.max"), fmt.Append(nil, uint64(s.Memory)), 0o644)
}

// remove takes away the group of a node that has ended.
func (c *cgroups) remove(dir string) {
	if dir != "" {
		os.Remove(dir)
	}
}
