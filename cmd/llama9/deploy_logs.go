package main

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"iter"
	"strings"
	"sync"

	"github.com/spf13/cobra"

	"llama9/mnt"
	"llama9/ninep"
)

// lines are those of a text.
func lines(s string) iter.Seq[string] { return strings.Lines(s) }

// deployLogsCommand shows what nodes have printed.
func deployLogsCommand() *cobra.Command {
	var d deployClient
	var follow bool
	c := &cobra.Command{
		Use:   "logs [NAME]",
		Short: "show what the nodes, and the supervisor (deploy), have printed lately",
		Args:  cobra.MaximumNArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			fs, err := d.dial(c.Context())
			if err != nil {
				return err
			}
			defer fs.Close()
			dir := "deploy/log"
			if follow {
				dir = "deploy/follow"
			}
			if len(args) == 1 {
				return read(c.Context(), c.OutOrStdout(), fs, dir+"/"+args[0])
			}
			return allLogs(c.Context(), c.OutOrStdout(), fs, dir)
		},
	}
	c.Flags().StringVar(&d.file, "file", "", "configuration `file` of the deployment")
	c.Flags().StringVarP(&d.addr, "addr", "a", "", "`address` of the deployment (default: its own socket)")
	c.Flags().BoolVarP(&follow, "follow", "f", false, "go on with what comes")
	return c
}

// allLogs shows the logs of all nodes, each line behind its node's name.
func allLogs(ctx context.Context, out io.Writer, fs *mnt.Fsys, dir string) error {
	list, err := fs.ReadDir(ctx, dir)
	if err != nil {
		return err
	}
	var mu sync.Mutex
	var readers sync.WaitGroup
	for _, st := range list {
		show := func() {
			f, err := fs.Open(ctx, dir+"/"+st.Name, ninep.OREAD)
			if err != nil {
				return // it is gone by now
			}
			defer f.Forget()
			for s := bufio.NewScanner(f.WithContext(ctx)); s.Scan(); {
				mu.Lock()
				fmt.Fprintf(out, "%s: %s\n", st.Name, s.Text())
				mu.Unlock()
			}
		}
		if dir == "deploy/log" {
			show()
		} else {
			readers.Go(show)
		}
	}
	readers.Wait()
	return nil
}

// deployEventsCommand shows changes as they come.
func deployEventsCommand() *cobra.Command {
	var d deployClient
	c := &cobra.Command{
		Use:   "events",
		Short: "show what changes, a line each, as it comes",
		Args:  cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			fs, err := d.dial(c.Context())
			if err != nil {
				return err
			}
			defer fs.Close()
			err = read(c.Context(), c.OutOrStdout(), fs, "deploy/event")
			if hungUp(fs) {
				return nil // it has ended
			}
			return err
		},
	}
	d.flags(c)
	return c
}
