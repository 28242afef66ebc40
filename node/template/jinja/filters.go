package jinja

import (
	"math"
	"sort"
	"strconv"
	"strings"
)

type filterFunc func(r *run, v any, a args) any

// filters are Jinja2's, as far as chat templates use them.
var filters = map[string]filterFunc{
	"abs": func(_ *run, v any, _ args) any {
		switch n := v.(type) {
		case int64:
			return max(n, -n)
		case float64:
			return math.Abs(n)
		}
		fail("abs wants a number")
		return nil
	},
	"capitalize": strFilter(capitalize),
	"default":    defaultFilter,
	"d":          defaultFilter,
	"escape":     escape,
	"e":          escape,
	"float": func(_ *run, v any, a args) any {
		if f, ok := number(v); ok {
			return f
		}
		if s, ok := v.(Str); ok {
			if f, err := strconv.ParseFloat(strings.TrimSpace(s.s), 64); err == nil {
				return f
			}
		}
		return a.or(0, "default", 0.0)
	},
	"format": func(r *run, v any, a args) any {
		return r.percent(asStr(v, "format"), &List{Items: a.pos, tuple: true})
	},
	"indent": indent,
	"int": func(_ *run, v any, a args) any {
		if f, ok := number(v); ok && math.Abs(f) < 1<<53 {
			return int64(f)
		}
		if s, ok := v.(Str); ok {
			if n, err := strconv.ParseInt(strings.TrimSpace(s.s), 10, 53); err == nil {
				return n
			}
			if f, err := strconv.ParseFloat(strings.TrimSpace(s.s), 64); err == nil && math.Abs(f) < 1<<53 {
				return int64(f)
			}
		}
		return a.or(0, "default", int64(0))
	},
	"length":     length,
	"count":      length,
	"lower":      strFilter(func(s Str) Str { return s.letters(strings.ToLower) }),
	"replace":    func(r *run, v any, a args) any { return r.replace(r.show(v), a, "count") },
	"round":      round,
	"safe":       func(r *run, v any, _ args) any { return r.show(v) },
	"string":     func(r *run, v any, _ args) any { return r.show(v) },
	"title":      strFilter(func(s Str) Str { return s.letters(title) }),
	"tojson":     func(r *run, v any, a args) any { return r.toJSON(v, a) },
	"trim":       trimFilter,
	"upper":      strFilter(func(s Str) Str { return s.letters(strings.ToUpper) }),
	"urlencode":  urlencode,
	"wordcount":  func(r *run, v any, _ args) any { return int64(len(strings.Fields(r.show(v).s))) },
	"batch":      batch,
	"dictsort":   dictsort,
	"first":      first,
	"items":      func(r *run, v any, _ args) any { return r.items(v) },
	"join":       join,
	"last":       last,
	"list":       func(r *run, v any, _ args) any { return r.list(r.iterate(v)) },
	"map":        mapFilter,
	"max":        extreme(1),
	"min":        extreme(-1),
	"reject":     selectFilter(false, false),
	"rejectattr": selectFilter(false, true),
	"reverse":    reverse,
	"select":     selectFilter(true, false),
	"selectattr": selectFilter(true, true),
	"slice":      sliceFilter,
	"sort":       sortFilter,
	"sum":        sum,
	"unique":     unique,
}

func strFilter(f func(Str) Str) filterFunc {
	return func(r *run, v any, _ args) any {
		s := r.show(v)
		r.room(2, len(s.s))
		return f(s)
	}
}

func capitalize(s Str) Str {
	return s.letters(func(s string) string {
		n := byteAt(s, 1)
		return strings.ToUpper(s[:n]) + strings.ToLower(s[n:])
	})
}

func title(s string) string {
	up := true
	return strings.Map(func(c rune) rune {
		f := strings.ToLower
		if up {
			f = strings.ToUpper
		}
		up = isSpace(c) || strings.ContainsRune("-([{<", c)
		return []rune(f(string(c)))[0]
	}, s)
}

func defaultFilter(_ *run, v any, a args) any {
	_, undef := v.(undefined)
	if undef || truth(a.or(1, "boolean", false)) && !truth(v) {
		return a.or(0, "default_value", Str{})
	}
	return v
}

func escape(r *run, v any, _ args) any {
	s := r.show(v)
	for _, p := range [][2]string{{"&", "&amp;"}, {"<", "&lt;"}, {">", "&gt;"}, {"'", "&#39;"}, {`"`, "&#34;"}} {
		s = r.replaceAll(s, p[0], Text(p[1]), -1)
	}
	return s
}

func indent(r *run, v any, a args) any {
	s := r.show(v)
	pad := Str{}
	if p, ok := a.or(0, "width", int64(4)).(Str); ok {
		pad = p
	} else {
		n := int(min(max(a.int(0, "width", 4), 0), 4096))
		pad = Text(strings.Repeat(" ", n))
	}
	blank := truth(a.or(2, "blank", false))
	var parts []Str
	for i, line := range s.split("\n", -1) {
		if i > 0 {
			parts = append(parts, Text("\n"))
		}
		if i > 0 && (blank || line.s != "") || i == 0 && truth(a.or(1, "first", false)) {
			parts = append(parts, pad)
		}
		parts = append(parts, line)
	}
	r.grow(32 * len(parts))
	return r.concat(parts...)
}

func length(r *run, v any, _ args) any {
	switch v := v.(type) {
	case Str:
		return int64(r.runes(v))
	case *List:
		return int64(len(v.Items))
	case *Dict:
		return int64(len(v.keys))
	case undefined:
		return int64(0)
	}
	fail("%s has no length", kind(v))
	return nil
}

func round(_ *run, v any, a args) any {
	f, ok := number(v)
	if !ok {
		fail("round wants a number")
	}
	k := math.Pow(10, float64(min(max(a.int(0, "precision", 0), -300), 300)))
	switch a.or(1, "method", Text("common")).(Str).s {
	case "ceil":
		return math.Ceil(f*k) / k
	case "floor":
		return math.Floor(f*k) / k
	}
	return math.RoundToEven(f*k) / k
}

func trimFilter(r *run, v any, a args) any {
	cut := ""
	if c, ok := a.arg(0, "chars"); ok && c != nil {
		cut = asStr(c, "trim").s
	}
	return r.show(v).trim(cut, true, true)
}

func urlencode(r *run, v any, _ args) any {
	s := r.show(v)
	r.room(3, len(s.s))
	var b strings.Builder
	for _, c := range []byte(s.s) {
		if c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || strings.IndexByte("_.-~/", c) >= 0 {
			b.WriteByte(c)
		} else {
			b.WriteString("%" + strings.ToUpper(hexText(rune(c), 2)))
		}
	}
	return whole(b.String(), s)
}

// replace is str.replace, whose arguments are old, new and a count.
func (r *run) replace(s Str, a args, count string) Str {
	old := a.text(0, "old", "replace").s
	return r.replaceAll(s, old, a.text(1, "new", "replace"), int(a.int(2, count, -1)))
}

func (r *run) replaceAll(s Str, old string, with Str, n int) Str {
	if old == "" {
		fail("replace of nothing")
	}
	r.step(len(s.s) / 64)
	k := strings.Count(s.s, old)
	if n >= 0 {
		k = min(k, n)
	}
	if k == 0 {
		return s
	}
	r.room(k, 64)
	parts := s.split(old, k)
	for i := len(parts) - 1; i > 0; i-- {
		parts = append(parts, Str{})
	}
	for i := k; i > 0; i-- {
		parts[2*i], parts[2*i-1] = parts[i], with
	}
	return r.concat(parts...)
}

func dictsort(r *run, v any, a args) any {
	d, ok := v.(*Dict)
	if !ok {
		fail("dictsort wants a mapping")
	}
	items := r.items(d).Items
	by := 0
	if s, ok := a.or(1, "by", Text("key")).(Str); ok && s.s == "value" {
		by = 1
	}
	fold := !truth(a.or(0, "case_sensitive", false))
	sort.SliceStable(items, func(i, j int) bool {
		return r.order(items[i].(*List).Items[by], items[j].(*List).Items[by], fold) < 0
	})
	if truth(a.or(2, "reverse", false)) {
		reverseItems(items)
	}
	return r.list(items)
}

// order is compare, without looking at case if fold.
func (r *run) order(a, b any, fold bool) int {
	if x, ok := a.(Str); ok && fold {
		if y, ok := b.(Str); ok {
			r.step(1 + (len(x.s)+len(y.s))/64)
			return strings.Compare(strings.ToLower(x.s), strings.ToLower(y.s))
		}
	}
	return r.compare(a, b)
}

func (r *run) items(v any) *List {
	d, ok := v.(*Dict)
	if !ok {
		if _, ok := v.(undefined); ok {
			return &List{}
		}
		fail("items wants a mapping, not %s", kind(v))
	}
	r.room(len(d.keys), 96)
	r.step(len(d.keys))
	out := make([]any, len(d.keys))
	for i, k := range d.keys {
		out[i] = &List{Items: []any{k, d.at(k)}, tuple: true}
	}
	return &List{Items: out}
}
