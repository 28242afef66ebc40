//go:build linux

package fuse

import (
	"errors"
	"fmt"
	"io"
	"log"
	"os"
	"path/filepath"

	gofuse "github.com/hanwen/go-fuse/v2/fuse"

	"llama9/mnt"
)

// Options say how to mount. The zero value is good.
type Options struct {
	// Source is shown as the device of the mount: the server's address.
	Source string
	// Uname is who attached the tree; his files are shown as our own. "" is
	// nobody.
	Uname string
	// AllowOther lets other users of this machine in. The server takes them
	// for the one who attached. fusermount3 wants user_allow_other in
	// /etc/fuse.conf for it.
	AllowOther bool
	// ReadOnly refuses what would change a file.
	ReadOnly bool
	// Log gets what go-fuse complains of; nil is nowhere.
	Log io.Writer
}

// Type is how /proc/mounts calls the type of the mounts.
const Type = "fuse.llama9"

// maxIO is how much the kernel reads or writes at once: all of a message.
const maxIO = 1 << 20

// A Server is a tree that is mounted.
type Server struct {
	dir  string
	fs   *fileSystem
	done chan struct{}
}

// Mount mounts fs at dir, a directory. When it returns the mount is live. fs
// stays the caller's, to be closed once Wait has returned, or its connection is
// lost.
func Mount(fs *mnt.Fsys, dir string, o Options) (*Server, error) {
	dir, err := filepath.Abs(dir)
	if err != nil {
		return nil, err
	}
	fd, err := attach(dir, o)
	if err != nil {
		return nil, err
	}
	w := o.Log
	if w == nil {
		w = io.Discard
	}
	f := newFileSystem(fs, o.Uname)
	srv, err := gofuse.NewServer(f, fmt.Sprintf("/dev/fd/%d", fd), &gofuse.MountOptions{
		Name: "llama9", MaxWrite: maxIO, MaxBackground: 1024, DisableXAttrs: true, DisableReadDirPlus: true, DisableSplice: true,
		ExtraCapabilities: gofuse.CAP_ATOMIC_O_TRUNC, Logger: log.New(w, "fuse: ", 0),
	})
	if err != nil {
		return nil, errors.Join(fmt.Errorf("fuse: %w", err), Unmount(dir, true))
	}
	s := &Server{dir: dir, fs: f, done: make(chan struct{})}
	go func() {
		defer close(s.done)
		srv.Serve()
		f.files.end()
		f.nodes.end()
	}()
	return s, nil
}

// Use makes fs what is mounted, in place of a tree whose connection was lost,
// and as Mount does. What was open stays lost, and the working directory of a
// process is stale where it is not the root.
func (s *Server) Use(fs *mnt.Fsys) { s.fs.nodes.begin(fs) }

// Done is closed when the mount is gone: somebody unmounted it, and no file of
// it is open.
func (s *Server) Done() <-chan struct{} { return s.done }

// Wait waits until the mount is gone, all that was asked is answered and every
// fid given back.
func (s *Server) Wait() { <-s.done }

// Unmount ends the mount; see the function Unmount. It does not wait.
func (s *Server) Unmount(lazy bool) error { return Unmount(s.dir, lazy) }

// root says whether we may mount by ourselves.
func root() bool { return os.Geteuid() == 0 }
