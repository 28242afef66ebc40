package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"

	"github.com/spf13/cobra"

	"llama9/ninep"
)

// nodeFlags are what `llama9 node` was asked for.
type nodeFlags struct {
	engineFlags
	treeFlags
	listenFlags
	joinFlags
	logFlags
	trace    bool
	exitWith int
}

// nodeCommand serves models.
func nodeCommand() *cobra.Command {
	var n nodeFlags
	c := &cobra.Command{
		Use:   "node [-m FILE] [flags]",
		Short: "serve models as a 9P file tree",
		Long: `Node serves models as the file tree of llama9(4), until it is interrupted.
Flags that llama-server has too are named as there.`,
		Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error { return n.run(c.Context(), c.ErrOrStderr()) },
	}
	f := c.Flags()
	f.SortFlags = false
	n.engineFlags.flags(f)
	n.listenFlags.flags(f)
	n.joinFlags.flags(f)
	n.treeFlags.flags(f)
	n.logFlags.flags(f)
	f.BoolVarP(&n.trace, "trace", "D", false, "print every 9P message on the standard error")
	f.IntVar(&n.exitWith, "exit-with", -1, "end when this `descriptor`, of a pipe, is at its end: with the process that has the other end")
	return c
}

func (n *nodeFlags) run(ctx context.Context, stderr io.Writer) error {
	ctx, stop := signal.NotifyContext(ctx, os.Interrupt, syscall.SIGTERM)
	defer stop()
	context.AfterFunc(ctx, stop) // a second signal ends the process
	log, err := n.logger(stderr)
	if err != nil {
		return err
	}
	if n.exitWith >= 0 {
		ctx = exitWith(ctx, n.exitWith, log)
	}
	lns, err := n.listen(ctx)
	if err != nil {
		return err
	}
	defer closeAll(lns)
	s, err := n.start(ctx, &n.treeFlags, log, func(line string) { log.Info(line) })
	if err != nil {
		return err
	}
	srv := &ninep.Server{FS: s.tree, Log: log}
	if n.trace {
		srv.Trace = stderr
	}
	load := func(ctx context.Context) error {
		err := s.load(ctx, func(what string, percent, _ int) { log.Debug(what, "percent", percent) })
		if err != nil {
			return fmt.Errorf("--model: %w", err)
		}
		log.Info("ready")
		return nil
	}
	join, err := n.join(lns, log)
	if err != nil {
		return errors.Join(err, s.close())
	}
	return errors.Join(n.serve(ctx, srv, lns, log, load, join), s.close())
}
