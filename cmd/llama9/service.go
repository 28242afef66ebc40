package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"llama9/node"
	"llama9/styxfs"
)

// A service is a node and its tree, in this process.
type service struct {
	node    *node.Node
	tree    *styxfs.FS
	end     func(context.Context) error // of the tree; nil: there is none
	changed chan struct{}               // a model's state may be another
	remove  func()                      // takes away the demo model's file
}

// start makes the node that the flags describe. Who gets it must close it.
func (e *engineFlags) start(ctx context.Context, t *treeFlags, log *slog.Logger, say func(string)) (*service, error) {
	memory, err := parseSize(e.memory)
	if err != nil {
		return nil, fmt.Errorf("--memory: %w", err)
	}
	s := &service{changed: make(chan struct{}, 1), remove: func() {}}
	demo := ""
	if len(e.models) == 0 && len(e.loads) == 0 {
		if demo, s.remove, err = demoFile(); err != nil {
			return nil, err
		}
	}
	specs, err := e.specs(demo)
	if err == nil {
		err = s.make(ctx, e, t, node.Config{Models: specs, QueueSize: e.queue, MemoryBound: memory, Log: log}, say)
	}
	if err != nil {
		return nil, errors.Join(err, s.close())
	}
	return s, nil
}

func (s *service) make(ctx context.Context, e *engineFlags, t *treeFlags, c node.Config, say func(string)) (err error) {
	if err := e.chat.config(&c); err != nil {
		return err
	}
	if c.Engine, err = e.openEngine(ctx, c.Log, say); err != nil {
		return err
	}
	first := c.Models[0].Context // also for models that are loaded by ctl
	c.Parallel, c.CtxSize, c.Threads, c.NBatch, c.NUbatch = first.NSeq, first.NCtx, first.Threads, first.NBatch, first.NUbatch
	events := styxfs.NewEvents()
	c.Event = func(kind string, attrs ...styxfs.Attr) {
		events.Post(kind, attrs...)
		if kind == "model" {
			select {
			case s.changed <- struct{}{}:
			default: // one is enough
			}
		}
	}
	if s.node, err = node.New(c); err != nil {
		return err
	}
	s.tree, s.end, err = t.open(t.config(s.node, events, c.Log))
	return err
}

// close ends the turns, the sessions and the node.
func (s *service) close() error {
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	defer s.remove()
	var err error
	if s.end != nil {
		err = s.end(ctx)
	}
	if s.node != nil {
		err = errors.Join(err, s.node.Close(ctx))
	}
	return err
}
