package gbnf

import (
	"strings"
	"testing"
)

// Schemas with texts that their grammars take and refuse.
var schemaTests = []struct {
	name, schema string
	yes, no      []string
}{
	{"any", `{}`,
		[]string{`null`, `true`, `-0.5e+3`, `"a\"\u00e9"`, `[1, {"a":[]}]`, `{"a": {"b":1}}`},
		[]string{``, `nul`, `01`, `'a'`, `[1,]`, `{"a"}`, "\"a\n\"", `"\ud800"`}},
	{"true", `true`, []string{`1`}, []string{`x`}},
	{"object",
		`{"type":"object","properties":{"name":{"type":"string"},"age":{"type":"integer"}},"required":["name","age"],"additionalProperties":false}`,
		[]string{`{"name":"a","age":3}`, `{ "name": "a", "age": 3 }`, "{\n  \"name\": \"a\",\n  \"age\": 3\n}"},
		[]string{`{"age":3,"name":"a"}`, `{"name":"a"}`, `{}`, `{"name":1,"age":3}`, `{"name":"a","age":3,"x":1}`, `{"name":"a","age":3.5}`}},
	{"order as written", `{"properties":{"z":{"type":"null"},"a":{"type":"null"},"m":{"type":"null"}},"required":["a"]}`,
		[]string{`{"a":null}`, `{"z":null,"a":null}`, `{"a":null,"m":null}`, `{"z":null,"a":null,"m":null}`},
		[]string{`{"z":null}`, `{"m":null,"a":null}`, `{"a":null,"z":null}`, `{}`, `{,"a":null}`, `{"z":null "a":null}`}},
	{"all optional", `{"type":"object","properties":{"a":{"const":1},"b":{"const":2},"c":{"const":3}}}`,
		[]string{`{}`, `{"a":1}`, `{"b":2}`, `{"c":3}`, `{"a":1,"b":2}`, `{"a":1,"c":3}`, `{"b":2,"c":3}`, `{"a":1,"b":2,"c":3}`},
		[]string{`{"a":2}`, `{,"b":2}`, `{"b":2,"a":1}`, `{"a":1,}`, `{"d":1}`}},
	{"additional", `{"type":"object","properties":{"ab":{"const":1},"ac":{"const":2}},"required":["ab"],"additionalProperties":{"type":"boolean"}}`,
		[]string{`{"ab":1}`, `{"ab":1,"x":true}`, `{"ab":1,"ac":2,"a":true,"abc":false,"":true}`},
		[]string{`{"ab":1,"ac":true}`, `{"ab":1,"ab":true}`, `{"ab":1,"x":1}`, `{"x":true,"ab":1}`}},
	{"map", `{"type":"object","additionalProperties":{"type":"integer"}}`,
		[]string{`{}`, `{"a":1,"b":2}`}, []string{`{"a":"x"}`, `{"a":1,}`}},
	{"optional and more", `{"properties":{"a":{"const":1}},"additionalProperties":true}`,
		[]string{`{}`, `{"a":1}`, `{"a":1,"b":2}`, `{"b":2,"c":{}}`}, []string{`{"a":2}`, `{"b":1,"a":2}`}},
	{"closed", `{"type":"object","additionalProperties":false}`, []string{`{}`}, []string{`{"a":1}`}},
	{"required only", `{"type":"object","required":["q"]}`, []string{`{"q":[1]}`}, []string{`{}`, `{"p":1}`}},
	{"quoted keys", `{"properties":{"a\"\\b\n":{"const":1}},"required":["a\"\\b\n"]}`, []string{`{"a\"\\b\n":1}`}, []string{`{"a":1}`}},

	{"array", `{"type":"array","items":{"type":"integer"}}`,
		[]string{`[]`, `[1]`, `[1,2,3]`, `[ 1, 2 ]`}, []string{`[1,]`, `["a"]`, `[,1]`}},
	{"min and max", `{"type":"array","items":{"type":"boolean"},"minItems":2,"maxItems":3}`,
		[]string{`[true,false]`, `[true,true,true]`}, []string{`[]`, `[true]`, `[true,true,true,true]`}},
	{"at most one", `{"items":{"const":7},"maxItems":1}`, []string{`[]`, `[7]`}, []string{`[7,7]`}},
	{"exactly one", `{"items":{"const":7},"minItems":1,"maxItems":1}`, []string{`[7]`}, []string{`[]`, `[7,7]`}},
	{"none", `{"type":"array","items":{"const":7},"maxItems":0}`, []string{`[]`}, []string{`[7]`}},
	{"tuple", `{"type":"array","prefixItems":[{"type":"string"},{"type":"null"}]}`,
		[]string{`["a",null]`}, []string{`["a"]`, `["a",null,1]`, `[null,"a"]`}},
	{"tuple and more", `{"prefixItems":[{"const":1}],"items":{"const":2},"maxItems":3}`,
		[]string{`[1]`, `[1,2]`, `[1,2,2]`}, []string{`[]`, `[2]`, `[1,2,2,2]`, `[1,1]`}},
	{"tuple, min", `{"prefixItems":[{"const":1}],"minItems":3}`, []string{`[1,"x",null]`}, []string{`[1]`, `[1,2]`}},
	{"old tuple", `{"items":[{"const":1},{"const":2}]}`, []string{`[1,2]`}, []string{`[1]`, `[1,2,3]`}},
	{"any items", `{"type":"array","minItems":1}`, []string{`[1,"a"]`}, []string{`[]`}},

	{"string length", `{"type":"string","minLength":2,"maxLength":3}`,
		[]string{`"ab"`, `"a\n"`, `"éöü"`, `"😀\u00e9"`}, []string{`"a"`, `"abcd"`, `""`}},
	{"empty string", `{"type":"string","maxLength":0}`, []string{`""`}, []string{`"a"`}},
	{"pattern", `{"type":"string","pattern":"^[A-Z]{2}-\\d+(\\.\\d*)?$"}`,
		[]string{`"AB-1"`, `"ZZ-12."`, `"ZZ-12.34"`}, []string{`"A-1"`, `"ab-1"`, `"AB-1x"`, `"xAB-1"`}},
	{"pattern anywhere", `{"pattern":"a+b|c"}`, []string{`"ab"`, `"xaabx"`, `"xcx"`}, []string{`"a"`, `""`, `"ba"`}},
	{"pattern at one end", `{"pattern":"^\\w+"}`, []string{`"a!"`, `"a"`}, []string{`"!a"`, `""`}},
	{"pattern, alternate anchors", `{"pattern":"^(ab)$|^ac$"}`, []string{`"ab"`, `"ac"`}, []string{`"abc"`, `"xac"`}},
	{"pattern, escapes", `{"pattern":"^[^x]\\u0041\\/\"\\\\$"}`, []string{`"yA/\"\\"`, `"\nA/\"\\"`, `"\"A/\"\\"`}, []string{`"xA/\"\\"`, `""A/\"\\"`}},
	{"pattern, space", `{"pattern":"^\\s[^\\s]\\S$"}`, []string{`"\tab"`, "\"\u00a0ab\""}, []string{`"aab"`, `"\t b"`, "\"\ta\u00a0\""}},
	{"date", `{"type":"string","format":"date"}`, []string{`"2026-11-24"`, `"2024-02-28"`, `"2026-12-31"`, `"2026-04-30"`}, []string{`"2026-13-01"`, `"2026-02-30"`, `"2026-04-31"`, `"26-1-1"`, `"2026-00-10"`}},
	{"time", `{"format":"time"}`, []string{`"23:59:59Z"`, `"01:02:03.25+01:00"`}, []string{`"24:00:00Z"`, `"1:02:03Z"`, `"01:02:03"`}},
	{"date-time", `{"format":"date-time"}`, []string{`"2026-11-24T10:00:00Z"`}, []string{`"2026-11-24 10:00:00Z"`, `"2026-11-24"`}},
	{"uuid", `{"format":"uuid"}`, []string{`"123e4567-e89b-12d3-a456-426614174000"`}, []string{`"123e4567e89b12d3a456426614174000"`}},
	{"other format", `{"type":"string","format":"email"}`, []string{`"x"`}, []string{`1`}},

	{"integers", `{"type":"integer","minimum":-5,"maximum":120}`,
		[]string{`-5`, `-1`, `0`, `9`, `10`, `99`, `100`, `120`}, []string{`-6`, `121`, `00`, `-0`, `1.0`, `1000`, `-10`}},
	{"from", `{"type":"integer","minimum":37}`, []string{`37`, `99`, `100`, `123456789`}, []string{`36`, `9`, `-40`, `037`}},
	{"up to", `{"type":"integer","exclusiveMaximum":0}`, []string{`-1`, `-100`}, []string{`0`, `1`}},
	{"over", `{"type":"integer","exclusiveMinimum":999}`, []string{`1000`, `9999`}, []string{`999`, `99`}},
	{"from below zero", `{"type":"integer","minimum":-12}`, []string{`-12`, `-3`, `0`, `77`}, []string{`-13`, `-120`}},
	{"to below zero", `{"type":"integer","maximum":-12}`, []string{`-12`, `-13`, `-100`}, []string{`-11`, `-1`, `0`, `12`}},
	{"number", `{"type":"number","minimum":0,"maximum":10}`, []string{`0`, `0.5`, `9.999`, `10`, `10.0`}, []string{`-0.5`, `10.1`, `11`, `1e5`}},
	{"number over", `{"type":"number","exclusiveMinimum":0}`, []string{`0.01`, `1`, `12.50`}, []string{`0`, `0.0`, `0.00`, `-1`}},
	{"number around zero", `{"type":"number","exclusiveMinimum":-2,"exclusiveMaximum":2}`, []string{`-1.99`, `-0.5`, `0`, `1.9`}, []string{`-2`, `2`, `2.0`, `-2.0`}},
	{"number below zero", `{"type":"number","maximum":-1}`, []string{`-1`, `-1.5`, `-20`}, []string{`-0.5`, `0`, `1`}},

	{"enum", `{"enum":["a","b\"c",1,null,{"x":[1,2]}]}`, []string{`"a"`, `"b\"c"`, `1`, `null`, `{"x":[1,2]}`}, []string{`"c"`, `2`, `"1"`}},
	{"enum by type", `{"type":"string","enum":["a",1]}`, []string{`"a"`}, []string{`1`}},
	{"const", `{"const":"x"}`, []string{`"x"`}, []string{`"y"`, `x`}},
	{"types", `{"type":["string","null"],"maxLength":2}`, []string{`"ab"`, `null`}, []string{`"abc"`, `1`}},
	{"anyOf", `{"anyOf":[{"type":"string"},{"type":"object","properties":{"a":{"type":"null"}},"required":["a"]}]}`,
		[]string{`"s"`, `{"a":null}`}, []string{`1`, `{}`}},
	{"beside anyOf", `{"type":"object","properties":{"k":{"const":0}},"required":["k"],"anyOf":[{"properties":{"a":{"const":1}},"required":["a"]},{"properties":{"b":{"const":2}},"required":["b"]}]}`,
		[]string{`{"a":1,"k":0}`, `{"b":2,"k":0}`}, []string{`{"k":0}`, `{"a":1}`}},
	{"allOf", `{"allOf":[{"$ref":"#/$defs/p"},{"properties":{"b":{"type":"integer","minimum":1}},"required":["b"]},{"properties":{"b":{"maximum":3}}}],"$defs":{"p":{"properties":{"a":{"const":1}},"required":["a"]}}}`,
		[]string{`{"a":1,"b":2}`}, []string{`{"a":1}`, `{"b":2}`, `{"a":1,"b":4}`, `{"a":1,"b":0}`}},
	{"merged tuples", `{"allOf":[{"prefixItems":[{"type":"integer"}],"items":{"type":"string"}},{"items":{"maxLength":1,"minimum":3}}]}`,
		[]string{`[3]`, `[4,"a","b"]`}, []string{`[2]`, `[4,"ab"]`, `[4,1]`}},
	{"tuple that ends", `{"prefixItems":[{"const":1},false]}`, []string{`[1]`}, []string{`[1,2]`}},
	{"no text", `{"pattern":"^$"}`, []string{`""`}, []string{`"a"`}},
	{"ref", `{"$ref":"#/definitions/tree","definitions":{"tree":{"type":"object","properties":{"v":{"type":"integer"},"kids":{"type":"array","items":{"$ref":"#/definitions/tree"}}},"required":["v"]}}}`,
		[]string{`{"v":1}`, `{"v":1,"kids":[]}`, `{"v":1,"kids":[{"v":2,"kids":[{"v":3}]}]}`}, []string{`{"kids":[]}`, `{"v":1,"kids":[1]}`}},
	{"ref to root", `{"anyOf":[{"type":"null"},{"type":"array","items":{"$ref":"#"},"maxItems":1}]}`, []string{`null`, `[null]`, `[[[]]]`}, []string{`[null,null]`, `1`}},
	{"ref and title", `{"properties":{"a":{"$ref":"#/$defs/a~1b%20c","title":"t"}},"required":["a"],"$defs":{"a/b c":{"const":1}}}`, []string{`{"a":1}`}, []string{`{"a":2}`}},
	{"nested", `{"type":"object","properties":{"list":{"type":"array","items":{"type":"object","properties":{"n":{"type":"number"}},"required":["n"]},"minItems":1}},"required":["list"]}`,
		[]string{`{"list":[{"n":1.5},{"n":-2}]}`}, []string{`{"list":[]}`, `{"list":[{}]}`}},
}

func TestFromSchema(t *testing.T) {
	for _, tt := range schemaTests {
		t.Run(tt.name, func(t *testing.T) {
			text, err := FromSchema(tt.schema)
			if err != nil {
				t.Fatal(err)
			}
			g, err := Parse(text)
			if err != nil {
				t.Fatalf("%v in\n%s", err, text)
			}
			for _, s := range tt.yes {
				if !g.Match(s) {
					t.Errorf("refuses %s", s)
				}
			}
			for _, s := range tt.no {
				if g.Match(s) {
					t.Errorf("takes %s", s)
				}
			}
			if t.Failed() {
				t.Log(text)
			}
		})
	}
}

func TestFromSchemaErrors(t *testing.T) {
	for _, tt := range []struct{ schema, want string }{
		{``, "unexpected EOF"},
		{`{`, "unexpected EOF"},
		{`{} {}`, "more than one value"},
		{`3`, "a schema is an object or a boolean"},
		{`false`, "false holds for no value"},
		{`{"type":"objekt"}`, `#: unknown type "objekt"`},
		{`{"type":3}`, "type is a name"},
		{`{"properties":{"a":{"not":{}}}}`, "#/properties/a: keyword not is not supported"},
		{`{"if":{}}`, "keyword if is not supported"},
		{`{"patternProperties":{}}`, "keyword patternProperties is not supported"},
		{`{"minProperties":1}`, "keyword minProperties is not supported"},
		{`{"minimun":1}`, "keyword minimun is not supported"},
		{`{"type":"array","uniqueItems":true}`, "uniqueItems is not supported"},
		{`{"minItems":3,"maxItems":2}`, "maxItems 2 is under minItems 3"},
		{`{"maxLength":5000}`, "a grammar counts to 1999"},
		{`{"minLength":-1}`, "minLength is a count"},
		{`{"pattern":"(?=a)"}`, "invalid"},
		{`{"pattern":"a\\b"}`, "not supported"},
		{`{"pattern":"\\u00g0"}`, "four hex digits"},
		{`{"pattern":"[\\S]"}`, "in a class"},
		{`{"pattern":"a^b"}`, "at the ends only"},
		{`{"pattern":"(?i)ab"}`, "case folding"},
		{`{"pattern":"a","minLength":2}`, "beside a length"},
		{`{"type":"integer","minimum":0.5}`, "only whole numbers"},
		{`{"type":"integer","minimum":3,"maximum":2}`, "no integer"},
		{`{"type":"number","exclusiveMinimum":3,"maximum":3}`, "no number"},
		{`{"type":"integer","multipleOf":5}`, "multipleOf 5 is not supported"},
		{`{"enum":[]}`, "no value of enum"},
		{`{"enum":["abc"],"maxLength":2}`, "beside enum"},
		{`{"type":"integer","enum":["a"]}`, "no value of enum"},
		{`{"anyOf":[]}`, "anyOf is a list of schemas"},
		{`{"$ref":"http://example.com/x"}`, "within the schema"},
		{`{"$ref":"#/$defs/a"}`, "no such place"},
		{`{"$ref":"#"}`, "on its left"},
		{`{"allOf":[{"$ref":"#"}]}`, "nested too deep"},
		{`{"anyOf":[{"type":"null"},{"$ref":"#"}]}`, "on its left"},
		{`{"allOf":[{"type":"string"},{"type":"null"}]}`, "no type is left"},
		{`{"allOf":[{"pattern":"a"},{"pattern":"b"}]}`, "two different pattern"},
		{`{"properties":{"a":{}},"required":["b"],"additionalProperties":false}`, `required property "b" is not allowed`},
		{strings.Repeat(`{"items":`, 300) + `true` + strings.Repeat(`}`, 300), "nested over 100 deep"},
	} {
		text, err := FromSchema(tt.schema)
		if err == nil {
			t.Errorf("%s gives\n%s", tt.schema, text)
		} else if !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: %v, want %s", tt.schema, err, tt.want)
		}
	}
}

func FuzzFromSchema(f *testing.F) {
	for _, tt := range schemaTests {
		f.Add(tt.schema)
	}
	f.Fuzz(func(t *testing.T, schema string) {
		text, err := FromSchema(schema)
		if err == nil && text == "" {
			t.Error("no grammar and no error")
		}
	})
}
