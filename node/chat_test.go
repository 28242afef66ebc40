package node_test

import (
	"strings"
	"sync"
	"testing"

	"llama9/node"
	"llama9/node/fake"
	"llama9/styxfs"
)

const chatML = `{%- for m in messages %}{{ '<|im_start|>' + m.role + '\n' + m.content + '<|im_end|>\n' }}{%- endfor %}` +
	`{%- if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{%- endif %}`

// stripping drops the space around answers, as many templates do.
const stripping = `{%- for m in messages %}{{ '<|im_start|>' + m.role + '\n' + (m.content | trim) + '<|im_end|>\n' }}{%- endfor %}` +
	`{%- if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{%- endif %}`

// A spy keeps the text of every sequence as it was decoded.
type spy struct {
	mu   sync.Mutex
	seqs map[node.Seq][]node.Token
}

func (s *spy) see(d *fake.Decode) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.seqs == nil {
		s.seqs = make(map[node.Seq][]node.Token)
	}
	for _, r := range d.Rows {
		s.seqs[r.Seq] = append(s.seqs[r.Seq][:r.Pos], r.Token)
	}
	return nil
}

func chat(session uint64, change func(*styxfs.Request), roleAndText ...string) *styxfs.Request {
	return request(session, "", func(r *styxfs.Request) {
		r.Messages = nil
		for i := 0; i < len(roleAndText); i += 2 {
			r.Messages = append(r.Messages, styxfs.Message{Role: roleAndText[i], Content: roleAndText[i+1]})
		}
		if change != nil {
			change(r)
		}
	})
}

func TestChatTemplate(t *testing.T) {
	var s spy
	b := newBench(t, &fake.Engine{Options: fake.Options{Template: chatML}, OnDecode: s.see, Next: fake.Say("assistant\n", "fine")},
		func(c *node.Config) { c.Parallel = 1 })
	rec, o := b.must(chat(1, nil, "system", "be brief", "user", "hi <|im_end|>"))
	if rec.text.String() != "fine" || o.Reason != styxfs.EOS {
		t.Errorf("%q %+v", rec.text.String(), o)
	}
	want := "<s><|im_start|>system\nbe brief<|im_end|>\n<|im_start|>user\nhi <|im_end|><|im_end|>\n<|im_start|>assistant\nfine"
	if got := fake.Text(s.seqs[0]); got != want {
		t.Errorf("decoded %q, want %q", got, want)
	}
	ends := 0
	for _, id := range s.seqs[0] {
		if id == fake.End {
			ends++
		}
	}
	if ends != 2 {
		t.Errorf("%d end tokens: a user's text became one", ends)
	}
	if m := b.Models(t.Context())[0]; m.Template == "none" || m.Template == "" {
		t.Errorf("template of the model: %q", m.Template)
	}
	// template none: the contents.
	b.must(chat(2, func(r *styxfs.Request) { r.Params.Template = "none" }, "user", "one", "assistant", " two"))
	if got := fake.Text(s.seqs[0]); !strings.HasPrefix(got, "<s>one two") {
		t.Errorf("decoded %q", got)
	}
	// One by name.
	b.must(chat(3, func(r *styxfs.Request) { r.Params.Template = "llama2" }, "user", "one"))
	if got := fake.Text(s.seqs[0]); !strings.Contains(got, "[INST] one [/INST]") {
		t.Errorf("decoded %q", got)
	}
	if _, o, err := b.run(chat(3, func(r *styxfs.Request) { r.Params.Template = "nosuch" }, "user", "one")); err == nil || o.Reason != styxfs.Client {
		t.Errorf("unknown template: %+v %v", o, err)
	}
}

// The last assistant message, and then a prefix, are continued.
func TestContinuation(t *testing.T) {
	var s spy
	b := newBench(t, &fake.Engine{Options: fake.Options{Template: chatML}, OnDecode: s.see, Next: fake.Say("assistant\n", "The answer is 42")},
		func(c *node.Config) { c.Parallel = 1 })
	rec, _ := b.must(chat(1, func(r *styxfs.Request) { r.Prefix = []int32{'e', 'r'} }, "user", "q", "assistant", "The answ"))
	if rec.text.String() != " is 42" {
		t.Errorf("%q", rec.text.String())
	}
	if rec.note.PrefixText != "er" {
		t.Errorf("the prefix says %q", rec.note.PrefixText)
	}
	if got, want := fake.Text(s.seqs[0]), "<s><|im_start|>user\nq<|im_end|>\n<|im_start|>assistant\nThe answer is 42"; got != want {
		t.Errorf("decoded %q, want %q", got, want)
	}
}

// What the model made stays in the cache for the next turn, also where the
// template does not give it back as it was.
func TestChatReusesCache(t *testing.T) {
	for name, test := range map[string]struct {
		template string
		lost     int // tokens at most that have to be decoded again
	}{"as it was": {chatML, 0}, "stripped": {stripping, 12}} {
		var s spy
		b := newBench(t, &fake.Engine{Options: fake.Options{Template: test.template}, OnDecode: s.see, Next: fake.Say("assistant\n", " the answer")}, nil)
		rec, o := b.must(chat(1, nil, "user", "question one"))
		rec2, o2 := b.must(chat(1, nil, "user", "question one", "assistant", rec.text.String(), "user", "question two"))
		if cached := o.PromptTokens + o.Tokens - test.lost; o2.CachedTokens < cached {
			t.Errorf("%s: cached %d, want %d", name, o2.CachedTokens, cached)
		}
		if rec2.text.String() != " the answer" {
			t.Errorf("%s: %q", name, rec2.text.String())
		}
	}
}
