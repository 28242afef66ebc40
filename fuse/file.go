//go:build linux

package fuse

import (
	gofuse "github.com/hanwen/go-fuse/v2/fuse"
	"golang.org/x/sys/unix"

	"llama9/ninep"
)

// openMode is the mode of 9P for flags of open(2). O_APPEND is the kernel's
// business: it writes at the length.
func openMode(flags uint32) ninep.OpenMode {
	var m ninep.OpenMode
	switch flags & unix.O_ACCMODE {
	case unix.O_WRONLY:
		m = ninep.OWRITE
	case unix.O_RDWR:
		m = ninep.ORDWR
	}
	if flags&unix.O_TRUNC != 0 {
		m |= ninep.OTRUNC
	}
	return m
}

func (f *fileSystem) Open(cancel <-chan struct{}, in *gofuse.OpenIn, out *gofuse.OpenOut) gofuse.Status {
	ctx := request(cancel)
	n := f.nodes.use(in.NodeId)
	if n == nil {
		return gofuse.Status(unix.ESTALE)
	}
	if err := f.files.settle(ctx); err != nil {
		f.nodes.done(n)
		return status(err)
	}
	dir, name := f.nodes.place(n)
	file9, err := dir.tree.Open(ctx, name, openMode(in.Flags))
	f.nodes.done(dir)
	if err == nil && keyOf(file9.Qid()) != keyOf(n.qid) {
		file9.Forget()
		err = ninep.ErrStale
	}
	if err != nil {
		f.nodes.done(n)
		return status(err)
	}
	out.Fh = f.files.add(&file{File: file9, node: n})
	out.OpenFlags = gofuse.FOPEN_DIRECT_IO
	return gofuse.OK
}

// Read is one Tread: less than was asked for is what is there now.
func (f *fileSystem) Read(cancel <-chan struct{}, in *gofuse.ReadIn, buf []byte) (gofuse.ReadResult, gofuse.Status) {
	h := f.files.get(in.Fh)
	if h == nil {
		return nil, gofuse.EBADF
	}
	n, err := h.ReadAt(request(cancel), buf[:min(len(buf), int(in.Size))], int64(in.Offset))
	if err != nil {
		return nil, status(err)
	}
	return gofuse.ReadResultData(buf[:n]), gofuse.OK
}

// Write gives an error only if nothing was written.
func (f *fileSystem) Write(cancel <-chan struct{}, in *gofuse.WriteIn, data []byte) (uint32, gofuse.Status) {
	h := f.files.get(in.Fh)
	if h == nil {
		return 0, gofuse.EBADF
	}
	h.mu.Lock()
	h.wrote = true
	h.mu.Unlock()
	n, err := h.WriteAt(request(cancel), data, int64(in.Offset))
	if n > 0 {
		err = nil
	}
	return uint32(n), writeStatus(err)
}

// Writev is not answered, so that Write is called.
func (f *fileSystem) Writev(cancel <-chan struct{}, in *gofuse.WriteIn, data [][]byte) (uint32, gofuse.Status) {
	return 0, gofuse.ENOSYS
}

func (f *fileSystem) Release(cancel <-chan struct{}, in *gofuse.ReleaseIn) { f.release(in.Fh) }

func (f *fileSystem) release(fh uint64) {
	if h := f.files.release(fh); h != nil {
		f.nodes.done(h.node)
	}
}

// Fsync is a Twstat that changes nothing. See stat(5).
func (f *fileSystem) Fsync(cancel <-chan struct{}, in *gofuse.FsyncIn) gofuse.Status {
	h := f.files.get(in.Fh)
	if h == nil {
		return gofuse.EBADF
	}
	return status(h.Wstat(request(cancel), ninep.StatChange{}))
}

func (f *fileSystem) OpenDir(cancel <-chan struct{}, in *gofuse.OpenIn, out *gofuse.OpenOut) gofuse.Status {
	st := f.Open(cancel, in, out)
	out.OpenFlags = 0
	return st
}

// ReadDir lists the directory as it was when it was last read at offset 0.
// Offsets count entries; the kernel wants "." and ".." too.
func (f *fileSystem) ReadDir(cancel <-chan struct{}, in *gofuse.ReadIn, out *gofuse.DirEntryList) gofuse.Status {
	h := f.files.get(in.Fh)
	if h == nil {
		return gofuse.EBADF
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	if in.Offset == 0 {
		list, err := h.File.ReadDir(request(cancel))
		if err != nil {
			return status(err)
		}
		dot := ninep.Stat{Name: ".", Qid: h.node.qid, Mode: ninep.DMDIR}
		up := dot
		up.Name = ".."
		h.entries = append([]ninep.Stat{dot, up}, list...)
	}
	for i := in.Offset; i < uint64(len(h.entries)); i++ {
		s := &h.entries[i]
		if !out.AddDirEntry(gofuse.DirEntry{Name: s.Name, Ino: inode(s.Qid), Mode: fileMode(s.Mode), Off: i + 1}) {
			break
		}
	}
	return gofuse.OK
}

func (f *fileSystem) ReleaseDir(in *gofuse.ReleaseIn) { f.release(in.Fh) }

func (f *fileSystem) FsyncDir(cancel <-chan struct{}, in *gofuse.FsyncIn) gofuse.Status {
	return gofuse.OK
}
