package deploy

import (
	"fmt"
	"math"
	"reflect"
	"regexp"
	"strconv"
	"strings"
	"time"

	"go.yaml.in/yaml/v4"

	"llama9/ninep"
)

// A form is what a text may look like, by the like of its tag.
var forms = map[string]struct {
	want string
	ok   func(s string) bool
}{
	"name":    {"a name of letters, digits, . _ and -, at most 48", regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._-]{0,47}$`).MatchString},
	"address": {"tcp!host!port, unix!/path or host:port", func(s string) bool { _, _, err := ninep.ParseAddr(s); return s != "" && err == nil }},
	"mode":    {"an octal number in quotes, as \"0660\"", func(s string) bool { n, err := strconv.ParseUint(s, 8, 9); return err == nil && n > 0 }},
	"split":   {"numbers with commas between, as 3,1", regexp.MustCompile(`^[0-9.]+(,[0-9.]+)*$`).MatchString},
	"cpus":    {"processor numbers, as 0-3,6", func(s string) bool { _, err := parseCPUs(s); return err == nil }},
}

// want says what a value must be.
func want(t reflect.Type, tag reflect.StructTag) string {
	least, most := tag.Get("min"), tag.Get("max")
	bounds := ""
	switch {
	case least != "" && most != "":
		bounds = " from " + least + " to " + most
	case least != "":
		bounds = ", " + least + " or more"
	}
	switch {
	case tag.Get("enum") != "":
		return "one of " + strings.ReplaceAll(tag.Get("enum"), " ", ", ")
	case tag.Get("like") != "":
		return forms[tag.Get("like")].want
	case t == durationType:
		return "a time as 10s or 5m" + bounds
	case t == sizeType:
		return "a size as 512M or 8G" + bounds
	}
	switch t.Kind() {
	case reflect.Bool:
		return "true or false"
	case reflect.Int:
		return "a whole number" + bounds
	case reflect.Float64:
		return "a number" + bounds
	}
	return "a text"
}

// scalar sets v to what a scalar says.
func scalar(n *yaml.Node, v reflect.Value, tag reflect.StructTag) error {
	if !set(n, v, tag) {
		return fmt.Errorf("%s: want %s", kindName(n), want(v.Type(), tag))
	}
	return nil
}

func set(n *yaml.Node, v reflect.Value, tag reflect.StructTag) bool {
	s := n.Value
	if n.Tag == "!!null" {
		return false
	}
	switch {
	case v.Type() == durationType:
		d, err := time.ParseDuration(s)
		v.SetInt(int64(d))
		return err == nil && d >= parseOr(time.ParseDuration, tag.Get("min"), math.MinInt64)
	case v.Type() == sizeType:
		z, err := parseSize(s)
		v.SetUint(uint64(z))
		return err == nil && z >= parseOr(parseSize, tag.Get("min"), 0)
	}
	switch v.Kind() {
	case reflect.Bool:
		b, err := strconv.ParseBool(s)
		v.SetBool(b)
		return err == nil && n.Tag == "!!bool"
	case reflect.Int:
		i, err := strconv.Atoi(s)
		v.SetInt(int64(i))
		return err == nil && i >= parseOr(strconv.Atoi, tag.Get("min"), math.MinInt) && i <= parseOr(strconv.Atoi, tag.Get("max"), math.MaxInt32)
	case reflect.Float64:
		x, err := strconv.ParseFloat(s, 64)
		v.SetFloat(x)
		return err == nil && x >= parseOr(parseFloat, tag.Get("min"), math.Inf(-1)) && x <= parseOr(parseFloat, tag.Get("max"), math.Inf(1))
	}
	v.SetString(s)
	if e := tag.Get("enum"); e != "" {
		return strings.Contains(" "+e+" ", " "+s+" ") && s != "" && !strings.Contains(s, " ")
	}
	if l := tag.Get("like"); l != "" {
		return forms[l].ok(s)
	}
	return true
}

func parseFloat(s string) (float64, error) { return strconv.ParseFloat(s, 64) }

// parseOr reads a bound of a tag, none where there is no text.
func parseOr[T any](parse func(string) (T, error), s string, none T) T {
	if v, err := parse(s); err == nil && s != "" {
		return v
	}
	return none
}

// parseCPUs reads a list of processors as the kernel writes them.
func parseCPUs(s string) ([]int, error) {
	var l []int
	for _, part := range strings.Split(s, ",") {
		first, last, dash := strings.Cut(part, "-")
		if !dash {
			last = first
		}
		a, err := strconv.ParseUint(first, 10, 12)
		b, err2 := strconv.ParseUint(last, 10, 12)
		if err != nil || err2 != nil || b < a || b >= 1024 {
			return nil, fmt.Errorf("%q: want %s", s, "processor numbers, as 0-3,6")
		}
		for i := a; i <= b; i++ {
			l = append(l, int(i))
		}
	}
	return l, nil
}
