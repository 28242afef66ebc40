package node

import (
	"errors"
	"strings"

	"llama9/node/template"
	"llama9/styxfs"
)

// ownTemplate parses the template that the model carries; nil: it has none, or
// none that can be rendered, and a prompt is raw text.
func (in *instance) ownTemplate() (*template.Template, error) {
	t, err := template.New(in.info.ChatTemplate)
	if errors.Is(err, template.ErrNone) {
		return nil, nil
	}
	return t, err
}

// templateOf finds the template that a turn names: auto, none, one of
// llama.cpp's, or a file. nil: none.
func (in *instance) templateOf(name string) (*template.Template, error) {
	switch name {
	case "none":
		return nil, nil
	case "", "auto":
		return in.tmpl, in.tmplErr
	}
	t, err := template.Named(name)
	if err == nil {
		return t, nil
	}
	if strings.ContainsAny(name, "/.") {
		return template.File(name)
	}
	return nil, err
}

// render gives the text of the prompt in segments. Without a template it is
// the contents joined.
func (in *instance) render(r *styxfs.Request) ([]segment, error) {
	t, err := in.templateOf(r.Params.Template)
	if err != nil {
		return nil, err
	}
	if t == nil {
		var b strings.Builder
		for _, m := range r.Messages {
			b.WriteString(m.Content)
		}
		return []segment{{Text: b.String(), Special: r.Params.ParseSpecial}}, nil
	}
	return t.Render(r.Messages, template.Vars{BOS: in.bos, EOS: in.eos, Date: r.Date, Continue: true})
}

// engineOfTemplate names what renders the model's own template.
func (in *instance) engineOfTemplate() string {
	if in.tmpl == nil {
		return "none"
	}
	return in.tmpl.Engine()
}
