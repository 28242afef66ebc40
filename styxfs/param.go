package styxfs

import "time"

// Params are the parameters of a session (N/ctl), named and meant as in
// llama.cpp; DefaultParams has the defaults.
type Params struct {
	// sampling
	Temperature        float64
	DynatempRange      float64
	DynatempExponent   float64
	TopK               int
	TopP               float64
	MinP               float64
	TypicalP           float64
	TopNSigma          float64
	XtcProbability     float64
	XtcThreshold       float64
	RepeatPenalty      float64
	RepeatLastN        int
	PresencePenalty    float64
	FrequencyPenalty   float64
	DryMultiplier      float64
	DryBase            float64
	DryAllowedLength   int
	DryPenaltyLastN    int
	DrySequenceBreaker []string
	Mirostat           int // 0, 1 or 2
	MirostatTau        float64
	MirostatEta        float64
	MinKeep            int
	Samplers           []string // the order: penalties dry top_n_sigma top_k typ_p top_p min_p xtc temperature
	Seed               int64    // -1: drawn at each commit; else 0 to 2^32-1
	LogitBias          []Bias
	IgnoreEOS          bool
	NProbs             int

	// the turn
	NPredict     int // tokens; -1: up to the context
	NKeep        int // tokens kept at a shift; -1: the prompt
	Stop         []string
	Shift        bool
	CachePrompt  bool
	Template     string // auto, none, or a name
	ParseSpecial bool   // of a raw prompt
	Model        string // "": the default
	KeepAlive    time.Duration
	Timeout      time.Duration // 0: none
	Priority     int           // -10 to 10
	OnClose      string        // keep or cancel
	Failover     string        // resume or strict
	Date         time.Time     // what templates show as today
}

// A Bias is added to the logit of a token.
type Bias struct {
	ID   int32
	Bias float64 // may be -Inf: never
}

// DefaultParams gives llama.cpp's defaults.
func DefaultParams() Params {
	return Params{
		Temperature: 0.8, DynatempExponent: 1, TopK: 40, TopP: 0.95, MinP: 0.05, TypicalP: 1, TopNSigma: -1,
		XtcThreshold: 0.1, RepeatPenalty: 1, RepeatLastN: 64, DryBase: 1.75, DryAllowedLength: 2, DryPenaltyLastN: -1,
		DrySequenceBreaker: []string{"\n", ":", "\"", "*"}, MirostatTau: 5, MirostatEta: 0.1, MinKeep: 0,
		Samplers: []string{"penalties", "dry", "top_n_sigma", "top_k", "typ_p", "top_p", "min_p", "xtc", "temperature"},
		Seed:     -1, NPredict: -1, CachePrompt: true, Template: "auto", OnClose: "keep", Failover: "resume",
	}
}
