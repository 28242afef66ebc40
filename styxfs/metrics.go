package styxfs

import (
	"bytes"
	"context"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/common/expfmt"

	"llama9/ninep"
)

// metrics are what the tree counts itself.
type metrics struct {
	reg      *prometheus.Registry
	sessions prometheus.Counter
	tokens   prometheus.Counter
	prompt   prometheus.Counter
	cached   prometheus.Counter
	turns    *prometheus.CounterVec
	first    prometheus.Histogram
	whole    prometheus.Histogram
}

func newMetrics(f *FS) (*metrics, error) {
	m := &metrics{
		reg:      f.cfg.Metrics,
		sessions: prometheus.NewCounter(prometheus.CounterOpts{Name: "llama9_sessions_made_total", Help: "Sessions made."}),
		tokens:   prometheus.NewCounter(prometheus.CounterOpts{Name: "llama9_tokens_total", Help: "Tokens released to answers."}),
		prompt:   prometheus.NewCounter(prometheus.CounterOpts{Name: "llama9_prompt_tokens_total", Help: "Tokens of the prompts of ended turns."}),
		cached:   prometheus.NewCounter(prometheus.CounterOpts{Name: "llama9_cached_tokens_total", Help: "Of llama9_prompt_tokens_total, those that a cache had."}),
		turns:    prometheus.NewCounterVec(prometheus.CounterOpts{Name: "llama9_turns_total", Help: "Ended turns."}, []string{"state"}),
		first:    prometheus.NewHistogram(prometheus.HistogramOpts{Name: "llama9_first_token_seconds", Help: "From a commit to the first token.", Buckets: prometheus.ExponentialBuckets(0.001, 2, 18)}),
		whole:    prometheus.NewHistogram(prometheus.HistogramOpts{Name: "llama9_turn_seconds", Help: "From a commit to the end.", Buckets: prometheus.ExponentialBuckets(0.01, 2, 18)}),
	}
	if m.reg == nil {
		m.reg = prometheus.NewRegistry()
	}
	living := prometheus.NewGaugeFunc(prometheus.GaugeOpts{Name: "llama9_sessions", Help: "Living sessions."}, func() float64 {
		f.mu.Lock()
		defer f.mu.Unlock()
		return float64(len(f.sessions))
	})
	held := prometheus.NewGaugeFunc(prometheus.GaugeOpts{Name: "llama9_session_bytes", Help: "Bytes of texts, conversations and answers that sessions hold."}, func() float64 {
		return float64(f.held.Load())
	})
	for _, s := range []State{Done, Failed, Cancelled} {
		m.turns.WithLabelValues(string(s))
	}
	all := []prometheus.Collector{m.sessions, m.tokens, m.prompt, m.cached, m.turns, m.first, m.whole, living, held}
	if c, ok := f.b.(prometheus.Collector); ok {
		all = append(all, c)
	}
	for _, c := range all {
		if err := m.reg.Register(c); err != nil {
			return nil, err
		}
	}
	return m, nil
}

// ended counts a turn. Its mu is held.
func (m *metrics) ended(t *turn, s State) {
	m.turns.WithLabelValues(string(s)).Inc()
	m.prompt.Add(float64(max(t.note.PromptTokens, 0)))
	m.cached.Add(float64(max(t.note.CachedTokens, 0)))
	if !t.first.IsZero() {
		m.first.Observe(t.first.Sub(t.commit).Seconds())
	}
	m.whole.Observe(t.ended.Sub(t.commit).Seconds())
}

func openMetrics(n *file, mode ninep.OpenMode) (ninep.Handle, error) {
	if err := readOnly(mode); err != nil {
		return nil, err
	}
	return newPage(base{}, func(context.Context) ([]byte, error) {
		families, err := n.f.metrics.reg.Gather()
		if err != nil && len(families) == 0 {
			return nil, err
		}
		var b bytes.Buffer
		for _, mf := range families {
			if _, err := expfmt.MetricFamilyToText(&b, mf); err != nil {
				return nil, err
			}
		}
		return b.Bytes(), nil
	}), nil
}
