package main

import (
	"context"
	"io"

	"github.com/spf13/cobra"

	"llama9/mnt"
	"llama9/ninep"
)

// readCommand copies files to the standard output as they come.
func readCommand() *cobra.Command {
	var cl client
	c := &cobra.Command{
		Use:     "read PATH...",
		Aliases: []string{"cat"},
		Short:   "copy files of a tree to the standard output, as they come",
		Args:    cobra.MinimumNArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			return cl.each(c.Context(), args, func(fs *mnt.Fsys, path string) error {
				return read(c.Context(), c.OutOrStdout(), fs, path)
			})
		},
	}
	cl.flags(c.Flags())
	return c
}

// read copies the file to w piece by piece, each as soon as it is there.
func read(ctx context.Context, w io.Writer, fs *mnt.Fsys, path string) error {
	buf := make([]byte, 64<<10)
	f, n, err := fs.OpenRead(ctx, path, ninep.OREAD, buf)
	if err != nil {
		return err
	}
	defer f.Forget()
	for n > 0 {
		if _, err := w.Write(buf[:n]); err != nil {
			return err
		}
		if n, err = f.Read(ctx, buf); err != nil {
			if err == io.EOF {
				return nil
			}
			return err
		}
	}
	return nil
}
