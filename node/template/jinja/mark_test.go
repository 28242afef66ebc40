package jinja

import (
	"strings"
	"testing"
)

// marked shows a rendering with what came from outside in ⟦ ⟧.
func marked(s Str) string {
	var b strings.Builder
	at := 0
	for _, p := range s.Spans() {
		b.WriteString(s.String()[at:p.Start] + "⟦" + s.String()[p.Start:p.End] + "⟧")
		at = p.End
	}
	return b.String() + s.String()[at:]
}

func TestMarks(t *testing.T) {
	for _, tt := range []struct{ text, want string }{
		{`<{{ c }}>`, "<⟦ a,b <x> ⟧>"},
		{`<{{ c|trim }}>`, "<⟦a,b <x>⟧>"},
		{`{{ '<' + c.strip() + '>' }}`, "<⟦a,b <x>⟧>"},
		{`{{ '<' ~ c[1:4] ~ '>' }}`, "<⟦a,b⟧>"},
		{`{{ c.split(',')[0] }}{{ c.split()|last }}`, "⟦ a<x>⟧"},
		{`{{ c.split(',')|join('|') }}`, "⟦ a⟧|⟦b <x> ⟧"},
		{`{{ c.replace('<', '&lt;') }}`, "⟦ a,b ⟧&lt;⟦x> ⟧"},
		{`{{ 'say c'.replace('c', c) }}`, "say ⟦ a,b <x> ⟧"},
		{`{{ c|upper }}!`, "⟦ A,B <X> ⟧!"},
		{`{{ (c ~ '!')|tojson }}`, "⟦\" a,b <x> !\"⟧"},
		{`{{ [c, 'y'] }}`, "[⟦' a,b <x> '⟧, 'y']"},
		{`{{ {'k': c}|tojson }}`, "{\"k\": ⟦\" a,b <x> \"⟧}"},
		{`{{ {c: 1}.keys()|first }}`, "⟦ a,b <x> ⟧"},
		{`{% for x in c %}{{ x }}.{% endfor %}`, "⟦ ⟧.⟦a⟧.⟦,⟧.⟦b⟧.⟦ ⟧.⟦<⟧.⟦x⟧.⟦>⟧.⟦ ⟧."},
		{`{{ '%s-%s' % (c, 'z') }}`, "⟦ a,b <x> ⟧-z"},
		{`{{ c|e }}`, "⟦ a,b ⟧&lt;⟦x⟧&gt;⟦ ⟧"},
		{`{% set x %}[{{ c }}]{% endset %}{{ x }}`, "[⟦ a,b <x> ⟧]"},
		{`{% macro m(v) %}<{{ v|trim }}>{% endmacro %}{{ m(c) }}`, "<⟦a,b <x>⟧>"},
		{`{{ c * 2 }}`, "⟦ a,b <x>  a,b <x> ⟧"},
		{`{{ c|reverse }}`, "⟦ >x< b,a ⟧"},
		{`{{ c|indent(2, true) }}`, "  ⟦ a,b <x> ⟧"},
		{`{{ c|title }}{{ c.partition(',')[2] }}`, "⟦ A,b <X> b <x> ⟧"},
		{`{{ c|urlencode }}`, "⟦%20a%2Cb%20%3Cx%3E%20⟧"},
		{`{{ c|length }}`, "9"},
	} {
		s, err := render(tt.text, map[string]any{"c": Mark(" a,b <x> ", 0)}, Limits{})
		if err != nil {
			t.Errorf("%s: %v", tt.text, err)
		} else if got := marked(s); got != tt.want {
			t.Errorf("%s\ngives %s\nwant  %s", tt.text, got, tt.want)
		}
	}
}

func TestMarkSources(t *testing.T) {
	s, err := render(`{{ a }}{{ b }}-{{ a ~ b }}`, map[string]any{"a": Mark("x", 3), "b": Mark("yz", 5)}, Limits{})
	if err != nil {
		t.Fatal(err)
	}
	want := []Span{{0, 1, 3}, {1, 3, 5}, {4, 5, 3}, {5, 7, 5}}
	got := s.Spans()
	if len(got) != len(want) {
		t.Fatal(got)
	}
	for i := range want {
		if got[i] != want[i] {
			t.Errorf("span %d: %v, want %v", i, got[i], want[i])
		}
	}
}

func TestRaised(t *testing.T) {
	_, err := render("a\nb{{ raise_exception('not so') }}", nil, Limits{})
	e, ok := err.(*Error)
	if !ok || !e.Raised || e.Line != 2 || e.Text != "not so" {
		t.Errorf("%#v", err)
	}
	_, err = render("a\n\n{{ x.y }}", nil, Limits{})
	if e, ok := err.(*Error); !ok || e.Raised || e.Error() != "line 3: x is undefined, it has no y" {
		t.Errorf("%v", err)
	}
}
