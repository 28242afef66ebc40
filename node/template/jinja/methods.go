package jinja

import (
	"strings"
	"unicode"
)

// method gives the Python method id of v, nil if there is none.
func (r *run) method(v any, id string) any {
	var f func(r *run, a args) any
	switch v := v.(type) {
	case Str:
		if m, ok := r.lang.str[id]; ok {
			f = func(r *run, a args) any { return m(r, v, a) }
		}
	case *List:
		if m, ok := r.lang.list[id]; ok {
			f = func(r *run, a args) any { return m(r, v, a) }
		}
	case *Dict:
		if m, ok := r.lang.dict[id]; ok && !v.namespace {
			f = func(r *run, a args) any { return m(r, v, a) }
		}
	}
	if f == nil {
		return nil
	}
	return &Func{id, f}
}

func strip(left, right bool) func(*run, Str, args) any {
	return func(_ *run, s Str, a args) any {
		if c, ok := a.arg(0, "chars"); ok && c != nil {
			cut := asStr(c, "strip").s
			if cut == "" {
				return s
			}
			return s.trim(cut, left, right)
		}
		return s.trim("", left, right)
	}
}

// affix makes startswith and endswith, which take a string or several.
func affix(has func(s, x string) bool) func(*run, Str, args) any {
	return func(r *run, s Str, a args) any {
		x := a.need(0, "affix", "startswith")
		if l, ok := x.(*List); ok {
			for _, y := range r.iterate(l) {
				if has(s.s, asStr(y, "startswith").s) {
					return true
				}
			}
			return false
		}
		return has(s.s, asStr(x, "startswith").s)
	}
}

func splitter(cut func(Str, string, int) []Str) func(*run, Str, args) any {
	return func(r *run, s Str, a args) any {
		n := int(a.int(1, "maxsplit", -1))
		sep, ok := a.arg(0, "sep")
		var parts []Str
		if !ok || sep == nil {
			r.room(len(s.s)/2+1, 48)
			parts = s.fields(n)
		} else {
			x := asStr(sep, "split").s
			if x == "" {
				fail("empty separator")
			}
			r.step(len(s.s) / 64)
			r.room(strings.Count(s.s, x)+1, 64)
			parts = cut(s, x, n)
		}
		return r.list(anys(parts))
	}
}

func anys(parts []Str) []any {
	out := make([]any, len(parts))
	for i, p := range parts {
		out[i] = p
	}
	return out
}

func is(f func(rune) bool) func(*run, Str, args) any {
	return func(_ *run, s Str, _ args) any {
		return s.s != "" && strings.IndexFunc(s.s, func(c rune) bool { return !f(c) }) < 0
	}
}

// pyTitle is str.title, which begins a word after anything but a letter; the
// filter title only after space and opening brackets.
func pyTitle(s string) string {
	up := true
	return strings.Map(func(c rune) rune {
		was := up
		up = !unicode.IsLetter(c)
		if was {
			return unicode.ToTitle(c)
		}
		return unicode.ToLower(c)
	}, s)
}

// find makes find, rfind and index; the place is counted in characters.
func find(index func(s, x string) int, must bool) func(*run, Str, args) any {
	return func(r *run, s Str, a args) any {
		i := index(s.s, a.text(0, "sub", "find").s)
		if i < 0 {
			if must {
				fail("substring not found")
			}
			return int64(-1)
		}
		return int64(r.runes(s.sub(0, i)))
	}
}

var strMethods = map[string]func(r *run, s Str, a args) any{
	"strip":      strip(true, true),
	"lstrip":     strip(true, false),
	"rstrip":     strip(false, true),
	"split":      splitter(Str.split),
	"rsplit":     splitter(Str.rsplit),
	"startswith": affix(strings.HasPrefix),
	"endswith":   affix(strings.HasSuffix),
	"upper": func(r *run, s Str, _ args) any {
		return strFilter(func(s Str) Str { return s.letters(strings.ToUpper) })(r, s, args{})
	},
	"lower": func(r *run, s Str, _ args) any {
		return strFilter(func(s Str) Str { return s.letters(strings.ToLower) })(r, s, args{})
	},
	"title": func(r *run, s Str, _ args) any {
		return strFilter(func(s Str) Str { return s.letters(pyTitle) })(r, s, args{})
	},
	"capitalize": func(r *run, s Str, _ args) any { return strFilter(capitalize)(r, s, args{}) },
	"replace":    func(r *run, s Str, a args) any { return r.replace(s, a, "count") },
	"join":       func(r *run, s Str, a args) any { return join(r, a.need(0, "iterable", "join"), args{pos: []any{s}}) },
	"find":       find(strings.Index, false),
	"rfind":      find(strings.LastIndex, false),
	"index":      find(strings.Index, true),
	"count":      func(_ *run, s Str, a args) any { return int64(strings.Count(s.s, a.text(0, "sub", "count").s)) },
	"isdigit":    is(unicode.IsDigit),
	"isdecimal":  is(unicode.IsDigit),
	"isnumeric":  is(unicode.IsNumber),
	"isalpha":    is(unicode.IsLetter),
	"isalnum":    is(func(c rune) bool { return unicode.IsLetter(c) || unicode.IsNumber(c) }),
	"isspace":    is(isSpace),
	"islower":    func(_ *run, s Str, _ args) any { return s.s == strings.ToLower(s.s) && s.s != strings.ToUpper(s.s) },
	"isupper":    func(_ *run, s Str, _ args) any { return s.s == strings.ToUpper(s.s) && s.s != strings.ToLower(s.s) },
	"removeprefix": func(_ *run, s Str, a args) any {
		return s.sub(len(s.s)-len(strings.TrimPrefix(s.s, a.text(0, "prefix", "removeprefix").s)), len(s.s))
	},
	"removesuffix": func(_ *run, s Str, a args) any {
		return s.sub(0, len(strings.TrimSuffix(s.s, a.text(0, "suffix", "removesuffix").s)))
	},
	"partition": func(_ *run, s Str, a args) any {
		sep := a.text(0, "sep", "partition")
		i := strings.Index(s.s, sep.s)
		if i < 0 {
			return &List{[]any{s, Str{}, Str{}}, true}
		}
		j := i + len(sep.s)
		return &List{[]any{s.sub(0, i), s.sub(i, j), s.sub(j, len(s.s))}, true}
	},
	"splitlines": func(r *run, s Str, _ args) any {
		r.room(strings.Count(s.s, "\n")+1, 64)
		parts := s.split("\n", -1)
		if n := len(parts); parts[n-1].s == "" {
			parts = parts[:n-1]
		}
		return r.list(anys(parts))
	},
}

var listMethods = map[string]func(r *run, l *List, a args) any{
	"append": func(r *run, l *List, a args) any {
		if l.tuple {
			fail("a tuple does not change")
		}
		r.grow(64)
		l.Items = append(l.Items[:len(l.Items):len(l.Items)], a.need(0, "object", "append"))
		r.step(len(l.Items) / 8)
		return nil
	},
	"count": func(r *run, l *List, a args) any {
		n, want := 0, a.need(0, "value", "count")
		for _, x := range l.Items {
			if r.equal(x, want) {
				n++
			}
		}
		return int64(n)
	},
	"index": func(r *run, l *List, a args) any {
		want := a.need(0, "value", "index")
		for i, x := range l.Items {
			if r.equal(x, want) {
				return int64(i)
			}
		}
		fail("no such item")
		return nil
	},
}

var dictMethods = map[string]func(r *run, d *Dict, a args) any{
	"get": func(_ *run, d *Dict, a args) any {
		if v, ok := d.get(a.need(0, "key", "get")); ok {
			return v
		}
		return a.or(1, "default", nil)
	},
	"items": func(r *run, d *Dict, _ args) any { return r.items(d) },
	"keys":  func(r *run, d *Dict, _ args) any { return r.list(r.iterate(d)) },
	"values": func(r *run, d *Dict, _ args) any {
		out := make([]any, len(d.keys))
		for i, k := range d.keys {
			out[i] = d.at(k)
		}
		return r.list(out)
	},
	"update": func(r *run, d *Dict, a args) any {
		for _, x := range append(append([]any(nil), a.pos...), any(a.kw)) {
			o, ok := x.(*Dict)
			if !ok {
				fail("update wants a mapping")
			}
			if o == nil {
				continue
			}
			r.room(len(o.keys), 64)
			for _, k := range o.keys {
				d.set(k, o.at(k))
			}
		}
		return nil
	},
	"pop": func(r *run, d *Dict, a args) any {
		k := a.need(0, "key", "pop")
		v, ok := d.get(k)
		if !ok {
			return a.need(1, "default", "pop")
		}
		r.step(len(d.keys))
		d.delete(k)
		return v
	},
}
