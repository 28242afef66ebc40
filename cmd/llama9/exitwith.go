package main

import (
	"context"
	"io"
	"log/slog"
	"os"
	"time"
)

// exitTime is how long a node may take to end once its supervisor is gone.
const exitTime = 10 * time.Second

// exitWith gives a context that is done when the pipe of descriptor fd is at
// its end. The process then ends within exitTime, whatever its engine does.
func exitWith(ctx context.Context, fd int, log *slog.Logger) context.Context {
	ctx, cancel := context.WithCancel(ctx)
	go func() { // not waited for: it ends with the process
		pipe := os.NewFile(uintptr(fd), "pipe")
		io.Copy(io.Discard, pipe)
		log.Info("the supervisor is gone")
		cancel()
		time.Sleep(exitTime)
		os.Exit(1)
	}()
	return ctx
}
