package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"sync"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"llama9/mnt"
	"llama9/ninep"
)

// remote says whether a running node is to answer.
func (r *runFlags) remote() bool { return r.addr != "" || os.Getenv("LLAMA9_ADDR") != "" }

// check refuses flags that do not go together, and reads what they name.
func (r *runFlags) check(f *pflag.FlagSet) error {
	if r.grammarFile != "" {
		b, err := os.ReadFile(r.grammarFile)
		if err != nil {
			return fmt.Errorf("--grammar-file: %w", err)
		}
		r.grammar = string(b)
	}
	if !r.remote() {
		return nil
	}
	var own pflag.FlagSet
	new(engineFlags).flags(&own)
	var err error
	own.VisitAll(func(fl *pflag.Flag) {
		if fl.Name != "model" && f.Changed(fl.Name) {
			err = fmt.Errorf("--%s is for a node of run's own; leave it out with --addr (or LLAMA9_ADDR)", fl.Name)
		}
	})
	if len(r.models) > 0 { // a name there
		r.set("model", r.models[len(r.models)-1])
	}
	return err
}

// connect gives the tree: a running node's, or that of one of its own. Who
// gets it must call close.
func (r *runFlags) connect(ctx context.Context, c *cobra.Command, p *progress) (fs *mnt.Fsys, close func() error, err error) {
	if r.remote() {
		if fs, err = r.dial(ctx); err != nil {
			return nil, nil, err
		}
		return fs, fs.Close, nil
	}
	return r.embed(ctx, c.ErrOrStderr(), p)
}

// embed starts a node and speaks 9P to it over a pipe.
func (r *runFlags) embed(ctx context.Context, stderr io.Writer, p *progress) (*mnt.Fsys, func() error, error) {
	log := slog.New(slog.DiscardHandler)
	if r.verbose {
		log = slog.New(slog.NewTextHandler(stderr, &slog.HandlerOptions{Level: slog.LevelDebug}))
	}
	s, err := r.start(ctx, new(treeFlags), log, func(line string) { fmt.Fprintln(stderr, line) })
	if err != nil {
		return nil, nil, err
	}
	if err := s.load(ctx, p.show); err != nil {
		if ctx.Err() == nil {
			err = fmt.Errorf("--model: %w", err)
		}
		return nil, nil, errors.Join(err, s.close())
	}
	ours, theirs := net.Pipe()
	serve, cancel := context.WithCancel(context.WithoutCancel(ctx))
	var server sync.WaitGroup
	server.Go(func() { (&ninep.Server{FS: s.tree, Log: log}).ServeConn(serve, theirs) })
	end := func() error {
		ours.Close()
		cancel()
		server.Wait()
		return s.close()
	}
	conn, err := mnt.NewConn(ctx, ours, r.options(stderr))
	if err != nil {
		return nil, nil, errors.Join(err, end())
	}
	fs, err := conn.Attach(ctx, "", r.aname)
	if err != nil {
		return nil, nil, errors.Join(err, conn.Close(), end())
	}
	return fs, func() error { return errors.Join(conn.Close(), end()) }, nil
}
