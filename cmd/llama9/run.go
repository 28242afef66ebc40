package main

import (
	"context"
	"os"
	"os/signal"
	"syscall"

	"github.com/spf13/cobra"
	"golang.org/x/term"
)

// runFlags are what `llama9 run` was asked for.
type runFlags struct {
	engineFlags
	paramFlags
	client
	system, grammar, grammarFile, schema string
	verbose                              bool
}

// runCommand answers a prompt, through the tree of a node of its own or of a
// running one.
func runCommand() *cobra.Command {
	var r runFlags
	c := &cobra.Command{
		Use:   "run [flags] [PROMPT...]",
		Short: "answer a prompt, or hold a conversation",
		Long: `Run writes the prompt to a node's tree and copies the answer to the standard
output as it is made. The node is one of its own, in this process, or with
--addr a running one. The arguments are the prompt, joined by spaces; - stands
for the standard input, which is the prompt when there are none. Without a
prompt, on a terminal, it holds a conversation. ^C ends the answer.`,
		RunE: func(c *cobra.Command, args []string) error { return r.run(c.Context(), c, args) },
	}
	f := c.Flags()
	f.SortFlags = false
	r.client.flags(f)
	r.engineFlags.flags(f)
	f.StringVar(&r.system, "system", "", "system `message`")
	f.StringVar(&r.grammar, "grammar", "", "`GBNF` that the answer follows")
	f.StringVar(&r.grammarFile, "grammar-file", "", "`file` with such a grammar")
	f.StringVarP(&r.schema, "json-schema", "j", "", "JSON `schema` that the answer follows")
	f.BoolVarP(&r.verbose, "verbose", "v", false, "log what the node does on the standard error")
	r.paramFlags.flags(f)
	c.MarkFlagsMutuallyExclusive("grammar", "grammar-file", "json-schema")
	return c
}

func (r *runFlags) run(ctx context.Context, c *cobra.Command, args []string) error {
	prompt, talk, err := promptOf(args, c.InOrStdin())
	if err != nil {
		return err
	}
	setup, stop := signal.NotifyContext(ctx, os.Interrupt, syscall.SIGTERM)
	defer stop()
	context.AfterFunc(setup, stop) // a second interrupt ends the process
	if err := r.check(c.Flags()); err != nil {
		return err
	}
	p := newProgress(os.Stderr)
	fs, close, err := r.connect(setup, c, p)
	if err != nil {
		return err
	}
	defer close()
	s, err := newSession(setup, fs)
	if err != nil {
		return err
	}
	defer s.close(context.WithoutCancel(ctx))
	if err := r.prepare(setup, s); err != nil {
		return err
	}
	events, done := context.WithCancel(ctx)
	wait := p.watch(events, fs, "event", s.dir+"/event")
	defer wait()
	defer done()
	if talk {
		stop()
		return r.talk(ctx, s, p)
	}
	out := lastByte{w: c.OutOrStdout()}
	err = s.turn(setup, prompt, &out, p.end)
	if term.IsTerminal(int(os.Stdout.Fd())) {
		out.endLine()
	}
	return err
}
