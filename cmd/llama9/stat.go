package main

import (
	"fmt"
	"io"

	"github.com/spf13/cobra"

	"llama9/mnt"
	"llama9/ninep"
)

// statCommand prints what is known of files, in the words of stat(5).
func statCommand() *cobra.Command {
	var cl client
	c := &cobra.Command{
		Use:   "stat PATH...",
		Short: "describe files of a tree",
		Args:  cobra.MinimumNArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			return cl.each(c.Context(), args, func(fs *mnt.Fsys, path string) error {
				s, err := fs.Stat(c.Context(), path)
				if err != nil {
					return err
				}
				return printStat(c.OutOrStdout(), s)
			})
		},
	}
	cl.flags(c.Flags())
	return c
}

// printStat prints as plan9port's 9p stat does.
func printStat(w io.Writer, s ninep.Stat) error {
	typ := ""
	for _, b := range []struct {
		bit  uint8
		name string
	}{{ninep.QTDIR, "d"}, {ninep.QTAPPEND, "a"}, {ninep.QTEXCL, "l"}, {ninep.QTSYMLINK, "L"}} {
		if s.Qid.Type&b.bit != 0 {
			typ += b.name
		}
	}
	_, err := fmt.Fprintf(w, "'%s' '%s' '%s' '%s' q (%016x %d %s) m %#o at %d mt %d l %d\n",
		s.Name, s.Uid, s.Gid, s.Muid, s.Qid.Path, s.Qid.Vers, typ, s.Mode, s.Atime.Unix(), s.Mtime.Unix(), s.Length)
	return err
}
