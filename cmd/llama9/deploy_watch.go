package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"llama9/mnt"
	"llama9/ninep"
	"llama9/styxfs"
)

// watchStatus shows the status at each change, until the deployment ends.
func watchStatus(ctx context.Context, fs *mnt.Fsys, out io.Writer, show func(io.Writer, [][]styxfs.Attr) error) error {
	changes := make(chan struct{}, 1)
	f, err := fs.Open(ctx, "deploy/event", ninep.OREAD)
	if err != nil {
		return err
	}
	go func() { // ends with the connection
		for s := bufio.NewScanner(f.WithContext(ctx)); s.Scan(); {
			select {
			case changes <- struct{}{}:
			default:
			}
		}
	}()
	last := ""
	for {
		all, err := readStatus(ctx, fs)
		if err != nil {
			if hungUp(fs) {
				return nil
			}
			return err
		}
		if now := fmt.Sprint(all); now != last {
			last = now
			if err := show(out, all); err != nil {
				return err
			}
		}
		select {
		case <-changes:
		case <-time.After(time.Second): // of the load there are no events
		case <-fs.Conn().Done():
			return nil
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}

func hungUp(fs *mnt.Fsys) bool {
	select {
	case <-fs.Conn().Done():
		return true
	default:
		return false
	}
}

// deploySettled waits until no node of the deployment is about to be another.
// One that has failed is an error.
func deploySettled(ctx context.Context, fs *mnt.Fsys) error {
	for {
		all, err := readStatus(ctx, fs)
		if err != nil {
			return err
		}
		switch state := styxfs.FindAttr(all[0], "state"); state {
		case "running", "paused":
			if e := styxfs.FindAttr(all[0], "error"); e != "" {
				return errors.New(e)
			}
			return nil
		case "stopping":
			return errors.New("the deployment is stopping")
		case "degraded":
			for _, n := range all[1:] {
				if styxfs.FindAttr(n, "state") == "failed" {
					return fmt.Errorf("node %s failed: %s; see llama9 deploy logs %s", styxfs.FindAttr(n, "node"), styxfs.FindAttr(n, "error"), styxfs.FindAttr(n, "node"))
				}
			}
		}
		select {
		case <-time.After(20 * time.Millisecond):
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}
