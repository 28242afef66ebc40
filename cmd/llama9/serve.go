package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"sync"

	"llama9/ninep"
)

// serve serves until ctx is done, a listener or some of the work beside fails,
// or the connection of --stdio ends. It returns once all is quiet.
func (l *listenFlags) serve(ctx context.Context, srv *ninep.Server, lns []net.Listener, log *slog.Logger, work ...func(context.Context) error) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	done := errors.New("done")
	var all sync.WaitGroup
	for _, ln := range lns {
		log.Info("listening", "addr", addrString(ln.Addr()))
		all.Go(func() {
			if err := srv.Serve(ctx, ln); err != nil {
				cancel(fmt.Errorf("%s: %w", addrString(ln.Addr()), err))
			}
		})
	}
	if l.stdio {
		// Not waited for: a read of a pipe ends when its writer says so, and
		// this process does not wait for that.
		go func() {
			srv.ServeConn(ctx, ninep.Stdio())
			cancel(done)
		}()
	}
	for _, f := range work {
		all.Go(func() {
			if err := f(ctx); err != nil && ctx.Err() == nil {
				cancel(err)
			}
		})
	}
	<-ctx.Done()
	log.Info("shutting down")
	all.Wait()
	if cause := context.Cause(ctx); cause != done && !errors.Is(cause, context.Canceled) { // as a signal is
		return cause
	}
	return nil
}
