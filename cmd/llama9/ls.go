package main

import (
	"context"
	"fmt"
	"io"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"llama9/mnt"
	"llama9/ninep"
)

// lsCommand lists directories, as 9p ls of plan9port does.
func lsCommand() *cobra.Command {
	var cl client
	var o lsOptions
	c := &cobra.Command{
		Use:   "ls [-ldnt] [PATH...]",
		Short: "list files of a tree",
		RunE: func(c *cobra.Command, args []string) error {
			if len(args) == 0 {
				args = []string{"/"}
			}
			return cl.each(c.Context(), args, func(fs *mnt.Fsys, path string) error {
				return ls(c.Context(), c.OutOrStdout(), fs, path, o)
			})
		},
	}
	cl.flags(c.Flags())
	f := c.Flags()
	f.BoolVarP(&o.long, "long", "l", false, "mode, users, length and time too")
	f.BoolVarP(&o.dir, "directory", "d", false, "the directory itself, not what is in it")
	f.BoolVarP(&o.newest, "time", "t", false, "by time, the newest first")
	f.BoolVarP(&o.unsorted, "unsorted", "n", false, "in the server's order")
	return c
}

type lsOptions struct{ long, dir, newest, unsorted bool }

func ls(ctx context.Context, out io.Writer, fs *mnt.Fsys, name string, o lsOptions) error {
	st, err := fs.Stat(ctx, name)
	if err != nil {
		return err
	}
	list := []ninep.Stat{st}
	if st.Mode&ninep.DMDIR != 0 && !o.dir {
		if list, err = fs.ReadDir(ctx, name); err != nil {
			return err
		}
	} else {
		list[0].Name = name
	}
	if !o.unsorted {
		slices.SortFunc(list, func(a, b ninep.Stat) int {
			if c := b.Mtime.Compare(a.Mtime); o.newest && c != 0 {
				return c
			}
			return strings.Compare(a.Name, b.Name)
		})
	}
	w := tabwriter.NewWriter(out, 0, 0, 1, ' ', 0)
	for _, s := range list {
		if o.long {
			fmt.Fprintf(w, "%s\t%s\t%s\t%d\t%s\t", modeString(s.Mode), s.Uid, s.Gid, s.Length, s.Mtime.Local().Format(time.Stamp))
		}
		fmt.Fprintln(w, s.Name)
	}
	return w.Flush()
}

// modeString shows a mode as ls(1) of Plan 9 does.
func modeString(m uint32) string {
	b := []byte("-----------")
	switch {
	case m&ninep.DMDIR != 0:
		b[0] = 'd'
	case m&ninep.DMSYMLINK != 0:
		b[0] = 'L'
	case m&ninep.DMAPPEND != 0:
		b[0] = 'a'
	}
	if m&ninep.DMEXCL != 0 {
		b[1] = 'l'
	}
	for i, c := range "rwxrwxrwx" {
		if m&(1<<(8-i)) != 0 {
			b[2+i] = byte(c)
		}
	}
	return string(b)
}
