package main

import (
	"context"
	"errors"
)

// load loads the default model, and returns when it is loaded, has failed, or
// ctx is done. The others are loaded when a turn names them.
func (s *service) load(ctx context.Context, show func(what string, done, total int)) error {
	if err := s.node.Ctl(ctx, s.node.Settings()[:1]); err != nil { // the load line of the default
		return err
	}
	for {
		for _, m := range s.node.Models(ctx)[:1] {
			switch m.State {
			case "loaded":
				show("loading", 100, 100)
				return nil
			case "failed":
				return errors.New(m.Error)
			case "loading":
				show("loading", m.Percent, 100)
			}
		}
		select {
		case <-s.changed:
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}
