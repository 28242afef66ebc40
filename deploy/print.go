package deploy

import (
	"fmt"
	"reflect"
	"strings"
	"time"

	"go.yaml.in/yaml/v4"
)

// Print writes c as a file that Parse reads: all of it with a comment on each
// key, or else what differs from the defaults only. The values of env are left
// out where hide is: they may be secrets.
func (c *Config) Print(all, hide bool) []byte {
	b := []byte("# A deployment of llama9; see llama9-deploy(8).\n")
	return printStruct(b, reflect.ValueOf(c).Elem(), reflect.ValueOf(base()).Elem(), "", all, hide)
}

func printStruct(b []byte, v, def reflect.Value, indent string, all, hide bool) []byte {
	for i := range v.NumField() {
		f := v.Type().Field(i)
		key := f.Tag.Get("yaml")
		if key == "" {
			continue
		}
		x := v.Field(i)
		same := reflect.DeepEqual(x.Interface(), def.Field(i).Interface())
		if same && !all {
			continue
		}
		if all && f.Tag.Get("doc") != "" {
			b = fmt.Appendf(b, "%s# %s\n", indent, f.Tag.Get("doc"))
		}
		b = printValue(b, key, x, def.Field(i), indent, all, hide)
	}
	return b
}

func printValue(b []byte, key string, x, def reflect.Value, indent string, all, hide bool) []byte {
	switch {
	case x.Kind() == reflect.Struct:
		b = fmt.Appendf(b, "%s%s:\n", indent, key)
		return printStruct(b, x, def, indent+"  ", all, hide)
	case x.Kind() == reflect.Slice && x.Len() > 0 && x.Type().Elem().Kind() == reflect.Struct:
		b = fmt.Appendf(b, "%s%s:\n", indent, key)
		for i := range x.Len() {
			e := reflect.New(x.Type().Elem())
			item(e.Interface())
			one := printStruct(nil, x.Index(i), e.Elem(), indent+"    ", false, hide)
			if len(one) == 0 {
				b = fmt.Appendf(b, "%s  - {}\n", indent)
				continue
			}
			b = append(b, indent+"  - "+strings.TrimPrefix(string(one), indent+"    ")...)
		}
		return b
	case x.Kind() == reflect.Map:
		if x.Len() == 0 {
			return fmt.Appendf(b, "%s%s: {}\n", indent, key)
		}
		b = fmt.Appendf(b, "%s%s:\n", indent, key)
		env := x.Interface().(map[string]string)
		for _, k := range sortedKeys(env) {
			val := env[k]
			if hide {
				val = "(hidden)"
			}
			b = fmt.Appendf(b, "%s  %s: %s\n", indent, text(k), text(val))
		}
		return b
	case x.Kind() == reflect.Slice:
		var l []string
		for i := range x.Len() {
			l = append(l, flowText(x.Index(i).String()))
		}
		return fmt.Appendf(b, "%s%s: [%s]\n", indent, key, strings.Join(l, ", "))
	}
	if x.Kind() == reflect.String && x.String() == "" {
		return fmt.Appendf(b, "%s# %s:\n", indent, key) // what is not given is no text
	}
	if x.Kind() == reflect.Int && x.Int() == 0 && key == "port" {
		return b
	}
	return fmt.Appendf(b, "%s%s: %s\n", indent, key, scalarText(x))
}

func scalarText(x reflect.Value) string {
	switch y := x.Interface().(type) {
	case time.Duration:
		return y.String()
	case Size:
		return y.String()
	case string:
		return text(y)
	}
	return fmt.Sprint(x.Interface())
}

// text writes a text so that YAML reads it as one.
func text(s string) string {
	out, err := yaml.Marshal(s)
	if err != nil || strings.Count(string(out), "\n") != 1 {
		return fmt.Sprintf("%q", s)
	}
	return strings.TrimSuffix(string(out), "\n")
}

// flowText is text inside of brackets.
func flowText(s string) string {
	if strings.ContainsAny(s, ",[]{}") {
		return fmt.Sprintf("%q", s)
	}
	return text(s)
}
