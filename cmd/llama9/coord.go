package main

import (
	"context"
	"crypto/subtle"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"net"
	"os"
	"os/signal"
	"strings"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	"llama9/coord"
	"llama9/ninep"
	"llama9/styxfs"
)

// coordFlags are what `llama9 coord` was asked for.
type coordFlags struct {
	nodes    []string
	discover []string
	expect   []string
	strategy string
	failover string
	queue    int
	keyFile  string
	treeFlags
	listenFlags
	logFlags
	trace bool
	extra map[string]ninep.Node // of the tree's root
}

// coordCommand serves many nodes as one.
func coordCommand() *cobra.Command {
	var f coordFlags
	c := &cobra.Command{
		Use:   "coord [--node NAME=ADDRESS]... [flags]",
		Short: "serve many nodes as one",
		Long: `Coord serves the tree of llama9(4) over the nodes that are mounted in it: those
of --node and --discover, of mount lines written to ctl, and those that register
themselves (llama9 node --join). See llama9-coord(8).`,
		Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error { return f.run(c.Context(), c.ErrOrStderr()) },
	}
	l := c.Flags()
	l.SortFlags = false
	l.StringArrayVar(&f.nodes, "node", nil, "`name=address` of a node, and ,weight=w behind it; may be given again")
	l.StringArrayVar(&f.discover, "discover", nil, "`srv:name` of DNS whose records are the nodes; may be given again")
	l.StringVar(&f.strategy, "strategy", coord.Strategies[0], "how nodes are picked: "+strings.Join(coord.Strategies, ", "))
	l.StringVar(&f.failover, "failover", "resume", "when a node is lost: resume its turns elsewhere, or be strict and fail them")
	l.StringArrayVar(&f.expect, "expect", nil, "`model` that turns may wait for though no node has it; may be given again")
	l.IntVar(&f.queue, "queue-size", 1024, "turns that wait at most")
	l.StringVar(&f.keyFile, "join-key", "", "`file` with the key that nodes must have to register")
	f.listenFlags.flags(l)
	f.treeFlags.flags(l)
	f.logFlags.flags(l)
	l.BoolVarP(&f.trace, "trace", "D", false, "print every 9P message on the standard error")
	return c
}

func (f *coordFlags) run(ctx context.Context, stderr io.Writer) error {
	ctx, stop := signal.NotifyContext(ctx, os.Interrupt, syscall.SIGTERM)
	defer stop()
	context.AfterFunc(ctx, stop) // a second signal ends the process
	log, err := f.logger(stderr)
	if err != nil {
		return err
	}
	lns, err := f.listen(ctx)
	if err != nil {
		return err
	}
	defer closeAll(lns)
	c, tree, end, err := f.make(ctx, log)
	if err != nil {
		return errors.Join(err, end())
	}
	srv := &ninep.Server{FS: tree, Log: log}
	if f.trace {
		srv.Trace = stderr
	}
	var work []func(context.Context) error
	for _, d := range f.discover {
		name := strings.TrimPrefix(d, "srv:")
		work = append(work, func(ctx context.Context) error { return c.Discover(ctx, name, net.DefaultResolver.LookupSRV) })
	}
	return errors.Join(f.serve(ctx, srv, lns, log, work...), end())
}

// make makes the coordinator and its tree, with the nodes of --node. Its end is
// to be called after an error too.
func (f *coordFlags) make(ctx context.Context, log *slog.Logger) (c *coord.Coord, tree *styxfs.FS, end func() error, err error) {
	closeTree := func(context.Context) error { return nil }
	end = func() error {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 10*time.Second)
		defer cancel()
		errs := []error{closeTree(ctx)}
		if c != nil {
			errs = append(errs, c.Close(ctx))
		}
		return errors.Join(errs...)
	}
	register, err := f.register()
	if err != nil {
		return c, tree, end, err
	}
	if f.failover != "resume" && f.failover != "strict" {
		return c, tree, end, fmt.Errorf("--failover %s: want resume or strict", f.failover)
	}
	for _, d := range f.discover {
		if name, ok := strings.CutPrefix(d, "srv:"); !ok || name == "" {
			return c, tree, end, fmt.Errorf("--discover %s: want srv:name", d)
		}
	}
	events := styxfs.NewEvents()
	c, err = coord.New(coord.Config{
		Open: openNode, Strategy: f.strategy, Expect: f.expect, QueueSize: f.queue, Strict: f.failover == "strict",
		Log: log, Event: events.Post, Register: register,
	})
	if err != nil {
		return c, tree, end, err
	}
	config := f.config(c, events, log)
	config.Extra = map[string]ninep.Node{"node": c.Dir()}
	maps.Copy(config.Extra, f.extra)
	if tree, closeTree, err = f.open(config); err != nil {
		return c, tree, end, err
	}
	c.Bind(tree, config.ServerUser, config.ServerGroup)
	for _, n := range f.nodes {
		if err := mountNode(ctx, c, n); err != nil {
			return c, tree, end, fmt.Errorf("--node %s: %w", n, err)
		}
	}
	return c, tree, end, nil
}

// openNode gives the place that an address stands for.
func openNode(addr string) (coord.Place, error) {
	if _, _, err := ninep.ParseAddr(addr); err != nil {
		return nil, err
	}
	return coord.NewRemote(coord.RemoteConfig{Addr: addr}), nil
}

// mountNode mounts a node of --node, NAME=ADDRESS[,weight=W]. One of that name
// that the state directory has given makes way.
func mountNode(ctx context.Context, c *coord.Coord, value string) error {
	name, addr, ok := strings.Cut(value, "=")
	if !ok {
		return errors.New("want name=address")
	}
	words := []string{"mount", name}
	words = append(words, strings.Split(addr, ",")...)
	cmds := [][]string{words}
	for _, line := range c.Settings() {
		if line[0] == "mount" && line[1] == name {
			cmds = [][]string{{"unmount", name}, words}
		}
	}
	return c.Ctl(ctx, cmds)
}

// register gives what says whether a node may register. Beyond this machine a
// key is needed.
func (f *coordFlags) register() (func(key string) error, error) {
	want, err := readKey(f.keyFile)
	if err != nil {
		return nil, err
	}
	return func(key string) error {
		switch {
		case want == "" && f.insecure:
			return errors.New("this coordinator has no --join-key")
		case want == "":
			return nil
		case subtle.ConstantTimeCompare([]byte(key), []byte(want)) == 0:
			return errors.New("wrong key")
		}
		return nil
	}, nil
}
