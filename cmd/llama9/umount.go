//go:build linux

package main

import (
	"errors"
	"fmt"
	"os"

	"github.com/spf13/cobra"

	"llama9/fuse"
)

// umountCommand ends mounts.
func umountCommand() *cobra.Command {
	lazy := false
	c := &cobra.Command{
		Use:   "umount [-l] DIR...",
		Short: "unmount what llama9 mount mounted",
		Args:  cobra.MinimumNArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			var errs []error
			for _, dir := range args {
				if err := umount(dir, lazy); err != nil {
					errs = append(errs, fmt.Errorf("%s: %w", dir, err))
				}
			}
			return errors.Join(errs...)
		},
	}
	c.Flags().BoolVarP(&lazy, "lazy", "l", false, "at once, though files are open: they work until they are closed")
	return c
}

func umount(dir string, lazy bool) error {
	abs, err := resolve(dir)
	if err != nil {
		return err
	}
	e, err := mounted(abs)
	switch {
	case err != nil:
		return err
	case e == nil:
		if _, err := os.Stat(abs); err != nil {
			return errors.Unwrap(err)
		}
		return fuse.ErrNotMounted
	case !ours(e.kind):
		return fmt.Errorf("a mount of type %s, not of llama9", e.kind)
	case e.kind == "9p" && os.Geteuid() != 0:
		return errors.New("only root may unmount what the kernel's 9P client mounted")
	}
	err = fuse.Unmount(abs, lazy)
	if errors.Is(err, fuse.ErrBusy) {
		return fmt.Errorf("%w (--lazy unmounts all the same)", err)
	}
	return err
}
