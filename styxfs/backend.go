package styxfs

import (
	"context"
	"time"
)

// A Backend makes the answers that a tree serves: a node's scheduler, or a
// coordinator that places turns on other nodes. Its methods are called from
// many goroutines at once. Further abilities are the optional interfaces below.
type Backend interface {
	// Generate makes one turn and returns when it has ended, or soon after
	// ctx is done (cancel, with context.Cause saying why). It tells sink of
	// everything on the way, from one goroutine at a time, and of nothing
	// once it has returned. The Outcome is valid with an error too: the
	// counts are those of what was made.
	// An error is the turn's `error=`.
	Generate(ctx context.Context, r *Request, sink Sink) (Outcome, error)

	// Models lists what the server can answer with, the default first.
	Models(ctx context.Context) []Model

	// Ctl obeys a write to the root ctl: cmds are its lines, split into
	// words. Either all are obeyed or, with an error that names the word
	// at fault, none.
	Ctl(ctx context.Context, cmds [][]string) error

	// Settings gives the lines that a read of the root ctl shows, in words:
	// those that would set every setting to what it is.
	Settings() [][]string

	// Status gives the attributes of the root status that the Backend knows:
	// state slots busy queue tokens/s ... The tree adds version, uptime,
	// sessions and error.
	Status() []Attr
}

// An Admitter can tell before a turn is made that it would be refused: the
// error ("queue full", "draining") refuses an open of a prompt for writing.
type Admitter interface {
	Admit() error
}

// A Forgetter keeps something for a session (a cache) that it may drop: the
// session is gone, or its conversation was reset.
type Forgetter interface {
	Forget(session uint64)
}

// A Forker can let session dst begin with what it keeps of src.
type Forker interface {
	Fork(src, dst uint64)
}

// A GrammarChecker says what is wrong with a GBNF grammar or a JSON schema
// at the clunk, before a turn needs it. nil: nothing, as far as can be told.
type GrammarChecker interface {
	CheckGrammar(text string) error
	CheckSchema(text string) error
}

// A Vocabulary knows how many tokens a model has ("" is the default), 0 if it
// cannot tell yet. Ids beyond are then refused when they are written to token.
type Vocabulary interface {
	VocabSize(model string) int
}

// A Request is one turn to be made. The Backend must not change it.
type Request struct {
	Session  uint64    // stable for the session's life; 0 is never a session
	Turn     int       // counts from 1 in a session
	User     string    // whose session it is
	Params   Params    // as they were at the commit; Seed is drawn already, never -1
	Messages []Message // the whole conversation, the new prompt last. If the last
	// is the assistant's, that message is continued.
	Grammar string    // GBNF, "" none
	Schema  string    // JSON schema, "" none; Grammar and Schema are not both set
	Prefix  []int32   // token ids that the answer begins with; they are not emitted
	Date    time.Time // the date that a template may show: the session's `date`
	Commit  time.Time // when the turn was committed; Params.Timeout counts from here
}

// A Message is one step of a conversation.
type Message struct {
	Role    string `json:"role"` // system, user, assistant or tool
	Content string `json:"content"`
}

// A State is where a turn, or a session, is.
type State string

// States of a session: idle before its first turn, then its last turn's.
const (
	Idle      State = "idle"
	Queued    State = "queued"
	Loading   State = "loading" // the model is being loaded
	Prefill   State = "prefill"
	Decode    State = "decode"
	Done      State = "done"
	Failed    State = "failed"
	Cancelled State = "cancelled"
)

// A Sink takes what a turn makes while it is made. Its methods do not block.
type Sink interface {
	// State tells of a change to Queued, Loading, Prefill or Decode.
	// The ended states are Generate's return.
	State(s State)
	// Note merges what is known so far into the session's status: zero
	// fields are left as they were.
	Note(n Note)
	// Token releases a token: its text is whole runes and can be part of no
	// stop string any more. ID is -1 for text that no token stands for.
	Token(t Token)
	// Progress is of a prefill, in tokens.
	Progress(done, cached, total int)
}

// A Note is what a turn's status shows before the turn's end.
type Note struct {
	Model        string
	Node         string
	Route        string
	Position     int // in the queue, from 1; -1 clears it
	PromptTokens int
	CachedTokens int
	NCtx         int
	PrefixText   string // what the Request's Prefix stands for: it belongs to the message in chat
}

// A Token is one released token. See tree.md, token.
type Token struct {
	ID      int32
	Text    string
	HasProb bool    // LogProb is set
	LogProb float32 // natural logarithm, of the raw softmax
	Top     []Alt   // n_probs alternatives, likeliest first
}

// An Alt is a token that could have been picked.
type Alt struct {
	ID      int32
	LogProb float32
	Text    string
}

// A Reason says why a turn ended.
type Reason string

// Reasons of an ended turn.
const (
	EOS       Reason = "eos"     // the model ended it
	Stop      Reason = "stop"    // a stop string
	Limit     Reason = "limit"   // n_predict
	Context   Reason = "context" // the context is full
	Cancel    Reason = "cancel"  // the verb, or onclose
	Timeout   Reason = "timeout"
	Client    Reason = "client" // the client's fault: a bad prefix, a prompt too long
	ReasonErr Reason = "error"
)

// An Outcome is how a turn ended. Counts include prefix tokens.
type Outcome struct {
	Reason       Reason
	StopWord     string
	PromptTokens int
	CachedTokens int
	Tokens       int           // made, the prefix included, the end token not
	PromptTime   time.Duration // of prefill
	PredictTime  time.Duration // from the first token to the last
}

// A Model is a line of the model file.
type Model struct {
	Name         string
	State        string // loaded, loading, available or failed
	Engine       string // llama, ollama, fake ...
	Arch         string
	Parameters   uint64
	Quantization string
	NCtx         int // of one session
	NCtxTrain    int
	Bytes        uint64
	Sessions     int
	Percent      int    // of a load under way
	Digest       string // tells model files apart: how it was made, a colon, hexadecimal
	Build        string // of llama.cpp
	Variant      string // of the CPU or GPU library
	Template     string // what renders its chat template: jinja, builtin, none
	Exact        bool   // a resumed turn is byte-equal to one without a fault
	Error        string // why it failed
	Node         string // that has it, where a coordinator tells
}

// An Attr is one attr=value of a status or event line.
type Attr struct {
	Name  string
	Value string
}
