package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/spf13/pflag"

	"llama9/mnt"
	"llama9/ninep"
)

// A client says which tree a command speaks to.
type client struct {
	addr  string
	aname string
	trace bool
}

func (c *client) flags(f *pflag.FlagSet) {
	f.StringVarP(&c.addr, "addr", "a", "", "`address` of the server: tcp!host!port, unix!/path or host:port\n(default $LLAMA9_ADDR, else "+ninep.DefaultAddr+")")
	f.StringVarP(&c.aname, "aname", "A", "", "`subtree` to attach to")
	f.BoolVarP(&c.trace, "trace", "D", false, "print every 9P message on the standard error")
}

// options are those of a connection.
func (c *client) options(log io.Writer) mnt.Options {
	o := mnt.Options{Aname: c.aname}
	if c.trace {
		o.Trace = func(dir string, f *ninep.Fcall) { fmt.Fprintln(log, dir, f) }
	}
	return o
}

// address is where the server is to be.
func (c *client) address() string { return cmp.Or(c.addr, os.Getenv("LLAMA9_ADDR"), ninep.DefaultAddr) }

// dial attaches to the tree. Who gets it must close it.
func (c *client) dial(ctx context.Context) (*mnt.Fsys, error) {
	addr := c.address()
	if _, _, err := ninep.ParseAddr(addr); err != nil {
		return nil, fmt.Errorf("--addr: %w", err)
	}
	fs, err := mnt.Dial(ctx, addr, c.options(os.Stderr))
	if e := (*ninep.Error)(nil); c.aname != "" && errors.As(err, &e) {
		return nil, fmt.Errorf("subtree %s of %s: %w", c.aname, addr, err)
	}
	if err != nil {
		return nil, fmt.Errorf("no server at %s: %w; start one with llama9 node, or say where it is with --addr or LLAMA9_ADDR", addr, err)
	}
	return fs, nil
}

// each dials and calls do for every path, and goes on after an error, which
// is told with its path; the last is returned.
func (c *client) each(ctx context.Context, paths []string, do func(fs *mnt.Fsys, path string) error) error {
	fs, err := c.dial(ctx)
	if err != nil {
		return err
	}
	defer fs.Close()
	var last error
	for _, path := range paths {
		if err := do(fs, path); err != nil {
			if last != nil {
				fmt.Fprintln(os.Stderr, "llama9:", last)
			}
			last = fmt.Errorf("%s: %w", path, err)
		}
	}
	return last
}
