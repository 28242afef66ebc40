package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"llama9/node"
	"llama9/node/fake"
	"llama9/node/llama"
	"llama9/node/ollama"
)

// engineFlag adds --engine.
func (e *engineFlags) engineFlag(f *pflag.FlagSet) {
	f.StringVar(&e.engine, "engine", defaultEngine, "`name`: llama, by shared libraries, or ollama, in the program if it was built so")
}

// errNoLlama is what a static program says, which can load no library.
var errNoLlama = errors.New("the engine llama is not in this program, which loads no libraries; it has ollama")

// openEngine gives the engine that the flags name. llama.cpp's libraries are
// installed if they are not there; say is told of it.
func (e *engineFlags) openEngine(ctx context.Context, log *slog.Logger, say func(string)) (node.Engine, error) {
	switch e.engine {
	case "fake":
		return &fake.Engine{}, nil
	case "llama":
		if defaultEngine != "llama" {
			return nil, errNoLlama
		}
	case "ollama":
		return ollama.Open(ollama.Options{Log: log})
	default:
		return nil, fmt.Errorf("--engine %s: unknown; it is llama or ollama", e.engine)
	}
	dir, err := llama.Find(e.lib)
	if errors.Is(err, llama.ErrNoLibrary) {
		dir, err = llama.Install(ctx, say)
	}
	if err != nil {
		return nil, err
	}
	return llama.Open(llama.Options{Lib: dir, Log: log})
}

// engineCommand shows the engine and installs llama.cpp's libraries.
func engineCommand() *cobra.Command {
	var e engineFlags
	c := &cobra.Command{
		Use:   "engine",
		Short: "show which llama.cpp libraries are used",
		Args:  cobra.NoArgs,
		RunE:  func(c *cobra.Command, _ []string) error { return e.show(c.OutOrStdout()) },
	}
	e.engineFlag(c.PersistentFlags())
	c.PersistentFlags().StringVar(&e.lib, "llama-lib", "", "`directory` of llama.cpp's libraries (default $LLAMA9_LIB, else found)")
	c.AddCommand(&cobra.Command{
		Use:   "install",
		Short: "install llama.cpp's libraries into the cache, by npm, if none are found",
		Args:  cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			say := func(line string) { fmt.Fprintln(c.ErrOrStderr(), line) }
			if _, err := e.openEngine(c.Context(), nil, say); err != nil {
				return err
			}
			return e.show(c.OutOrStdout())
		},
	})
	return c
}

func (e *engineFlags) show(w io.Writer) error {
	if e.engine != "llama" {
		eng, err := e.openEngine(context.Background(), nil, nil)
		if err != nil {
			return err
		}
		_, err = fmt.Fprintf(w, "llama.cpp %s, %s\nin the program\n", eng.Build(), eng.Variant())
		return err
	}
	if defaultEngine != "llama" {
		return errNoLlama
	}
	dir, err := llama.Find(e.lib)
	if errors.Is(err, llama.ErrNoLibrary) {
		return fmt.Errorf("%w found; llama9 engine install gets them", err)
	}
	if err != nil {
		return err
	}
	eng, err := llama.Open(llama.Options{Lib: dir})
	if err != nil {
		return err
	}
	_, err = fmt.Fprintf(w, "llama.cpp %s, %s\n%s\n", eng.Build(), eng.Variant(), dir)
	return err
}
