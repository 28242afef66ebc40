package styxfs

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"reflect"
	"slices"
	"strconv"
	"sync"
	"time"
	"unicode/utf8"

	"llama9/ninep"
)

// A record of the journal begins with its kind; most have a session's number
// next, as a uvarint.
const (
	wholeKind     = 'w' // a change that says all of a session
	changeKind    = 'd' // a change, of the rest of which the session is as it was
	goneKind      = 'x' // the session was removed
	noteKind      = 'n' // a turnNote
	tokensKind    = 't' // uvarint turn, varint times of its first and last token, lines of token
	nextKind      = 'c' // a compaction begins; uvarint the next session's number
	compactedKind = 'z' // it has ended
)

// A change is what is new of a session; what is nil is as it was.
type change struct {
	Origin   *origin      `json:",omitempty"` // of a whole session
	Params   *raw         `json:",omitempty"` // the lines of ctl that are not the default's
	System   *raw         `json:",omitempty"`
	Grammar  *raw         `json:",omitempty"`
	Schema   *raw         `json:",omitempty"`
	Fault    *raw         `json:",omitempty"` // of chat
	Messages *newMessages `json:",omitempty"`
	Prompt   *raw         `json:",omitempty"`
	IsLast   bool         `json:",omitempty"` // the prompt is the last message's text
	Prefix   *[]int32     `json:",omitempty"`
	Begin    *turnBegin   `json:",omitempty"`
	End      *turnEnd     `json:",omitempty"`
}

// An origin is what never changes of a session.
type origin struct {
	User  raw
	Known bool `json:",omitempty"`
	Made  time.Time
}

// newMessages are those of the conversation behind the first Keep.
type newMessages struct {
	Keep int
	Add  []savedMessage `json:",omitempty"`
}

type savedMessage struct{ Role, Content raw }

// A turnBegin is the commit of a turn. Its messages are the session's then.
type turnBegin struct {
	Turn    int
	Params  raw     // as Params of a change
	System  *raw    `json:",omitempty"` // nil: the session's then
	Grammar *raw    `json:",omitempty"`
	Schema  *raw    `json:",omitempty"`
	Base    int     `json:",omitempty"`
	Extends bool    `json:",omitempty"`
	Prefix  []int32 `json:",omitempty"`
	Fault   raw     `json:",omitempty"`
	Commit  time.Time
}

// A turnNote is what a resumed turn has to know of the one before it.
type turnNote struct {
	Turn       int
	Model      raw `json:",omitempty"`
	PrefixText raw `json:",omitempty"`
}

// A turnEnd is what status shows of a turn that has ended.
type turnEnd struct {
	Turn         int
	State        State
	Reason       Reason
	StopWord     raw    `json:",omitempty"`
	Error        raw    `json:",omitempty"`
	Errno        uint32 `json:",omitempty"`
	Model        raw    `json:",omitempty"`
	Node         raw    `json:",omitempty"`
	Route        raw    `json:",omitempty"`
	PromptTokens int
	CachedTokens int
	Tokens       int
	NCtx         int
	PromptTime   time.Duration
	PredictTime  time.Duration
	Ended        time.Time
}

// kept is what the journal has of a session.
type kept struct {
	values                                 Params // what params says
	params                                 raw
	system, grammar, schema, fault, prompt string
	messages                               []Message
	prefix                                 []int32
	turn                                   *turn // the last that began
	over                                   bool  // and has ended
}

// records gives the records that say what is new of s, or all of it, and what
// the journal has then. s.mu and journal.mu are held.
func (s *session) records(all bool) (recs [][]byte, now *kept) {
	t := s.cur
	if t == nil {
		t = s.last
	}
	now = &kept{
		values: s.params, params: s.keptParams(), system: s.system, grammar: s.grammar, schema: s.schema, fault: s.faults.chat, prompt: s.prompt,
		messages: s.messages, prefix: s.prefix, turn: t, over: t != nil && t.over,
	}
	old := s.kept
	if all || old == nil {
		old, all = &kept{}, true
	}
	c := change{
		Params: differ(old.params, now.params), System: differ(old.system, now.system), Grammar: differ(old.grammar, now.grammar),
		Schema: differ(old.schema, now.schema), Fault: differ(old.fault, now.fault),
	}
	if all {
		c.Origin = &origin{raw(s.owner.user), s.owner.known, s.made}
	}
	if keep := equalMessages(old.messages, now.messages); keep < len(old.messages) || keep < len(now.messages) {
		c.Messages = &newMessages{Keep: keep}
		for _, m := range now.messages[keep:] {
			c.Messages.Add = append(c.Messages.Add, savedMessage{raw(m.Role), raw(m.Content)})
		}
	}
	if old.prompt != now.prompt {
		if n := len(now.messages); n > 0 && now.messages[n-1].Content == now.prompt {
			c.IsLast = true
		} else {
			c.Prompt = differ(old.prompt, now.prompt)
		}
	}
	if !slices.Equal(old.prefix, now.prefix) {
		ids := append([]int32{}, now.prefix...) // not nil, which says that it is as it was
		c.Prefix = &ids
	}
	if t != old.turn {
		c.Begin = s.beginOf(t, now)
	}
	kind := byte(changeKind)
	if all {
		kind = wholeKind
	}
	if all || c != (change{}) {
		recs = append(recs, s.record(kind, c))
	}
	if t == nil {
		return recs, now
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	if all {
		t.handed, t.noted = extent{}, false
	}
	recs = append(recs, t.rest()...)
	if now.over && (!old.over || t != old.turn) {
		recs = append(recs, s.record(changeKind, change{End: t.endOf()}))
	}
	return recs, now
}

func differ[T ~string](old, now T) *raw {
	if old == now {
		return nil
	}
	r := raw(now)
	return &r
}

// keptParams is changedParams of the session's. s.mu is held.
func (s *session) keptParams() raw {
	if s.kept != nil && reflect.DeepEqual(s.kept.values, s.params) { // as nearly always, and that is quicker
		return s.kept.params
	}
	return changedParams(&s.params)
}

// turnParams is changedParams of t's, which mostly are the session's and a
// seed. s.mu is held.
func (s *session) turnParams(t *turn, now *kept) raw {
	p := t.params
	if p.Seed = s.params.Seed; reflect.DeepEqual(p, s.params) {
		return now.params + raw(appendLines(nil, [][]string{{seed.Name, strconv.FormatInt(t.params.Seed, 10)}}))
	}
	return changedParams(&t.params)
}

// beginOf tells of t's commit. s.mu is held.
func (s *session) beginOf(t *turn, now *kept) *turnBegin {
	b := &turnBegin{Turn: t.n, Params: s.turnParams(t, now), Base: t.base, Extends: t.extends, Prefix: t.given, Fault: raw(t.fault), Commit: t.commit}
	if r := t.request; r != nil { // it runs: what it was asked may be the session's no more
		b.System, b.Grammar, b.Schema = differ(s.systemText(), t.system), differ(s.grammar, r.Grammar), differ(s.schema, r.Schema)
	}
	return b
}

// rest gives the records of what the turn has made since it was asked last.
// mu is held.
func (t *turn) rest() (recs [][]byte) {
	if t.handed.lines == len(t.lines) {
		return nil
	}
	if !t.noted {
		t.noted = true
		recs = append(recs, t.s.record(noteKind, turnNote{t.n, raw(t.note.Model), raw(t.note.PrefixText)}))
	}
	lines := t.lines[t.handed.lines:]
	b := t.s.recordHead(tokensKind, len(lines)+40)
	b = binary.AppendUvarint(b, uint64(t.n))
	b = binary.AppendVarint(b, t.first.UnixNano())
	b = binary.AppendVarint(b, t.last.UnixNano())
	t.handed = extent{len(t.text), len(t.lines)}
	return append(recs, append(b, lines...))
}

// endOf tells of a turn's end. mu is held.
func (t *turn) endOf() *turnEnd {
	n, o := &t.note, &t.outcome
	e := &turnEnd{
		Turn: t.n, State: t.endState, Reason: o.Reason, StopWord: raw(o.StopWord),
		Model: raw(n.Model), Node: raw(n.Node), Route: raw(n.Route), PromptTokens: n.PromptTokens, CachedTokens: n.CachedTokens, NCtx: n.NCtx,
		Tokens: t.tokens, PromptTime: o.PromptTime, PredictTime: o.PredictTime, Ended: t.ended,
	}
	if err, ok := t.err.(*ninep.Error); ok {
		e.Error, e.Errno = raw(err.Text), err.Errno
	} else if t.err != nil {
		e.Error = raw(t.err.Error())
	}
	return e
}

func (s *session) recordHead(kind byte, more int) []byte {
	return binary.AppendUvarint(append(make([]byte, 0, more), kind), s.n)
}

// record is one that has v as JSON.
func (s *session) record(kind byte, v any) []byte {
	b := bytes.NewBuffer(s.recordHead(kind, 256))
	e := json.NewEncoder(b)
	e.SetEscapeHTML(false)
	if err := e.Encode(v); err != nil {
		panic(err) // texts and numbers: it cannot fail
	}
	return b.Bytes()
}

func goneRecord(n uint64) []byte { return binary.AppendUvarint([]byte{goneKind}, n) }
func nextRecord(n uint64) []byte { return binary.AppendUvarint([]byte{nextKind}, n) }
func compactedRecord() []byte    { return []byte{compactedKind} }

// changedParams gives the lines of ctl that make p of DefaultParams.
func changedParams(p *Params) raw {
	var b []byte
	standard := defaultLines()
	for i := range paramTable {
		if l := paramTable[i].Lines(p); !slices.EqualFunc(l, standard[i], slices.Equal[[]string]) {
			b = appendLines(b, l)
		}
	}
	return raw(b)
}

// defaultLines are the lines of DefaultParams, for each of paramTable.
var defaultLines = sync.OnceValue(func() (all [][][]string) {
	p := DefaultParams()
	for i := range paramTable {
		all = append(all, paramTable[i].Lines(&p))
	}
	return all
})

// A raw is a text that may be no UTF-8, which JSON cannot hold.
type raw string

type rawBytes struct{ Base64 []byte }

// MarshalJSON gives a JSON string where that can be.
func (r raw) MarshalJSON() ([]byte, error) {
	if !utf8.ValidString(string(r)) {
		return json.Marshal(rawBytes{[]byte(r)})
	}
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	err := e.Encode(string(r))
	return bytes.TrimSuffix(b.Bytes(), []byte("\n")), err
}

// UnmarshalJSON reads what MarshalJSON gives.
func (r *raw) UnmarshalJSON(b []byte) error {
	if len(b) > 0 && b[0] == '{' {
		var v rawBytes
		err := json.Unmarshal(b, &v)
		*r = raw(v.Base64)
		return err
	}
	var s string
	err := json.Unmarshal(b, &s)
	*r = raw(s)
	return err
}
