package main

import (
	"fmt"
	"io"
	"os"
	"runtime"
	"slices"
	"strings"
	"text/tabwriter"
)

// A report is what a benchmark found.
type report struct {
	Model         string   `json:"model"`
	File          string   `json:"file"`
	Build         string   `json:"llama.cpp"`
	Variant       string   `json:"variant"`
	CPU           string   `json:"cpu"`
	Cores         int      `json:"cores"`
	Threads       int      `json:"threads"`
	Rounds        int      `json:"rounds"`
	PrefillTokens int      `json:"prefill_tokens"`
	PromptTokens  int      `json:"prompt_tokens"`
	PredictTokens int      `json:"predict_tokens"`
	Date          string   `json:"date"`
	Beside        string   `json:"beside,omitempty"`
	LeftOut       []string `json:"left_out,omitempty"`
	Levels        []level  `json:"levels"`
	First         against  `json:"first_token_ms"`
	Trips         trips    `json:"user_turn"`
	IdleCPU       float64  `json:"idle_cpu_ms_per_s"`
}

// Trips are the 9P messages of one user turn on a session that exists.
type trips struct {
	Messages int `json:"messages"`
	Rounds   int `json:"round_trips"` // how often the client waited
}

func (r *report) print(w io.Writer) {
	fmt.Fprintf(w, "%s, %s\n", r.File, r.Model)
	fmt.Fprintf(w, "llama.cpp %s (%s), %d threads, %s, %d cores, %s\n", r.Build, r.Variant, r.Threads, r.CPU, r.Cores, r.Date)
	fmt.Fprintf(w, "prefill: prompts of %d tokens; decode: %d tokens after prompts of %d; greatest and least of all pairs of %d rounds in brackets\n\n",
		r.PrefillTokens, r.PredictTokens, r.PromptTokens, r.Rounds)
	t := tabwriter.NewWriter(w, 0, 8, 2, ' ', 0)
	head := "tokens/s\tsessions\tthrough the tree\tengine alone\tratio"
	if r.Beside != "" {
		head += "\t" + r.Beside + "\tratio"
	}
	fmt.Fprintln(t, head)
	for _, kind := range []string{"prefill", "decode"} {
		for _, l := range r.Levels {
			a := l.Decode
			if kind == "prefill" {
				a = l.Prefill
			}
			row := []string{kind, fmt.Sprint(l.Sessions), rate(a.Tree), rate(a.Others[aloneName]), ratio(a.ratios(aloneName))}
			if r.Beside != "" {
				row = append(row, rate(a.Others[nodeName]), ratio(a.ratios(nodeName)))
			}
			fmt.Fprintln(t, strings.Join(row, "\t"))
		}
	}
	t.Flush()
	tree, engine := median(r.First.Tree), median(r.First.Others[aloneName])
	var added []float64
	for i, v := range r.First.Tree {
		added = append(added, v-r.First.Others[aloneName][i])
	}
	fmt.Fprintf(w, "\ntime to first token, %d turns: %.2f ms through the tree, %.2f ms on the engine alone; added, median of pairs: %.2f ms\n",
		len(added), tree, engine, median(added))
	fmt.Fprintf(w, "a user turn: %d messages, %d round trips\n", r.Trips.Messages, r.Trips.Rounds)
	fmt.Fprintf(w, "an idle node: %.2f ms of processor time a second\n", r.IdleCPU)
	for _, s := range r.LeftOut {
		fmt.Fprintf(w, "LEFT OUT: %s\n", s)
	}
}

func rate(v []float64) string {
	if len(v) == 0 {
		return "-"
	}
	return fmt.Sprintf("%.1f", median(v))
}

func ratio(v []float64) string {
	if len(v) == 0 {
		return "-"
	}
	return fmt.Sprintf("%.3f [%.3f %.3f]", median(v), slices.Max(v), slices.Min(v))
}

// cpuName is the processor's name, where the system says it.
func cpuName() string {
	data, _ := os.ReadFile("/proc/cpuinfo")
	for line := range strings.Lines(string(data)) {
		if name, value, ok := strings.Cut(line, ":"); ok && strings.TrimSpace(name) == "model name" {
			return strings.TrimSpace(value)
		}
	}
	return runtime.GOARCH
}
