package main

import (
	"bufio"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"
	"time"

	"llama9/mnt"
	"llama9/ninep"
	"llama9/styxfs"
)

// A topMsg is what top learns: the events since the last one, and what status
// and node/index say now, or why there is no server.
type topMsg struct {
	events []string
	status []styxfs.Attr
	nodes  [][]styxfs.Attr // nil: it is no coordinator
	err    error
}

// A topFeed reads the files that top shows.
type topFeed struct {
	dial  func(context.Context) (*mnt.Fsys, error)
	delay time.Duration // between two messages, at least
}

const (
	topPatience = 10 * time.Second // with a server that does not answer
	topBacklog  = 4096             // lines of event that wait for the next message
)

// run sends what there is until ctx is done, over one connection after the
// other.
func (f *topFeed) run(ctx context.Context, send func(topMsg)) {
	for pause := f.delay; ctx.Err() == nil; {
		came := false
		err := f.follow(ctx, func(m topMsg) {
			came = true
			send(m)
		})
		if ctx.Err() != nil {
			return
		}
		send(topMsg{err: err})
		if came {
			pause = f.delay
		}
		select {
		case <-time.After(pause/2 + rand.N(pause/2)):
		case <-ctx.Done():
		}
		pause = min(2*pause, max(f.delay, 5*time.Second))
	}
}

// once prints one picture.
func (f *topFeed) once(ctx context.Context, m topModel, out io.Writer) error {
	tree, err := f.dial(ctx)
	if err != nil {
		return err
	}
	defer tree.Close()
	msg, err := f.look(ctx, tree)
	if err != nil {
		return err
	}
	m.color, m.width = false, 0 // no line is cut
	m.take(msg)
	_, err = io.WriteString(out, strings.Join(append(m.head(), m.nodeTable()...), "\n")+"\n")
	return err
}

// follow sends what there is over one connection. It is asked for when event
// says something, and while turns run and tokens/s runs down, of which event
// says little.
func (f *topFeed) follow(ctx context.Context, send func(topMsg)) error {
	tree, err := f.dial(ctx)
	if err != nil {
		return err
	}
	defer tree.Close()
	ctx, cancel := context.WithCancel(ctx)
	lines := make(chan string, 64)
	var read error
	events, err := tree.Open(ctx, "event", ninep.OREAD)
	if err != nil {
		cancel()
		return fmt.Errorf("event: %w", err)
	}
	go func() {
		defer close(lines)
		defer events.Forget()
		s := bufio.NewScanner(events.WithContext(ctx))
		s.Buffer(nil, 1<<20)
		for s.Scan() {
			select {
			case lines <- s.Text():
			case <-ctx.Done():
				return
			}
		}
		read = s.Err()
	}()
	defer func() { // it is waited for
		cancel()
		for range lines {
		}
	}()
	var told []string
	due := time.NewTimer(0)
	for waits := true; ; {
		select {
		case line, ok := <-lines:
			if !ok {
				return cmp.Or(read, errors.New("hung up"))
			}
			if told = append(told, line); len(told) > topBacklog {
				told = slices.Delete(told, 0, len(told)-topBacklog)
			}
			if !waits {
				due.Reset(f.delay)
				waits = true
			}
		case <-due.C:
			m, err := f.look(ctx, tree)
			if err != nil {
				return err
			}
			m.events, told = told, nil
			send(m)
			if waits = moves(m.status); waits {
				due.Reset(max(f.delay, time.Second))
			}
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}

// moves says whether status changes by itself: turns run or wait, or tokens/s
// is not down yet.
func moves(status []styxfs.Attr) bool {
	for _, name := range []string{"busy", "queue", "tokens/s"} {
		if n, _ := strconv.ParseFloat(styxfs.FindAttr(status, name), 64); n > 0 {
			return true
		}
	}
	return false
}

// look reads status and node/index.
func (f *topFeed) look(ctx context.Context, tree *mnt.Fsys) (m topMsg, err error) {
	ctx, cancel := context.WithTimeoutCause(ctx, topPatience, fmt.Errorf("no answer for %s", topPatience))
	defer cancel()
	b, err := tree.ReadFile(ctx, "status")
	if err == nil {
		m.status, err = styxfs.ParseAttrs(string(b))
	}
	if err == nil {
		b, err = tree.ReadFile(ctx, "node/index")
		if errors.Is(err, ninep.ErrNotExist) {
			return m, nil
		}
	}
	m.nodes = [][]styxfs.Attr{}
	for line := range strings.Lines(string(b)) {
		if err != nil {
			break
		}
		var n []styxfs.Attr
		n, err = styxfs.ParseAttrs(line)
		m.nodes = append(m.nodes, n)
	}
	if err != nil && ctx.Err() != nil {
		err = context.Cause(ctx)
	}
	return m, err
}
