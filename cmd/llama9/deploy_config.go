package main

import (
	"cmp"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	"llama9/deploy"
)

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
