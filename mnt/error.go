package mnt

import (
	"strings"

	"llama9/ninep"
)

// errnoRemote is EREMOTEIO: an error whose text no table knows. errnoTimedOut
// is ETIMEDOUT.
const (
	errnoRemote   = 121
	errnoTimedOut = 110
)

// errnoTexts has what servers say in 9P2000, by the number that it stands for:
// the kernel's table (net/9p/error.c), the words of Plan 9's and Inferno's
// kernels and libraries, and those of the Go libraries. They are compared
// without regard to case.
var errnoTexts = map[uint32][]string{
	1: {"operation not permitted", "wstat prohibited", "wstat can't convert between files and directories",
		"not a member of proposed group", "no access to special file", "only support truncation to zero length",
		"cannot remove root"},
	2: {"file does not exist", "no such file or directory", "directory entry not found", "file not found",
		"illegal path element", "directory entry is not allocated", "no such file", "no such path"},
	4: {"interrupted system call", "interrupted"},
	5: {"i/o error", "input/output error", "i/o count too large", "corrupted directory entry", "corrupted file entry"},
	6: {"no such device or address"},
	7: {"argument list too long"},
	9: {"fid unknown or out of range", "bad file descriptor", "bad use of fid", "fid already in use", "unknown fid", "bad fid",
		"no such fid", "duplicate fid", "not open for read", "not open for write", "file not opened", "1file not opened",
		"2file not opened"},
	11: {"resource temporarily unavailable", "exclusive use file already open", "file is in use", "exclusive lock"},
	12: {"cannot allocate memory", "out of memory"},
	13: {"permission denied", "not owner", "only owner can change group in wstat", "mounted directory forbids creation", "create prohibited", "remove prohibited"},
	16: {"device or resource busy", "device or object already in use"},
	17: {"file exists", "file already exists", "file or directory already exists"},
	20: {"not a directory", "walk in non-directory", "create in non-directory"},
	21: {"is a directory", "file is a directory"},
	22: {"invalid argument", "illegal mode", "unknown group", "unknown user", "illegal offset", "bad offset",
		"bad arg in system call"},
	24:  {"too many open files", "no free file descriptors"},
	26:  {"text file busy", "file in use", "file already open for i/o"},
	27:  {"file too large", "file too big"},
	28:  {"no space left on device", "file system is full"},
	29:  {"illegal seek", "bad offset in directory read", "seek on a stream"},
	30:  {"read-only file system", "read only file system", "file is read only"},
	32:  {"broken pipe"},
	36:  {"file name too long", "illegal name"},
	38:  {"function not implemented"},
	39:  {"directory not empty", "directory is not empty"},
	43:  {"identifier removed", "file has been removed"},
	71:  {"protocol error", "protocol botch", "bogus wstat buffer"},
	95:  {"operation not supported"},
	110: {"connection timed out"},
	111: {"connection refused", "authentication failed"},
	116: {"stale file handle"},
	122: {"disk quota exceeded"},
}

// remoteError is what a server said, with the number that goes with it, so
// that errors.Is finds ninep's sentinels.
func remoteError(text string) error {
	low := strings.TrimSuffix(strings.ToLower(text), ".")
	for no, texts := range errnoTexts {
		for _, t := range texts {
			if t == low {
				return &ninep.Error{Text: text, Errno: no}
			}
		}
	}
	return &ninep.Error{Text: text, Errno: errnoRemote}
}

// goodName says whether a directory may have an entry of this name.
func goodName(s string) bool {
	return s != "" && s != "." && s != ".." && !strings.Contains(s, "/")
}
