package main

import (
	"context"
	"encoding/json"
	"fmt"
	"runtime"
	"slices"
	"text/tabwriter"
	"time"

	"llama9/node"
	"llama9/styxfs"
)

// A resumption is a row of `llama9 bench --resume`: of picks made by turns
// that were resumed, how many are other than in the unbroken turn.
type resumption struct {
	Pick   string `json:"pick"` // greedy or seeded
	Cached string `json:"kv"`   // tokens of a turn, with its prompt
	Flips  int    `json:"flips"`
	Picks  int    `json:"picks"`
}

// resumeContext is what a session gets here: enough for turns over 512.
const resumeContext = 1024

// measureResume makes turns, several at once as a node does, and resumes each
// from several of its own first tokens. llama.cpp computes a prompt by other
// kernels than a token, so near ties fall otherwise now and then. The prompts
// are the model's own text, sampled after a few words: on text that is strange
// to a model near ties are more than in use.
func (b *benchmark) measureResume(ctx context.Context, m node.Model, build, variant string) error {
	const turns, predict = 8, 128
	bare, err := node.NewBare(m, node.ContextOptions{NCtx: resumeContext, NSeq: turns, Threads: b.threads})
	if err != nil {
		return err
	}
	defer bare.Close()
	var rows []resumption
	for _, kv := range []struct {
		name   string
		prompt int
	}{{"under 512", 64}, {"over 512", 576}} {
		for _, pick := range []struct {
			name string
			temp float64
		}{{"greedy", 0}, {"seeded", 0.8}} {
			row := resumption{Pick: pick.name, Cached: kv.name}
			for round := range b.rounds {
				fmt.Fprintf(b.log, "%s, %s, round %d of %d\n", pick.name, kv.name, round+1, b.rounds)
				if err := ctx.Err(); err != nil {
					return err
				}
				w, err := workOf(m, turns, 2, b.prompt, uint64(round+1))
				if err != nil {
					return err
				}
				p := b.params()
				p.Temperature, p.Seed, p.NPredict = 0.8, int64(100+round), kv.prompt
				text, err := bare.Run(idsOf(w.decode), &p)
				if err != nil {
					return err
				}
				p.Temperature, p.Seed, p.NPredict = pick.temp, int64(round+1), predict
				prompts := make([][]node.Token, turns)
				for i, words := range w.decode {
					prompts[i] = slices.Concat(words.ids, text.Tokens[i])
				}
				if err := row.count(bare, prompts, &p); err != nil {
					return err
				}
			}
			rows = append(rows, row)
		}
	}
	if b.json {
		return json.NewEncoder(b.out).Encode(rows)
	}
	fmt.Fprintf(b.out, "%s\nllama.cpp %s (%s), %d threads, %s, %d cores, %s\n\n", m.Info().Desc, build, variant,
		b.threads, cpuName(), runtime.NumCPU(), time.Now().Format(time.DateOnly))
	t := tabwriter.NewWriter(b.out, 0, 8, 2, ' ', 0)
	fmt.Fprintln(t, "pick\tKV\tresumed tokens\tother picks\tper 10,000")
	for _, r := range rows {
		fmt.Fprintf(t, "%s\t%s\t%d\t%d\t%.1f\n", r.Pick, r.Cached, r.Picks, r.Flips, 10000*float64(r.Flips)/float64(r.Picks))
	}
	return t.Flush()
}

// count resumes turns at a quarter, a half and three quarters of them.
func (r *resumption) count(bare *node.Bare, prompts [][]node.Token, p *styxfs.Params) error {
	whole, err := bare.Run(prompts, p)
	if err != nil {
		return err
	}
	for _, at := range []int{p.NPredict / 4, p.NPredict / 2, p.NPredict * 3 / 4} {
		flips, picks, err := bare.Resume(prompts, whole.Tokens, at, p)
		if err != nil {
			return err
		}
		r.Flips += flips
		r.Picks += picks
	}
	return nil
}
