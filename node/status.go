package node

import (
	"context"
	"math"
	"strconv"
	"time"

	"llama9/styxfs"
)

// A load is what the root event load tells.
type load struct{ slots, busy, queue int }

// A meter is the rate of tokens, as an average that forgets with a half life
// of some seconds. It has no clock of its own.
type meter struct {
	rate float64
	last time.Time
}

const meterTime = 5 * time.Second

// add counts k tokens made at now.
func (m *meter) add(now time.Time, k int) {
	m.rate = m.at(now) + float64(k)/meterTime.Seconds()
	m.last = now
}

// at is the rate at now, in tokens a second.
func (m *meter) at(now time.Time) float64 {
	if m.last.IsZero() {
		return 0
	}
	return m.rate * math.Exp(-now.Sub(m.last).Seconds()/meterTime.Seconds())
}

func rateText(r float64) string { return strconv.FormatFloat(r, 'f', 1, 64) }

// loadNow counts slots, busy ones and waiting turns. A model that is not loaded
// has the slots that it would have; the caller holds mu.
func (n *Node) loadNow() load {
	l := load{queue: len(n.queue.All())}
	for _, h := range n.hosts {
		if h.inst != nil {
			l.slots += h.inst.opts.NSeq
			l.busy += h.inst.busy
		}
	}
	if l.slots == 0 {
		l.slots = n.cfg.Parallel
		if len(n.hosts) > 0 && n.hosts[0].spec.Context.NSeq > 0 {
			l.slots = n.hosts[0].spec.Context.NSeq
		}
	}
	return l
}

// changed tells of a new load and of new places in the queue. The caller holds mu.
func (n *Node) changed() {
	now := time.Now()
	if len(n.queue.All()) > 0 {
		for i, t := range n.queue.Order(now) {
			if t.position != i+1 {
				t.position = i + 1
				t.wake()
			}
		}
	}
	if l := n.loadNow(); l != n.shown {
		n.tell(l, now)
	}
}

// tell posts the load. The caller holds mu.
func (n *Node) tell(l load, now time.Time) {
	n.shown, n.told = l, now
	if n.cfg.Event != nil {
		n.cfg.Event("load", n.loadAttrs(l, now)...)
	}
}

func (n *Node) loadAttrs(l load, now time.Time) []styxfs.Attr {
	return []styxfs.Attr{
		{Name: "slots", Value: strconv.Itoa(l.slots)},
		{Name: "busy", Value: strconv.Itoa(l.busy)},
		{Name: "queue", Value: strconv.Itoa(l.queue)},
		{Name: "tokens/s", Value: rateText(n.meter.at(now))},
	}
}

// Status is the root status: state slots busy queue tokens/s, and the engine.
// See styxfs.Backend.
func (n *Node) Status() []styxfs.Attr {
	n.mu.Lock()
	defer n.mu.Unlock()
	state := "ready"
	switch {
	case n.closed:
		state = "closed"
	case n.draining:
		state = "draining"
	}
	e := n.cfg.Engine
	return append(append([]styxfs.Attr{{Name: "state", Value: state}}, n.loadAttrs(n.loadNow(), time.Now())...),
		styxfs.Attr{Name: "engine", Value: e.Name()},
		styxfs.Attr{Name: "build", Value: e.Build()},
		styxfs.Attr{Name: "variant", Value: e.Variant()})
}

// Models is the model table, the default first. See styxfs.Backend.
func (n *Node) Models(context.Context) []styxfs.Model {
	n.mu.Lock()
	defer n.mu.Unlock()
	e := n.cfg.Engine
	list := make([]styxfs.Model, 0, len(n.hosts))
	for _, h := range n.hosts {
		m := styxfs.Model{
			Name: h.spec.Name, State: h.word(), Engine: e.Name(), Build: e.Build(), Variant: e.Variant(), Exact: e.Exact(),
			Arch: h.info.Arch, Parameters: h.info.Parameters, Quantization: h.info.Quantization,
			NCtx: h.nctx, NCtxTrain: h.info.NCtxTrain, Bytes: h.bytes, Percent: h.percent,
			Digest: h.digest, Template: h.tmpl,
		}
		if h.failed != nil {
			m.Error = h.failed.Error()
		}
		for _, k := range n.kept {
			if k.model == h.spec.Name {
				m.Sessions++
			}
		}
		list = append(list, m)
	}
	return list
}

// VocabSize is the number of tokens of a model that was loaded once, or that
// the engine could probe, else 0.
// See styxfs.Vocabulary.
func (n *Node) VocabSize(model string) int {
	n.mu.Lock()
	defer n.mu.Unlock()
	h := n.host(model)
	if model == "" && len(n.hosts) > 0 {
		h = n.hosts[0]
	}
	if h == nil {
		return 0
	}
	return h.info.NVocab
}
