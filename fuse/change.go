//go:build linux

package fuse

import (
	"context"

	gofuse "github.com/hanwen/go-fuse/v2/fuse"
	"golang.org/x/sys/unix"

	"llama9/ninep"
)

// SetAttr is a Twstat of what is named in it: a truncation, touch, chmod,
// chgrp. Only what the server lets be changed changes.
func (f *fileSystem) SetAttr(cancel <-chan struct{}, in *gofuse.SetAttrIn, out *gofuse.AttrOut) gofuse.Status {
	ctx := request(cancel)
	n := f.nodes.use(in.NodeId)
	if n == nil {
		return gofuse.Status(unix.ESTALE)
	}
	defer f.nodes.done(n)
	if err := f.files.settle(ctx); err != nil {
		return status(err)
	}
	fh, open := in.GetFh()
	c, err := f.change(ctx, in, n, fh, open)
	if err == nil && c != (ninep.StatChange{}) {
		err = f.wstat(ctx, n, fh, open, c)
	}
	if err != nil {
		return status(err)
	}
	s, err := f.describe(ctx, in.NodeId, fh, open)
	if err == nil {
		f.attr(&s, &out.Attr)
	}
	return status(err)
}

func (f *fileSystem) change(ctx context.Context, in *gofuse.SetAttrIn, n *node, fh uint64, open bool) (c ninep.StatChange, err error) {
	if size, ok := in.GetSize(); ok {
		c.Length = &size
	}
	if t, ok := in.GetATime(); ok {
		c.Atime = &t
	}
	if t, ok := in.GetMTime(); ok {
		c.Mtime = &t
	}
	if m, ok := in.GetMode(); ok {
		s, err := f.describe(ctx, n.id, fh, open)
		if err != nil {
			return c, err
		}
		m = m&0o777 | s.Mode&^0o777 // what chmod(2) does not know stays
		c.Mode = &m
	}
	if id, ok := in.GetUID(); ok {
		name := f.ids.userName(id)
		c.Uid = &name
	}
	if id, ok := in.GetGID(); ok {
		name := f.ids.groupName(id)
		c.Gid = &name
	}
	return c, nil
}

func (f *fileSystem) wstat(ctx context.Context, n *node, fh uint64, open bool, c ninep.StatChange) error {
	if open {
		if h := f.files.get(fh); h != nil {
			return h.Wstat(ctx, c)
		}
	}
	if n.tree != nil {
		return n.tree.Root().Wstat(ctx, c)
	}
	dir, name := f.nodes.place(n)
	defer f.nodes.done(dir)
	return dir.tree.Wstat(ctx, name, c)
}

// in does something to the entry name of a directory.
func (f *fileSystem) in(cancel <-chan struct{}, id uint64, name string, do func(ctx context.Context, dir *node) error) gofuse.Status {
	dir := f.nodes.use(id)
	if dir == nil {
		return gofuse.Status(unix.ESTALE)
	}
	defer f.nodes.done(dir)
	ctx := request(cancel)
	switch {
	case dir.tree == nil:
		return gofuse.ENOTDIR
	case !good(name):
		return gofuse.EINVAL
	}
	if err := f.files.settle(ctx); err != nil {
		return status(err)
	}
	return status(do(ctx, dir))
}

func (f *fileSystem) Create(cancel <-chan struct{}, in *gofuse.CreateIn, name string, out *gofuse.CreateOut) gofuse.Status {
	return f.in(cancel, in.NodeId, name, func(ctx context.Context, dir *node) error {
		h, err := dir.tree.Create(ctx, name, in.Mode&0o777, openMode(in.Flags))
		if err != nil {
			return err
		}
		s, err := h.Stat(ctx)
		if err != nil {
			h.Forget()
			return err
		}
		f.entry(dir, name, &s, nil, &out.EntryOut)
		out.Fh = f.files.add(&file{File: h, node: f.nodes.use(out.NodeId)})
		out.OpenFlags = gofuse.FOPEN_DIRECT_IO
		return nil
	})
}

// Mknod makes plain files only.
func (f *fileSystem) Mknod(cancel <-chan struct{}, in *gofuse.MknodIn, name string, out *gofuse.EntryOut) gofuse.Status {
	if in.Mode&unix.S_IFMT != unix.S_IFREG {
		return gofuse.EPERM
	}
	return f.in(cancel, in.NodeId, name, func(ctx context.Context, dir *node) error {
		h, err := dir.tree.Create(ctx, name, in.Mode&0o777, ninep.OREAD)
		if err != nil {
			return err
		}
		h.Forget()
		return f.lookup(ctx, dir, name, out)
	})
}

func (f *fileSystem) Mkdir(cancel <-chan struct{}, in *gofuse.MkdirIn, name string, out *gofuse.EntryOut) gofuse.Status {
	return f.in(cancel, in.NodeId, name, func(ctx context.Context, dir *node) error {
		if err := dir.tree.Mkdir(ctx, name, in.Mode&0o777); err != nil {
			return err
		}
		return f.lookup(ctx, dir, name, out)
	})
}

func (f *fileSystem) remove(cancel <-chan struct{}, h *gofuse.InHeader, name string) gofuse.Status {
	return f.in(cancel, h.NodeId, name, func(ctx context.Context, dir *node) error {
		return dir.tree.Remove(ctx, name)
	})
}

// Unlink and Rmdir are a Tremove; the kernel has looked which of them fits.
func (f *fileSystem) Unlink(cancel <-chan struct{}, h *gofuse.InHeader, name string) gofuse.Status {
	return f.remove(cancel, h, name)
}

func (f *fileSystem) Rmdir(cancel <-chan struct{}, h *gofuse.InHeader, name string) gofuse.Status {
	return f.remove(cancel, h, name)
}

// Rename gives a file another name in its directory: 9P knows no other. mv(1)
// takes EXDEV as the word to copy.
func (f *fileSystem) Rename(cancel <-chan struct{}, in *gofuse.RenameIn, from, to string) gofuse.Status {
	switch {
	case in.NodeId != in.Newdir:
		return gofuse.Status(unix.EXDEV)
	case in.Flags&^unix.RENAME_NOREPLACE != 0 || !good(to):
		return gofuse.EINVAL
	}
	return f.in(cancel, in.NodeId, from, func(ctx context.Context, dir *node) error {
		return dir.tree.Wstat(ctx, from, ninep.StatChange{Name: &to})
	})
}

// Link and Symlink are not of 9P2000.
func (f *fileSystem) Link(cancel <-chan struct{}, in *gofuse.LinkIn, name string, out *gofuse.EntryOut) gofuse.Status {
	return gofuse.EPERM
}

func (f *fileSystem) Symlink(cancel <-chan struct{}, h *gofuse.InHeader, to, name string, out *gofuse.EntryOut) gofuse.Status {
	return gofuse.EPERM
}
