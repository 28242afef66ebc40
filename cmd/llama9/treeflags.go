package main

import (
	"log/slog"
	"os/user"
	"time"

	"github.com/spf13/pflag"

	"llama9/styxfs"
)

// treeFlags are those of the tree of a node. Zero numbers are styxfs's
// defaults.
type treeFlags struct {
	ttl             time.Duration
	sessions        int
	sessionsPerUser int
	bytes           int64
}

func (t *treeFlags) flags(f *pflag.FlagSet) {
	f.DurationVar(&t.ttl, "session-ttl", 30*time.Minute, "how long an idle session lives")
	f.IntVar(&t.sessions, "max-sessions", 10000, "living sessions at most")
	f.IntVar(&t.sessionsPerUser, "max-user-sessions", 1000, "living sessions of one user at most")
	f.Int64Var(&t.bytes, "max-session-bytes", 4<<30, "texts, conversations and answers of all sessions at most, in `bytes`")
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
