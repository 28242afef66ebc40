package main

import (
	"fmt"
	"io"
	"log/slog"

	"github.com/spf13/pflag"
)

// logFlags say how much is logged. No prompt and no answer ever is.
type logFlags struct {
	level   string
	verbose bool
}

func (l *logFlags) flags(f *pflag.FlagSet) {
	f.StringVar(&l.level, "log-level", "info", "what to log on the standard error: `level` debug, info, warn or error")
	f.BoolVarP(&l.verbose, "verbose", "v", false, "as --log-level debug")
}

func (l *logFlags) logger(w io.Writer) (*slog.Logger, error) {
	var level slog.Level
	if err := level.UnmarshalText([]byte(l.level)); err != nil {
		return nil, fmt.Errorf("--log-level %s: want debug, info, warn or error", l.level)
	}
	if l.verbose {
		level = slog.LevelDebug
	}
	return slog.New(slog.NewTextHandler(w, &slog.HandlerOptions{Level: level})), nil
}
