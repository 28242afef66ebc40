package main

import (
	"context"
	"fmt"

	"github.com/spf13/cobra"

	"llama9/mnt"
	"llama9/ninep"
)

// deployCommand runs clusters on this machine, and speaks to those that run.
func deployCommand() *cobra.Command {
	c := &cobra.Command{
		Use:   "deploy",
		Short: "run a cluster of nodes from one configuration file",
		Long: `Deploy starts node processes and a coordinator over them, watches, restarts and
scales them, and shows all of it as files under deploy/. See llama9-deploy(8).

	llama9 deploy start --detach      two nodes of the demo model
	llama9 deploy status
	llama9 run hello
	llama9 deploy stop`,
	}
	c.AddCommand(deployGenerateCommand(), deployValidateCommand(), deployStartCommand(), deployStopCommand(), deployStatusCommand(),
		deployVerb("scale N", "make the cluster have N nodes", 1), deployVerb("auto on|off", "let the load decide how many nodes there are, or not", 1),
		deployVerb("pause", "let turns wait", 0), deployVerb("resume", "let turns go on", 0),
		deployVerb("restart NAME", "end a node, drained first, and start it anew", 1),
		deployVerb("reload", "read the configuration file again, and change what is other", 0),
		deployLogsCommand(), deployEventsCommand())
	return c
}

// A deployClient says which running deployment a command is for.
type deployClient struct {
	file string
	addr string
}

func (d *deployClient) flags(c *cobra.Command) {
	c.Flags().StringVarP(&d.file, "file", "f", "", "configuration `file` of the deployment")
	c.Flags().StringVarP(&d.addr, "addr", "a", "", "`address` of the deployment (default: its own socket)")
}

// dial attaches to the deployment. Who gets the tree must close it.
func (d *deployClient) dial(ctx context.Context) (*mnt.Fsys, error) {
	addr := d.addr
	if addr == "" {
		c, err := deployConfig(d.file)
		if err != nil {
			return nil, err
		}
		addr = deploySocket(c.Name)
	} else if _, _, err := ninep.ParseAddr(addr); err != nil {
		return nil, fmt.Errorf("--addr: %w", err)
	}
	fs, err := mnt.Dial(ctx, addr, mnt.Options{})
	if err != nil {
		return nil, fmt.Errorf("no deployment at %s: %w; llama9 deploy start begins one", addr, err)
	}
	if _, err := fs.Stat(ctx, "deploy"); err != nil {
		fs.Close()
		return nil, fmt.Errorf("%s: no deployment, but a server of another kind: deploy: %w", addr, err)
	}
	return fs, nil
}
