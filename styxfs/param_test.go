package styxfs

import (
	"math"
	"reflect"
	"strings"
	"testing"
	"time"
)

func TestParamTableIsAllOfParams(t *testing.T) {
	// Every field of Params is the target of exactly one line of the table.
	set := map[string][]string{
		"mirostat": {"2"}, "samplers": {"top_k", "xtc"}, "seed": {"7"}, "logit_bias": {"3", "1.5"}, "stop": {"x"},
		"dry_sequence_breaker": {"y"}, "model": {"m"}, "template": {"none"}, "keep_alive": {"5m"}, "timeout": {"3s"},
		"onclose": {"cancel"}, "failover": {"strict"}, "date": {"2026-01-02T03:04:05Z"}, "priority": {"-3"},
	}
	changed := map[string]string{}
	for _, d := range ParamTable() {
		p := DefaultParams()
		args := set[d.Name]
		if args == nil {
			args = map[string][]string{"NUMBER": {"0.5"}, "on|off": {"on"}}[d.Args]
			if d.Default == "on" {
				args = []string{"off"}
			}
			if d.Set(&p, args...) != nil {
				args = []string{"17"}
			}
		}
		if err := d.Set(&p, args...); err != nil {
			t.Errorf("%s %q: %v", d.Name, args, err)
			continue
		}
		a, b := reflect.ValueOf(DefaultParams()), reflect.ValueOf(p)
		n := 0
		for i := range a.NumField() {
			if !reflect.DeepEqual(a.Field(i).Interface(), b.Field(i).Interface()) {
				field := a.Type().Field(i).Name
				if changed[field] != "" {
					t.Errorf("%s and %s both set %s", changed[field], d.Name, field)
				}
				changed[field] = d.Name
				n++
			}
		}
		if n != 1 {
			t.Errorf("%s %q changed %d fields", d.Name, args, n)
		}
		if d.Help == "" || d.Args == "" || strings.Contains(d.Help, "\n") {
			t.Errorf("%s: help %q, args %q", d.Name, d.Help, d.Args)
		}
	}
	typ := reflect.TypeFor[Params]()
	for i := range typ.NumField() {
		if changed[typ.Field(i).Name] == "" {
			t.Errorf("no parameter sets %s", typ.Field(i).Name)
		}
	}
}

func TestParamLinesSetThemselves(t *testing.T) {
	p := DefaultParams()
	for _, l := range []string{
		"temperature 0", `stop "\n\n"`, "stop END", "logit_bias 5 -Inf", "logit_bias 6 0.25", "seed 4294967295",
		"timeout 1m30s", "date 2026-05-06T07:08:09Z", "samplers temperature top_k", "dry_sequence_breaker", "n_predict 12",
		"model \"my model\"", "ignore_eos on", "repeat_penalty 1.1",
	} {
		words, err := Fields(l)
		if err != nil {
			t.Fatal(err)
		}
		if err := p.Set(words); err != nil {
			t.Fatalf("%s: %v", l, err)
		}
	}
	// Onto parameters with other lists: the copy replaces them.
	q := DefaultParams()
	q.Stop, q.LogitBias = []string{"old"}, []Bias{{1, 1}}
	for _, words := range p.Lines() {
		line := string(AppendFields(nil, words...))
		again, err := Fields(line)
		if err != nil {
			t.Fatalf("%s: %v", line, err)
		}
		if err := q.Set(again); err != nil {
			t.Fatalf("%s: %v", line, err)
		}
	}
	if !reflect.DeepEqual(p, q) {
		t.Fatalf("got %+v\nwant %+v", q, p)
	}
	if !math.IsInf(q.LogitBias[0].Bias, -1) || q.Timeout != 90*time.Second {
		t.Fatalf("got %+v", q)
	}
	if q.Set([]string{"stop"}); len(q.Stop) != 0 {
		t.Fatal("stop alone does not clear")
	}
}

func TestParamErrorsNameTheWord(t *testing.T) {
	for _, c := range []struct{ line, word string }{
		{"temprature 1", "temprature"},
		{"temperature", "0 values"},
		{"temperature 1 2", "2 values"},
		{"temperature NaN", "NaN"},
		{"temperature nan", "nan"},
		{"temperature Inf", "Inf"},
		{"temperature -0.1", "-0.1"},
		{"temperature 1e999", "1e999"},
		{"temperature warm", "warm"},
		{"temperature 0x1p-2", "0x1p-2"},
		{"top_p 1.01", "1.01"},
		{"top_k 1.5", "1.5"},
		{"top_k NaN", "NaN"},
		{"top_k 99999999999", "99999999999"},
		{"top_k 99999999999999999999999", "99999999999999999999999"},
		{"repeat_penalty 0", "above 0"},
		{"seed -2", "-2"},
		{"seed 4294967296", "4294967296"},
		{"n_predict -2", "-2"},
		{"mirostat 3", "3"},
		{"priority 11", "11"},
		{"ignore_eos yes", "yes"},
		{"timeout 5", "5"},
		{"timeout -1s", "-1s"},
		{"onclose maybe", "maybe"},
		{"failover later", "later"},
		{"stop \"\"", `""`},
		{"stop a b", "2 values"},
		{"logit_bias 5", "1 values"},
		{"logit_bias x 1", "x"},
		{"logit_bias -1 1", "-1"},
		{"logit_bias 1 NaN", "NaN"},
		{"logit_bias 1 Inf", "Inf"},
		{"logit_bias 2147483648 1", "2147483648"},
		{"samplers top_k top_k", "top_k"},
		{"samplers best", "best"},
		{"date today", "today"},
		{"template \"\"", `""`},
		{"model a b", "2 values"},
	} {
		p := DefaultParams()
		words, err := Fields(c.line)
		if err != nil {
			t.Fatal(err)
		}
		err = p.Set(words)
		if err == nil || !strings.Contains(err.Error(), c.word) || !strings.HasPrefix(err.Error(), words[0]) {
			t.Errorf("%s: got %v, want an error that names %s", c.line, err, c.word)
		}
		if !reflect.DeepEqual(p, DefaultParams()) {
			t.Errorf("%s: changed something", c.line)
		}
	}
}

func TestSetDoesNotShareLists(t *testing.T) {
	p := DefaultParams()
	p.Set([]string{"stop", "a"})
	q := p
	q.Set([]string{"stop", "b"})
	p.Set([]string{"stop", "c"})
	if q.Stop[1] != "b" || p.Stop[1] != "c" {
		t.Fatalf("got %q and %q", p.Stop, q.Stop)
	}
	for range 300 {
		p.Set([]string{"stop", "x"})
	}
	if len(p.Stop) != 256 {
		t.Fatalf("%d stop strings", len(p.Stop))
	}
}
