package deploy

import (
	"strconv"
	"time"

	"llama9/styxfs"
)

// state is that of the whole. mu is held.
func (s *Supervisor) state() string {
	changing, lost := len(s.rolling) > 0 || !s.begun, false
	for _, n := range s.nodes {
		switch n.life.State {
		case Starting, Draining, Stopping:
			changing = true
		case Waiting, Failed, Dying:
			lost = true
		}
		changing = changing || n.rolled || n.busy || n.gone
	}
	switch {
	case s.stopping:
		return "stopping"
	case changing:
		return "changing"
	case lost:
		return "degraded"
	case s.paused:
		return "paused"
	}
	return "running"
}

// Status is the text of deploy/status: a line of the whole, and one a node.
func (s *Supervisor) Status() []byte {
	s.mu.Lock()
	defer s.mu.Unlock()
	ready := 0
	for _, n := range s.nodes {
		if n.life.State == Ready {
			ready++
		}
	}
	b := styxfs.AppendAttrs(nil, []styxfs.Attr{
		{Name: "deploy", Value: s.c.Name}, {Name: "state", Value: s.state()}, {Name: "addr", Value: s.c.Network.Listen[0]},
		{Name: "file", Value: s.c.file}, {Name: "pid", Value: strconv.Itoa(pid())},
		{Name: "nodes", Value: strconv.Itoa(len(s.nodes))}, {Name: "ready", Value: strconv.Itoa(ready)},
		{Name: "scale", Value: strconv.Itoa(s.count)}, {Name: "auto", Value: onOff(s.auto)}, {Name: "paused", Value: onOff(s.paused)},
		{Name: "busy", Value: strconv.Itoa(s.load.Busy)}, {Name: "queue", Value: strconv.Itoa(s.load.Queue)},
		{Name: "error", Value: s.note},
	}...)
	b = append(b, '\n')
	for _, n := range s.nodes {
		if n.gone && n.life.Gone() {
			continue
		}
		b = append(styxfs.AppendAttrs(b, n.attrs()...), '\n')
	}
	return b
}

func (n *isolate) attrs() []styxfs.Attr {
	pid, started := "", ""
	if n.proc != nil {
		pid, started = strconv.Itoa(n.proc.pid()), n.started.UTC().Format(time.RFC3339)
	}
	return []styxfs.Attr{
		{Name: "node", Value: n.name}, {Name: "state", Value: string(n.life.State)}, {Name: "addr", Value: n.spec.Addr},
		{Name: "group", Value: n.spec.Group}, {Name: "remote", Value: onOff(n.spec.Remote)}, {Name: "pid", Value: pid},
		{Name: "started", Value: started}, {Name: "starts", Value: strconv.Itoa(n.starts)}, {Name: "failures", Value: strconv.Itoa(n.life.Fails)},
		{Name: "percent", Value: strconv.Itoa(n.percent())}, {Name: "slots", Value: strconv.Itoa(n.look.slots)},
		{Name: "busy", Value: strconv.Itoa(n.look.busy)}, {Name: "queue", Value: strconv.Itoa(n.look.queue)}, {Name: "tokens/s", Value: n.look.rate},
		{Name: "error", Value: n.life.Error},
	}
}

// percent is how much of the model is loaded.
func (n *isolate) percent() int {
	if n.look.model == "loaded" {
		return 100
	}
	return n.look.percent
}

func onOff(b bool) string {
	if b {
		return "on"
	}
	return "off"
}
