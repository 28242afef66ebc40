package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"strings"
	"syscall"

	"github.com/peterh/liner"
)

// talk is a conversation on a terminal.
func (r *runFlags) talk(ctx context.Context, s *session, p *progress) error {
	line := liner.NewLiner()
	defer line.Close()
	line.SetCtrlCAborts(true)
	fmt.Fprintln(os.Stderr, "^D ends, ^C ends an answer, /help for more")
	ctx, stop := signal.NotifyContext(ctx, syscall.SIGTERM, syscall.SIGHUP)
	defer stop()
	for {
		text, err := readMessage(ctx, line)
		switch {
		case errors.Is(err, liner.ErrPromptAborted):
			fmt.Fprintln(os.Stderr, "^D ends")
			continue
		case errors.Is(err, io.EOF):
			fmt.Println()
			return nil
		case err != nil:
			return err
		}
		if strings.TrimSpace(text) == "" {
			continue
		}
		line.AppendHistory(text)
		if cmd, ok := strings.CutPrefix(text, "/"); ok {
			err = r.order(ctx, s, strings.TrimSpace(cmd))
		} else {
			err = r.say(ctx, s, text, p)
		}
		if err != nil {
			if s.fs.Conn().Err() != nil {
				return err
			}
			fmt.Fprintln(os.Stderr, "llama9:", err)
		}
	}
}

// readMessage reads one message, or gives up when ctx is done: then the
// reader ends with the process.
func readMessage(ctx context.Context, line *liner.State) (string, error) {
	type read struct {
		text string
		err  error
	}
	got := make(chan read, 1)
	go func() {
		text, err := line.Prompt("> ")
		for err == nil && strings.HasSuffix(text, `\`) {
			var more string
			more, err = line.Prompt("  ")
			text = strings.TrimSuffix(text, `\`) + "\n" + more
		}
		got <- read{text, err}
	}()
	select {
	case g := <-got:
		return g.text, g.err
	case <-ctx.Done():
		return "", errCancelled
	}
}
