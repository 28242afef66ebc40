package template

import (
	"errors"
	"strings"

	"llama9/node/template/jinja"
	"llama9/styxfs"
)

// renderJinja renders msgs, in the form that the template takes them.
//
// Templates differ in what they accept. Some refuse a system message (gemma)
// or leave it out without a word: then its text goes before that of the first
// user message. Some want a content as a list of typed parts: then it is given
// so. Whether a template took a message is known by the marks in its output.
func (t *Template) renderJinja(msgs []styxfs.Message, v Vars) (jinja.Str, error) {
	var (
		best jinja.Str
		miss = len(msgs) + 1 // contents that best lacks
		fail error
	)
	// try says whether to stop.
	try := func(msgs []styxfs.Message, typed bool) bool {
		s, err := t.once(msgs, v, typed)
		if err != nil {
			// What the template says itself, to the messages as they are,
			// is the best reason.
			if fail == nil || !raised(fail) && raised(err) {
				fail = err
			}
			return spent(err)
		}
		n := missing(s, msgs)
		if n < miss {
			best, miss = s, n
		}
		return n == 0
	}
	if done := try(msgs, false) || try(msgs, true); !done {
		if folded := fold(msgs); folded != nil {
			_ = try(folded, false) || try(folded, true)
		}
	}
	if miss > len(msgs) {
		return jinja.Str{}, fail
	}
	return best, nil
}

func raised(err error) bool {
	var e *jinja.Error
	return errors.As(err, &e) && e.Raised
}

func spent(err error) bool {
	var e *jinja.Error
	return errors.As(err, &e) && e.Spent
}

// once renders msgs as they are, without tools. Templates for tools alone go
// over the list without looking whether there is one; they get an empty one.
func (t *Template) once(msgs []styxfs.Message, v Vars, typed bool) (jinja.Str, error) {
	vars, lim := variables(msgs, v, typed)
	s, err := t.jinja.Render(vars, v.Date, lim)
	if err == nil || raised(err) || spent(err) {
		return s, err
	}
	vars["tools"] = []any{}
	vars["functions"] = ""
	if s, err := t.jinja.Render(vars, v.Date, lim); err == nil {
		return s, nil
	}
	return s, err
}

// variables are what a template sees, and what it may spend.
func variables(msgs []styxfs.Message, v Vars, typed bool) (map[string]any, jinja.Limits) {
	list := &jinja.List{}
	size := 0
	for i, m := range msgs {
		size += len(m.Content)
		content := any(jinja.Mark(m.Content, i))
		if typed {
			content = &jinja.List{Items: []any{jinja.NewDict("type", jinja.Text("text"), "text", content)}}
		}
		list.Items = append(list.Items, jinja.NewDict("role", jinja.Text(m.Role), "content", content))
	}
	vars := map[string]any{}
	for k, x := range v.Extra {
		vars[k] = x
	}
	vars["messages"] = list
	vars["tools"] = nil
	vars["bos_token"] = v.BOS
	vars["eos_token"] = v.EOS
	vars["add_generation_prompt"] = true
	return vars, jinja.Limits{
		Steps: jinja.DefaultSteps + 1000*len(msgs),
		Bytes: jinja.DefaultBytes + 32*size,
	}
}

// missing counts the messages of system and user, and the last one, of whose
// contents nothing is in s. Templates drop old tool results and thoughts on
// purpose, those do not count.
func missing(s jinja.Str, msgs []styxfs.Message) int {
	seen := map[int]bool{}
	for _, p := range s.Spans() {
		seen[p.Src] = true
	}
	n := 0
	for i, m := range msgs {
		must := m.Role == "system" || m.Role == "user" || i == len(msgs)-1
		if must && !seen[i] && strings.TrimSpace(m.Content) != "" {
			n++
		}
	}
	return n
}

// fold puts the system messages before the text of the first user message
// after them; nil if there is nothing to fold.
func fold(msgs []styxfs.Message) []styxfs.Message {
	var out []styxfs.Message
	var system []string
	found := false
	for _, m := range msgs {
		switch {
		case m.Role == "system":
			system = append(system, strings.TrimSpace(m.Content))
			found = true
			continue
		case m.Role == "user" && system != nil:
			m.Content = strings.Join(append(system, m.Content), "\n\n")
			system = nil
		}
		out = append(out, m)
	}
	if !found || system != nil {
		return nil
	}
	return out
}
