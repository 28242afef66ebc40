package coord

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"llama9/ninep"
	"llama9/styxfs"
)

// A sickFS is a node's tree in which some files say something else: lies has
// it by the file's name.
type sickFS struct {
	ninep.FS
	mu   sync.Mutex // guards below
	lies map[string]func() string
}

func (s *sickFS) lie(name, text string) { s.lieBy(name, func() string { return text }) }

func (s *sickFS) lieBy(name string, f func() string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.lies[name] = f
}

func (s *sickFS) heal() {
	s.mu.Lock()
	defer s.mu.Unlock()
	clear(s.lies)
}

func (s *sickFS) Attach(ctx context.Context, a *ninep.Attach) (ninep.Node, error) {
	n, err := s.FS.Attach(ctx, a)
	return &sickNode{s, n, ""}, err
}

type sickNode struct {
	s *sickFS
	ninep.Node
	name string
}

func (n *sickNode) Walk(ctx context.Context, name string) (ninep.Node, error) {
	to, err := n.Node.(ninep.Walker).Walk(ctx, name)
	if err != nil {
		return nil, err
	}
	return &sickNode{n.s, to, n.name + "/" + name}, nil
}

func (n *sickNode) Open(ctx context.Context, mode ninep.OpenMode) (ninep.Handle, error) {
	h, err := n.Node.(ninep.Opener).Open(ctx, mode)
	name := n.name[strings.LastIndexByte(n.name, '/')+1:]
	if strings.HasPrefix(n.name, "/infer/") && name != "new" {
		name = "N/" + name
	}
	n.s.mu.Lock()
	f := n.s.lies[name]
	n.s.mu.Unlock()
	if err != nil || f == nil || !mode.Readable() {
		return h, err
	}
	return &sickHandle{h, f()}, nil
}

func (n *sickNode) Remove(ctx context.Context) error { return n.Node.(ninep.Remover).Remove(ctx) }

type sickHandle struct {
	ninep.Handle
	text string
}

func (h *sickHandle) ReadAt(ctx context.Context, p []byte, off int64) (int, error) {
	return copy(p, h.text[min(off, int64(len(h.text))):]), nil
}

// A slowChat is a tree in which the first write to a chat waits until another
// file of the session was written to.
type slowChat struct {
	ninep.FS
	once sync.Once
	open chan struct{}
}

type slowNode struct {
	s *slowChat
	ninep.Node
	name string
}

func (s *slowChat) Attach(ctx context.Context, a *ninep.Attach) (ninep.Node, error) {
	n, err := s.FS.Attach(ctx, a)
	return &slowNode{s, n, ""}, err
}

func (n *slowNode) Walk(ctx context.Context, name string) (ninep.Node, error) {
	to, err := n.Node.(ninep.Walker).Walk(ctx, name)
	if err != nil {
		return nil, err
	}
	return &slowNode{n.s, to, name}, nil
}

func (n *slowNode) Open(ctx context.Context, mode ninep.OpenMode) (ninep.Handle, error) {
	h, err := n.Node.(ninep.Opener).Open(ctx, mode)
	if err != nil || !mode.Writable() || n.name != "chat" && n.name != "ctl" {
		return h, err
	}
	return &slowHandle{h, n}, nil
}

func (n *slowNode) Remove(ctx context.Context) error { return n.Node.(ninep.Remover).Remove(ctx) }

type slowHandle struct {
	ninep.Handle
	n *slowNode
}

func (h *slowHandle) WriteAt(ctx context.Context, p []byte, off int64) (int, error) {
	if h.n.name == "chat" {
		<-h.n.s.open
		return h.Handle.(ninep.Writer).WriteAt(ctx, p, off)
	}
	n, err := h.Handle.(ninep.Writer).WriteAt(ctx, p, off)
	h.n.s.once.Do(func() { close(h.n.s.open) })
	return n, err
}

// A node may take up generate before the conversation that was sent before it:
// it then refuses it, no turn begins without its conversation, and the turn is
// begun again step by step.
func TestRemoteOvertaken(t *testing.T) {
	n := newFarNode(t)
	slow := &slowChat{FS: n.fs, open: make(chan struct{})}
	n.srv = &ninep.Server{FS: slow}
	r := n.remote(RemoteConfig{})
	play(t, n, r, farRequest("system", "s", "user", "a"), "x")
	select {
	case ft := <-n.turns:
		t.Errorf("another turn began: %q", ft.Messages)
	default:
	}
	eventually(t, "one session is left", func() bool { return len(n.sessions()) == 1 })
}

func (h *sickHandle) WriteAt(ctx context.Context, p []byte, off int64) (int, error) {
	return h.Handle.(ninep.Writer).WriteAt(ctx, p, off)
}

// newSick gives a node whose files can lie.
func newSick(t *testing.T) (*farNode, *sickFS) {
	n := newFarNode(t)
	s := &sickFS{FS: n.fs, lies: make(map[string]func() string)}
	n.srv = &ninep.Server{FS: s}
	return n, s
}

// What a node says of a turn that is no answer loses the node for the turn;
// what it said before stands.
func TestRemoteTurnOfLies(t *testing.T) {
	const good = "1 - \"good \"\n"
	status := func(set string) string { return "state=done turn=1 reason=eos tokens=1 error=\"\" " + set + "\n" }
	for _, tt := range []struct {
		what string
		file string
		text string
	}{
		{"no number", "N/token", good + "x - \"a\"\n"},
		{"an id below -1", "N/token", good + "-2 - \"a\"\n"},
		{"an id of 40 bits", "N/token", good + "1099511627776 - \"a\"\n"},
		{"no text", "N/token", good + "1 -\n"},
		{"nothing", "N/token", good + "\n"},
		{"open quotes", "N/token", good + "1 - \"a\n"},
		{"a bad escape", "N/token", good + "1 - \"\\q\"\n"},
		{"text behind quotes", "N/token", good + "1 - \"a\"b\n"},
		{"a probability of 2", "N/token", good + "1 0.69 \"a\"\n"},
		{"no probability", "N/token", good + "1 NaN \"a\"\n"},
		{"half an alternative", "N/token", good + "1 -1 \"a\" 5 -1\n"},
		{"an alternative without number", "N/token", good + "1 -1 \"a\" -1 -1 \"b\"\n"},
		{"half a line", "N/token", good + "1 - \"a\""},
		{"a line without end", "N/token", good + strings.Repeat("1 - ", maxLine/4) + "1 -"},
		{"bytes", "N/token", good + "\x00\xff\x01\n\n"},
		{"a status of no attributes", "N/status", "hello\n"},
		{"a status of bad quotes", "N/status", "state=\"done\n"},
		{"no state", "N/status", strings.Replace(status(""), "done", "\"\"", 1)},
		{"a turn that ended and goes on", "N/status", strings.Replace(status(""), "done", "decode", 1)},
		{"a turn that ended well and has failed", "N/status", strings.Replace(status(""), "done", "failed", 1)},
		{"another session", "new", "../7\n"},
		{"a session of letters", "new", "x\n"},
		{"no session", "new", ""},
		{"a session below zero", "new", "-1\n"},
	} {
		t.Run(tt.what, func(t *testing.T) {
			n, sick := newSick(t)
			r := n.remote(RemoteConfig{})
			sick.lie(tt.file, tt.text)
			c := farGenerate(t, r, farRequest("user", "a"))
			if tt.file != "new" {
				ft := n.turn()
				ft.Token(styxfs.Token{ID: 1, Text: "good "})
				ft.done(styxfs.EOS)
			}
			o, err := c.wait(t)
			want := "good "
			switch {
			case tt.file == "new":
				want = ""
				if !errors.Is(err, ErrLost) {
					t.Errorf("%v, want a lost node", err)
				}
			case tt.what == "a status of no attributes" || tt.what == "a status of bad quotes":
				// All of the answer was there.
				if err != nil {
					t.Error(err)
				}
			case !errors.Is(err, ErrLost) || !strings.Contains(err.Error(), "bad answer"):
				t.Errorf("%v, want a bad answer", err)
			case tt.file == "N/token" && o.Tokens != 1:
				t.Errorf("%d tokens", o.Tokens)
			}
			if got := c.h.text(); got != want {
				t.Errorf("text %.80q", got)
			}
			sick.heal()
			play(t, n, r, farRequest("user", "a"), "x")
		})
	}
}

// A session that is not there is one that the node no longer knows.
func TestRemoteSessionOfLies(t *testing.T) {
	n, sick := newSick(t)
	sick.lie("new", "1\n")
	c := farGenerate(t, n.remote(RemoteConfig{}), farRequest("user", "a"))
	if _, err := c.wait(t); !errors.Is(err, ErrLost) || !errors.Is(err, ninep.ErrNotExist) {
		t.Error(err)
	}
}

// Numbers that cannot be are none, and what a later version says beside is
// left.
func TestRemoteOddAnswers(t *testing.T) {
	n, sick := newSick(t)
	r := n.remote(RemoteConfig{})
	sick.lie("N/status", "state=done prompt_tokens=-5 cached_tokens=1e9 tokens=99999999999999999999 n_ctx=x prompt_ms=-1 predict_ms=Inf reason=eos what=ever\n")
	sick.lie("N/event", "garbage\n\n2026-01-01T00:00:00Z lost n=5\n2026-01-01T00:00:00Z dances well=on\n2026-01-01T00:00:00Z prefill done=-1 total=x\n")
	c := farGenerate(t, r, farRequest("user", "a"))
	ft := n.turn()
	ft.say("x")
	ft.done(styxfs.EOS)
	o, err := c.wait(t)
	if want := (styxfs.Outcome{Reason: styxfs.EOS}); err != nil || o != want {
		t.Errorf("%+v, %v", o, err)
	}
	if got := c.h.text(); got != "x" {
		t.Errorf("text %q", got)
	}
}

func TestRemoteStatusOfLies(t *testing.T) {
	n, sick := newSick(t)
	for _, tt := range []struct{ text, err string }{
		{"", "no id"},
		{"state=ready\n", "no id"},
		{"id=\"\"\n", "no id"},
		{"HTTP/1.1 400 Bad Request\r\n", "no line of attr=value"},
		{"id=a\nid=b\n", "no line of attr=value"},
		{"id=\"a\n", "no line of attr=value"},
		{strings.Repeat("id=a ", 1<<14), ""},
		{strings.Repeat("id=a ", 1<<20), "longer than"},
	} {
		sick.lie("status", tt.text)
		r := n.remote(RemoteConfig{})
		_, err := r.Probe(t.Context())
		if tt.err == "" && err != nil || tt.err != "" && (!errors.Is(err, ErrLost) || !strings.Contains(err.Error(), tt.err)) {
			t.Errorf("%.40q: %v", tt.text, err)
		}
	}
	sick.lie("status", "id=a start=yesterday slots=-1 busy=99999999999999 queue=x tokens/s=NaN below=\"b, c\" state=\"\"\n")
	s, err := n.remote(RemoteConfig{}).Probe(t.Context())
	if err != nil || s.Slots != 0 || s.Busy != 0 || s.Queue != 0 || s.Rate != 0 || !s.Start.IsZero() || fmt.Sprint(s.Below) != "[b c]" {
		t.Errorf("%+v, %v", s, err)
	}
	sick.heal()
	r := n.remote(RemoteConfig{})
	for _, text := range []string{"garbage\n", "name=\"\"\n", "state=loaded\n", "name=a\nname=\"b\n"} {
		sick.lie("model", text)
		if l, err := r.ReadModels(t.Context()); !errors.Is(err, ErrLost) || l != nil || r.Models(t.Context()) != nil {
			t.Errorf("%q: %v, %v", text, l, err)
		}
	}
	sick.lie("model", "name=a n_ctx=-1 bytes=-1 parameters=1e99 exact=yes percent=1000000000000\n")
	if l, err := r.ReadModels(t.Context()); err != nil || len(l) != 1 || l[0] != (styxfs.Model{Name: "a"}) {
		t.Errorf("%+v, %v", l, err)
	}
}

// What is no node costs no more than the time for the dial, and says why.
func TestRemoteNoNode(t *testing.T) {
	for _, tt := range []struct {
		what  string
		serve func(c net.Conn)
		err   string // a regular expression
	}{
		{"silence", func(c net.Conn) { io.Copy(io.Discard, c) }, "no answer in 50ms"},
		{"a hang-up", func(c net.Conn) {}, "hung up"},
		// The kernel tells one call of a reset. If that is the write of
		// Tversion, the read sees the end, and either may be heard first; if
		// it is the connect, nothing was there to hang up.
		{"a reset", func(c net.Conn) { c.(*net.TCPConn).SetLinger(0) }, "hung up|reset"},
		{"HTTP", func(c net.Conn) { io.WriteString(c, "HTTP/1.1 400 Bad Request\r\n\r\n"); io.Copy(io.Discard, c) }, "bad server"},
		{"a frame of 4 GiB", func(c net.Conn) { io.WriteString(c, "\xff\xff\xff\xff\x65\xff\xff"); io.Copy(io.Discard, c) }, "bad server: a frame"},
		{"another version", func(c net.Conn) {
			io.ReadFull(c, make([]byte, 19)) // Tversion
			b, _ := (&ninep.Fcall{Type: ninep.Rversion, Tag: ninep.NoTag, Msize: 8192, Version: "unknown"}).Append(nil)
			c.Write(b)
			io.Copy(io.Discard, c)
		}, "does not speak 9P2000"},
		{"a version, and silence", func(c net.Conn) {
			io.ReadFull(c, make([]byte, 19))
			b, _ := (&ninep.Fcall{Type: ninep.Rversion, Tag: ninep.NoTag, Msize: 8192, Version: "9P2000"}).Append(nil)
			c.Write(b)
			io.Copy(io.Discard, c)
		}, "no answer in 50ms"},
		{"another file server", func(c net.Conn) { (&ninep.Server{FS: emptyFS{}}).ServeConn(context.Background(), c) }, "file does not exist"},
	} {
		t.Run(tt.what, func(t *testing.T) {
			ln, err := net.Listen("tcp", "127.0.0.1:0")
			if err != nil {
				t.Fatal(err)
			}
			var all sync.WaitGroup
			all.Go(func() {
				for {
					c, err := ln.Accept()
					if err != nil {
						return
					}
					all.Go(func() {
						tt.serve(c)
						c.Close()
					})
				}
			})
			limit := patience
			if strings.HasPrefix(tt.err, "no answer") {
				limit = 50 * time.Millisecond
			}
			why := regexp.MustCompile(tt.err)
			r := NewRemote(RemoteConfig{Addr: ln.Addr().String(), Dial: limit, Setup: patience})
			if _, err := r.Probe(t.Context()); !errors.Is(err, ErrLost) || !why.MatchString(err.Error()) {
				t.Errorf("probe: %v", err)
			}
			c := farGenerate(t, r, farRequest("user", "a"))
			if _, err := c.wait(t); !errors.Is(err, ErrLost) || !why.MatchString(err.Error()) {
				t.Errorf("turn: %v", err)
			}
			ln.Close()
			r.Close()
			all.Wait()
			if _, err := r.Probe(t.Context()); !errors.Is(err, ErrLost) || !strings.Contains(err.Error(), "unmounted") {
				t.Errorf("after Close: %v", err)
			}
		})
	}
	// No server at all: a socket of one that is gone, which nobody else takes,
	// as may be with a port.
	path := filepath.Join(t.TempDir(), "s")
	ln, err := net.ListenUnix("unix", &net.UnixAddr{Name: path, Net: "unix"})
	if err != nil {
		t.Fatal(err)
	}
	ln.SetUnlinkOnClose(false)
	ln.Close()
	none := NewRemote(RemoteConfig{Addr: "unix!" + path, Dial: patience})
	if _, err := none.Probe(t.Context()); !errors.Is(err, ErrLost) || !strings.Contains(err.Error(), "refused") {
		t.Errorf("no server at all: %v", err)
	}
	if _, err := NewRemote(RemoteConfig{Addr: "tcp!a!b!c"}).Probe(t.Context()); !errors.Is(err, ErrLost) || !strings.Contains(err.Error(), "bad address") {
		t.Error(err)
	}
}

// An emptyFS has nothing in it.
type emptyFS struct{}

func (emptyFS) Attach(context.Context, *ninep.Attach) (ninep.Node, error) { return emptyFS{}, nil }
func (emptyFS) Stat(context.Context) (ninep.Stat, error) {
	return ninep.Stat{Qid: ninep.Qid{Type: ninep.QTDIR}, Mode: ninep.DMDIR | 0777, Name: "/"}, nil
}
