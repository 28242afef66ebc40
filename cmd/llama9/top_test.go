package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	tea "charm.land/bubbletea/v2"

	"llama9/mnt"
	"llama9/ninep"
	"llama9/styxfs"
)

func attrsOf(t *testing.T, line string) []styxfs.Attr {
	t.Helper()
	a, err := styxfs.ParseAttrs(line)
	if err != nil {
		t.Fatal(err)
	}
	return a
}

func key(s string) tea.KeyPressMsg {
	codes := map[string]rune{"down": tea.KeyDown, "up": tea.KeyUp, "pgdown": tea.KeyPgDown, "pgup": tea.KeyPgUp, "home": tea.KeyHome}
	if c, ok := codes[s]; ok {
		return tea.KeyPressMsg{Code: c}
	}
	if c, ok := strings.CutPrefix(s, "ctrl+"); ok {
		return tea.KeyPressMsg{Code: rune(c[0]), Mod: tea.ModCtrl}
	}
	return tea.KeyPressMsg{Code: rune(s[0]), Text: s}
}

// TestTopModel is a script of what top learns, and what it shows.
func TestTopModel(t *testing.T) {
	var m tea.Model = newTopModel("tcp!host!1", false)
	do := func(msg tea.Msg) {
		t.Helper()
		m, _ = m.Update(msg)
	}
	shows := func(want string) {
		t.Helper()
		got := m.(topModel).picture()
		if want = strings.TrimPrefix(want, "\n"); strings.TrimRight(got, "\n") != strings.TrimRight(want, "\n") {
			t.Fatalf("it shows\n%s\nand not\n%s", got, want)
		}
	}
	local := func(clock string) string {
		at, err := time.Parse(time.RFC3339, "2026-11-24T"+clock+"Z")
		if err != nil {
			t.Fatal(err)
		}
		return at.Local().Format("15:04:05")
	}
	shows(`
llama9 top tcp!host!1
...`)
	do(topMsg{err: errors.New("refused\x1b[2J")})
	shows(`
llama9 top tcp!host!1
no server: refused [2J; trying again`)
	node := topMsg{
		status: attrsOf(t, `version=1.2 id=a uptime=3s state=ready slots=4 busy=1 queue=0 tokens/s=12.5 engine=fake build="fake 1" sessions=2 journal=on error=""`),
		events: []string{
			"2026-11-24T10:00:00.000Z session id=256 state=made",
			"2026-11-24T10:00:01.000Z session id=257 state=made",
			"2026-11-24T10:00:01.000Z commit session=256 turn=1",
			"2026-11-24T10:00:02.000Z turn session=256 turn=1 state=done reason=eos tokens=17",
			"2026-11-24T10:00:03.000Z session id=258 state=made",
			"2026-11-24T10:00:04.000Z session id=258 state=removed",
			"2026-11-24T10:00:00.500Z commit session=200 turn=12",
			"not an event",
		},
	}
	do(node)
	shows(`
llama9 top tcp!host!1  up 3s  version 1.2
ready  slots 4 [#####...............] busy 1  queue 0  12.5 tokens/s  sessions 2
engine fake  build "fake 1"  journal on

SESSION  STATE    TURN  REASON  TOKENS  AT
256      done     1     eos     17      ` + local("10:00:02") + `
257      made     -     -       -       ` + local("10:00:01") + `
200      running  12    -       -       ` + local("10:00:00"))
	do(topMsg{status: node.status, events: []string{
		"2026-11-24T10:00:05.000Z model name=big state=loading percent=40",
		"2026-11-24T10:00:05.000Z lost n=7",
		"2026-11-24T10:00:06.000Z turn session=257 turn=3 state=failed reason=error tokens=0"}})
	shows(`
llama9 top tcp!host!1  up 3s  version 1.2
ready  slots 4 [#####...............] busy 1  queue 0  12.5 tokens/s  sessions 2
engine fake  build "fake 1"  journal on
model big loading 40%
7 events were missed

SESSION  STATE    TURN  REASON  TOKENS  AT
257      failed   3     error   0       ` + local("10:00:06") + `
256      done     1     eos     17      ` + local("10:00:02") + `
200      running  12    -       -       ` + local("10:00:00"))

	// The server goes: what was known stays, below what is wrong.
	do(topMsg{err: errors.New("hung up")})
	if p := m.(topModel).picture(); !strings.Contains(p, "no server: hung up; trying again\nready") || !strings.Contains(p, "257") {
		t.Fatalf("it shows\n%s", p)
	}
	// Another start of it has other sessions.
	coord := topMsg{
		status: attrsOf(t, `version=1.2 id=b uptime=1s state=ready slots=8 busy=8 queue=3 tokens/s=99.0 nodes=2 up=1 sessions=9 journal=failed error="no space"`),
		nodes: [][]styxfs.Attr{
			attrsOf(t, `name=a addr=tcp!a!5640 state=up weight=1 slots=8 busy=8 queue=1 inflight=8 served=120 rtt=1ms tokens/s=99.0 other=x`),
			attrsOf(t, `name="b c" addr=tcp!b!5640 state=down weight=0.5 slots=4 busy=0 queue=0 inflight=0 served=3 rtt="" tokens/s=0.0 other=y`),
		},
	}
	do(coord)
	shows(`
llama9 top tcp!host!1  up 1s  version 1.2
ready  slots 8 [####################] busy 8  queue 3  99.0 tokens/s  sessions 9
nodes 2  up 1  journal failed
error "no space"

NODE   STATE  SLOTS  BUSY  QUEUE  INFLIGHT  SERVED  TOKENS/S  RTT  WEIGHT  ADDR
a      up     8      8     1      8         120     99.0      1ms  1       tcp!a
"b c"  down   4      0     0      0         3       0.0       -    0.5     tcp!b`)

	// A screen of another size: it is cut, and scrolls.
	for i := range 20 {
		coord.events = append(coord.events, fmt.Sprintf("2026-11-24T10:00:%02d.000Z session id=%d state=made", i, i))
	}
	do(coord)
	do(tea.WindowSizeMsg{Width: 20, Height: 8})
	small := func(first string) {
		t.Helper()
		lines := strings.Split(m.(topModel).picture(), "\n")
		if len(lines) != 8 || lines[4] != first {
			t.Fatalf("%d lines, below the head %q, want %q", len(lines), lines[4], first)
		}
		for _, l := range lines {
			if len(l) > 20 {
				t.Fatalf("a line of %d", len(l))
			}
		}
	}
	small("")
	do(key("down"))
	small("NODE   STATE  SLOTS ")
	do(key("pgdown"))
	small("SESSION  STATE  TURN")
	do(key("up"))
	do(key("up"))
	small(`"b c"  down   4     `)
	do(key("pgup"))
	do(key("pgup"))
	small("")
	for range 20 {
		do(key("pgdown"))
	}
	small("3        made   -   ")
	do(key("home"))
	small("")
	do(tea.WindowSizeMsg{Width: 1, Height: 1})
	shows("l")
	for _, k := range []string{"q", "ctrl+c"} {
		if _, cmd := m.Update(key(k)); cmd == nil {
			t.Fatalf("%s does not end it", k)
		} else if _, ok := cmd().(tea.QuitMsg); !ok {
			t.Fatalf("%s is %T", k, cmd())
		}
	}

	// Colors, and none.
	c := m.(topModel)
	c.width, c.height = 80, 24
	if strings.Contains(c.picture(), "\x1b") {
		t.Error("colors where none are wanted")
	}
	c.color = true
	for _, want := range []string{"\x1b[31mb c", "\x1b[32ma  ", "\x1b[31merror"} {
		if !strings.Contains(strings.ReplaceAll(c.picture(), `"`, ""), want) {
			t.Errorf("no %q in %q", want, c.picture())
		}
	}
}

// Sessions of a busy server are bounded.
func TestTopForgets(t *testing.T) {
	m := newTopModel("x", false)
	var msg topMsg
	for i := range 2 * topSessions {
		msg.events = append(msg.events, fmt.Sprintf("2026-11-24T10:%02d:%02d.000Z session id=%d state=made", i/60, i%60, i))
	}
	m.take(msg)
	if len(m.sessions) != topSessions || m.sessions[0].id != fmt.Sprint(2*topSessions-1) {
		t.Errorf("%d sessions, first %s", len(m.sessions), m.sessions[0].id)
	}
}

// idle is a Backend with nothing to do, after something perhaps.
type idle struct {
	styxfs.Backend
	tokens atomic.Int64 // a second; one less each time that status is read
}

func (b *idle) Generate(ctx context.Context, _ *styxfs.Request, _ styxfs.Sink) (styxfs.Outcome, error) {
	return styxfs.Outcome{Reason: styxfs.EOS}, nil
}
func (b *idle) Models(context.Context) []styxfs.Model { return nil }
func (b *idle) Settings() [][]string                  { return nil }
func (b *idle) Status() []styxfs.Attr {
	rate := max(b.tokens.Add(-1)+1, 0)
	return []styxfs.Attr{{Name: "state", Value: "ready"}, {Name: "busy", Value: "0"}, {Name: "queue", Value: "0"}, {Name: "tokens/s", Value: fmt.Sprint(rate)}}
}

// TestTopFeed: one message for each group of events, none without, and more
// until tokens/s is 0; the server goes and comes back.
func TestTopFeed(t *testing.T) {
	dir, err := os.MkdirTemp("", "l9")
	if err != nil {
		t.Fatal(err)
	}
	defer os.RemoveAll(dir)
	addr := "unix!" + filepath.Join(dir, "s")
	b := new(idle)
	serve := func() (*styxfs.FS, func()) {
		tree, err := styxfs.New(styxfs.Config{Backend: b})
		if err != nil {
			t.Fatal(err)
		}
		ln, err := ninep.Listen(t.Context(), addr, ninep.ListenOptions{})
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithCancel(context.Background())
		done := make(chan struct{})
		go func(ln net.Listener) {
			defer close(done)
			(&ninep.Server{FS: tree}).Serve(ctx, ln)
		}(ln)
		return tree, func() { cancel(); <-done; tree.Close(context.Background()) }
	}
	tree, end := serve()
	ctx, cancel := context.WithCancel(context.Background())
	msgs := make(chan topMsg)
	feed := &topFeed{delay: time.Millisecond, dial: func(ctx context.Context) (*mnt.Fsys, error) {
		return mnt.Dial(ctx, addr, mnt.Options{})
	}}
	fed := make(chan struct{})
	go func() {
		defer close(fed)
		feed.run(ctx, func(m topMsg) {
			select {
			case msgs <- m:
			case <-ctx.Done():
			}
		})
	}()
	next := func() topMsg {
		t.Helper()
		select {
		case m := <-msgs:
			return m
		case <-time.After(time.Minute):
			t.Fatal("it sends nothing")
		}
		return topMsg{}
	}
	first := next()
	if first.err != nil || styxfs.FindAttr(first.status, "state") != "ready" || first.nodes != nil {
		t.Fatalf("first %+v, %v", first, first.err)
	}
	tree.Events().Post("session", styxfs.Attr{Name: "id", Value: "1"})
	var got []string
	for len(got) < 1 {
		got = append(got, next().events...)
	}
	if !strings.HasSuffix(got[0], " session id=1") {
		t.Fatalf("got %q", got)
	}
	select {
	case m := <-msgs:
		t.Fatalf("a message of nothing: %+v", m)
	default:
	}
	b.tokens.Store(1)
	tree.Events().Post("load")
	for _, want := range []string{"1", "0"} {
		if m := next(); styxfs.FindAttr(m.status, "tokens/s") != want {
			t.Errorf("%v, want tokens/s=%s", m.status, want)
		}
	}
	end()
	for next().err == nil {
	}
	_, end = serve()
	m := next()
	for m.err != nil {
		m = next()
	}
	if a, b := styxfs.FindAttr(m.status, "id"), styxfs.FindAttr(first.status, "id"); a == b {
		t.Errorf("the id is still %s", a)
	}
	cancel()
	<-fed
	end()
}
