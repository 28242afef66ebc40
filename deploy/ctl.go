package deploy

import (
	"context"
	"strconv"
	"strings"

	"llama9/ninep"
	"llama9/styxfs"
)

// A verb is a command of deploy/ctl: how many words follow it, and what it
// does. Stop returns at once; the deployment ends when its nodes have.
var verbs = map[string]struct {
	words int
	do    func(s *Supervisor, args []string) error
}{
	"scale": {1, func(s *Supervisor, a []string) error {
		n, err := strconv.Atoi(a[0])
		if err != nil {
			return ninep.Errorf(ninep.ErrInvalid, "scale: %s: want a number", styxfs.Quote(a[0]))
		}
		return s.Scale(n)
	}},
	"auto": {1, func(s *Supervisor, a []string) error {
		if a[0] != "on" && a[0] != "off" {
			return ninep.Errorf(ninep.ErrInvalid, "auto: %s: want on or off", styxfs.Quote(a[0]))
		}
		return s.Auto(a[0] == "on")
	}},
	"pause":   {0, func(s *Supervisor, _ []string) error { return s.Pause() }},
	"resume":  {0, func(s *Supervisor, _ []string) error { return s.Resume() }},
	"restart": {1, func(s *Supervisor, a []string) error { return s.Restart(a[0]) }},
	"reload":  {0, func(s *Supervisor, _ []string) error { return s.reread() }},
	"stop":    {0, func(s *Supervisor, _ []string) error { s.Stop(); return nil }},
}

// reread reads the configuration file again.
func (s *Supervisor) reread() error {
	file := s.Config().file
	if file == "" {
		return ninep.Errorf(ninep.ErrInvalid, "reload: this deployment was started without a file")
	}
	c, err := Read(file)
	if err != nil {
		return ninep.Errorf(ninep.ErrInvalid, "%s", strings.ReplaceAll(err.Error(), "\n", "; "))
	}
	return s.Reload(c)
}

func (t *Tree) openCtl(mode ninep.OpenMode) (ninep.Handle, error) {
	return &ctlHandle{t: t, reads: mode.Readable()}, nil
}

// A ctlHandle is an open ctl: a read gives the settings as the lines that make
// them, a write is one command.
type ctlHandle struct {
	t     *Tree
	reads bool
}

var (
	_ ninep.Writer = (*ctlHandle)(nil)
	_ ninep.Reader = (*ctlHandle)(nil)
)

// ReadAt gives what stands at off; after a write too, for a client goes on
// where that ended, it begins anew only for one that reads at 0.
func (h *ctlHandle) ReadAt(ctx context.Context, p []byte, off int64) (int, error) {
	if !h.reads {
		return 0, ninep.ErrPermission
	}
	b := h.t.s.settings()
	if off >= int64(len(b)) {
		return 0, nil
	}
	return copy(p, b[off:]), nil
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
// done; one that then fails ends the rest, and is told.
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
	return len(p), nil
}

func (t *Tree) obey(text string) error {
	var cmds [][]string
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
		cmds = append(cmds, w)
	}
	if len(cmds) > 0 {
		t.s.mu.Lock()
		t.s.note = ""
		t.s.mu.Unlock()
	}
	for _, w := range cmds {
		if err := verbs[w[0]].do(t.s, w[1:]); err != nil {
			return err
		}
	}
	return nil
}

func (h *ctlHandle) Close(context.Context) error { return nil }
