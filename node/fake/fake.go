// Package fake is an Engine that computes no model: the next token is a
// function of every token before it, so that a wrong copy, a lost position or a
// stale cache shows as another text. Loads and steps can be held, slowed and
// made to fail. It is for tests, and behind a hidden --engine fake of the
// command for those of whole programs.
package fake

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"llama9/node"
)

// An Engine is a fake one. The zero Engine is ready; the fields are set before
// its first use.
type Engine struct {
	// OnLoad, if not nil, is called by Load and can block, report progress
	// and fail.
	OnLoad func(ctx context.Context, file string, progress func(float32)) error
	// OnDecode, if not nil, is called by every Decode once its rows are
	// found good, and can block until told to go on or d.Aborted is
	// closed. An error of it is the Decode's, and nothing of the batch is kept.
	OnDecode func(d *Decode) error
	// OnTokenize, if not nil, is called by every Tokenize and can block.
	OnTokenize func(text string)
	// Next, if not nil, gives the token that is by far the likeliest after
	// seq; false leaves it to the model.
	Next func(seq []node.Token) (node.Token, bool)

	Options Options

	live atomic.Int64
}

// Options are what a file name can say too: "fake:NAME,bytes=1000,step=1ms".
type Options struct {
	Bytes    uint64        // Info().Bytes; 0: 1 MiB
	NCtxMax  int           // a Context with more tokens in all fails; 0: 1<<20
	Load     time.Duration // how long a load takes
	Step     time.Duration // how long a Decode takes
	Row      time.Duration // and each row of it
	Length   int           // mean length of an answer in tokens; 0: 48
	Exit     string        // a sequence with this text ends the process with code 3
	Panic    string        // panics
	Fail     string        // fails the Decode
	Template string        // the chat template, "" none
	NoShift  bool          // CanShift is false
	NoGoBack bool          // RemoveSeq of a part is refused, as by a recurrent model
}

// A Decode is what OnDecode sees.
type Decode struct {
	Model   string     // the file
	Rows    []node.Row // the batch; not to be kept
	Aborted <-chan struct{}
}

var _ node.Engine = (*Engine)(nil)

func (e *Engine) Name() string    { return "fake" }
func (e *Engine) Build() string   { return "fake 1" }
func (e *Engine) Variant() string { return "none" }
func (e *Engine) Exact() bool     { return true }

// Live counts models, contexts, chains and grammars that are not closed.
func (e *Engine) Live() int { return int(e.live.Load()) }

// Load takes any file that begins with GGUF and has more than a header, and
// names that begin with "fake:", which are no file.
func (e *Engine) Load(ctx context.Context, file string, o node.LoadOptions, progress func(float32)) (node.Model, error) {
	opts := e.Options
	if rest, ok := strings.CutPrefix(file, "fake:"); ok {
		if err := opts.parse(rest); err != nil {
			return nil, err
		}
	} else if err := checkFile(file); err != nil {
		return nil, err
	}
	if progress == nil {
		progress = func(float32) {}
	}
	progress(0)
	if e.OnLoad != nil {
		if err := e.OnLoad(ctx, file, progress); err != nil {
			return nil, err
		}
	}
	for i := range 10 {
		if err := sleep(ctx.Done(), opts.Load/10); err != nil {
			return nil, context.Cause(ctx)
		}
		progress(float32(i+1) / 10)
	}
	if ctx.Err() != nil {
		return nil, context.Cause(ctx)
	}
	e.live.Add(1)
	return &model{e: e, file: file, o: opts}, nil
}

// Size implements node.Sizer.
func (e *Engine) Size(file string) uint64 {
	o := e.Options
	if rest, ok := strings.CutPrefix(file, "fake:"); ok && o.parse(rest) != nil {
		return 0
	}
	return o.bytes()
}

func (o *Options) bytes() uint64 {
	if o.Bytes == 0 {
		return 1 << 20
	}
	return o.Bytes
}

var errStopped = errors.New("stopped")

// sleep waits for d, or until stop is closed.
func sleep(stop <-chan struct{}, d time.Duration) error {
	if d <= 0 {
		return nil
	}
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-stop:
		return errStopped
	}
}

func checkFile(file string) error {
	f, err := os.Open(file)
	if err != nil {
		return err
	}
	defer f.Close()
	head := make([]byte, 32)
	if n, err := io.ReadFull(f, head); err != nil || !bytes.HasPrefix(head[:n], []byte("GGUF")) {
		if err != nil && !errors.Is(err, io.EOF) && !errors.Is(err, io.ErrUnexpectedEOF) {
			return err
		}
		return fmt.Errorf("%s: not a GGUF file", file)
	}
	return nil
}

// parse reads "NAME,option=value,...".
func (o *Options) parse(s string) error {
	for i, f := range strings.Split(s, ",") {
		name, v, ok := strings.Cut(f, "=")
		if i == 0 && !ok {
			continue
		}
		var err error
		switch name {
		case "bytes":
			o.Bytes, err = strconv.ParseUint(v, 10, 64)
		case "max":
			o.NCtxMax, err = strconv.Atoi(v)
		case "load":
			o.Load, err = time.ParseDuration(v)
		case "step":
			o.Step, err = time.ParseDuration(v)
		case "row":
			o.Row, err = time.ParseDuration(v)
		case "length":
			o.Length, err = strconv.Atoi(v)
		case "exit":
			o.Exit = v
		case "panic":
			o.Panic = v
		case "fail":
			o.Fail = v
		case "error":
			err = errors.New(v)
		case "template":
			o.Template = v
		default:
			err = fmt.Errorf("fake model: unknown option %q", name)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// A model is a loaded fake.
type model struct {
	e    *Engine
	file string
	o    Options

	mu     sync.Mutex // guards below
	users  int        // contexts, chains and grammars that are open
	closed bool
}

func (m *model) Info() node.ModelInfo {
	return node.ModelInfo{
		Arch: "fake", Desc: "fake", Parameters: 1000, Quantization: "none", Bytes: m.o.bytes(), NCtxTrain: 8192, NVocab: len(vocab),
		BOS: BOS, EOS: EOS, AddBOS: true, ChatTemplate: m.o.Template, Meta: map[string]string{"general.name": "fake"},
	}
}

// open counts something that has to be closed before the model.
func (m *model) open() error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.closed {
		return errors.New("model is closed")
	}
	m.users++
	m.e.live.Add(1)
	return nil
}

func (m *model) release() {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.users--
	m.e.live.Add(-1)
}

// Close says if something of the model is still open: llama.cpp would crash.
func (m *model) Close() error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.closed {
		return errors.New("closed twice")
	}
	m.closed = true
	m.e.live.Add(-1)
	if m.users > 0 {
		panic(fmt.Sprintf("fake: model closed before %d of its contexts and samplers", m.users))
	}
	return nil
}
