package main

import (
	"errors"
	"fmt"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// command is the root of the subcommands.
func command() *cobra.Command {
	c := &cobra.Command{
		Use:   "llama9",
		Short: "language models as a 9P file tree",
		Long: `Llama9 serves language models as a 9P file tree, and speaks to such trees.

	llama9 run "In the beginning"     answer a prompt, with nothing else running
	llama9 node -m model.gguf         serve a model
	echo hello | llama9 write infer/new
	llama9 read infer/last/out`,
		SilenceErrors: true,
		SilenceUsage:  true,
	}
	c.AddCommand(nodeCommand(), coordCommand(), deployCommand(), runCommand(), lsCommand(), readCommand(), writeCommand(), statCommand(), rmCommand(),
		topCommand(), engineCommand(), benchCommand(), versionCommand())
	c.AddCommand(mountCommands()...)
	c.SetGlobalNormalizationFunc(dashes)
	c.SetFlagErrorFunc(flagError)
	return c
}

// flagError adds to what pflag says, which names the flag, where to look.
func flagError(c *cobra.Command, err error) error {
	if errors.Is(err, pflag.ErrHelp) {
		return err
	}
	return fmt.Errorf("%w; see %s --help", err, c.CommandPath())
}
