package node_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"llama9/node"
	"llama9/node/fake"
	"llama9/styxfs"
)

func put(t *testing.T, dir, name, text string) string {
	t.Helper()
	file := filepath.Join(dir, name)
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return file
}

// A session may name the files of the administrator's directory and no other:
// what it names is read, and its text is in the prompt.
func TestTemplateFiles(t *testing.T) {
	top := t.TempDir()
	dir := filepath.Join(top, "templates")
	if err := os.MkdirAll(filepath.Join(dir, "sub"), 0o700); err != nil {
		t.Fatal(err)
	}
	secret := put(t, top, "secret", "the secret")
	put(t, filepath.Join(dir, "sub"), "deep", "the secret")
	put(t, dir, "mine", "MINE {{ messages[0].content }}:")
	put(t, dir, "bad.jinja", "{% if %}")
	put(t, dir, "empty", "")
	put(t, dir, "chatml", "not this one")

	named := func(name string) func(*styxfs.Request) {
		return func(r *styxfs.Request) { r.Params.Template = name }
	}
	for _, given := range []string{"", dir} {
		var s spy
		b := newBench(t, &fake.Engine{OnDecode: s.see}, func(c *node.Config) { c.Parallel, c.TemplateDir = 1, given })
		refused := []string{secret, "../secret", "..", ".", "templates/../../secret", "./mine", "sub/deep", "sub", `..\secret`,
			"mine\x00", "absent", "bad.jinja", "empty", "/etc/passwd", "/dev/zero"}
		if given == "" {
			refused = append(refused, "mine")
		}
		for i, name := range refused {
			_, o, err := b.run(chat(uint64(10+i), named(name), "user", "one"))
			if err == nil || o.Reason != styxfs.Client {
				t.Errorf("directory %q: template %q: %+v %v", given, name, o, err)
			} else if strings.Contains(err.Error(), "the secret") || name != secret && strings.Contains(err.Error(), top) {
				t.Errorf("template %q: the error tells %q", name, err)
			}
		}
		if len(s.seqs) > 0 {
			t.Errorf("decoded %q", fake.Text(s.seqs[0]))
		}
		b.must(chat(1, named("chatml"), "user", "one"))
		if got := fake.Text(s.seqs[0]); !strings.Contains(got, "<|im_start|>user\none<|im_end|>") {
			t.Errorf("decoded %q: a file stands before llama.cpp's name", got)
		}
		if given == "" {
			continue
		}
		b.must(chat(2, named("mine"), "user", "one"))
		if got := fake.Text(s.seqs[0]); !strings.Contains(got, "MINE one:") {
			t.Errorf("decoded %q", got)
		}
	}
}

func TestTemplateOfNode(t *testing.T) {
	dir := t.TempDir()
	file := put(t, dir, "f", "FILE {{ messages[0].content }}:")
	for _, c := range []struct{ name, file, want, engine string }{
		{"", "", "<|im_start|>user\none<|im_end|>", "jinja"},
		{"auto", "", "<|im_start|>user\none<|im_end|>", "jinja"},
		{"none", "", "<s>one", "none"},
		{"llama2", "", "[INST] one [/INST]", "builtin"},
		{"", file, "FILE one:", "jinja"},
	} {
		var s spy
		b := newBench(t, &fake.Engine{Options: fake.Options{Template: chatML}, OnDecode: s.see},
			func(n *node.Config) { n.Parallel, n.Template, n.TemplateFile = 1, c.name, c.file })
		b.must(chat(1, nil, "user", "one"))
		if got := fake.Text(s.seqs[0]); !strings.Contains(got, c.want) {
			t.Errorf("%+v: decoded %q", c, got)
		}
		if got := b.Models(t.Context())[0].Template; got != c.engine {
			t.Errorf("%+v: template=%s", c, got)
		}
		// The model's own is what `auto` is no more; a session still chooses.
		b.must(chat(2, func(r *styxfs.Request) { r.Params.Template = "phi3" }, "user", "one"))
		if got := fake.Text(s.seqs[0]); !strings.Contains(got, "<|user|>\none<|end|>") {
			t.Errorf("%+v: decoded %q", c, got)
		}
	}
	for _, c := range []node.Config{
		{Template: "nosuch"}, {Template: "llama2", TemplateFile: file}, {TemplateFile: dir},
		{TemplateFile: filepath.Join(dir, "absent")}, {TemplateDir: file}, {TemplateDir: filepath.Join(dir, "absent")},
	} {
		c.Engine = &fake.Engine{}
		if _, err := node.New(c); err == nil {
			t.Errorf("%q %q %q is a node", c.Template, c.TemplateFile, c.TemplateDir)
		}
	}
}
