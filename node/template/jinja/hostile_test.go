package jinja

import (
	"errors"
	"strings"
	"testing"
)

// Templates that would not end, or end the process, in a Jinja without
// bounds. Each must give an error, with small limits in little time.
func TestHostile(t *testing.T) {
	lim := Limits{Steps: 200_000, Bytes: 1 << 20, Depth: 100}
	for _, text := range []string{
		`{% for i in range(10**12) %}{% endfor %}`,
		`{% for i in range(1000) %}{% for j in range(1000) %}{% for k in range(1000) %}{% endfor %}{% endfor %}{% endfor %}`,
		`{{ 'a' * 1000000000 }}`,
		`{{ 'a' * 100000 * 100000 }}`,
		`{{ 9000000000000000 * 9000000000000000 }}`,
		`{% set ns = namespace(s='aaaaaaaa') %}{% for i in range(60) %}{% set ns.s = ns.s + ns.s %}{% endfor %}{{ ns.s|length }}`,
		`{% set ns = namespace(s=[1]) %}{% for i in range(60) %}{% set ns.s = ns.s + ns.s %}{% endfor %}`,
		`{% macro f() %}{{ f() }}{% endmacro %}{{ f() }}`,
		`{% macro f() %}{{ g() }}{% endmacro %}{% macro g() %}{{ f() }}{% endmacro %}{{ f() }}`,
		`{% macro f() %}{{ caller() }}{% call f() %}{% endcall %}{% endmacro %}{% call f() %}x{% endcall %}`,
		`{% for x in [[1]] recursive %}{{ loop([[1]]) }}{% endfor %}`,
		`{% set l = [1] %}{% set x = l.append(l) %}{{ l }}`,
		`{% set l = [1] %}{% set x = l.append(l) %}{{ l|tojson }}`,
		`{% set l = [1] %}{% set m = [1] %}{% set x = l.append(l) %}{% set x = m.append(m) %}{{ l == m }}`,
		`{% set ns = namespace() %}{% set ns.x = ns %}{{ ns }}`,
		`{% set l = [1] %}{% for i in l %}{{ l.append(i) }}{% endfor %}{% for i in range(1000000) %}{{ l.append(i) }}{% endfor %}`,
		`{{ ('a' * 10000).replace('a', 'b' * 10000) }}`,
		`{{ ('a' * 10000)|replace('a', 'b' * 10000) }}`,
		`{{ (('a' * 10000)|list)|join('b' * 10000) }}`,
		`{{ ('\n' * 10000)|indent(4000, true, true) }}`,
		`{{ [1]|batch(1000000, 'x' * 1000)|list }}`,
		`{{ [1]|slice(1000000)|list }}`,
		`{{ 'a' * 500000 ~ 'b' * 500000 ~ 'c' * 500000 }}`,
		`{% for i in range(100000) %}aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa{% endfor %}`,
		strings.Repeat(`{% for i in range(9) %}`, 20) + strings.Repeat(`{% endfor %}`, 20),
		strings.Repeat("{{ (", 1) + strings.Repeat("(", 100000) + "1",
		"{{ " + strings.Repeat("[", 100000),
		"{{ " + strings.Repeat("not ", 50000) + "1 }}",
		"{{ " + strings.Repeat("-", 100000) + "1 }}",
		"{{ 1" + strings.Repeat(" if 1 else 1", 20000) + " }}",
		strings.Repeat("{% if 1 %}", 20000),
		strings.Repeat("a", maxSource+1),
		`{% include '/etc/passwd' %}`, `{% import '/etc/passwd' as x %}`, `{% extends '/etc/passwd' %}`, `{% from '/etc/passwd' import x %}`,
		`{{ ''.__class__.__mro__ }}`,
		`{{ 'x' | format(1) }}`,
		`{{ '%1000000000d' % 1 }}`,
		`{{ '%.1000000f' % 1 }}`,
	} {
		s, err := render(text, testVars(), lim)
		if err == nil {
			t.Errorf("%.80s\ngives %d bytes: %.40q", text, len(s.s), s.s)
			continue
		}
		var e *Error
		if !errors.As(err, &e) || strings.Contains(err.Error(), "internal") {
			t.Errorf("%.80s\n%v", text, err)
		}
	}
}

// Long but flat templates are no trouble.
func TestLong(t *testing.T) {
	for _, text := range []string{
		"{{ 1" + strings.Repeat(" + 1", 20000) + " }}",
		"{{ 'x'" + strings.Repeat("|trim", 20000) + " }}",
		strings.Repeat("{{ 1 }}", 20000),
		"{{ [" + strings.Repeat("1,", 50000) + "]|length }}",
		"{% if 0 %}" + strings.Repeat("{% elif 0 %}", 10000) + "{% endif %}",
	} {
		if _, err := render(text, nil, Limits{}); err != nil {
			t.Errorf("%.40s: %v", text, err)
		}
	}
}

func FuzzRender(f *testing.F) {
	for _, s := range []string{
		`{% for m in messages %}{{ m.role ~ m['content']|trim }}{% endfor %}`,
		`{% set ns = namespace(a=1) %}{% macro m(x, y=2) %}{{ x[1:] }}{% endmacro %}{{ m('abc') }}`,
		`{{ '%s' % [1, 2.5, none, {'a': true}]|tojson(indent=2) }}{% raw %}{{ x }}{% endraw %}`,
		`{{ 'a b'.split()[-1]|replace('b', 'c')|title is string }}{# c #}{%- if not x in (1,2) -%} y {% endif +%}`,
	} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, text string) {
		msgs := &List{Items: []any{NewDict("role", Text("user"), "content", Mark("hello", 0))}}
		s, err := render(text, map[string]any{"messages": msgs}, Limits{Steps: 10000, Bytes: 1 << 18, Depth: 50})
		if err != nil {
			if strings.Contains(err.Error(), "internal") {
				t.Fatalf("%q: %v", text, err)
			}
			return
		}
		last := 0
		for _, p := range s.Spans() {
			if p.Start < last || p.End <= p.Start || p.End > len(s.String()) {
				t.Fatalf("%q: spans %v of %d bytes", text, s.Spans(), len(s.String()))
			}
			last = p.End
		}
	})
}
