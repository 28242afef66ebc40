package node

import (
	"context"
	"fmt"
	"os"
	"slices"
	"strconv"

	"llama9/styxfs"
)

// A host is a line of the model table. Node.mu guards it.
type host struct {
	spec    Spec
	state   seatState
	failed  error
	percent int
	inst    *instance
	cancel  context.CancelFunc // of the load
	gone    bool               // the load was ended by unload
	bytes   uint64             // what it takes in memory, before the first load the file's size
	wanted  uint64             // tick of a load line that waits to be obeyed; 0: none
	info    ModelInfo          // as probed, then as loaded
	nctx    int
	digest  string
	tmpl    string
}

// A Sizer is an Engine that knows how much memory a file's model will take,
// where the file's size is not a good guess.
type Sizer interface {
	Size(file string) uint64
}

// A Prober is an Engine that can describe a file's model without loading it;
// an error says what is wrong with the file, as Load would.
type Prober interface {
	Probe(file string) (ModelInfo, error)
}

func (n *Node) newHost(s Spec) *host {
	h := &host{spec: s}
	if e, ok := n.cfg.Engine.(Sizer); ok {
		h.bytes = e.Size(s.File)
	} else if fi, err := os.Stat(s.File); err == nil {
		h.bytes = uint64(fi.Size())
	}
	return h
}

// probe describes h's model before it is loaded. A file that is none is shown
// as failed, and still tried when a turn names it: it can be another by then.
// The caller holds mu, or nobody else has h yet.
func (n *Node) probe(h *host, info ModelInfo, err error) {
	if err != nil {
		h.failed = err
		return
	}
	o := n.contextOptions(h.spec, info)
	h.info, h.nctx = info, o.NCtx
	if _, ok := n.cfg.Engine.(Sizer); !ok {
		h.bytes = info.Bytes + cacheBytes(&info, o)
	}
}

// probeLater probes h without holding up who holds mu: a disk can be slow.
func (n *Node) probeLater(h *host) {
	e, ok := n.cfg.Engine.(Prober)
	if !ok {
		return
	}
	spec := h.spec
	n.wg.Go(func() {
		info, err := e.Probe(spec.File)
		n.mu.Lock()
		defer n.mu.Unlock()
		if err == nil && h.info.Arch == "" && h.state != seatIn && slices.Equal(h.spec.words(), spec.words()) {
			n.probe(h, info, nil) // an error is told by the load that was asked for
		}
	})
}

// host finds a model by name. The caller holds mu.
func (n *Node) host(name string) *host {
	for _, h := range n.hosts {
		if h.spec.Name == name {
			return h
		}
	}
	return nil
}

// settle loads and unloads what the waiting turns want. The caller holds mu;
// it is called whenever something changed.
func (n *Node) settle() {
	if n.closed {
		return
	}
	type want struct {
		model string
		at    uint64
	}
	var wants []want
	for _, h := range n.hosts {
		if h.wanted > 0 {
			wants = append(wants, want{h.spec.Name, h.wanted})
		}
	}
	missing := false
	for _, h := range n.hosts {
		missing = missing || h.state != seatIn
	}
	if missing {
		for _, t := range n.queue.All() {
			if h := n.host(t.model); h.state != seatIn && t.failure == nil {
				wants = append(wants, want{t.model, t.Arrival()})
			}
		}
	}
	slices.SortFunc(wants, func(a, b want) int { return int(int64(a.at) - int64(b.at)) })
	names := make([]string, 0, len(wants))
	for _, w := range wants {
		if !slices.Contains(names, w.model) {
			names = append(names, w.model)
		}
	}
	if len(names) == 0 && n.cfg.MemoryBound == 0 {
		return
	}
	seats := make([]seat, len(n.hosts))
	for i, h := range n.hosts {
		seats[i] = seat{name: h.spec.Name, bytes: h.bytes, state: h.state}
		if h.inst != nil {
			seats[i].busy, seats[i].used = h.inst.busy, h.inst.used
			for _, t := range n.queue.All() {
				if t.model == h.spec.Name && t.Arrival() <= h.inst.owed {
					seats[i].owed++
				}
			}
		}
	}
	load, leave := reseat(seats, names, n.cfg.MemoryBound)
	for _, name := range leave {
		n.beginLeave(n.host(name))
	}
	for _, name := range load {
		n.beginLoad(n.host(name))
	}
}

// beginLoad starts the load of h, which is out. The caller holds mu.
func (n *Node) beginLoad(h *host) {
	h.state, h.failed, h.percent, h.wanted = seatLoading, nil, 0, 0
	ctx, cancel := context.WithCancel(n.ctx)
	h.cancel = cancel
	spec := h.spec
	n.wakeAll(spec.Name)
	n.modelEvent(h)
	n.wg.Add(1)
	go func() {
		defer n.wg.Done()
		defer cancel()
		digest := fileDigest(spec.File)
		inst, err := n.load(ctx, h, spec)
		n.mu.Lock()
		defer n.mu.Unlock()
		if err != nil {
			n.log.Error("load failed", "model", spec.Name, "file", spec.File, "error", err)
			h.state = seatOut
			if !h.gone {
				h.failed = err
			}
			for _, t := range n.queue.All() {
				if t.model == spec.Name && !h.gone {
					t.failure = fmt.Errorf("model %s: %w", spec.Name, err)
					t.wake()
				}
			}
		} else {
			h.state, h.inst, h.percent = seatIn, inst, 100
			h.bytes, h.info, h.nctx, h.digest, h.tmpl = inst.bytes, inst.info, inst.opts.NCtx, digest, inst.engineOfTemplate()
			n.use(inst)
			inst.owed = n.queue.Tick()
			if n.closed || h.gone {
				n.beginLeave(h)
			}
			n.wakeAll(spec.Name)
		}
		h.gone = false
		n.modelEvent(h)
		n.settle()
		n.changed()
	}()
}

// load reads a model and starts its worker.
func (n *Node) load(ctx context.Context, h *host, s Spec) (_ *instance, err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("load: %v", p)
		}
	}()
	m, err := n.cfg.Engine.Load(ctx, s.File, s.Load, func(f float32) {
		n.mu.Lock()
		defer n.mu.Unlock()
		if p := int(100 * f); p > h.percent && p < 100 {
			h.percent = p
			n.modelEvent(h)
		}
	})
	if err != nil {
		return nil, err
	}
	inst, err := newInstance(s.Name, m, n.contextOptions(s, m.Info()), &n.templates)
	if err != nil {
		m.Close()
		return nil, err
	}
	inst.w = newWorker(n, inst)
	n.wg.Go(inst.w.run)
	return inst, nil
}

// contextOptions are s's, else the Node's, else defaults.
func (n *Node) contextOptions(s Spec, info ModelInfo) ContextOptions {
	o := s.Context
	pick := func(v *int, or int) {
		if *v == 0 {
			*v = or
		}
	}
	pick(&o.NCtx, n.cfg.CtxSize)
	if o.NCtx == 0 {
		o.NCtx = 4096
		if info.NCtxTrain > 0 {
			o.NCtx = min(o.NCtx, info.NCtxTrain)
		}
	}
	pick(&o.NSeq, n.cfg.Parallel)
	pick(&o.Threads, n.cfg.Threads)
	pick(&o.NBatch, n.cfg.NBatch)
	pick(&o.NUbatch, n.cfg.NUbatch)
	return o
}

// beginLeave lets h's instance go: it takes no new turns, and is unloaded when
// its last one has ended. The caller holds mu.
func (n *Node) beginLeave(h *host) {
	inst := h.inst
	if inst == nil || inst.leaving {
		return
	}
	inst.leaving = true
	inst.keep()
	h.state = seatLeaving
	for _, t := range n.queue.All() {
		if t.inst == inst {
			t.in.sampler.close()
			t.in, t.inst = nil, nil
			t.wake()
		}
	}
	inst.w.poke()
	n.wg.Go(func() {
		<-inst.w.done
		inst.prep.Wait()
		inst.ctx.Close()
		if err := inst.model.Close(); err != nil {
			n.log.Warn("close of a model", "model", inst.name, "error", err)
		}
		n.mu.Lock()
		defer n.mu.Unlock()
		h.inst, h.state, h.percent = nil, seatOut, 0
		n.modelEvent(h)
		n.settle()
		n.changed()
	})
}

// wakeAll wakes the turns that wait for a model. The caller holds mu.
func (n *Node) wakeAll(model string) {
	for _, t := range n.queue.All() {
		if t.model == model {
			t.wake()
		}
	}
}

// modelEvent tells of a model's state. The caller holds mu.
func (n *Node) modelEvent(h *host) {
	if n.cfg.Event == nil {
		return
	}
	attrs := []styxfs.Attr{{Name: "name", Value: h.spec.Name}, {Name: "state", Value: h.word()}, {Name: "percent", Value: strconv.Itoa(h.percent)}, {Name: "error", Value: ""}}
	if h.failed != nil {
		attrs[3].Value = h.failed.Error()
	}
	n.cfg.Event("model", attrs...)
}

// word is the state in the model table.
func (h *host) word() string {
	switch h.state {
	case seatIn, seatLeaving:
		return "loaded"
	case seatLoading:
		return "loading"
	}
	if h.failed != nil {
		return "failed"
	}
	return "available"
}
