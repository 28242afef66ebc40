package main

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"llama9/deploy"
	"llama9/ninep"
)

// deployVerb is a command that is a line of deploy/ctl.
func deployVerb(use, short string, args int) *cobra.Command {
	var d deployClient
	var wait bool
	c := &cobra.Command{
		Use:   use,
		Short: short,
		Args:  cobra.ExactArgs(args),
		RunE: func(c *cobra.Command, args []string) error {
			line := strings.Join(append([]string{c.Name()}, args...), " ")
			return d.ctl(c.Context(), line, wait)
		},
	}
	d.flags(c)
	c.Flags().BoolVarP(&wait, "wait", "w", false, "return when all nodes are what they are to be")
	return c
}

// ctl writes a line to deploy/ctl.
func (d *deployClient) ctl(ctx context.Context, line string, wait bool) error {
	fs, err := d.dial(ctx)
	if err != nil {
		return err
	}
	defer fs.Close()
	if err := fs.WriteFile(ctx, "deploy/ctl", []byte(line+"\n")); err != nil {
		return err
	}
	if wait {
		return deploySettled(ctx, fs)
	}
	return nil
}

// deployStopCommand ends a deployment.
func deployStopCommand() *cobra.Command {
	var d deployClient
	c := &cobra.Command{
		Use:   "stop",
		Short: "end a deployment: its nodes are drained, then ended",
		Args:  cobra.NoArgs,
		RunE:  func(c *cobra.Command, _ []string) error { return d.stop(c.Context()) },
	}
	d.flags(c)
	return c
}

// stop returns when the deployment has ended: it hangs up.
func (d *deployClient) stop(ctx context.Context) error {
	fs, err := d.dial(ctx)
	if err != nil {
		return err
	}
	defer fs.Close()
	// One with no node left ends at once, and may not get to say so.
	if err := fs.WriteFile(ctx, "deploy/ctl", []byte("stop\n")); err != nil && !errors.Is(err, ninep.ErrHangup) {
		return err
	}
	select {
	case <-fs.Conn().Done():
	case <-ctx.Done():
		return context.Cause(ctx)
	}
	if d.addr != "" {
		return nil // it may be another machine's
	}
	c, err := deployConfig(d.file)
	if err != nil {
		return err
	}
	for { // its lock is the last that it gives back
		if _, err := os.Stat(filepath.Join(deployDir(c.Name), deploy.LockName)); err != nil {
			return nil
		}
		select {
		case <-time.After(10 * time.Millisecond):
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}
