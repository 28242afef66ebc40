package node_test

import (
	"encoding/json"
	"fmt"
	"math"
	"slices"
	"strings"
	"sync"
	"testing"
	"unicode/utf8"

	"llama9/node"
	"llama9/node/fake"
	"llama9/styxfs"
)

// prompts are alike at the beginning, so that caches are reused among them.
func prompts(k int) []string {
	var ps []string
	for i := range k {
		ps = append(ps, strings.Repeat("the old man and the sea ", 1+i%3)+fmt.Sprint("number ", i))
	}
	return ps
}

func TestAmongOthersAsAlone(t *testing.T) {
	hot := func(r *styxfs.Request) { r.Params.Temperature = 1.2; r.Params.Seed = int64(r.Session) }
	var want []string
	for i, p := range prompts(24) {
		b := newBench(t, &fake.Engine{}, nil)
		rec, _ := b.must(request(uint64(i+1), p, hot))
		want = append(want, rec.text.String())
	}
	b := newBench(t, &fake.Engine{}, func(c *node.Config) { c.Parallel = 5; c.NUbatch = 16 })
	for range 2 { // the second time from the caches
		var wg sync.WaitGroup
		for i, p := range prompts(24) {
			wg.Go(func() {
				rec, _, err := b.run(request(uint64(i+1), p, hot))
				if err != nil || rec.text.String() != want[i] {
					t.Errorf("turn %d: %q %v, alone it is %q", i, rec.text.String(), err, want[i])
				}
			})
		}
		wg.Wait()
	}
}

// A turn that is cut anywhere and continued elsewhere from its tokens gives
// the rest of the same text.
func TestResume(t *testing.T) {
	for name, change := range map[string]func(*styxfs.Params){
		"greedy":    func(p *styxfs.Params) { p.Temperature = 0 },
		"seeded":    func(p *styxfs.Params) { p.Temperature = 1 },
		"all":       func(p *styxfs.Params) { p.Temperature = 1; p.TopK, p.TopP, p.MinP = 0, 1, 0 },
		"penalties": func(p *styxfs.Params) { p.Temperature = 1; p.RepeatPenalty = 1.3; p.FrequencyPenalty = 0.5 },
		"xtc":       func(p *styxfs.Params) { p.Temperature = 1; p.XtcProbability = 0.5; p.XtcThreshold = 0.05 },
		"mirostat1": func(p *styxfs.Params) { p.Temperature = 1; p.Mirostat = 1 },
		"mirostat2": func(p *styxfs.Params) { p.Temperature = 1; p.Mirostat = 2; p.MirostatTau = 2 },
		"dynatemp":  func(p *styxfs.Params) { p.Temperature = 1; p.DynatempRange = 0.5 },
		"bias":      func(p *styxfs.Params) { p.Temperature = 1; p.LogitBias = []styxfs.Bias{{ID: 'e', Bias: 12}} },
		"stop":      func(p *styxfs.Params) { p.Temperature = 1; p.Stop = []string{"zzz", " the", "m"} },
		"endless":   func(p *styxfs.Params) { p.IgnoreEOS = true },
	} {
		t.Run(name, func(t *testing.T) {
			b := newBench(t, &fake.Engine{}, nil)
			set := func(r *styxfs.Request) { change(&r.Params); r.Params.Seed = 7; r.Params.NPredict = 30 }
			whole, o := b.must(request(1, "once upon a time", set))
			if len(whole.ids) == 0 {
				t.Fatal("no tokens")
			}
			before := ""
			for cut := 1; cut <= len(whole.ids); cut++ {
				before += whole.tokens[cut-1].Text
				if cut == len(whole.ids) && o.Reason != styxfs.Limit {
					break // the cut one may be the token of a stop
				}
				b := newBench(t, &fake.Engine{}, func(c *node.Config) { c.NUbatch = 3 })
				rest, o2 := b.must(request(1, "once upon a time", func(r *styxfs.Request) { set(r); r.Prefix = slices.Clone(whole.ids[:cut]) }))
				if got := before + rest.text.String(); got != whole.text.String() {
					t.Fatalf("cut after %d: %q, the whole is %q", cut, got, whole.text.String())
				}
				if o2.Tokens != o.Tokens || o2.Reason != o.Reason {
					t.Fatalf("cut after %d: %d tokens, %s; the whole has %d, %s", cut, o2.Tokens, o2.Reason, o.Tokens, o.Reason)
				}
			}
		})
	}
}

func TestSeedDecides(t *testing.T) {
	b := newBench(t, &fake.Engine{}, nil)
	texts := make(map[string]bool)
	for seed := range int64(8) {
		rec, _ := b.must(request(1, "tell me", func(r *styxfs.Request) { r.Params.Temperature = 1.5; r.Params.Seed = seed }))
		texts[rec.text.String()] = true
	}
	if len(texts) != 8 {
		t.Errorf("8 seeds gave %d texts", len(texts))
	}
}

func TestEnds(t *testing.T) {
	say := "aé世 b🦙 END and more"
	e := &fake.Engine{Next: fake.Say("Q:", say)}
	b := newBench(t, e, nil)
	for _, test := range []struct {
		name   string
		change func(*styxfs.Params)
		text   string
		reason styxfs.Reason
		word   string
		tokens int
	}{
		{"eos", func(p *styxfs.Params) {}, say, styxfs.EOS, "", len(say)},
		{"stop", func(p *styxfs.Params) { p.Stop = []string{"none", "END"} }, "aé世 b🦙 ", styxfs.Stop, "END", strings.Index(say, "END") + 3},
		{"limit", func(p *styxfs.Params) { p.NPredict = 6 }, "aé世", styxfs.Limit, "", 6},
		{"limit in a rune", func(p *styxfs.Params) { p.NPredict = 5 }, "aé\xe4\xb8", styxfs.Limit, "", 5},
		{"held at the end", func(p *styxfs.Params) { p.NPredict = 2; p.Stop = []string{"éx"} }, "a\xc3", styxfs.Limit, "", 2},
	} {
		rec, o := b.must(request(1, "Q:", func(r *styxfs.Request) { r.Params.NPredict = 100; test.change(&r.Params) }))
		if rec.text.String() != test.text || o.Reason != test.reason || o.StopWord != test.word || o.Tokens != test.tokens {
			t.Errorf("%s: %q %+v", test.name, rec.text.String(), o)
		}
		for _, tok := range rec.tokens[:max(len(rec.tokens)-2, 0)] {
			if !utf8.ValidString(tok.Text) {
				t.Errorf("%s: token text %q", test.name, tok.Text)
			}
		}
	}
	if rec, o := b.must(request(2, "Q:", func(r *styxfs.Request) { r.Params.NPredict = 0 })); o.Reason != styxfs.Limit || o.Tokens != 0 || rec.text.Len() != 0 {
		t.Errorf("n_predict 0: %q %+v", rec.text.String(), o)
	}
	rec, o := b.must(request(2, "Q:", func(r *styxfs.Request) { r.Params.NPredict = 2; r.Prefix = []int32{'a', 0xc3} }))
	if rec.text.Len() != 0 || len(rec.ids) != 0 || o.Reason != styxfs.Limit || o.Tokens != 2 || rec.note.PrefixText != "a" {
		t.Errorf("prefix that reaches n_predict: %q %+v", rec.text.String(), o)
	}
}

func TestStopInPrefix(t *testing.T) {
	b := newBench(t, &fake.Engine{Next: fake.Say("Q:", "abSTOP")}, nil)
	for _, test := range []struct {
		prefix, want, text string
	}{
		{"abSTOPx", "ab", ""},
		{"abST", "abST", ""}, // what was given is not taken back
	} {
		rec, o := b.must(request(1, "Q:", func(r *styxfs.Request) {
			r.Params.Stop = []string{"STOP"}
			for _, c := range []byte(test.prefix) {
				r.Prefix = append(r.Prefix, int32(c))
			}
		}))
		if o.Reason != styxfs.Stop || o.StopWord != "STOP" || rec.note.PrefixText != test.want || rec.text.String() != test.text {
			t.Errorf("prefix %q: %+v, says %q and %q", test.prefix, o, rec.note.PrefixText, rec.text.String())
		}
	}
}

func TestClientFaults(t *testing.T) {
	b := newBench(t, &fake.Engine{Options: fake.Options{NoShift: true}}, func(c *node.Config) { c.CtxSize = 32 })
	for _, test := range []struct {
		name   string
		change func(*styxfs.Request)
		want   string
	}{
		{"long", func(r *styxfs.Request) { r.Messages[0].Content = strings.Repeat("x", 40) }, "prompt too long: 41 tokens, the context has 32"},
		{"model", func(r *styxfs.Request) { r.Params.Model = "other" }, "model other: unknown"},
		{"range", func(r *styxfs.Request) { r.Prefix = []int32{1, 99999} }, "token 1: 99999 is out of range"},
		{"negative", func(r *styxfs.Request) { r.Prefix = []int32{-1} }, "token 0: -1 is out of range"},
		{"end", func(r *styxfs.Request) { r.Prefix = []int32{65, fake.EOS} }, "token 1: 257 ends an answer"},
		{"bias", func(r *styxfs.Request) { r.Params.LogitBias = []styxfs.Bias{{ID: 5000}} }, "logit_bias 5000"},
		{"sampler", func(r *styxfs.Request) { r.Params.Samplers = []string{"magic"} }, `samplers: unknown sampler "magic"`},
		{"shift", func(r *styxfs.Request) { r.Params.Shift = true }, "shift: the memory of this model cannot be shifted"},
		{"grammar", func(r *styxfs.Request) { r.Grammar = "root ::= nothing" }, "grammar: 1:10: rule nothing is not defined"},
		{"token of a grammar", func(r *styxfs.Request) { r.Grammar = "root ::= <think>" }, "grammar: 1:10: "},
		{"schema", func(r *styxfs.Request) { r.Schema = `{"type":"colour"}` }, "schema: "},
		{"foreign prefix", func(r *styxfs.Request) { r.Grammar = `root ::= "yes"`; r.Prefix = []int32{'y', 'o'} }, "token 1: grammar"},
	} {
		rec, o, err := b.run(request(1, "hi", test.change))
		if err == nil || !strings.Contains(err.Error(), test.want) {
			t.Errorf("%s: error %v, want %q", test.name, err, test.want)
		}
		if err != nil && (strings.Contains(err.Error(), "grammar: grammar") || strings.Contains(err.Error(), "schema: schema")) {
			t.Errorf("%s: said twice: %v", test.name, err)
		}
		if o.Reason != styxfs.Client || rec.text.Len() > 0 {
			t.Errorf("%s: reason %s text %q", test.name, o.Reason, rec.text.String())
		}
	}
	if _, _, err := b.run(request(1, "hi", nil)); err != nil {
		t.Errorf("a good turn after them: %v", err)
	}
}

func TestIgnoreEOS(t *testing.T) {
	b := newBench(t, &fake.Engine{Options: fake.Options{Length: 2}}, nil)
	_, o := b.must(request(1, "go", func(r *styxfs.Request) { r.Params.NPredict = 200; r.Params.IgnoreEOS = true; r.Params.Temperature = 1 }))
	if o.Tokens != 200 || o.Reason != styxfs.Limit {
		t.Errorf("%+v", o)
	}
}

func TestGrammar(t *testing.T) {
	b := newBench(t, &fake.Engine{}, nil)
	for _, temperature := range []float64{0, 1.5} {
		for seed := range int64(10) {
			rec, o := b.must(request(1, "answer", func(r *styxfs.Request) {
				r.Params.Temperature, r.Params.Seed = temperature, seed
				r.Grammar = `root ::= ("yes" | "no, " [0-9]{3}) "."`
			}))
			s := rec.text.String()
			if s != "yes." && !(strings.HasPrefix(s, "no, ") && len(s) == 8 && s[7] == '.') || o.Reason != styxfs.EOS {
				t.Errorf("temperature %v: %q %s", temperature, s, o.Reason)
			}
		}
	}
}

func TestSchema(t *testing.T) {
	b := newBench(t, &fake.Engine{}, nil)
	if err := b.CheckSchema(`{"type":"boolean"}`); err != nil {
		t.Error(err)
	}
	if b.CheckSchema(`{"type":"colour"}`) == nil || b.CheckSchema("{") == nil || b.CheckGrammar("root ::= (") == nil || b.CheckGrammar(`root ::= "a"`) != nil {
		t.Error("a bad schema or grammar is called good")
	}
	if err := b.CheckGrammar(`root ::= <think> [^<]* !</think> <[12]>`); err != nil {
		t.Errorf("tokens by their text: %v", err)
	}
	for seed := range int64(5) {
		rec, o := b.must(request(1, "json", func(r *styxfs.Request) {
			r.Params.Temperature, r.Params.Seed, r.Params.NPredict = 1, seed, 200
			r.Schema = `{"type":"object","properties":{"ok":{"type":"boolean"}},"required":["ok"],"additionalProperties":false}`
		}))
		var v struct{ OK *bool }
		if err := json.Unmarshal([]byte(rec.text.String()), &v); o.Reason == styxfs.EOS && (err != nil || v.OK == nil) {
			t.Errorf("%q: %v", rec.text.String(), err)
		}
	}
	if _, o, err := b.run(request(1, "json", func(r *styxfs.Request) { r.Schema = "{" })); err == nil || o.Reason != styxfs.Client || !strings.HasPrefix(err.Error(), "schema: ") {
		t.Errorf("%+v %v", o, err)
	}
}

func TestProbs(t *testing.T) {
	b := newBench(t, &fake.Engine{}, nil)
	rec, _ := b.must(request(1, "probabilities", func(r *styxfs.Request) { r.Params.NProbs = 5; r.Params.NPredict = 6 }))
	for i, tok := range rec.tokens {
		if !tok.HasProb || len(tok.Top) != 5 || tok.Top[0].ID != tok.ID || tok.Top[0].LogProb != tok.LogProb {
			t.Fatalf("token %d: %+v", i, tok)
		}
		sum := 0.0
		for j, a := range tok.Top {
			sum += math.Exp(float64(a.LogProb))
			if j > 0 && a.LogProb > tok.Top[j-1].LogProb {
				t.Errorf("token %d: alternatives are not sorted", i)
			}
		}
		if sum > 1.0001 || sum <= 0 {
			t.Errorf("token %d: probabilities sum to %v", i, sum)
		}
	}
}

func TestContextFull(t *testing.T) {
	b := newBench(t, &fake.Engine{}, func(c *node.Config) { c.CtxSize = 32 })
	end := func(r *styxfs.Request) { r.Params.NPredict = -1; r.Params.IgnoreEOS = true }
	_, o := b.must(request(1, "12345", end))
	// 1 + 5 tokens of prompt; the last pick needs no place.
	if o.Reason != styxfs.Context || o.Tokens != 32-6+1 {
		t.Errorf("%+v", o)
	}
	rec, o := b.must(request(2, "12345", func(r *styxfs.Request) { end(r); r.Params.Shift = true; r.Params.NPredict = 100 }))
	if o.Reason != styxfs.Limit || o.Tokens != 100 || len(rec.ids) != 100 {
		t.Errorf("shift: %+v", o)
	}
	// Resumed from more than fits: a window.
	rest, o := b.must(request(2, "12345", func(r *styxfs.Request) {
		end(r)
		r.Params.Shift = true
		r.Params.NPredict = 100
		r.Prefix = rec.ids[:60]
	}))
	if o.Tokens != 100 || len(rest.ids) != 40 || rest.note.Route != "shifted" {
		t.Errorf("resumed after a shift: %+v route %q", o, rest.note.Route)
	}
	// Without shift a prefix that fills the context is over.
	_, o, err := b.run(request(3, "12345", func(r *styxfs.Request) { end(r); r.Prefix = rec.ids[:60] }))
	if err != nil || o.Reason != styxfs.Context || o.Tokens != 60 {
		t.Errorf("prefix longer than the context: %+v %v", o, err)
	}
}

func TestConversationReusesTokens(t *testing.T) {
	b := newBench(t, &fake.Engine{Next: fake.Say("Q1", "the  answer")}, nil)
	r := request(5, "Q1", nil)
	rec, o := b.must(r)
	// The answer was made byte by byte; its text would be tokenized in words.
	next := request(5, "", func(r *styxfs.Request) {
		r.Messages = []styxfs.Message{{Role: "user", Content: "Q1"}, {Role: "assistant", Content: rec.text.String()}, {Role: "user", Content: " and then"}}
	})
	_, o2 := b.must(next)
	if o2.CachedTokens != o.PromptTokens+o.Tokens-1 && o2.CachedTokens != o.PromptTokens+o.Tokens {
		t.Errorf("cached %d after a turn of %d + %d tokens", o2.CachedTokens, o.PromptTokens, o.Tokens)
	}
	b.Fork(5, 6)
	next.Session = 6
	if _, o3 := b.must(next); o3.CachedTokens < o2.CachedTokens {
		t.Errorf("forked: cached %d", o3.CachedTokens)
	}
	off := request(5, "Q1", func(r *styxfs.Request) { r.Params.CachePrompt = false })
	if _, o4 := b.must(off); o4.CachedTokens != 0 {
		t.Errorf("cache_prompt off: cached %d", o4.CachedTokens)
	}
}

func TestForget(t *testing.T) {
	b := newBench(t, &fake.Engine{}, func(c *node.Config) { c.Parallel = 1 })
	_, o := b.must(request(1, "something private", nil))
	b.Forget(1)
	_, o2 := b.must(request(2, "something private", nil))
	if o2.CachedTokens != 0 || o.PromptTokens != o2.PromptTokens {
		t.Errorf("cached %d of a forgotten session", o2.CachedTokens)
	}
}

func TestMemoryThatCannotGoBack(t *testing.T) {
	b := newBench(t, &fake.Engine{Options: fake.Options{NoGoBack: true}}, func(c *node.Config) { c.Parallel = 2 })
	plain := newBench(t, &fake.Engine{}, nil)
	for i, p := range []string{"one two three", "one two four", "one two three", "one"} {
		got, o := b.must(request(uint64(i+1), p, nil))
		want, _ := plain.must(request(uint64(i+1), p, nil))
		if got.text.String() != want.text.String() || o.CachedTokens != 0 {
			t.Errorf("%q: %q, want %q (cached %d)", p, got.text.String(), want.text.String(), o.CachedTokens)
		}
	}
}
