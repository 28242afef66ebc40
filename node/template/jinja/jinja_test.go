package jinja

import (
	"encoding/json"
	"os"
	"testing"
	"time"
)

var testDate = time.Date(2026, 11, 24, 10, 5, 7, 0, time.UTC)

// testVars are the variables of testdata/language.json.
func testVars() map[string]any {
	person := func(name string, age int64) *Dict { return NewDict("name", Text(name), "age", age) }
	list := func(items ...any) *List { return &List{Items: items} }
	leaf := func(n int64) *Dict { return NewDict("n", n, "kids", list()) }
	return map[string]any{
		"user":   person("Ann", 3),
		"nums":   []any{1, 2, 3, 4},
		"people": list(person("Al", 30), person("Bo", 40)),
		"tree":   list(NewDict("n", int64(1), "kids", list(leaf(2), leaf(3))), leaf(4)),
	}
}

// The language as Python's jinja2 3.1 reads it: the wanted texts in the file
// are its output, with trim_blocks, lstrip_blocks, loopcontrols and the
// tojson of transformers.
func TestLanguage(t *testing.T) {
	b, err := os.ReadFile("testdata/language.json")
	if err != nil {
		t.Fatal(err)
	}
	var tests []struct {
		Template, Want string
		Error          bool
	}
	if err := json.Unmarshal(b, &tests); err != nil {
		t.Fatal(err)
	}
	for _, tt := range tests {
		got, err := render(tt.Template, testVars(), Limits{})
		switch {
		case tt.Error && err == nil:
			t.Errorf("%s\ngives %q, want an error", tt.Template, got)
		case !tt.Error && err != nil:
			t.Errorf("%s\n%v", tt.Template, err)
		case !tt.Error && got.String() != tt.Want:
			t.Errorf("%s\ngives %q\nwant  %q", tt.Template, got, tt.Want)
		}
	}
}

func render(text string, vars map[string]any, lim Limits) (Str, error) {
	tm, err := Parse(text)
	if err != nil {
		return Str{}, err
	}
	return tm.Render(vars, testDate, lim)
}
