package node

import (
	"context"
	"errors"

	"llama9/styxfs"
)

// A Token is an index into a model's vocabulary.
type Token = int32

// A Seq is the number of a sequence in a Context, 0 to NSeq-1.
type Seq = int32

// An Engine loads models. Everything that differs between llama.cpp by shared
// library, llama.cpp in the binary, and the fake of the tests is behind it.
// One conformance suite (enginetest) runs over each.
type Engine interface {
	Name() string    // llama, ollama, fake
	Build() string   // llama.cpp's version
	Variant() string // the CPU or GPU library that was picked
	Exact() bool     // a resumed turn is byte-equal (generation.md)

	// Load reads a GGUF. Whatever is wrong with the file, the memory or o
	// is an error. progress is called with 0 to 1 and may be nil; a done
	// ctx ends the load.
	Load(ctx context.Context, file string, o LoadOptions, progress func(float32)) (Model, error)
}

// LoadOptions are named as llama-server names its flags; zero is the default.
type LoadOptions struct {
	NGPULayers  int
	MainGPU     int
	TensorSplit []float32
	NoMmap      bool
	Mlock       bool
}

// A ModelInfo describes a loaded model, mostly from the GGUF's metadata.
type ModelInfo struct {
	Arch         string
	Desc         string
	Parameters   uint64
	Quantization string
	Bytes        uint64
	NCtxTrain    int
	NVocab       int
	BOS, EOS     Token // -1: none
	AddBOS       bool
	ChatTemplate string            // the Jinja text, "" none
	Meta         map[string]string // general.name ..., without arrays
}

// A Model is a loaded GGUF. Its methods may be called from several goroutines
// at once, but Close only after every Context and Sampler of it is closed.
type Model interface {
	Info() ModelInfo
	// Tokenize adds no BOS. With special, the text of control tokens
	// becomes these tokens; without, it is plain text.
	Tokenize(text string, special bool) ([]Token, error)
	// Piece appends the bytes of t to dst, which can be a part of a rune.
	// Control tokens give nothing unless special.
	Piece(dst []byte, t Token, special bool) []byte
	// EOG says whether t ends a generation (llama_vocab_is_eog).
	EOG(t Token) bool
	NewContext(o ContextOptions) (Context, error)
	// NewChain makes the llama.cpp samplers named in stages ("penalties",
	// "dry", "top_n_sigma", "top_k", "typ_p", "top_p", "min_p",
	// "temperature", "logit_bias"), in that order, with p's numbers.
	NewChain(stages []string, p *styxfs.Params) (Chain, error)
	// NewGrammar makes the grammar sampler for a GBNF text with a rule root.
	// What is wrong with the text is an error that begins with "grammar: ".
	NewGrammar(gbnf string) (Grammar, error)
	Close() error
}

// ContextOptions size a Context.
type ContextOptions struct {
	NCtx      int    // tokens of one sequence
	NSeq      int    // sequences; the engine allocates NCtx*NSeq
	NBatch    int    // rows of a Decode at most; 0: default
	NUbatch   int    // rows computed at once at most; 0: default
	Threads   int    // 0: all cores
	KVTypeK   string // f16, q8_0 ...; "" f16
	KVTypeV   string
	FlashAttn string // auto, on, off; "" auto
}

// A Row is one token to decode.
type Row struct {
	Token  Token
	Pos    int32
	Seq    Seq
	Logits bool // wanted after the Decode
}

// Errors of Context.Decode that can be lived with.
var (
	ErrAborted = errors.New("decode aborted")
	ErrFull    = errors.New("KV cache full")
)

// ErrAmbiguous is Grammar.Accept's for a text after which llama.cpp would have
// to follow too many ways at once. It is the grammar's fault, so the client's.
var ErrAmbiguous = errors.New("grammar: what comes next can be read in too many ways")

// A Context holds the KV cache of NSeq sequences. One goroutine owns it;
// only Abort may be called from others.
type Context interface {
	Options() ContextOptions // as they came out, no zeros
	// Decode computes rows; what would abort the process inside llama.cpp
	// is checked first and is an error. After an error ask MaxPos.
	Decode(rows []Row) error
	// Logits gives the NVocab logits of rows[i], which asked for them; the
	// slice is the engine's and holds until the next Decode. The caller may
	// not write to it.
	Logits(i int) ([]float32, error)
	// CopySeq makes dst hold what src holds (dst is emptied first).
	CopySeq(src, dst Seq) error
	// RemoveSeq forgets positions from (0: all) to to (-1: the end) of s;
	// false when the model's memory cannot do that (recurrent models).
	RemoveSeq(s Seq, from, to int32) bool
	// ShiftSeq adds delta to positions from..to of s. See CanShift.
	ShiftSeq(s Seq, from, to, delta int32) error
	CanShift() bool
	MaxPos(s Seq) int32 // -1: empty
	// State and SetState are the KV cache of one sequence as bytes.
	State(s Seq) ([]byte, error)
	SetState(s Seq, state []byte) error
	// Abort(true) makes a running and every later Decode end with
	// ErrAborted until Abort(false).
	Abort(on bool)
	Close() error
}

// A TokenData is a candidate for the next token, laid out as llama.cpp's
// llama_token_data.
type TokenData struct {
	ID    Token
	Logit float32
	P     float32
}

// Candidates are what samplers work on, as llama_token_data_array.
type Candidates struct {
	Data   []TokenData
	Sorted bool // by falling Logit
}

// A Chain is a row of llama.cpp's samplers. One goroutine uses it at a time.
type Chain interface {
	Apply(c *Candidates) // may shorten and reorder c.Data in place
	Accept(t Token)
	Reset()
	Close()
}

// A Grammar restrains what can be picked.
type Grammar interface {
	Apply(c *Candidates) // gives what it refuses a logit of -inf
	// Accept takes a token; ids that Apply refuses throw inside llama.cpp,
	// so the implementation applies first and gives an error instead. It is
	// ErrAmbiguous where the next Apply would take too long.
	Accept(t Token) error
	Reset()
	Close()
}
