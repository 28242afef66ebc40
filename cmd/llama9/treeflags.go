package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os/user"
	"time"

	"github.com/spf13/pflag"

	"llama9/journal"
	"llama9/styxfs"
)

// treeFlags are those of the tree of a node. Zero numbers are styxfs's
// defaults.
type treeFlags struct {
	ttl             time.Duration
	sessions        int
	sessionsPerUser int
	bytes           int64
	state           string
}

func (t *treeFlags) flags(f *pflag.FlagSet) {
	f.DurationVar(&t.ttl, "session-ttl", 30*time.Minute, "how long an idle session lives")
	f.IntVar(&t.sessions, "max-sessions", 10000, "living sessions at most")
	f.IntVar(&t.sessionsPerUser, "max-user-sessions", 1000, "living sessions of one user at most")
	f.Int64Var(&t.bytes, "max-session-bytes", 4<<30, "texts, conversations and answers of all sessions at most, in `bytes`")
	f.StringVar(&t.state, "state", "", "`directory` that keeps sessions and running turns across restarts (default: nothing does)")
}

// config is that of a tree of this process's user.
func (t *treeFlags) config(b styxfs.Backend, events *styxfs.Events, log *slog.Logger) styxfs.Config {
	c := styxfs.Config{
		Backend: b, Version: version(), Log: log, Events: events,
		SessionTTL: t.ttl, MaxSessions: t.sessions, MaxUserSessions: t.sessionsPerUser, MaxBytes: t.bytes,
	}
	if u, err := user.Current(); err == nil {
		c.ServerUser = u.Username
		if g, err := user.LookupGroupId(u.Gid); err == nil {
			c.ServerGroup = g.Name
		}
	}
	return c
}

// open makes the tree of c, with the journal of --state. Its close, which ends
// the tree too, is for a tree that is nil too.
func (t *treeFlags) open(c styxfs.Config) (tree *styxfs.FS, close func(context.Context) error, err error) {
	var log *journal.Log
	close = func(ctx context.Context) error {
		var err error
		if tree != nil {
			err = tree.Close(ctx)
		}
		if log != nil {
			err = errors.Join(err, log.Close())
		}
		return err
	}
	if t.state != "" {
		if log, err = journal.Open(t.state, journal.Options{Log: c.Log}); err != nil {
			return nil, close, fmt.Errorf("--state: %w", err)
		}
		c.Store = log
	}
	if tree, err = styxfs.New(c); err != nil && t.state != "" {
		err = fmt.Errorf("--state: %w", err)
	}
	return tree, close, err
}
