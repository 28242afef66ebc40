// Package libffi says what to install where libffi.so.8 is missing.
//
// The foreign-function layer of node/llama (github.com/jupiterrider/ffi) opens
// libffi.so.8 when the program starts and panics without it, before main can
// say anything. Of packages that are ready, Go initializes the one whose path
// sorts first, and only when all it imports are; this one imports nothing but
// syscall, so its turn comes before that of os, which the other needs.
package libffi

import "syscall"

// name is what the layer opens; a variable for the linker, in the test.
var name = "libffi.so.8"

// trial, in the environment, is what tells a process that it is only to see
// whether the layer can begin.
const trial = "LLAMA9_LIBFFI_TRIAL"

func init() {
	if _, tries := syscall.Getenv(trial); tries || found("/etc/ld.so.cache", dirs()) {
		return
	}
	// The loader may know of more places than we: it is asked.
	ok, err := loads()
	if ok {
		return
	}
	say(2, "llama9: "+name+", by which llama.cpp is called, is not installed (Debian and Ubuntu: apt install libffi8; Fedora: dnf install libffi; Alpine: apk add libffi)\n")
	if err == nil {
		syscall.Exit(1)
	}
}

// Begun is called when the layer has begun.
func Begun() {
	if _, tries := syscall.Getenv(trial); tries {
		syscall.Exit(0)
	}
}

// loads says whether this program gets as far as Begun. An error says that it
// could not be tried.
func loads() (bool, error) {
	null, err := syscall.Open("/dev/null", syscall.O_RDWR|syscall.O_CLOEXEC, 0)
	if err != nil {
		return false, err
	}
	defer syscall.Close(null)
	fd := uintptr(null)
	pid, err := syscall.ForkExec("/proc/self/exe", []string{"llama9"}, &syscall.ProcAttr{
		Env: append(syscall.Environ(), trial+"=on"), Files: []uintptr{fd, fd, fd},
	})
	if err != nil {
		return false, err
	}
	for {
		var st syscall.WaitStatus
		_, err := syscall.Wait4(pid, &st, 0, nil)
		if err != syscall.EINTR {
			return st.Exited() && st.ExitStatus() == 0, err
		}
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
