package main

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/pflag"

	"llama9/node"
	"llama9/node/template"
)

// chatFlags say what chat templates a node has, beside those of its models.
type chatFlags struct{ template, file, dir string }

func (c *chatFlags) flags(f *pflag.FlagSet) {
	f.StringVar(&c.template, "chat-template", "", "`name|file` of the chat template: none, a name that llama.cpp has, or Jinja (default: the model's own)")
	f.StringVar(&c.file, "chat-template-file", "", "`file` of the chat template, whatever its name")
	f.StringVar(&c.dir, "chat-template-dir", "", "`directory` of the files that sessions may name as their template")
}

// config puts the flags in n.
func (c *chatFlags) config(n *node.Config) error {
	if c.template != "" && c.file != "" {
		return errors.New("--chat-template and --chat-template-file: give one")
	}
	n.TemplateDir, n.TemplateFile = c.dir, c.file
	flag := "--chat-template-file"
	switch {
	case c.template == "auto", c.template == "none", slices.Contains(template.Names(), c.template):
		n.Template = c.template
	case c.template != "":
		n.TemplateFile, flag = c.template, "--chat-template"
	}
	if n.TemplateFile == "" {
		return nil
	}
	if _, err := template.File(n.TemplateFile); err != nil {
		err = fmt.Errorf("%s %s: %w", flag, n.TemplateFile, unwrapPath(err))
		if flag == "--chat-template" && !strings.ContainsAny(n.TemplateFile, "/.") {
			err = fmt.Errorf("%w; names are %s", err, strings.Join(template.Names(), " "))
		}
		return err
	}
	return nil
}
