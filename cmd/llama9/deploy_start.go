package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/signal"
	"path/filepath"
	"syscall"

	"github.com/spf13/cobra"

	"llama9/deploy"
	"llama9/ninep"
	"llama9/styxfs"
)

// deployStart is what `llama9 deploy start` was asked for.
type deployStart struct {
	file   string
	detach bool
	logFlags
}

func deployStartCommand() *cobra.Command {
	var d deployStart
	c := &cobra.Command{
		Use:   "start [-f FILE] [--detach]",
		Short: "run a deployment, until it is stopped or interrupted",
		Long: `Start runs the nodes of a configuration file, or without one two nodes of the
demo model, and serves the cluster at its addresses, until llama9 deploy stop or
an interrupt: the nodes are drained. A second interrupt does not wait for their
turns, and a third kills.`,
		Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			if d.detach {
				return d.background(c.Context(), c.OutOrStdout())
			}
			return d.run(c.Context(), c.ErrOrStderr())
		},
	}
	c.Flags().StringVarP(&d.file, "file", "f", "", "configuration `file` (default: two nodes of the demo model)")
	c.Flags().BoolVarP(&d.detach, "detach", "d", false, "run in the background, and return when the nodes are ready")
	d.logFlags.flags(c.Flags())
	return c
}

// errStopped ends the server of a deployment that was stopped.
var errStopped = errors.New("stopped")

func (d *deployStart) run(ctx context.Context, stderr io.Writer) error {
	signals := make(chan os.Signal, 4)
	signal.Notify(signals, os.Interrupt, syscall.SIGTERM)
	defer signal.Stop(signals)
	cfg, err := deployConfig(d.file)
	if err != nil {
		return err
	}
	demo, remove, err := demoFile()
	if err != nil {
		return err
	}
	defer remove()
	if err := deployCheck(cfg, 0, cfg.Count(), demo); err != nil {
		return err
	}
	state, err := deployState(cfg.Name)
	if err != nil {
		return err
	}
	if err := os.MkdirAll(filepath.Join(state, "log"), 0o700); err != nil {
		return err
	}
	dir := deployDir(cfg.Name)
	lock, err := deploy.TakeLock(dir)
	if err != nil {
		return err
	}
	defer lock.Release()
	own := deploy.NewLog(filepath.Join(state, "log", "deploy.log"), int64(cfg.Limits.LogSize))
	defer own.Close()
	log, err := d.logger(io.MultiWriter(stderr, own))
	if err != nil {
		return err
	}
	program, err := os.Executable()
	if err != nil {
		return err
	}
	super := deploy.New(deploy.Options{
		Config: cfg, Program: program, Place: deploy.Place{Dir: dir, Demo: demo}, Logs: filepath.Join(state, "log"),
		Cluster: &deploy.Cluster{Addr: deploySocket(cfg.Name)}, Log: log, Own: own, Events: styxfs.NewEvents(),
		Check: func(c *deploy.Config, from, count int) error { return deployCheck(c, from, count, demo) },
	})
	return d.serve(ctx, cfg, super, filepath.Join(state, "journal"), signals, log)
}

// serve serves the coordinator, with the supervisor in it, until all is
// stopped.
func (d *deployStart) serve(ctx context.Context, cfg *deploy.Config, super *deploy.Supervisor, journal string, signals <-chan os.Signal, log *slog.Logger) error {
	tree := super.Tree()
	f := coordFlags{
		strategy: cfg.Network.Strategy, failover: cfg.Network.Failover, queue: cfg.Network.Queue, keyFile: cfg.Network.JoinKey,
		extra: map[string]ninep.Node{"deploy": tree},
	}
	f.addrs = append(cfg.Network.Listen[:len(cfg.Network.Listen):len(cfg.Network.Listen)], deploySocket(cfg.Name))
	f.insecure, f.mode = cfg.Network.Insecure, cfg.Network.SocketMode
	f.ttl, f.sessions, f.sessionsPerUser, f.bytes, f.state = cfg.Limits.SessionTTL, cfg.Limits.Sessions, 1000, 4<<30, journal
	lns, err := f.listen(ctx)
	if err != nil {
		return fmt.Errorf("network.listen: %w", err)
	}
	defer closeAll(lns)
	c, root, end, err := f.make(ctx, log)
	if err != nil {
		return errors.Join(err, end())
	}
	who := f.config(c, nil, log)
	tree.Bind(root.NewPath, who.ServerUser, who.ServerGroup)
	run := func(ctx context.Context) error {
		if err := super.Run(ctx); err != nil {
			return err
		}
		return errStopped
	}
	interrupts := func(ctx context.Context) error {
		for {
			select {
			case s := <-signals:
				log.Info("stopping", "signal", s.String())
				super.Stop()
			case <-ctx.Done():
				return nil
			}
		}
	}
	err = f.serve(ctx, &ninep.Server{FS: root, Log: log}, lns, log, run, interrupts)
	if errors.Is(err, errStopped) {
		err = nil
	}
	return errors.Join(err, end())
}
