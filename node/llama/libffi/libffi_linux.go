// Package libffi says what to install where libffi.so.8 is missing.
//
// The foreign-function layer of node/llama (github.com/jupiterrider/ffi) opens
// libffi.so.8 when the program starts and panics without it, before main can
// say anything. Of packages that are ready, Go initializes the one whose path
// sorts first, and only when all it imports are; this one imports nothing but
// syscall, so its turn comes before that of os, which the other needs.
package libffi

import "syscall"

// name is what the layer opens.
const name = "libffi.so.8"

func init() {
	if !found("/etc/ld.so.cache", dirs()) {
		say(2, "llama9: "+name+", which calls llama.cpp, seems not to be installed (Debian and Ubuntu: apt install libffi8; Fedora: libffi; Alpine: libffi)\n")
	}
}

// dirs are where the loader looks beside its cache. See ld.so(8).
func dirs() []string {
	list := []string{"/lib", "/usr/lib", "/lib64", "/usr/lib64", "/usr/local/lib"}
	path, _ := syscall.Getenv("LD_LIBRARY_PATH")
	for begin, i := 0, 0; i <= len(path); i++ {
		if i == len(path) || path[i] == ':' || path[i] == ';' {
			if i > begin {
				list = append(list, path[begin:i])
			}
			begin = i + 1
		}
	}
	return list
}

// found says whether the loader's cache file or one of dirs has the library.
func found(cache string, dirs []string) bool {
	for _, d := range dirs {
		if syscall.Access(d+"/"+name, 0) == nil {
			return true
		}
	}
	fd, err := syscall.Open(cache, syscall.O_RDONLY|syscall.O_CLOEXEC, 0)
	if err != nil {
		return false
	}
	defer syscall.Close(fd)
	buf := make([]byte, 1<<16)
	kept := 0 // bytes of the last read that a name can begin in
	for {
		n, err := syscall.Read(fd, buf[kept:])
		if n <= 0 || err != nil {
			return false
		}
		n += kept
		for i := 0; i+len(name) <= n; i++ {
			if string(buf[i:i+len(name)]) == name {
				return true
			}
		}
		kept = min(n, len(name)-1)
		copy(buf, buf[n-kept:n])
	}
}

func say(fd int, s string) {
	for b := []byte(s); len(b) > 0; {
		n, err := syscall.Write(fd, b)
		if n <= 0 || err != nil {
			return
		}
		b = b[n:]
	}
}
