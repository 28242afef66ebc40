package styxtest

import (
	"context"
	"hash/fnv"
	"math"
	"strconv"
	"strings"
	"time"

	"llama9/styxfs"
)

// Words is a Backend without a model, for trees under test: token k of an
// answer is a function of the conversation, the seed and k. It obeys n_predict,
// ignore_eos, stop, n_probs and a prefix, and its answers are exact: a turn that
// goes on after a prefix makes the bytes of one that did not stop. Any number of
// turns run at once.
type Words struct {
	// Pace is how long a token takes once a turn has made Burst of them, so
	// that a turn without an end leaves time to others; 0 is 1ms and 256.
	Pace  time.Duration
	Burst int
}

var _ styxfs.Backend = (*Words)(nil)

// vocabulary is how many tokens Words knows; the last one ends an answer.
const vocabulary = 500

// piece is the text of a token.
func piece(id int32) string {
	switch {
	case id%10 == 9:
		return "."
	case id%10 == 8:
		return " größe" + strconv.Itoa(int(id))
	}
	return " w" + strconv.Itoa(int(id))
}

// next picks token k of an answer to the conversation that h stands for.
func next(h uint64, seed int64, k int, eos bool) int32 {
	x := h ^ uint64(seed)*0x9e3779b97f4a7c15 ^ uint64(k+1)*0xbf58476d1ce4e5b9
	x ^= x >> 30
	x *= 0x94d049bb133111eb
	x ^= x >> 31
	if eos && k > 2 && x%61 == 0 {
		return vocabulary - 1
	}
	return int32(x>>8) & math.MaxInt32 % (vocabulary - 1)
}

// Generate makes a turn. See styxfs.Backend.
func (w *Words) Generate(ctx context.Context, r *styxfs.Request, sink styxfs.Sink) (styxfs.Outcome, error) {
	h := fnv.New64a()
	prompt := 0
	for _, m := range r.Messages {
		h.Write([]byte(m.Role + "\x00" + m.Content + "\x00"))
		prompt += 1 + len(strings.Fields(m.Content))
	}
	o := styxfs.Outcome{PromptTokens: prompt, Tokens: len(r.Prefix)}
	var given strings.Builder
	for i, id := range r.Prefix {
		if id < 0 || id >= vocabulary-1 {
			o.Reason = styxfs.Client
			return o, errPrefix(i)
		}
		given.WriteString(piece(id))
	}
	sink.Note(styxfs.Note{Model: "words", PromptTokens: prompt, NCtx: 1 << 20, PrefixText: given.String()})
	sink.State(styxfs.Prefill)
	sink.Progress(prompt, 0, prompt)
	sink.State(styxfs.Decode)
	begun := time.Now()
	rel := releaser{stops: r.Params.Stop, sink: sink}
	pace, burst := w.Pace, w.Burst
	if pace == 0 {
		pace = time.Millisecond
	}
	if burst == 0 {
		burst = 256
	}
	for k := len(r.Prefix); ; k++ {
		if k-len(r.Prefix) >= burst {
			select {
			case <-time.After(pace):
			case <-ctx.Done():
			}
		}
		if ctx.Err() != nil {
			rel.rest()
			o.Reason = styxfs.Cancel
			return o, context.Cause(ctx)
		}
		o.PredictTime = time.Since(begun)
		if n := r.Params.NPredict; n >= 0 && k >= n {
			rel.rest()
			o.Reason = styxfs.Limit
			return o, nil
		}
		id := next(h.Sum64(), r.Params.Seed, k, !r.Params.IgnoreEOS)
		if id == vocabulary-1 {
			rel.rest()
			o.Reason = styxfs.EOS
			return o, nil
		}
		o.Tokens++
		t := styxfs.Token{ID: id, Text: piece(id)}
		if n := r.Params.NProbs; n > 0 {
			t.HasProb, t.LogProb = true, -0.25
			for i := range min(n, vocabulary) {
				alt := (id + int32(i)) % vocabulary
				t.Top = append(t.Top, styxfs.Alt{ID: alt, LogProb: -0.25 - float32(i), Text: piece(alt)})
			}
		}
		if word := rel.add(t); word != "" {
			o.Reason, o.StopWord = styxfs.Stop, word
			return o, nil
		}
	}
}

type errPrefix int

func (e errPrefix) Error() string { return "token " + strconv.Itoa(int(e)) + ": out of range" }

// A releaser holds tokens back while their text may belong to a stop string.
type releaser struct {
	stops []string
	sink  styxfs.Sink
	held  []styxfs.Token
	text  string // of held
}

// add takes a token. It gives the stop string that ends the answer, if one does.
func (r *releaser) add(t styxfs.Token) (stop string) {
	r.held = append(r.held, t)
	r.text += t.Text
	at := -1
	for _, s := range r.stops {
		if i := strings.Index(r.text, s); i >= 0 && (at < 0 || i < at) {
			at, stop = i, s
		}
	}
	if at >= 0 {
		if left := r.release(at); left > 0 {
			cut := r.held[0] // its end is the beginning of the stop string
			cut.Text = cut.Text[:left]
			r.sink.Token(cut)
		}
		return stop
	}
	keep := 0
	for _, s := range r.stops {
		for n := min(len(s)-1, len(r.text)); n > keep; n-- {
			if strings.HasSuffix(r.text, s[:n]) {
				keep = n
			}
		}
	}
	r.release(len(r.text) - keep)
	return ""
}

// release passes on the tokens within the first n bytes of text, and says how
// many of those bytes are left over.
func (r *releaser) release(n int) int {
	for len(r.held) > 0 && len(r.held[0].Text) <= n {
		t := r.held[0]
		r.sink.Token(t)
		r.held, r.text = r.held[1:], r.text[len(t.Text):]
		n -= len(t.Text)
	}
	return n
}

func (r *releaser) rest() { r.release(len(r.text)) }

// Models is one line, of words.
func (w *Words) Models(context.Context) []styxfs.Model {
	return []styxfs.Model{{Name: "words", State: "loaded", Engine: "words", NCtx: 1 << 20, Exact: true, Template: "none"}}
}

// Ctl knows no command.
func (w *Words) Ctl(_ context.Context, cmds [][]string) error {
	return errUnknown(cmds[0][0])
}

type errUnknown string

func (e errUnknown) Error() string { return styxfs.Quote(string(e)) + ": unknown" }

// Settings are none.
func (w *Words) Settings() [][]string { return nil }

// Status is that of a server without slots.
func (w *Words) Status() []styxfs.Attr {
	return []styxfs.Attr{{Name: "state", Value: "up"}, {Name: "slots", Value: "0"}, {Name: "busy", Value: "0"}, {Name: "queue", Value: "0"}, {Name: "tokens/s", Value: "0"}}
}

// VocabSize is of styxfs.Vocabulary.
func (w *Words) VocabSize(string) int { return vocabulary }
