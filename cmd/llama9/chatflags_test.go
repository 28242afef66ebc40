package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/spf13/pflag"

	"llama9/node"
)

func TestChatFlags(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "f.jinja")
	if err := os.WriteFile(file, []byte("{{ messages[0].content }}"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct{ args, name, file, dir string }{
		{"", "", "", ""},
		{"--chat-template none", "none", "", ""},
		{"--chat_template chatml", "chatml", "", ""},
		{"--chat-template " + file, "", file, ""},
		{"--chat-template-file " + file + " --chat-template-dir " + dir, "", file, dir},
	} {
		n, err := chatConfig(c.args)
		if err != nil || n.Template != c.name || n.TemplateFile != c.file || n.TemplateDir != c.dir {
			t.Errorf("%s: %q %q %q, %v", c.args, n.Template, n.TemplateFile, n.TemplateDir, err)
		}
	}
	for args, want := range map[string]string{
		"--chat-template chatm":                                     "chatml",
		"--chat-template " + dir:                                    "no template file",
		"--chat-template-file " + file + "x":                        "no such file",
		"--chat-template chatml --chat-template-file " + file:       "give one",
		"--chat-template-file " + file + " --chat-template " + file: "give one",
	} {
		if _, err := chatConfig(args); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %q", args, err, want)
		}
	}
}

func chatConfig(args string) (n node.Config, err error) {
	var c chatFlags
	f := pflag.NewFlagSet("node", pflag.ContinueOnError)
	f.SetNormalizeFunc(dashes)
	c.flags(f)
	if err := f.Parse(strings.Fields(args)); err != nil {
		return n, err
	}
	return n, c.config(&n)
}
