package node

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"llama9/node/template"
	"llama9/styxfs"
)

// templates are what a session can name beside what its model carries. The
// Node makes it once; files of dir are read when a turn names them, so that
// the administrator can add one.
type templates struct {
	set  bool               // auto is auto, not the model's own
	auto *template.Template // nil: none
	dir  string             // "": no files
}

// newTemplates reads what c says of templates.
func newTemplates(c *Config) (templates, error) {
	t := templates{dir: c.TemplateDir}
	if c.TemplateFile != "" && c.Template != "" {
		return t, errors.New("a template by name and one of a file")
	}
	if t.dir != "" {
		if fi, err := os.Stat(t.dir); err != nil {
			return t, fmt.Errorf("directory of templates: %w", err)
		} else if !fi.IsDir() {
			return t, fmt.Errorf("directory of templates: %s is none", t.dir)
		}
	}
	var err error
	switch {
	case c.TemplateFile != "":
		if t.auto, err = template.File(c.TemplateFile); err != nil {
			err = fmt.Errorf("%s: %w", c.TemplateFile, err)
		}
	case c.Template == "" || c.Template == "auto":
		return t, nil
	case c.Template != "none":
		t.auto, err = template.Named(c.Template)
	}
	t.set = true
	return t, err
}

// named finds one of llama.cpp's, or a file of the directory. name comes from
// a client and may lead to no other file: its text would be in the prompt.
func (t *templates) named(name string) (*template.Template, error) {
	found, err := template.Named(name)
	if err == nil || t.dir == "" {
		return found, err
	}
	if name != filepath.Base(name) || strings.ContainsAny(name, `/\`+"\x00") || strings.Contains(name, "..") || name == "." {
		return nil, err
	}
	found, ferr := template.File(filepath.Join(t.dir, name))
	var pe *fs.PathError
	switch {
	case errors.Is(ferr, fs.ErrNotExist):
		return nil, err
	case errors.As(ferr, &pe): // where the directory is, is nobody's business
		return nil, fmt.Errorf("template %s: %w", name, pe.Err)
	case ferr != nil:
		return nil, fmt.Errorf("template %s: %w", name, ferr)
	}
	return found, nil
}

// autoTemplate is what `auto` means: the administrator's choice, else the
// template that the model carries. nil: it has none, or none that can be
// rendered, and a prompt is raw text.
func (in *instance) autoTemplate() (*template.Template, error) {
	if in.templates.set {
		return in.templates.auto, nil
	}
	t, err := template.New(in.info.ChatTemplate)
	if errors.Is(err, template.ErrNone) {
		return nil, nil
	}
	return t, err
}

// templateOf finds the template that a turn names: auto, none, one of
// llama.cpp's, or a file of the administrator's. nil: none.
func (in *instance) templateOf(name string) (*template.Template, error) {
	switch name {
	case "none":
		return nil, nil
	case "", "auto":
		return in.tmpl, in.tmplErr
	}
	return in.templates.named(name)
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

// engineOfTemplate names what renders what `auto` is.
func (in *instance) engineOfTemplate() string {
	if in.tmpl == nil {
		return "none"
	}
	return in.tmpl.Engine()
}
