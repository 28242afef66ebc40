package main

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"llama9/deploy"
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

// deployConfig reads a configuration, or gives that of no file.
func deployConfig(file string) (*deploy.Config, error) {
	if file == "" {
		return deploy.Default(), nil
	}
	abs, err := filepath.Abs(file)
	if err != nil {
		return nil, err
	}
	return deploy.Read(abs)
}

// deployDir is the directory of a deployment's sockets and lock.
func deployDir(name string) string {
	if dir := os.Getenv("XDG_RUNTIME_DIR"); dir != "" {
		return filepath.Join(dir, "llama9", name)
	}
	return filepath.Join(os.TempDir(), "llama9-"+strconv.Itoa(os.Getuid()), name)
}

// deploySocket is the address of a deployment for who knows its name.
func deploySocket(name string) string { return "unix!" + filepath.Join(deployDir(name), "deploy.sock") }

// deployState is the directory of what a deployment keeps: logs and journal.
func deployState(name string) (string, error) {
	dir := os.Getenv("XDG_STATE_HOME")
	if dir == "" {
		home, err := os.UserHomeDir()
		if err != nil {
			return "", fmt.Errorf("%w, nor XDG_STATE_HOME", err)
		}
		dir = filepath.Join(home, ".local", "state")
	}
	return filepath.Join(dir, "llama9", name), nil
}

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
	if err := fs.WriteFile(ctx, "deploy/ctl", []byte("stop\n")); err != nil {
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

// deployGenerateCommand writes a configuration, or what others make of one.
func deployGenerateCommand() *cobra.Command {
	var nodes int
	var model, file, target string
	var brief bool
	var o deploy.TargetOptions
	var output string
	c := &cobra.Command{
		Use:   "generate-config",
		Short: "write a configuration file, or one for another supervisor",
		Args:  cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			cfg, err := deployConfig(file)
			if err != nil {
				return err
			}
			if c.Flags().Changed("nodes") {
				if nodes < 1 || nodes > 256 {
					return fmt.Errorf("--nodes %d: want a number from 1 to 256", nodes)
				}
				cfg.Nodes[0].Count = nodes
			}
			if model != "" {
				cfg.Models[0] = deploy.Model{Name: deployModelName(model), File: model}
			}
			if target != "" {
				files, err := cfg.Target(target, o)
				if err != nil {
					return fmt.Errorf("--target: %w", err)
				}
				return writeTarget(c.OutOrStdout(), files, output)
			}
			_, err = c.OutOrStdout().Write(cfg.Print(!brief, false))
			return err
		},
	}
	f := c.Flags()
	f.IntVar(&nodes, "nodes", 2, "how many nodes")
	f.StringVarP(&model, "model", "m", "", "GGUF `file` (default: the built-in demo model)")
	f.StringVarP(&file, "file", "f", "", "configuration `file` to begin with")
	f.BoolVar(&brief, "brief", false, "what differs from the defaults only")
	f.StringVar(&target, "target", "", "write for another `supervisor`: "+strings.Join(deploy.Targets(), ", "))
	f.StringVarP(&output, "output", "o", "", "`directory` for the files of --target (default: the standard output)")
	f.StringVar(&o.Program, "program", "/usr/bin/llama9", "`path` of llama9 on the machines of --target")
	f.StringVar(&o.Domain, "domain", "llama9.internal", "`domain` with the SRV records of the nodes, for --target systemd")
	f.StringVar(&o.Image, "image", "llama9", "container `image`, for --target kubernetes and compose")
	return c
}

// writeTarget writes files into a directory, or one after the other, each
// behind a line with its name where there are several.
func writeTarget(out io.Writer, files []deploy.File, dir string) error {
	for _, f := range files {
		if dir != "" {
			if err := os.MkdirAll(dir, 0o755); err != nil {
				return err
			}
			if err := os.WriteFile(filepath.Join(dir, f.Name), f.Text, 0o644); err != nil {
				return err
			}
			continue
		}
		if len(files) > 1 {
			fmt.Fprintf(out, "# %s\n", f.Name)
		}
		if _, err := out.Write(append(f.Text, '\n')); err != nil {
			return err
		}
	}
	return nil
}

func deployModelName(file string) string {
	return cmp.Or(strings.TrimSuffix(filepath.Base(file), ".gguf"), "model")
}

// deployValidateCommand checks a configuration.
func deployValidateCommand() *cobra.Command {
	var schema bool
	c := &cobra.Command{
		Use:   "validate FILE",
		Short: "check a configuration file, its models and the memory they need",
		Args:  cobra.MaximumNArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			if schema {
				_, err := c.OutOrStdout().Write(deploy.Schema())
				return err
			}
			if len(args) == 0 {
				return fmt.Errorf("name a file; llama9 deploy generate-config writes one")
			}
			cfg, err := deployConfig(args[0])
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
			fmt.Fprintf(c.OutOrStdout(), "%s: good\n", args[0])
			return nil
		},
	}
	c.Flags().BoolVar(&schema, "schema", false, "write the JSON schema of the file, for editors")
	return c
}
