package node

import (
	"context"
	"fmt"
	"slices"

	"llama9/styxfs"
)

// Ctl obeys lines of the root ctl: load NAME FILE [option=value ...], unload
// NAME, default NAME, drain, undrain; all of them or none. A load begins, or
// waits for memory, when Ctl has returned. See styxfs.Backend.
func (n *Node) Ctl(_ context.Context, cmds [][]string) error {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.closed {
		return styxfs.ErrClosed
	}
	names := make(map[string]bool)
	for _, h := range n.hosts {
		names[h.spec.Name] = true
	}
	var acts []func()
	for _, c := range cmds {
		if len(c) == 0 {
			continue
		}
		act, err := n.command(c, names)
		if err != nil {
			return err
		}
		acts = append(acts, act)
	}
	for _, act := range acts {
		act()
	}
	n.settle()
	n.changed()
	return nil
}

// command checks one line and gives what it does. names are the models that
// the lines before it leave.
func (n *Node) command(c []string, names map[string]bool) (func(), error) {
	args := func(want int) error {
		if len(c)-1 != want {
			return fmt.Errorf("%s: takes %d words, not %d", c[0], want, len(c)-1)
		}
		return nil
	}
	named := func() error {
		if err := args(1); err != nil {
			return err
		}
		if !names[c[1]] {
			return fmt.Errorf("%s: unknown model %q", c[0], c[1])
		}
		return nil
	}
	switch c[0] {
	case "load":
		s, err := ParseSpec(c[1:])
		if err != nil {
			return nil, err
		}
		names[s.Name] = true
		return func() { n.wantLoad(s) }, nil
	case "unload":
		if err := named(); err != nil {
			return nil, err
		}
		return func() { n.unload(n.host(c[1])) }, nil
	case "default":
		if err := named(); err != nil {
			return nil, err
		}
		return func() {
			h := n.host(c[1])
			i := slices.Index(n.hosts, h)
			n.hosts = append([]*host{h}, slices.Delete(n.hosts, i, i+1)...)
		}, nil
	case "drain", "undrain":
		if err := args(0); err != nil {
			return nil, err
		}
		return func() { n.draining = c[0] == "drain" }, nil
	}
	return nil, fmt.Errorf("unknown verb %q", c[0])
}

// wantLoad puts s in the table and asks for it to be loaded. A model of that name that
// is loaded otherwise leaves first. The caller holds mu.
func (n *Node) wantLoad(s Spec) {
	h := n.host(s.Name)
	if h == nil {
		h = n.newHost(s)
		n.hosts = append(n.hosts, h)
		n.probeLater(h)
	} else if !slices.Equal(h.spec.words(), s.words()) {
		fresh := n.newHost(s)
		h.spec, h.bytes = fresh.spec, fresh.bytes
		h.info, h.nctx, h.digest, h.tmpl = ModelInfo{}, 0, "", ""
		n.unload(h)
		n.probeLater(h)
	}
	if h.state != seatIn && (h.state != seatLoading || h.gone) {
		h.wanted = n.queue.Tick()
	}
}

// unload lets a loaded model go when its turns have ended, and ends a load.
// The caller holds mu.
func (n *Node) unload(h *host) {
	h.wanted, h.failed = 0, nil
	switch h.state {
	case seatLoading:
		h.gone = true
		h.cancel()
	case seatIn:
		n.beginLeave(h)
	}
}

// Settings are the lines that make a Node what this one is. See styxfs.Backend.
func (n *Node) Settings() [][]string {
	n.mu.Lock()
	defer n.mu.Unlock()
	var lines [][]string
	for _, h := range n.hosts {
		lines = append(lines, append([]string{"load"}, h.spec.words()...))
	}
	if len(n.hosts) > 0 {
		lines = append(lines, []string{"default", n.hosts[0].spec.Name})
	}
	if n.draining {
		return append(lines, []string{"drain"})
	}
	return append(lines, []string{"undrain"})
}
