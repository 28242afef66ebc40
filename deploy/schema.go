package deploy

import (
	"encoding/json"
	"reflect"
	"strconv"
	"strings"
)

// Schema is the JSON schema of the configuration file, for editors. It is made
// of what Parse goes by; schema.json is a copy of it.
func Schema() []byte {
	s := schemaOf(reflect.ValueOf(base()).Elem(), "")
	s["$schema"] = "https://json-schema.org/draft/2020-12/schema"
	s["title"] = "llama9 deployment"
	b, err := json.MarshalIndent(s, "", "  ")
	if err != nil {
		panic(err) // maps and texts
	}
	return append(b, '\n')
}

// schemaOf describes a value, v being the default.
func schemaOf(v reflect.Value, tag reflect.StructTag) map[string]any {
	s := make(map[string]any)
	if d := tag.Get("doc"); d != "" {
		s["description"] = d
	}
	t := v.Type()
	switch {
	case t == durationType:
		s["type"], s["pattern"] = "string", `^([0-9.]+(ns|us|µs|ms|s|m|h))+$|^0$`
		s["default"] = v.Interface().(interface{ String() string }).String()
		return s
	case t == sizeType:
		s["type"], s["pattern"] = []string{"string", "integer"}, `^[0-9.]+ *[KMGTkmgt]?[iI]?[bB]?$`
		return s
	}
	switch t.Kind() {
	case reflect.Struct:
		s["type"], s["additionalProperties"] = "object", false
		props := make(map[string]any)
		for i := range t.NumField() {
			if f := t.Field(i); f.Tag.Get("yaml") != "" {
				props[f.Tag.Get("yaml")] = schemaOf(v.Field(i), f.Tag)
			}
		}
		s["properties"] = props
	case reflect.Slice:
		e := reflect.New(t.Elem())
		item(e.Interface())
		s["type"], s["items"] = "array", schemaOf(e.Elem(), schemaItem(tag, t.Elem()))
	case reflect.Map:
		s["type"], s["additionalProperties"] = "object", map[string]any{"type": []string{"string", "number", "boolean"}}
	case reflect.Bool:
		s["type"], s["default"] = "boolean", v.Bool()
	case reflect.Int:
		s["type"], s["default"] = "integer", v.Int()
	case reflect.Float64:
		s["type"], s["default"] = "number", v.Float()
	case reflect.String:
		s["type"] = "string"
		if v.String() != "" {
			s["default"] = v.String()
		}
	}
	for key, word := range map[string]string{"min": "minimum", "max": "maximum"} {
		if x, err := strconv.ParseFloat(tag.Get(key), 64); err == nil {
			s[word] = x
		}
	}
	if e := tag.Get("enum"); e != "" {
		s["enum"] = strings.Fields(e)
	}
	return s
}

// schemaItem is the tag of a list's entries: a text's form is that of each.
func schemaItem(tag reflect.StructTag, elem reflect.Type) reflect.StructTag {
	if elem.Kind() == reflect.Struct {
		return ""
	}
	return reflect.StructTag(`like:"` + tag.Get("like") + `"`)
}
