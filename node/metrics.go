package node

import (
	"sync"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"llama9/styxfs"
)

// stats are counted since the Node began.
type stats struct {
	prompt, cached, tokens, steps, rows atomic.Uint64

	mu    sync.Mutex // guards below
	turns map[styxfs.Reason]uint64
}

func (s *stats) init() { s.turns = make(map[styxfs.Reason]uint64) }

func (s *stats) ended(r styxfs.Reason) {
	s.mu.Lock()
	s.turns[r]++
	s.mu.Unlock()
}

var _ prometheus.Collector = (*Node)(nil)

var (
	descTurns  = prometheus.NewDesc("llama9_node_turns_total", "Turns that ended, by reason.", []string{"reason"}, nil)
	descPrompt = prometheus.NewDesc("llama9_node_prompt_tokens_total", "Tokens of the prompts of turns that began.", nil, nil)
	descCached = prometheus.NewDesc("llama9_node_cached_tokens_total", "Tokens of those that came from the cache.", nil, nil)
	descTokens = prometheus.NewDesc("llama9_node_tokens_total", "Tokens made.", nil, nil)
	descSteps  = prometheus.NewDesc("llama9_node_steps_total", "Batches decoded.", nil, nil)
	descRows   = prometheus.NewDesc("llama9_node_rows_total", "Rows of the batches decoded.", nil, nil)
	descSlots  = prometheus.NewDesc("llama9_node_slots", "Slots of the loaded models.", nil, nil)
	descBusy   = prometheus.NewDesc("llama9_node_slots_busy", "Slots that a turn is on.", nil, nil)
	descQueue  = prometheus.NewDesc("llama9_node_queue", "Turns that wait.", nil, nil)
	descRate   = prometheus.NewDesc("llama9_node_tokens_per_second", "Tokens made a second, lately.", nil, nil)
	descModel  = prometheus.NewDesc("llama9_node_model_loaded", "Whether a model is in memory.", []string{"model"}, nil)
	descBytes  = prometheus.NewDesc("llama9_node_model_bytes", "Memory of a loaded model and its cache.", []string{"model"}, nil)
)

// Describe implements prometheus.Collector.
func (n *Node) Describe(c chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{descTurns, descPrompt, descCached, descTokens, descSteps, descRows,
		descSlots, descBusy, descQueue, descRate, descModel, descBytes} {
		c <- d
	}
}

// Collect implements prometheus.Collector.
func (n *Node) Collect(c chan<- prometheus.Metric) {
	count := func(d *prometheus.Desc, v uint64, labels ...string) {
		c <- prometheus.MustNewConstMetric(d, prometheus.CounterValue, float64(v), labels...)
	}
	gauge := func(d *prometheus.Desc, v float64, labels ...string) {
		c <- prometheus.MustNewConstMetric(d, prometheus.GaugeValue, v, labels...)
	}
	n.stats.mu.Lock()
	turns := make(map[styxfs.Reason]uint64, len(n.stats.turns))
	for r, v := range n.stats.turns {
		turns[r] = v
	}
	n.stats.mu.Unlock()
	for r, v := range turns {
		count(descTurns, v, string(r))
	}
	count(descPrompt, n.stats.prompt.Load())
	count(descCached, n.stats.cached.Load())
	count(descTokens, n.stats.tokens.Load())
	count(descSteps, n.stats.steps.Load())
	count(descRows, n.stats.rows.Load())

	n.mu.Lock()
	l, rate := n.loadNow(), n.meter.at(time.Now())
	loaded, bytes := make(map[string]float64), make(map[string]float64)
	for _, h := range n.hosts {
		loaded[h.spec.Name] = 0
		if h.inst != nil {
			loaded[h.spec.Name], bytes[h.spec.Name] = 1, float64(h.bytes)
		}
	}
	n.mu.Unlock()
	gauge(descSlots, float64(l.slots))
	gauge(descBusy, float64(l.busy))
	gauge(descQueue, float64(l.queue))
	gauge(descRate, rate)
	for m, v := range loaded {
		gauge(descModel, v, m)
	}
	for m, v := range bytes {
		gauge(descBytes, v, m)
	}
}
