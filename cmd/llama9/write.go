package main

import (
	"bufio"
	"context"
	"errors"
	"io"

	"github.com/spf13/cobra"

	"llama9/mnt"
	"llama9/ninep"
)

// writeCommand copies the standard input to a file, as 9p write does.
func writeCommand() *cobra.Command {
	var cl client
	var lines bool
	c := &cobra.Command{
		Use:   "write [-l] PATH",
		Short: "copy the standard input to a file of a tree",
		Args:  cobra.ExactArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			return cl.each(c.Context(), args, func(fs *mnt.Fsys, path string) error {
				return write(c.Context(), c.InOrStdin(), fs, path, lines)
			})
		},
	}
	cl.flags(c.Flags())
	c.Flags().BoolVarP(&lines, "lines", "l", false, "one message a line")
	return c
}

func write(ctx context.Context, in io.Reader, fs *mnt.Fsys, path string, lines bool) error {
	f, err := fs.Open(ctx, path, ninep.OWRITE|ninep.OTRUNC)
	if err != nil {
		return err
	}
	r := bufio.NewReaderSize(in, f.IOUnit())
	for {
		var p []byte
		var rerr error
		if lines {
			p, rerr = r.ReadBytes('\n')
		} else {
			if _, rerr = r.Peek(1); rerr == nil {
				p, _ = r.Peek(r.Buffered())
				r.Discard(len(p))
			}
		}
		if len(p) > 0 {
			if _, err := f.Write(ctx, p); err != nil {
				return errors.Join(err, f.Close(ctx))
			}
		}
		if rerr == io.EOF {
			return f.Close(ctx)
		}
		if rerr != nil {
			// What was read is not the whole: hang up, which commits nothing.
			fs.Conn().Close()
			return rerr
		}
	}
}
