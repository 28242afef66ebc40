package coord

import (
	"bytes"
	"encoding/json"
	"math"
	"strconv"
	"strings"
	"time"

	"llama9/styxfs"
)

// What a node's files say. Nothing in them is believed beyond its form.

// parseStatus reads a root status.
func parseStatus(b []byte) (Status, error) {
	line := strings.TrimSuffix(string(b), "\n")
	attrs, err := styxfs.ParseAttrs(line)
	if err != nil || strings.Contains(line, "\n") {
		return Status{}, badAnswer("its status is no line of attr=value")
	}
	at := func(name string) string { return styxfs.FindAttr(attrs, name) }
	s := Status{ID: at("id"), State: at("state"), Engine: at("engine")}
	if s.ID == "" {
		return Status{}, badAnswer("its status has no id")
	}
	s.Start, _ = time.Parse(time.RFC3339, at("start"))
	s.Slots, s.Busy, s.Queue = countOf(at("slots")), countOf(at("busy")), countOf(at("queue"))
	if v, err := strconv.ParseFloat(at("tokens/s"), 64); err == nil && v > 0 && !math.IsInf(v, 0) {
		s.Rate = v
	}
	s.Below = strings.FieldsFunc(at("below"), func(r rune) bool { return r == ' ' || r == ',' })
	return s, nil
}

// countOf reads a number of things: what is none, or cannot be, is 0.
func countOf(s string) int {
	n, err := strconv.Atoi(s)
	if err != nil || n < 0 || n > math.MaxInt32 {
		return 0
	}
	return n
}

// sizeOf reads a number of bytes or parameters.
func sizeOf(s string) uint64 {
	n, err := strconv.ParseUint(s, 10, 63)
	if err != nil {
		return 0
	}
	return n
}

// parseModels reads a model table.
func parseModels(b []byte) ([]styxfs.Model, error) {
	var l []styxfs.Model
	for line := range strings.Lines(string(b)) {
		attrs, err := styxfs.ParseAttrs(line)
		if err != nil {
			return nil, badAnswer("its model table: %v", err)
		}
		at := func(name string) string { return styxfs.FindAttr(attrs, name) }
		m := styxfs.Model{
			Name: at("name"), State: at("state"), Engine: at("engine"), Arch: at("arch"), Parameters: sizeOf(at("parameters")),
			Quantization: at("quantization"), NCtx: countOf(at("n_ctx")), NCtxTrain: countOf(at("n_ctx_train")), Bytes: sizeOf(at("bytes")),
			Sessions: countOf(at("sessions")), Percent: countOf(at("percent")), Digest: at("digest"), Build: at("build"),
			Variant: at("variant"), Template: at("template"), Exact: at("exact") == "on", Error: at("error"),
		}
		if m.Name == "" {
			return nil, badAnswer("its model table: a model without a name")
		}
		l = append(l, m)
	}
	return l, nil
}

// parseToken reads a line of token: id logprob text, and the alternatives.
func parseToken(line []byte) (t styxfs.Token, err error) {
	s := string(line)
	var prob string
	if t.ID, prob, t.Text, s, err = triple(s, true); err != nil {
		return t, err
	}
	if prob != "-" {
		if t.LogProb, err = logProb(prob); err != nil {
			return t, err
		}
		t.HasProb = true
	}
	for s != "" {
		var a styxfs.Alt
		if a.ID, prob, a.Text, s, err = triple(s, false); err != nil {
			return t, err
		}
		if a.LogProb, err = logProb(prob); err != nil {
			return t, err
		}
		t.Top = append(t.Top, a)
	}
	return t, nil
}

// triple takes an id, a log probability and a text off s. An id of -1 is of a
// text that no token stands for.
func triple(s string, none bool) (id int32, prob, text, rest string, err error) {
	word, s, _ := strings.Cut(s, " ")
	n, err := strconv.ParseInt(word, 10, 32)
	if err != nil || n < 0 && !(none && n == -1) {
		return 0, "", "", "", badAnswer("%s is no token", clipped(word))
	}
	prob, s, _ = strings.Cut(s, " ")
	switch {
	case prob == "" || s == "":
		return 0, "", "", "", badAnswer("a token without text")
	case s[0] != '"':
		text, rest, _ = strings.Cut(s, " ")
		return int32(n), prob, text, rest, nil
	}
	// Most texts have nothing to be unquoted.
	if i := strings.IndexAny(s[1:], "\"\\\n"); i >= 0 && s[1+i] == '"' {
		text, rest = s[1:1+i], s[2+i:]
	} else {
		var q string
		if q, err = strconv.QuotedPrefix(s); err == nil {
			text, err = strconv.Unquote(q)
		}
		if err != nil {
			return 0, "", "", "", badAnswer("a token of bad quotes: %s", clipped(s))
		}
		rest = s[len(q):]
	}
	if rest != "" && rest[0] != ' ' {
		return 0, "", "", "", badAnswer("a token of bad quotes: %s", clipped(s))
	}
	return int32(n), prob, text, strings.TrimPrefix(rest, " "), nil
}

func logProb(s string) (float32, error) {
	v, err := strconv.ParseFloat(s, 32)
	if err != nil || math.IsNaN(v) || v > 0 {
		return 0, badAnswer("%s is no log probability", clipped(s))
	}
	return float32(v), nil
}

// A turnStatus is what N/status says of a turn.
type turnStatus struct {
	state styxfs.State
	note  styxfs.Note
	out   styxfs.Outcome
	err   string
}

// parseTurn reads an N/status.
func parseTurn(b []byte) (turnStatus, error) {
	attrs, err := styxfs.ParseAttrs(string(bytes.TrimSuffix(b, []byte("\n"))))
	if err != nil {
		return turnStatus{}, badAnswer("a session's status: %v", err)
	}
	at := func(name string) string { return styxfs.FindAttr(attrs, name) }
	ms := func(name string) time.Duration {
		v, err := strconv.ParseFloat(at(name), 64)
		if err != nil || !(v >= 0 && v < 1e12) {
			return 0
		}
		return time.Duration(v * 1e6)
	}
	st := turnStatus{state: styxfs.State(at("state")), err: at("error")}
	st.note = styxfs.Note{
		Model: at("model"), Node: at("node"), Route: at("route"), Position: countOf(at("position")),
		PromptTokens: countOf(at("prompt_tokens")), CachedTokens: countOf(at("cached_tokens")), NCtx: countOf(at("n_ctx")),
	}
	st.out = styxfs.Outcome{
		Reason: styxfs.Reason(at("reason")), StopWord: at("stop_word"), PromptTokens: st.note.PromptTokens,
		CachedTokens: st.note.CachedTokens, Tokens: countOf(at("tokens")), PromptTime: ms("prompt_ms"), PredictTime: ms("predict_ms"),
	}
	return st, nil
}

// clipped gives the beginning of a word that an error names.
func clipped(s string) string {
	const most = 64
	if len(s) > most {
		s = s[:most] + "..."
	}
	return strconv.Quote(s)
}

// lastAnswer gives the content of the last line of a chat, which must be the
// assistant's.
func lastAnswer(b []byte) (string, error) {
	b = bytes.TrimRight(b, "\n")
	var m styxfs.Message
	if err := json.Unmarshal(b[bytes.LastIndexByte(b, '\n')+1:], &m); err != nil || m.Role != "assistant" {
		return "", badAnswer("its chat does not end with an answer")
	}
	return m.Content, nil
}
