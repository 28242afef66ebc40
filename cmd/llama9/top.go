package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"time"

	tea "charm.land/bubbletea/v2"
	"github.com/spf13/cobra"
	"golang.org/x/term"
)

// topFlags are what `llama9 top` was asked for.
type topFlags struct {
	client
	delay time.Duration
}

// topCommand shows a server while it works.
func topCommand() *cobra.Command {
	var t topFlags
	c := &cobra.Command{
		Use:   "top [ADDR]",
		Short: "show nodes, slots, queue and sessions of a server, live",
		Long: `Top shows what a node or a coordinator does, out of the files status, node/index
and event of its tree: see llama9(4). It ends at q. Where the standard output is
no terminal it prints one picture and ends.`,
		Args: cobra.MaximumNArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			if len(args) > 0 {
				t.addr = args[0]
			}
			return t.run(c.Context(), c.OutOrStdout())
		},
	}
	t.client.flags(c.Flags())
	c.Flags().DurationVarP(&t.delay, "delay", "d", 500*time.Millisecond, "shortest `time` between two pictures")
	return c
}

func (t *topFlags) run(ctx context.Context, out io.Writer) error {
	if t.delay < 50*time.Millisecond || t.delay > time.Hour {
		return fmt.Errorf("--delay %s: want 50ms to 1h", t.delay)
	}
	feed := &topFeed{dial: t.dial, delay: t.delay}
	model := newTopModel(t.address(), os.Getenv("NO_COLOR") == "")
	if out != os.Stdout || !term.IsTerminal(int(os.Stdout.Fd())) {
		return feed.once(ctx, model, out)
	}
	if t.trace {
		return errors.New("--trace: it would write on the terminal that top draws on; send the output elsewhere for one picture")
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	p := tea.NewProgram(model, tea.WithContext(ctx))
	fed := make(chan struct{})
	go func() {
		defer close(fed)
		feed.run(ctx, func(m topMsg) { p.Send(m) })
	}()
	_, err := p.Run()
	cancel()
	<-fed
	if errors.Is(err, tea.ErrInterrupted) {
		return errCancelled
	}
	return err
}
