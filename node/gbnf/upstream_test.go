//go:build ollama && cgoflags && cgo

package gbnf

import (
	"testing"

	upstream "github.com/ollama/ollama/llama"
)

// elsewhere says where llama.cpp's own converter of schemas does otherwise,
// by the names of schemaTests.
var elsewhere = map[string]string{
	"any":                        "takes objects only",
	"true":                       "is for keywords only",
	"order as written":           "puts what is required first",
	"additional":                 "refuses a key that a known one begins with",
	"required only":              "passes over required without properties",
	"tuple and more":             "passes over prefixItems beside items",
	"tuple, min":                 "passes over minItems beside prefixItems",
	"any items":                  "passes over minItems without items",
	"pattern":                    "leaves \\d in the grammar, which has none",
	"pattern anywhere":           "wants ^ and $",
	"pattern at one end":         "wants ^ and $",
	"pattern, alternate anchors": "takes anchors within for characters",
	"pattern, escapes":           "leaves \\/ in the grammar, which has none",
	"pattern, space":             "leaves \\s in the grammar, which has none",
	"date":                       "gives every month 31 days",
	"time":                       "has three digits after the point, or none",
	"integers":                   "takes -0",
	"number":                     "passes over the bounds of a number",
	"number over":                "passes over the bounds of a number",
	"number around zero":         "passes over the bounds of a number",
	"number below zero":          "passes over the bounds of a number",
	"enum by type":               "passes over type beside enum",
	"beside anyOf":               "passes over properties beside anyOf",
	"allOf":                      "knows no allOf of parts without a type",
	"merged tuples":              "takes allOf for an object",
	"tuple that ends":            "is for objects of keywords only",
	"ref to root":                "has no $ref to the whole",
	"ref and title":              "knows no escapes in a $ref",
}

// What FromSchema takes and refuses is what llama.cpp's own converter does
// (json-schema-to-grammar.cpp), but where that is known to do otherwise.
func TestAsUpstreamSchema(t *testing.T) {
	for _, tt := range schemaTests {
		t.Run(tt.name, func(t *testing.T) {
			differs := ""
			text := upstream.SchemaToGrammar([]byte(tt.schema))
			if g, err := Parse(string(text)); text == nil {
				differs = "it is not converted"
			} else if err != nil {
				differs = err.Error()
			} else {
				for _, s := range tt.yes {
					if !g.Match(s) {
						differs = "refuses " + s
					}
				}
				for _, s := range tt.no {
					if g.Match(s) {
						differs = "takes " + s
					}
				}
			}
			if known := elsewhere[tt.name]; (known == "") != (differs == "") {
				t.Errorf("llama.cpp: %q; known is %q\n%s", differs, known, text)
			}
		})
	}
}
