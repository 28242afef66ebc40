package main

import (
	"github.com/spf13/cobra"

	"llama9/mnt"
)

// rmCommand removes files; of a session's directory, the session.
func rmCommand() *cobra.Command {
	var cl client
	c := &cobra.Command{
		Use:   "rm PATH...",
		Short: "remove files of a tree; a session with its directory",
		Args:  cobra.MinimumNArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			return cl.each(c.Context(), args, func(fs *mnt.Fsys, path string) error {
				return fs.Remove(c.Context(), path)
			})
		},
	}
	cl.flags(c.Flags())
	return c
}
