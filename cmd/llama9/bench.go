package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"llama9/model"
	"llama9/node"
	"llama9/styxfs"
)

// A benchmark is what `llama9 bench` was asked for.
type benchmark struct {
	file     string // of the model
	random   string // or its size
	quant    string
	sessions []int
	prefill  int // tokens of a long prompt
	prompt   int // of a short one
	predict  int
	rounds   int
	turns    int // of the time to first token
	threads  int
	temp     float64
	resume   bool
	beside   []string
	engine   engineFlags
	json     bool
	out, log io.Writer
}

// benchCommand measures a node behind its tree beside the engine alone.
func benchCommand() *cobra.Command {
	var b benchmark
	c := &cobra.Command{
		Use:   "bench [-m FILE | --random SIZE]",
		Short: "measure a served model beside the engine alone",
		Long: `Bench starts a node in a process of its own and measures, through its tree
over a Unix socket, the tokens a second of prefill and decode of sessions at
once, and the time to the first token. In turns with that it does the same
work on the engine alone: the same library, contexts, samplers and prompts,
without a tree. It prints medians of all pairs, and of their ratios; a round
has more pairs where the sessions are few.`,
		Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			b.out, b.log = c.OutOrStdout(), c.ErrOrStderr()
			return b.run(c.Context())
		},
	}
	f := c.Flags()
	f.StringVarP(&b.file, "model", "m", "", "GGUF `file` (default: the demo model)")
	f.StringVar(&b.random, "random", "", "make a model of this `size` with random weights: "+strings.Join(model.Sizes(), " "))
	f.StringVar(&b.quant, "quant", "q8_0", "quantization of --random: "+strings.Join(model.Quants(), " "))
	f.IntSliceVar(&b.sessions, "sessions", []int{1, 8, 32}, "numbers of sessions at once")
	f.IntVar(&b.prefill, "prefill", 512, "tokens of the long prompts, for prefill")
	f.IntVar(&b.prompt, "prompt", 8, "tokens of the short prompts, for decode")
	f.IntVarP(&b.predict, "n-predict", "n", 128, "tokens made after the short prompts")
	f.IntVar(&b.rounds, "rounds", 5, "how often each is measured")
	f.IntVar(&b.turns, "turns", 50, "turns for the time to first token")
	f.IntVarP(&b.threads, "threads", "t", runtime.NumCPU(), "threads of the engine")
	f.Float64Var(&b.temp, "temperature", 0, "temperature of the samplers; 0 is greedy")
	f.StringSliceVar(&b.beside, "beside", nil, "measure also: node-llama-cpp (installed by npm)")
	f.StringVar(&b.engine.lib, "llama-lib", "", "`directory` of llama.cpp's libraries (default $LLAMA9_LIB, else found or installed)")
	b.engine.engineFlag(f)
	f.BoolVar(&b.resume, "resume", false, "measure instead how often a resumed turn differs from an unbroken one")
	f.BoolVar(&b.json, "json", false, "print one JSON object")
	c.MarkFlagsMutuallyExclusive("model", "random")
	return c
}

// A level is what was measured at one number of sessions: tokens a second of
// wall time, from the first commit to the last token.
type level struct {
	Sessions int     `json:"sessions"`
	Prefill  against `json:"prefill"`
	Decode   against `json:"decode"`
}

// against holds a rate of each contestant, a value a round, and the tree's
// over the others' in the same round.
type against struct {
	Tree   []float64            `json:"tree"`
	Others map[string][]float64 `json:"others"`
}

func (a *against) add(name string, v float64) {
	if name == treeName {
		a.Tree = append(a.Tree, v)
		return
	}
	if a.Others == nil {
		a.Others = make(map[string][]float64)
	}
	a.Others[name] = append(a.Others[name], v)
}

// ratios gives the tree's rate over name's, a round each.
func (a *against) ratios(name string) []float64 {
	var r []float64
	for i, v := range a.Others[name] {
		if i < len(a.Tree) && v > 0 {
			r = append(r, a.Tree[i]/v)
		}
	}
	return r
}

const (
	treeName  = "tree"
	aloneName = "engine alone"
	nodeName  = "node-llama-cpp"
)

func median(v []float64) float64 {
	if len(v) == 0 {
		return 0
	}
	v = slices.Sorted(slices.Values(v))
	return (v[(len(v)-1)/2] + v[len(v)/2]) / 2
}

// A runner answers prompts at once, with predict tokens each.
type runner interface {
	run(ctx context.Context, ps []prompt, predict int) (time.Duration, error)
}

func (b *benchmark) run(ctx context.Context) error {
	for _, n := range b.sessions {
		if n < 1 || n > 256 {
			return fmt.Errorf("--sessions %d: from 1 to 256", n)
		}
	}
	if b.prefill < 2 || b.prompt < 2 || b.predict < 2 || b.rounds < 1 || b.turns < 1 || b.threads < 1 {
		return fmt.Errorf("--prefill, --prompt and -n are at least 2, --rounds, --turns and --threads 1")
	}
	for _, name := range b.beside {
		if name != nodeName {
			return fmt.Errorf("--beside %s: there is only %s", name, nodeName)
		}
	}
	dir, err := os.MkdirTemp("", "llama9-bench")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	if err := b.makeModel(dir); err != nil {
		return err
	}
	eng, err := b.engine.openEngine(ctx, nil, func(line string) { fmt.Fprintln(b.log, line) })
	if err != nil {
		return err
	}
	m, err := eng.Load(ctx, b.file, node.LoadOptions{}, nil)
	if err != nil {
		return err
	}
	defer m.Close()
	if b.resume {
		return b.measureResume(ctx, m, eng.Build(), eng.Variant())
	}
	bare, err := node.NewBare(m, node.ContextOptions{NCtx: b.nctx(), NSeq: slices.Max(b.sessions), Threads: b.threads})
	if err != nil {
		return err
	}
	defer bare.Close()
	a := &alone{bare, b.params()}
	t, err := startTree(ctx, b, dir)
	if err != nil {
		return err
	}
	defer t.stop()
	r := &report{Model: m.Info().Desc, File: filepath.Base(b.file), Build: eng.Build(), Variant: eng.Variant(),
		CPU: cpuName(), Cores: runtime.NumCPU(), Threads: b.threads, Rounds: b.rounds,
		PrefillTokens: b.prefill, PromptTokens: b.prompt, PredictTokens: b.predict, Date: time.Now().Format(time.DateOnly)}
	if err := b.throughput(ctx, m, a, t, r); err != nil {
		return err
	}
	if err := b.latency(ctx, m, a, t, r); err != nil {
		return err
	}
	if r.IdleCPU, err = t.idleCPU(ctx, 3*time.Second); err != nil {
		r.LeftOut = append(r.LeftOut, fmt.Sprintf("processor time of an idle node: %v", err))
	}
	if b.json {
		return json.NewEncoder(b.out).Encode(r)
	}
	r.print(b.out)
	return nil
}

// nctx is what one session gets: the engine wants multiples of 256.
func (b *benchmark) nctx() int {
	return (max(b.prefill+2, b.prompt+b.predict) + 255) / 256 * 256
}

// params are the turns' own: fixed length, nothing from a cache.
func (b *benchmark) params() styxfs.Params {
	p := styxfs.DefaultParams()
	p.Temperature, p.Seed, p.IgnoreEOS, p.CachePrompt, p.Template = b.temp, 1, true, false, "none"
	return p
}

// makeModel writes the model to be measured, unless it is a file already.
func (b *benchmark) makeModel(dir string) error {
	if b.file != "" {
		if b.engine.isFake(b.file) {
			return nil
		}
		if err := checkModel(b.file); err != nil {
			return fmt.Errorf("--model %s: %w", b.file, err)
		}
		return nil
	}
	b.file = filepath.Join(dir, "demo.gguf")
	if b.random == "" {
		return os.WriteFile(b.file, model.Demo, 0o600)
	}
	b.file = filepath.Join(dir, "random-"+b.random+"-"+b.quant+".gguf")
	f, err := os.Create(b.file)
	if err != nil {
		return err
	}
	if err := model.Random(f, b.random, b.quant, 1); err != nil {
		f.Close()
		return err
	}
	return f.Close()
}

// throughput does the rounds. Within one, tree and engine take turns at who
// goes first, so that what else the machine does falls on both.
func (b *benchmark) throughput(ctx context.Context, m node.Model, a, t runner, r *report) error {
	for _, n := range b.sessions {
		r.Levels = append(r.Levels, level{Sessions: n})
	}
	var beside *nodeLlama
	if len(b.beside) > 0 {
		var err error
		if beside, err = newNodeLlama(ctx, b); err != nil {
			fmt.Fprintf(b.log, "LEFT OUT: %s: %v\n", nodeName, err)
			r.LeftOut = append(r.LeftOut, fmt.Sprintf("%s: %v", nodeName, err))
		}
	}
	for round := range b.rounds {
		var works []work
		for i, n := range b.sessions {
			fmt.Fprintf(b.log, "round %d of %d, %d sessions\n", round+1, b.rounds, n)
			w, err := workOf(m, n, b.prefill, b.prompt, uint64(round+1))
			if err != nil {
				return err
			}
			works = append(works, w)
			for pair := range b.pairs(n) {
				who := []string{treeName, aloneName}
				if (round+pair)%2 == 1 {
					slices.Reverse(who)
				}
				for _, name := range who {
					run := map[string]runner{treeName: t, aloneName: a}[name]
					if err := r.Levels[i].measure(ctx, name, run, w, b.predict); err != nil {
						return fmt.Errorf("%s: %w", name, err)
					}
				}
			}
		}
		if beside != nil {
			fmt.Fprintf(b.log, "round %d of %d, %s\n", round+1, b.rounds, nodeName)
			rates, err := beside.round(ctx, works)
			if err != nil {
				return fmt.Errorf("%s: %w", nodeName, err)
			}
			for i, v := range rates {
				for k := range v.Decode {
					r.Levels[i].Prefill.add(nodeName, v.Prefill[k])
					r.Levels[i].Decode.add(nodeName, v.Decode[k])
				}
			}
		}
	}
	if beside != nil {
		r.Beside = nodeName + " " + beside.version
	}
	return nil
}

// pairs is how often a round measures tree and engine at a level: few sessions
// take little time, and vary most.
func (b *benchmark) pairs(sessions int) int {
	return min(max(slices.Max(b.sessions)/sessions, 2), 8)
}

// measure has run do the work of a level once.
func (l *level) measure(ctx context.Context, name string, run runner, w work, predict int) error {
	if _, err := run.run(ctx, w.decode, 2); err != nil { // wakes what slept
		return err
	}
	took, err := run.run(ctx, w.prefill, 1)
	if err != nil {
		return err
	}
	l.Prefill.add(name, float64(tokens(w.prefill))/took.Seconds())
	if took, err = run.run(ctx, w.decode, predict); err != nil {
		return err
	}
	l.Decode.add(name, float64(len(w.decode)*predict)/took.Seconds())
	return nil
}

// latency measures the time from the commit of a short prompt to its first
// token, in turns through the tree and on the engine alone.
func (b *benchmark) latency(ctx context.Context, m node.Model, a *alone, t *tree, r *report) error {
	fmt.Fprintf(b.log, "time to first token, %d turns\n", b.turns)
	for i := range b.turns {
		w, err := workOf(m, 1, 2, b.prompt, uint64(1000+i))
		if err != nil {
			return err
		}
		tree, err := t.first(ctx, w.decode[0])
		if err != nil {
			return err
		}
		engine, err := a.run(ctx, w.decode, 1)
		if err != nil {
			return err
		}
		if i == 0 {
			continue // the first of all is slower
		}
		r.First.add(treeName, tree.Seconds()*1000)
		r.First.add(aloneName, engine.Seconds()*1000)
	}
	var err error
	r.Trips, err = t.roundTrips(ctx)
	return err
}

// alone is the engine with nothing around it.
type alone struct {
	bare   *node.Bare
	params styxfs.Params
}

func (a *alone) run(_ context.Context, ps []prompt, predict int) (time.Duration, error) {
	p := a.params
	p.NPredict = predict
	run, err := a.bare.Run(idsOf(ps), &p)
	if err != nil {
		return 0, err
	}
	return run.Total, nil
}
