package mnt

import (
	"context"
	"io"
	"sync"

	"llama9/ninep"
)

// A File is an open file of the server. Its methods may be called from many
// goroutines at once; it is a ninep.Handle, Reader, Writer and DirReader.
type File struct {
	fid    *Fid
	mode   ninep.OpenMode
	iounit uint32 // of the server, 0 for none

	mu  sync.Mutex // guards off
	off int64      // of Read and Write
}

var (
	_ ninep.Handle    = (*File)(nil)
	_ ninep.Reader    = (*File)(nil)
	_ ninep.Writer    = (*File)(nil)
	_ ninep.DirReader = (*File)(nil)
)

const (
	maxEntries = 1 << 20 // of a directory
	dirBuffer  = 128 << 10
)

// answered notes what an Ropen or Rcreate says.
func (f *File) answered(k *call) {
	f.fid.qid = k.rx.Qid
	f.iounit = k.rx.Iounit
}

// Qid is the server's name for the file.
func (f *File) Qid() ninep.Qid { return f.fid.qid }

// IOUnit is how much one message reads or writes at most.
func (f *File) IOUnit() int {
	most := f.fid.c.Msize() - ninep.IOSize
	if f.iounit > 0 {
		most = min(most, f.iounit)
	}
	return int(most)
}

// readCall makes the call of one Tread.
func (f *File) readCall(p []byte, off int64) (*call, error) {
	if off < 0 {
		return nil, ninep.ErrInvalid
	}
	p = p[:min(len(p), f.IOUnit())]
	k, err := f.fid.rpc(&ninep.Fcall{Type: ninep.Tread, Offset: uint64(off), Count: uint32(len(p))})
	if err != nil {
		return nil, err
	}
	k.asked = len(p)
	k.dst = p
	if p == nil {
		k.dst = []byte{} // nil is for calls that nobody waits for
	}
	return k, nil
}

// writeCall makes the call of one Twrite.
func (f *File) writeCall(p []byte, off int64) (*call, error) {
	if off < 0 {
		return nil, ninep.ErrInvalid
	}
	p = p[:min(len(p), f.IOUnit())]
	k, err := f.fid.c.newCall(&ninep.Fcall{Type: ninep.Tclunk})
	if err != nil {
		return nil, err
	}
	k.frame = ninep.AppendTwrite(k.frame[:0], 0, f.fid.num, uint64(off), len(p))
	k.want = ninep.Rwrite
	k.data = p
	k.fid = f.fid
	return k, nil
}

// ReadAt does one Tread of at most IOUnit bytes and returns what the server
// gave, perhaps less than p holds. 0, nil is the end of the file, as for any
// ninep.Reader.
func (f *File) ReadAt(ctx context.Context, p []byte, off int64) (int, error) {
	k, err := f.readCall(p, off)
	if err != nil {
		return 0, err
	}
	if err := f.fid.c.do(ctx, k); err != nil {
		return 0, err
	}
	n := k.n
	k.recycle()
	return n, nil
}

// WriteAt writes all of p in as many messages as it takes, in order, each
// after the answer to the one before. n is what the server took.
func (f *File) WriteAt(ctx context.Context, p []byte, off int64) (n int, err error) {
	for {
		k, err := f.writeCall(p[n:], off+int64(n))
		if err != nil {
			return n, err
		}
		if err := f.fid.c.do(ctx, k); err != nil {
			return n, err
		}
		m, asked := int(k.rx.Count), len(k.data)
		k.recycle()
		n += m
		switch {
		case n == len(p):
			return n, nil
		case m == 0 && asked > 0:
			return n, io.ErrShortWrite
		}
	}
}

// Read reads on where the last Read or Write ended; at the end of the file it
// returns io.EOF.
func (f *File) Read(ctx context.Context, p []byte) (int, error) {
	f.mu.Lock()
	off := f.off
	f.mu.Unlock()
	n, err := f.ReadAt(ctx, p, off)
	f.move(n)
	if n == 0 && err == nil && len(p) > 0 {
		err = io.EOF
	}
	return n, err
}

// Write writes on where the last Read or Write ended.
func (f *File) Write(ctx context.Context, p []byte) (int, error) {
	f.mu.Lock()
	off := f.off
	f.mu.Unlock()
	n, err := f.WriteAt(ctx, p, off)
	f.move(n)
	return n, err
}

func (f *File) move(n int) {
	f.mu.Lock()
	f.off += int64(n)
	f.mu.Unlock()
}

// ReadDir reads all of a directory, from its start. See read(5).
func (f *File) ReadDir(ctx context.Context) ([]ninep.Stat, error) {
	var list []ninep.Stat
	buf := make([]byte, min(f.IOUnit(), dirBuffer))
	for off := int64(0); ; {
		n, err := f.ReadAt(ctx, buf, off)
		if n == 0 || err != nil {
			return list, err
		}
		off += int64(n)
		for rest := buf[:n]; len(rest) > 0; {
			var s ninep.Stat
			if s, rest, err = ninep.DecodeStat(rest); err != nil {
				return list, protocolError("directory: %v", err)
			}
			if !goodName(s.Name) {
				return list, protocolError("directory: an entry called %q", s.Name)
			}
			if list = append(list, s); len(list) > maxEntries {
				return list, protocolError("directory: more than %d entries", maxEntries)
			}
		}
	}
}

// Tree gives what is below f, a directory that Batch.Walk found and nobody
// opened, as a tree of its own. They share the fid, which one of them is to
// close.
func (f *File) Tree() *Fsys { return &Fsys{root: f.fid} }

// Stat describes the file. See stat(5).
func (f *File) Stat(ctx context.Context) (ninep.Stat, error) { return f.fid.Stat(ctx) }

// Wstat changes what c says, all of it or nothing. See stat(5).
func (f *File) Wstat(ctx context.Context, c ninep.StatChange) error { return f.fid.Wstat(ctx, c) }

// Remove removes the file and closes f, whatever it returns. See remove(5).
func (f *File) Remove(ctx context.Context) error { return f.fid.Remove(ctx) }

// Close ends the use of the file. When ctx is done before the server has
// answered it returns, but the server gets the message all the same.
func (f *File) Close(ctx context.Context) error { return f.fid.Clunk(ctx) }

// Forget closes f without waiting for the server's answer, as is right after
// reading.
func (f *File) Forget() { f.fid.forget() }

// WithContext gives f as a reader and writer of the standard library: each
// call is one of f's Read, Write or Close with ctx.
func (f *File) WithContext(ctx context.Context) io.ReadWriteCloser { return &boundFile{ctx, f} }

// A boundFile exists for one use of a File by an interface without contexts.
type boundFile struct {
	ctx context.Context
	f   *File
}

func (b *boundFile) Read(p []byte) (int, error)  { return b.f.Read(b.ctx, p) }
func (b *boundFile) Write(p []byte) (int, error) { return b.f.Write(b.ctx, p) }
func (b *boundFile) Close() error                { return b.f.Close(b.ctx) }
