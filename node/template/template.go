// Package template turns a chat into the text that a model was trained on.
//
// A model's own template is Jinja, in its GGUF's tokenizer.chat_template; the
// package jinja beside this one renders it. Where there is none, or it cannot
// be parsed, there are the families that llama.cpp knows by heart (see
// family.go), by name or recognised by their marks.
//
// A rendering is a row of segments. Text of the template is to be tokenized
// with control tokens; the contents of messages are not, so that a user who
// writes <|im_end|> has written nine characters and ended nothing.
package template

import (
	"errors"
	"fmt"
	"os"
	"time"

	"llama9/node/template/jinja"
	"llama9/styxfs"
)

// A Segment is a piece of a rendering.
type Segment struct {
	Text    string
	Special bool // from the template: control tokens are meant; else plain text
}

// Vars is what a template gets beside the messages.
type Vars struct {
	BOS, EOS string    // texts of the model's tokens, "" none
	Date     time.Time // what strftime_now tells: the session's creation date
	// Continue says that a last message of the assistant is to be continued:
	// it stands at the end, open. Otherwise it is a finished turn.
	Continue bool
	// Extra are more variables, such as enable_thinking: nil, bool, int,
	// float64, string, []any of these.
	Extra map[string]any
}

// A Template renders chats. It does not change and may be used at once.
type Template struct {
	jinja  *jinja.Template // nil: family
	family family
	name   string // of the family, "" jinja
}

// ErrNone says that a model carries no template.
var ErrNone = errors.New("the model has no chat template")

// New makes a template of Jinja text, as it is in a GGUF. Text that cannot be
// parsed falls to the family whose marks it carries, as llama.cpp's
// llm_chat_detect_template finds them; without one the error is the parser's.
func New(text string) (*Template, error) {
	if text == "" {
		return nil, ErrNone
	}
	j, err := jinja.Parse(text)
	if err == nil {
		return &Template{jinja: j}, nil
	}
	if name := detect(text); name != "" {
		return Named(name)
	}
	return nil, fmt.Errorf("chat template: %w", err)
}

// Named makes one of llama.cpp's built-in templates. See Names.
func Named(name string) (*Template, error) {
	f, ok := families[name]
	if !ok {
		return nil, fmt.Errorf("no chat template %q", name)
	}
	return &Template{family: f, name: name}, nil
}

// maxFile is the most that File reads, more than jinja.Parse takes.
const maxFile = 1 << 20

// File reads a Jinja template. Any text is one, and is rendered, so path may
// not come from a client.
func File(path string) (*Template, error) {
	st, err := os.Stat(path) // before opening: a pipe would block
	if err != nil {
		return nil, err
	}
	if !st.Mode().IsRegular() || st.Size() > maxFile {
		return nil, errors.New("no template file")
	}
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	if len(text) == 0 {
		return nil, errors.New("an empty template")
	}
	return New(string(text))
}

// Engine says what renders t: jinja or builtin.
func (t *Template) Engine() string {
	if t.jinja != nil {
		return "jinja"
	}
	return "builtin"
}

// Family is the name of the built-in family that t is, "" none.
func (t *Template) Family() string { return t.name }

// Render writes msgs and the beginning of the assistant's next turn. The
// segments alternate and none is empty.
func (t *Template) Render(msgs []styxfs.Message, v Vars) ([]Segment, error) {
	if len(msgs) == 0 {
		return nil, errors.New("chat template: no messages")
	}
	for i, m := range msgs {
		if !roles[m.Role] {
			return nil, fmt.Errorf("chat template: message %d: no role %q", i+1, m.Role)
		}
	}
	open := ""
	if last := msgs[len(msgs)-1]; v.Continue && last.Role == "assistant" {
		open = last.Content
		msgs = msgs[:len(msgs)-1]
		if len(msgs) == 0 {
			return nil, errors.New("chat template: nothing before the answer to continue")
		}
	}
	var segs []Segment
	if t.jinja != nil {
		s, err := t.renderJinja(msgs, v)
		if err != nil {
			return nil, fmt.Errorf("chat template: %w", err)
		}
		segs = cut(s)
	} else {
		var w writer
		t.family(&w, msgs)
		segs = w.segs
	}
	if open != "" {
		segs = push(segs, Segment{open, false})
	}
	return segs, nil
}

// roles are the ones of styxfs.Message. A role is printed as text of the
// template, so nothing else may pass.
var roles = map[string]bool{"system": true, "user": true, "assistant": true, "tool": true}

// cut makes segments of a rendering by its marks.
func cut(s jinja.Str) []Segment {
	var out []Segment
	text, at := s.String(), 0
	for _, p := range s.Spans() {
		out = push(out, Segment{text[at:p.Start], true})
		out = push(out, Segment{text[p.Start:p.End], false})
		at = p.End
	}
	return push(out, Segment{text[at:], true})
}

// push appends s, joined to the last segment if that is of its kind.
func push(segs []Segment, s Segment) []Segment {
	if s.Text == "" {
		return segs
	}
	if n := len(segs); n > 0 && segs[n-1].Special == s.Special {
		segs[n-1].Text += s.Text
		return segs
	}
	return append(segs, s)
}
