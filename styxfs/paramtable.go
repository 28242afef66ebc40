package styxfs

import (
	"math"
	"slices"
	"time"

	"llama9/ninep"
)

// A Param describes one parameter of N/ctl.
type Param struct {
	Name    string
	Args    string // what follows the name: NUMBER, TEXT, ID BIAS, on|off ...
	Range   string // what NUMBER may be, "" where Args says it
	Default string // as it is printed, "" for an empty list
	Help    string // one line
	Repeat  bool   // may be given again to add to a list; given alone, it clears that

	set func(p *Params, args []string) error
	get func(p *Params) [][]string // the arguments of each line
}

// Set sets the parameter in p from what follows its name on a line. The error
// names the word at fault; p is then as it was.
func (d *Param) Set(p *Params, args ...string) error {
	if err := d.set(p, args); err != nil {
		return ninep.Errorf(ninep.ErrInvalid, "%s: %v", d.Name, err)
	}
	return nil
}

// Lines gives the lines, in words, that would set the parameter to what it is
// in p. A list is first cleared.
func (d *Param) Lines(p *Params) [][]string {
	var l [][]string
	if d.Repeat {
		l = append(l, []string{d.Name})
	}
	for _, args := range d.get(p) {
		l = append(l, append([]string{d.Name}, args...))
	}
	return l
}

// Set obeys one line of N/ctl: the name of a parameter and what follows it.
func (p *Params) Set(words []string) error {
	d := FindParam(words[0])
	if d == nil {
		return ninep.Errorf(ninep.ErrInvalid, "%s: unknown", Quote(clip(words[0])))
	}
	return d.Set(p, words[1:]...)
}

// Lines gives all of p as N/ctl shows it.
func (p *Params) Lines() [][]string {
	var l [][]string
	for i := range paramTable {
		l = append(l, paramTable[i].Lines(p)...)
	}
	return l
}

// ParamTable describes every parameter, in the order of N/ctl.
func ParamTable() []Param { return slices.Clone(paramTable) }

// FindParam finds a parameter by its name; nil if there is none.
func FindParam(name string) *Param {
	for i := range paramTable {
		if paramTable[i].Name == name {
			return &paramTable[i]
		}
	}
	return nil
}

const maxInt = math.MaxInt32

// paramTable is all of Params; the names are llama.cpp's (common/arg.cpp and
// tools/server).
var paramTable = withDefaults([]Param{
	number("temperature", 0, 1000, func(p *Params) *float64 { return &p.Temperature }, "how freely tokens are picked; 0 is the likeliest always"),
	number("dynatemp_range", 0, 1000, func(p *Params) *float64 { return &p.DynatempRange }, "temperature varies by this much with the entropy; 0 is off"),
	number("dynatemp_exponent", 0, 1000, func(p *Params) *float64 { return &p.DynatempExponent }, "how entropy maps to temperature"),
	integer("top_k", -1, maxInt, func(p *Params) *int { return &p.TopK }, "pick among this many; 0 or less is all"),
	number("top_p", 0, 1, func(p *Params) *float64 { return &p.TopP }, "pick among the likeliest that have this probability together; 1 is off"),
	number("min_p", 0, 1, func(p *Params) *float64 { return &p.MinP }, "least probability, as a part of the likeliest's; 0 is off"),
	number("typical_p", 0, 1, func(p *Params) *float64 { return &p.TypicalP }, "locally typical sampling; 1 is off"),
	number("top_n_sigma", -1, 1000, func(p *Params) *float64 { return &p.TopNSigma }, "pick among logits this many deviations from the best; -1 is off"),
	number("xtc_probability", 0, 1, func(p *Params) *float64 { return &p.XtcProbability }, "chance to exclude the top choices; 0 is off"),
	number("xtc_threshold", 0, 1, func(p *Params) *float64 { return &p.XtcThreshold }, "least probability of a top choice; above 0.5 is off"),
	positive("repeat_penalty", 1000, func(p *Params) *float64 { return &p.RepeatPenalty }, "divides logits of tokens seen; 1 is off"),
	integer("repeat_last_n", -1, maxInt, func(p *Params) *int { return &p.RepeatLastN }, "how many last tokens penalties see; 0 none, -1 the context"),
	number("presence_penalty", -1000, 1000, func(p *Params) *float64 { return &p.PresencePenalty }, "taken off the logits of tokens seen; 0 is off"),
	number("frequency_penalty", -1000, 1000, func(p *Params) *float64 { return &p.FrequencyPenalty }, "taken off for each time a token was seen; 0 is off"),
	number("dry_multiplier", 0, 1000, func(p *Params) *float64 { return &p.DryMultiplier }, "penalty of repeated sequences; 0 is off"),
	number("dry_base", 0, 1000, func(p *Params) *float64 { return &p.DryBase }, "growth of the dry penalty with the length"),
	integer("dry_allowed_length", 0, maxInt, func(p *Params) *int { return &p.DryAllowedLength }, "sequences up to this length are not penalized"),
	integer("dry_penalty_last_n", -1, maxInt, func(p *Params) *int { return &p.DryPenaltyLastN }, "how many last tokens dry sees; 0 none, -1 the context"),
	texts("dry_sequence_breaker", 256, func(p *Params) *[]string { return &p.DrySequenceBreaker }, "text that ends a sequence for dry"),
	integer("mirostat", 0, 2, func(p *Params) *int { return &p.Mirostat }, "mirostat sampling; 0 is off"),
	number("mirostat_tau", 0, 1000, func(p *Params) *float64 { return &p.MirostatTau }, "target entropy of mirostat"),
	number("mirostat_eta", 0, 1000, func(p *Params) *float64 { return &p.MirostatEta }, "learning rate of mirostat"),
	integer("min_keep", 0, maxInt, func(p *Params) *int { return &p.MinKeep }, "samplers leave at least this many tokens"),
	samplers,
	seed,
	logitBias,
	boolean("ignore_eos", func(p *Params) *bool { return &p.IgnoreEOS }, "never pick a token that ends the answer"),
	integer("n_probs", 0, 1000, func(p *Params) *int { return &p.NProbs }, "likeliest alternatives that token shows; 0 shows no probabilities"),
	integer("n_predict", -1, maxInt, func(p *Params) *int { return &p.NPredict }, "most tokens of an answer; -1 is up to the context"),
	integer("n_keep", -1, maxInt, func(p *Params) *int { return &p.NKeep }, "first tokens that a shift keeps; -1 is the prompt"),
	texts("stop", 256, func(p *Params) *[]string { return &p.Stop }, "text that ends the answer and is no part of it"),
	boolean("shift", func(p *Params) *bool { return &p.Shift }, "forget the oldest tokens where the context is full"),
	boolean("cache_prompt", func(p *Params) *bool { return &p.CachePrompt }, "reuse the cache of a prompt with the same beginning"),
	text("template", "auto|none|NAME", func(p *Params) *string { return &p.Template }, "chat template"),
	boolean("parse_special", func(p *Params) *bool { return &p.ParseSpecial }, "read control tokens in a raw prompt"),
	modelName,
	duration("keep_alive", func(p *Params) *time.Duration { return &p.KeepAlive }, "how long the model is kept after the turn; 0s is the server's choice"),
	duration("timeout", func(p *Params) *time.Duration { return &p.Timeout }, "from the commit to the end of a turn; 0s is none"),
	integer("priority", -10, 10, func(p *Params) *int { return &p.Priority }, "place in the queue; only the server's user raises it"),
	choice("onclose", func(p *Params) *string { return &p.OnClose }, "what a turn does when its last reader goes", "keep", "cancel"),
	choice("failover", func(p *Params) *string { return &p.Failover }, "what a coordinator does when a node is lost", "resume", "strict"),
	date,
})

// withDefaults fills in Default.
func withDefaults(t []Param) []Param {
	p := DefaultParams()
	for i := range t {
		if t[i].Repeat {
			continue
		}
		for _, args := range t[i].get(&p) {
			t[i].Default = string(AppendFields(nil, args...))
		}
	}
	return t
}
