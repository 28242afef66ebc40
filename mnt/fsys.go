package mnt

import (
	"context"
	"io"
	"slices"
	"strings"

	"llama9/ninep"
)

// An Fsys is a server's tree, as one user sees it. Paths are names with
// slashes between them, from the root of the tree on; "" and "/" are the root.
type Fsys struct {
	root *Fid
	owns bool // Close ends the connection
}

// maxFile bounds what ReadFile takes in.
const maxFile = 256 << 20

// split gives the names of a path.
func split(path string) []string {
	return slices.DeleteFunc(strings.Split(path, "/"), func(s string) bool { return s == "" || s == "." })
}

// splitLast gives a path's directory and its last name, empty for the root.
func splitLast(path string) (dir, name string) {
	names := split(path)
	if len(names) == 0 {
		return "", ""
	}
	last := len(names) - 1
	return strings.Join(names[:last], "/"), names[last]
}

// Conn is the connection that the tree is seen through.
func (fs *Fsys) Conn() *Conn { return fs.root.c }

// Root is the Fid of the tree's root, which is not to be given back.
func (fs *Fsys) Root() *Fid { return fs.root }

// Close ends the use of the tree, and of the connection if Dial made it.
func (fs *Fsys) Close() error {
	if fs.owns {
		return fs.root.c.Close()
	}
	fs.root.forget()
	return nil
}

// Walk finds a file without opening it.
func (fs *Fsys) Walk(ctx context.Context, path string) (*Fid, error) {
	return fs.root.Walk(ctx, split(path)...)
}

// Open opens a file, in one round trip.
func (fs *Fsys) Open(ctx context.Context, path string, mode ninep.OpenMode) (*File, error) {
	b := fs.Batch()
	f := b.Open(path, mode)
	if err := b.Do(ctx); err != nil {
		return nil, err
	}
	return f, nil
}

// OpenRead opens a file and does a first Tread at its start, in one round
// trip. The next Read of the File goes on behind those n bytes.
func (fs *Fsys) OpenRead(ctx context.Context, path string, mode ninep.OpenMode, p []byte) (f *File, n int, err error) {
	b := fs.Batch()
	f = b.Open(path, mode)
	r := b.Read(f, p, 0)
	if err := b.Do(ctx); err != nil {
		return nil, 0, err
	}
	f.move(r.N)
	return f, r.N, nil
}

// Create makes a file and opens it, in one round trip. See open(5).
func (fs *Fsys) Create(ctx context.Context, path string, perm uint32, mode ninep.OpenMode) (*File, error) {
	b := fs.Batch()
	f := b.Create(path, perm, mode)
	if err := b.Do(ctx); err != nil {
		return nil, err
	}
	return f, nil
}

// Mkdir makes a directory.
func (fs *Fsys) Mkdir(ctx context.Context, path string, perm uint32) error {
	b := fs.Batch()
	b.Close(b.Create(path, ninep.DMDIR|perm, ninep.OREAD))
	return b.Do(ctx)
}

// Stat describes a file, in one round trip.
func (fs *Fsys) Stat(ctx context.Context, path string) (ninep.Stat, error) {
	b := fs.Batch()
	f := b.Walk(path)
	r := b.Stat(f)
	b.Close(f)
	err := b.Do(ctx)
	return r.Stat, err
}

// Wstat changes a file, in one round trip.
func (fs *Fsys) Wstat(ctx context.Context, path string, c ninep.StatChange) error {
	b := fs.Batch()
	f := b.Walk(path)
	b.Wstat(f, c)
	b.Close(f)
	return b.Do(ctx)
}

// Remove removes a file, in one round trip.
func (fs *Fsys) Remove(ctx context.Context, path string) error {
	b := fs.Batch()
	b.Remove(b.Walk(path))
	return b.Do(ctx)
}

// ReadFile reads a file to its end. The walk, the open and the first read
// cost one round trip, each further read another. What was read before an
// error is returned with it.
func (fs *Fsys) ReadFile(ctx context.Context, path string) ([]byte, error) {
	most := int(fs.root.c.Msize() - ninep.IOSize)
	buf := make([]byte, min(most, 64<<10))
	f, n, err := fs.OpenRead(ctx, path, ninep.OREAD, buf)
	if err != nil {
		return nil, err
	}
	defer f.Forget()
	buf = buf[:n]
	for n > 0 {
		if len(buf) > maxFile {
			return buf, ninep.ErrTooBig
		}
		buf = slices.Grow(buf, min(most, len(buf)))
		if n, err = f.ReadAt(ctx, buf[len(buf):cap(buf)], int64(len(buf))); err != nil {
			return buf, err
		}
		buf = buf[:len(buf)+n]
	}
	return buf, nil
}

// WriteFile replaces what a file holds, or gives a control file its orders:
// it is opened for writing with OTRUNC, written and closed. Data that fits in
// one message costs one round trip.
func (fs *Fsys) WriteFile(ctx context.Context, path string, data []byte) error {
	const mode = ninep.OWRITE | ninep.OTRUNC
	if len(data) > int(fs.root.c.Msize()-ninep.IOSize) {
		f, err := fs.Open(ctx, path, mode)
		if err != nil {
			return err
		}
		if _, err := f.WriteAt(ctx, data, 0); err != nil {
			f.Forget()
			return err
		}
		return f.Close(ctx)
	}
	b := fs.Batch()
	f := b.Open(path, mode)
	var w *Result
	if len(data) > 0 {
		w = b.Write(f, data, 0)
	}
	b.Close(f)
	if err := b.Do(ctx); err != nil {
		return err
	}
	if w != nil && w.N < len(data) {
		return io.ErrShortWrite
	}
	return nil
}

// ReadDir lists a directory, in the server's order.
func (fs *Fsys) ReadDir(ctx context.Context, path string) ([]ninep.Stat, error) {
	f, err := fs.Open(ctx, path, ninep.OREAD)
	if err != nil {
		return nil, err
	}
	defer f.Forget()
	if f.Qid().Type&ninep.QTDIR == 0 {
		return nil, ninep.ErrNotDir
	}
	return f.ReadDir(ctx)
}
