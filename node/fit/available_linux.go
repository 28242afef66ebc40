package fit

import (
	"bufio"
	"os"
	"path/filepath"
	"strconv"
	"strings"
)

// Available gives the bytes a process can still get: MemAvailable of
// proc_meminfo(5), or what the process's control group leaves if that is
// less; 0 when neither is known.
func Available() uint64 {
	free := memAvailable("/proc/meminfo")
	for _, g := range []struct{ max, now, stat string }{
		{"/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory.current", "/sys/fs/cgroup/memory.stat"},
		{"/sys/fs/cgroup/memory/memory.limit_in_bytes", "/sys/fs/cgroup/memory/memory.usage_in_bytes", "/sys/fs/cgroup/memory/memory.stat"},
	} {
		if left, ok := groupLeft(g.max, g.now, g.stat); ok && (free == 0 || left < free) {
			free = left
		}
	}
	return free
}

func memAvailable(file string) uint64 {
	f, err := os.Open(file)
	if err != nil {
		return 0
	}
	defer f.Close()
	for s := bufio.NewScanner(f); s.Scan(); {
		if w := strings.Fields(s.Text()); len(w) == 3 && w[0] == "MemAvailable:" {
			n, _ := strconv.ParseUint(w[1], 10, 64)
			return n * 1024
		}
	}
	return 0
}

// groupLeft is the limit of a control group less what it cannot give up; page
// cache, as of a mapped model, it can.
func groupLeft(maxFile, nowFile, statFile string) (uint64, bool) {
	limit, ok := readUint(maxFile)
	if !ok || limit >= 1<<62 {
		return 0, false
	}
	now, ok := readUint(nowFile)
	if !ok {
		return 0, false
	}
	if b, err := os.ReadFile(filepath.Clean(statFile)); err == nil {
		for line := range strings.Lines(string(b)) {
			w := strings.Fields(line)
			if len(w) == 2 && (w[0] == "inactive_file" || w[0] == "active_file") {
				n, _ := strconv.ParseUint(w[1], 10, 64)
				now -= min(now, n)
			}
		}
	}
	if now >= limit {
		return 1, true
	}
	return limit - now, true
}

func readUint(file string) (uint64, bool) {
	b, err := os.ReadFile(file)
	if err != nil {
		return 0, false
	}
	n, err := strconv.ParseUint(strings.TrimSpace(string(b)), 10, 64)
	return n, err == nil
}
