package deploy

import (
	"os"
	"path/filepath"
	"testing"
)

// cgroupDir makes a directory with the files that the kernel has in a group.
func cgroupDir(t *testing.T, controllers, procs string) string {
	t.Helper()
	dir := t.TempDir()
	for name, text := range map[string]string{"cgroup.controllers": controllers, "cgroup.procs": procs} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

func TestCgroups(t *testing.T) {
	dir := cgroupDir(t, "cpu memory pids\n", "77\n")
	c, err := openCgroups(dir, 77)
	if err != nil {
		t.Fatal(err)
	}
	group, err := c.make(&Spec{Name: "a", Memory: 1 << 30})
	if err != nil || group != filepath.Join(dir, "node-a") {
		t.Fatalf("%s, %v", group, err)
	}
	for file, want := range map[string]string{
		"supervisor/cgroup.procs": "77", "cgroup.subtree_control": "+memory", "node-a/memory.max": "1073741824",
	} {
		if b, err := os.ReadFile(filepath.Join(dir, file)); err != nil || string(b) != want {
			t.Errorf("%s: %q, %v", file, b, err)
		}
	}
	if group, err := c.make(&Spec{Name: "free"}); group != "" || err != nil {
		t.Errorf("without a bound: %q, %v", group, err)
	}
}

// TestCgroupsOfOthers: a group that is not ours alone is left as it is.
func TestCgroupsOfOthers(t *testing.T) {
	for _, dir := range []string{cgroupDir(t, "cpu memory\n", "1\n77\n"), cgroupDir(t, "cpu\n", "77\n"), t.TempDir()} {
		before, _ := os.ReadDir(dir)
		if c, err := openCgroups(dir, 77); err == nil || c != nil {
			t.Errorf("%v, %v", c, err)
		}
		if after, _ := os.ReadDir(dir); len(after) != len(before) {
			t.Errorf("%v was changed to %v", before, after)
		}
	}
	var none *cgroups
	if group, err := none.make(&Spec{Name: "a", Memory: 1}); group != "" || err != nil {
		t.Errorf("%q, %v", group, err)
	}
}
