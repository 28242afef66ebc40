//go:build !linux

package main

import "github.com/spf13/cobra"

// mountCommands are those of systems that can mount: Linux.
func mountCommands() []*cobra.Command { return nil }
