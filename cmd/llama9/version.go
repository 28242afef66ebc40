package main

import (
	"fmt"
	"runtime"
	"runtime/debug"
	"strings"

	"github.com/spf13/cobra"

	"llama9/node/llama"
	"llama9/node/ollama"
)

// versionCommand prints what this program was made of.
func versionCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "version",
		Short: "print the versions of this program, its engines and Go",
		Args:  cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			engines := llama.Version + ollama.Suffix
			if defaultEngine == "ollama" { // and no other
				engines = strings.TrimPrefix(ollama.Suffix, ", ")
			}
			_, err := fmt.Fprintf(c.OutOrStdout(), "llama9 %s\nllama.cpp %s\n%s %s/%s\n", version(), engines,
				runtime.Version(), runtime.GOOS, runtime.GOARCH)
			return err
		},
	}
}

// version is the module's, or the commit that it was built from.
func version() string {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return "unknown"
	}
	rev, dirty := "", ""
	for _, s := range info.Settings {
		switch {
		case s.Key == "vcs.revision":
			rev = s.Value[:min(12, len(s.Value))]
		case s.Key == "vcs.modified" && s.Value == "true":
			dirty = "+"
		}
	}
	switch v := info.Main.Version; {
	case v != "" && v != "(devel)":
		return v
	case rev != "":
		return rev + dirty
	}
	return "devel"
}
