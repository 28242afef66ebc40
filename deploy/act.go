package deploy

import (
	"bufio"
	"context"
	"fmt"
	"io/fs"
	"os"
	"slices"
	"strconv"
	"strings"

	"llama9/ninep"
	"llama9/styxfs"
)

func pid() int { return os.Getpid() }

// act has the actions of a node done, in order and beside all else: one that
// asks the coordinator may take long. A kill does not wait its turn. mu is
// held.
func (s *Supervisor) act(n *isolate, acts []Action) {
	if n.life.State != n.told || n.life.Error != n.toldError {
		n.told, n.toldError = n.life.State, n.life.Error
		s.tell(n)
		s.wake()
	}
	for _, a := range acts {
		if a == Kill && n.proc != nil {
			killGroup(n.proc.cmd.Process)
			continue
		}
		n.acts = append(n.acts, a)
	}
	if len(n.acts) > 0 && !n.busy {
		n.busy = true
		s.all.Go(func() { s.work(n) })
	}
	if len(acts) > 0 {
		select {
		case n.hurry <- struct{}{}:
		default:
		}
		s.wake()
	}
}

// tell says in the log and in event what a node is now. mu is held.
func (s *Supervisor) tell(n *isolate) {
	s.post("node", styxfs.Attr{Name: "name", Value: n.name}, styxfs.Attr{Name: "state", Value: string(n.life.State)},
		styxfs.Attr{Name: "error", Value: n.life.Error})
	switch n.life.State {
	case Failed:
		s.o.Log.Error("node failed", "node", n.name, "failures", n.life.Fails, "err", n.life.Error, "retry", s.c.Limits.Retry)
	case Waiting:
		s.o.Log.Warn("node lost", "node", n.name, "failures", n.life.Fails, "err", n.life.Error)
	default:
		s.o.Log.Info("node", "node", n.name, "state", string(n.life.State))
	}
}

// work does the actions of a node until there are none.
func (s *Supervisor) work(n *isolate) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for len(n.acts) > 0 {
		a := n.acts[0]
		n.acts = slices.Delete(n.acts, 0, 1)
		s.do(n, a)
	}
	n.busy = false
	s.wake()
}

// do does one action. mu is held, but not while anybody is waited for.
func (s *Supervisor) do(n *isolate, a Action) {
	switch a {
	case Spawn:
		s.begin(n)
	case Terminate:
		if n.proc != nil {
			terminateGroup(n.proc.cmd.Process)
		} else {
			s.unborn(n)
		}
	case Kill:
		if n.proc != nil {
			killGroup(n.proc.cmd.Process)
		} else {
			s.unborn(n)
		}
	case Mount:
		if n.life.State == Ready {
			if n.spec.Remote {
				n.renew()
			}
			line := []string{"mount", n.name, n.spec.Addr, "weight=" + strconv.FormatFloat(n.spec.Weight, 'g', -1, 64)}
			n.mounted = s.ask(n, line)
			if n.spec.Remote && n.watch == nil {
				s.look(n)
			}
		}
	case Drain:
		if n.mounted {
			s.ask(n, []string{"drain", n.name})
		}
	case Unmount:
		if n.mounted {
			s.ask(n, []string{"unmount", n.name})
			n.mounted = false
		}
		if n.spec.Remote && n.watch != nil && n.life.State != Ready {
			n.watch()
			n.watch = nil
		}
	}
}

// unborn ends a node that was to end before its process was begun. mu is held.
func (s *Supervisor) unborn(n *isolate) {
	if n.life.State == Stopping || n.life.State == Dying {
		s.act(n, n.life.Exited(s.o.Now(), ""))
	}
}

// ask writes a line to the coordinator's ctl. mu is held, but not meanwhile.
func (s *Supervisor) ask(n *isolate, line []string) bool {
	s.mu.Unlock()
	ctx, cancel := context.WithTimeout(s.ctx, askTime)
	err := s.o.Cluster.Ctl(ctx, line)
	cancel()
	s.mu.Lock()
	if err != nil && s.ctx.Err() == nil {
		s.o.Log.Error("coordinator", "node", n.name, "line", strings.Join(line, " "), "err", err)
		s.note = line[0] + " " + n.name + ": " + err.Error()
	}
	return err == nil
}

// begin starts the process of a node, if it is still to be. mu is held.
func (s *Supervisor) begin(n *isolate) {
	if n.life.State != Starting || n.proc != nil || s.ctx.Err() != nil {
		return
	}
	n.renew()
	fmt.Fprintf(n.log, "# %s starts: llama9 %s\n", n.name, styxfs.AppendFields(nil, n.spec.Args...))
	removeSocket(n.spec.Addr) // of one that was killed
	group, err := s.groups.make(&n.spec)
	var p *proc
	if err == nil {
		p, err = s.spawn.start(s.o.Program, &n.spec, group, n.log)
	}
	if err != nil {
		fmt.Fprintf(n.log, "# %s cannot be started: %v\n", n.name, err)
		s.act(n, n.life.Exited(s.o.Now(), err.Error()))
		return
	}
	n.proc, n.started, n.look = p, s.o.Now(), look{}
	n.starts++
	s.look(n)
	s.all.Go(func() { s.await(n, p) })
}

// renew makes a node what it is to be now. mu is held.
func (n *isolate) renew() {
	if n.next != nil {
		n.spec, n.next = *n.next, nil
	}
}

// look begins the watch of a node. mu is held.
func (s *Supervisor) look(n *isolate) {
	ctx, cancel := context.WithCancel(s.ctx)
	n.watch = cancel
	addr := n.spec.Addr
	s.all.Go(func() { s.watch(ctx, n, addr) })
}

// await waits for the end of a process.
func (s *Supervisor) await(n *isolate, p *proc) {
	<-p.exited
	s.mu.Lock()
	defer s.mu.Unlock()
	n.watch()
	n.watch, n.proc, n.look = nil, nil, look{}
	removeSocket(p.addr)
	s.groups.remove(p.group)
	why := p.why
	if said := n.log.reason(); said != "" && why != "signal: killed" && why != "signal: terminated" { // which it knew nothing of
		why += ": " + said
	}
	fmt.Fprintf(n.log, "# %s ended: %s\n", n.name, p.why)
	s.act(n, n.life.Exited(s.o.Now(), why))
}

// removeSocket removes the Unix socket of a node whose process is gone.
func removeSocket(addr string) {
	network, path, err := ninep.ParseAddr(addr)
	if err != nil || network != "unix" {
		return
	}
	if fi, err := os.Lstat(path); err == nil && fi.Mode().Type() == fs.ModeSocket {
		os.Remove(path)
	}
}

// follow reads the coordinator's events: a turn that comes while there is no
// node is to make one at once.
func (s *Supervisor) follow() {
	for s.ctx.Err() == nil {
		fs, err := s.o.Cluster.dial(s.ctx)
		if err != nil {
			return // it is in this process: it will not come back
		}
		f, err := fs.Open(s.ctx, "event", ninep.OREAD)
		if err != nil {
			return
		}
		for lines := bufio.NewScanner(f.WithContext(s.ctx)); lines.Scan(); {
			if _, kind, _, err := styxfs.ParseEvent(lines.Text()); err == nil && kind == "load" {
				s.wake()
			}
		}
		f.Forget()
		if s.ctx.Err() == nil {
			return
		}
	}
}
