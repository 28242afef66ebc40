package deploy

import (
	"context"
	"strconv"
	"strings"
	"sync"

	"llama9/ninep"
	"llama9/styxfs"
)

// A verb is a command of deploy/ctl: how many words follow it, and what says
// why it cannot be done, or does it. Stop returns at once; the deployment ends
// when its nodes have.
type verb struct {
	words int
	plan  func(s *Supervisor, args []string) (do func() error, err error)
}

var verbs = map[string]verb{
	"scale":   {1, planScale},
	"auto":    {1, planAuto},
	"pause":   {0, planPlain((*Supervisor).Pause)},
	"resume":  {0, planPlain((*Supervisor).Resume)},
	"restart": {1, planRestart},
	"reload":  {0, planReload},
	"stop": {0, func(s *Supervisor, _ []string) (func() error, error) {
		return func() error { s.Stop(); return nil }, nil
	}},
}

func planScale(s *Supervisor, a []string) (func() error, error) {
	n, err := strconv.Atoi(a[0])
	if err != nil {
		return nil, ninep.Errorf(ninep.ErrInvalid, "scale: %s: want a number", styxfs.Quote(a[0]))
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	return func() error { return s.Scale(n) }, s.mayScale(n)
}

func planAuto(s *Supervisor, a []string) (func() error, error) {
	if a[0] != "on" && a[0] != "off" {
		return nil, ninep.Errorf(ninep.ErrInvalid, "auto: %s: want on or off", styxfs.Quote(a[0]))
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	return func() error { return s.Auto(a[0] == "on") }, s.mayAuto(a[0] == "on")
}

func planPlain(do func(s *Supervisor) error) func(*Supervisor, []string) (func() error, error) {
	return func(s *Supervisor, _ []string) (func() error, error) {
		s.mu.Lock()
		defer s.mu.Unlock()
		if s.stopping {
			return nil, errStopping
		}
		return func() error { return do(s) }, nil
	}
}

func planRestart(s *Supervisor, a []string) (func() error, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	_, err := s.mayRestart(a[0])
	return func() error { return s.Restart(a[0]) }, err
}

// planReload reads the configuration file again.
func planReload(s *Supervisor, _ []string) (func() error, error) {
	file := s.Config().file
	if file == "" {
		return nil, ninep.Errorf(ninep.ErrInvalid, "reload: this deployment was started without a file")
	}
	c, err := Read(file)
	if err != nil {
		return nil, ninep.Errorf(ninep.ErrInvalid, "%s", strings.ReplaceAll(err.Error(), "\n", "; "))
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	_, err = s.mayReload(c)
	return func() error { return s.Reload(c) }, err
}

func (t *Tree) openCtl(mode ninep.OpenMode) (ninep.Handle, error) {
	return &ctlHandle{t: t, reads: mode.Readable(), page: t.settingsPage()}, nil
}

func (t *Tree) settingsPage() ninep.Reader {
	return styxfs.NewPage(t.s.settings).(ninep.Reader)
}

// A ctlHandle is an open ctl: a read gives the settings as the lines that make
// them, a write is commands, which the first read after it answers with the
// settings that they have left, at whatever offset it comes.
type ctlHandle struct {
	t     *Tree
	reads bool

	mu      sync.Mutex // guards below
	page    ninep.Reader
	shift   int64 // where the page begins for the reader
	written bool  // the next read is the answer
}

var (
	_ ninep.Writer = (*ctlHandle)(nil)
	_ ninep.Reader = (*ctlHandle)(nil)
)

func (h *ctlHandle) ReadAt(ctx context.Context, p []byte, off int64) (int, error) {
	if !h.reads {
		return 0, ninep.ErrPermission
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.written {
		h.page, h.shift, h.written = h.t.settingsPage(), off, false
	}
	if off < h.shift { // a client that begins anew
		h.shift = 0
	}
	return h.page.ReadAt(ctx, p, off-h.shift)
}

// settings are the lines of a read.
func (s *Supervisor) settings() []byte {
	s.mu.Lock()
	defer s.mu.Unlock()
	lines := [][]string{{"auto", onOff(s.auto)}}
	if s.c.Scaling.Group != "" {
		lines = append(lines, []string{"scale", strconv.Itoa(s.count)})
	}
	if s.paused {
		lines = append(lines, []string{"pause"})
	} else {
		lines = append(lines, []string{"resume"})
	}
	var b []byte
	for _, l := range lines {
		b = append(styxfs.AppendFields(b, l...), '\n')
	}
	return b
}

// WriteAt obeys one command a line. All are looked at before the first is
// done. What can fail then is the coordinator only; that ends the rest, and is
// told.
func (h *ctlHandle) WriteAt(ctx context.Context, p []byte, off int64) (int, error) {
	h.t.ctl.Lock()
	defer h.t.ctl.Unlock()
	err := h.t.obey(string(p))
	s := h.t.s
	s.mu.Lock()
	defer s.mu.Unlock()
	if err != nil {
		s.note = err.Error()
		return 0, err
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	h.written = true
	return len(p), nil
}

func (t *Tree) obey(text string) error {
	var acts []func() error
	for line := range strings.Lines(text) {
		w, err := styxfs.Fields(line)
		if err != nil {
			return err
		}
		if len(w) == 0 {
			continue
		}
		v, ok := verbs[w[0]]
		switch {
		case !ok:
			return ninep.Errorf(ninep.ErrInvalid, "%s: unknown; want scale, auto, pause, resume, restart, reload or stop", styxfs.Quote(w[0]))
		case len(w)-1 != v.words:
			return ninep.Errorf(ninep.ErrInvalid, "%s: %d words after it, wants %d", w[0], len(w)-1, v.words)
		}
		do, err := v.plan(t.s, w[1:])
		if err != nil {
			return err
		}
		acts = append(acts, do)
	}
	if len(acts) > 0 {
		t.s.mu.Lock()
		t.s.note = ""
		t.s.mu.Unlock()
	}
	for _, do := range acts {
		if err := do(); err != nil {
			return err
		}
	}
	return nil
}

func (h *ctlHandle) Close(context.Context) error { return nil }
