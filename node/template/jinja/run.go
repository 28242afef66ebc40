package jinja

import (
	"fmt"
	"time"
)

// Limits bound one rendering; zero is the default of each.
type Limits struct {
	Steps int // expressions, statements and items looked at
	Bytes int // of all strings and lists made on the way
	Depth int // of calls and of values in values
}

// Defaults of Limits. The templates of known models take some hundred steps a
// message and copy a message a few times.
const (
	DefaultSteps = 2_000_000
	DefaultBytes = 256 << 20
	DefaultDepth = 100
)

// A language is what names in a template can mean. It hangs on the run, for
// some of the functions in the tables look up others there.
type language struct {
	filters map[string]filterFunc
	tests   map[string]testFunc
	str     map[string]func(*run, Str, args) any
	list    map[string]func(*run, *List, args) any
	dict    map[string]func(*run, *Dict, args) any
}

// A run is one rendering.
type run struct {
	steps, bytes, depth int // what is left
	out                 *builder
	date                time.Time
	line                int // of the statement that runs
	lang                language
}

// A scope holds variables; a name that is not in it is looked up in parent.
type scope struct {
	vars   map[string]any
	parent *scope
}

func (sc *scope) inner() *scope { return &scope{map[string]any{}, sc} }

func (sc *scope) get(id string) (any, bool) {
	for ; sc != nil; sc = sc.parent {
		if v, ok := sc.vars[id]; ok {
			return v, true
		}
	}
	return nil, false
}

// Render renders t with the variables vars, which must be values of this
// package or plain Go: nil, bool, int, float64, string, []any. date is what
// strftime_now tells. Errors are *Error.
func (t *Template) Render(vars map[string]any, date time.Time, lim Limits) (s Str, err error) {
	r := &run{
		steps: or(lim.Steps, DefaultSteps),
		bytes: or(lim.Bytes, DefaultBytes),
		depth: or(lim.Depth, DefaultDepth),
		out:   &builder{},
		date:  date,
		lang:  language{filters, tests, strMethods, listMethods, dictMethods},
	}
	defer func() {
		switch x := recover().(type) {
		case nil:
		case *Error:
			if x.Line == 0 {
				x.Line = r.line
			}
			s, err = Str{}, x
		case error:
			// A bug of this package; the template is not trusted to find it.
			s, err = Str{}, &Error{Line: r.line, Text: "internal: " + x.Error()}
		default:
			panic(x)
		}
	}()
	top := (&scope{vars: globals}).inner()
	for k, v := range vars {
		top.vars[k] = fromGo(v)
	}
	r.body(t.body, top)
	return r.out.str(), nil
}

func or(n, deflt int) int {
	if n == 0 {
		return deflt
	}
	return n
}

func fromGo(v any) any {
	switch v := v.(type) {
	case nil, bool, int64, float64, Str, *List, *Dict:
		return v
	case int:
		return int64(v)
	case string:
		return Text(v)
	case []any:
		l := &List{}
		for _, x := range v {
			l.Items = append(l.Items, fromGo(x))
		}
		return l
	}
	panic(&Error{Text: fmt.Sprintf("no template value for %T", v)})
}

// step takes n steps off the budget.
func (r *run) step(n int) {
	r.steps -= n
	if r.steps < 0 {
		spent("the template takes too many steps")
	}
}

// grow takes n bytes off the budget; call it before making them.
func (r *run) grow(n int) {
	if n < 0 || n > r.bytes {
		spent("the template makes too much text")
	}
	r.bytes -= n
}

// room is grow for n pieces of size bytes, proof against overflow.
func (r *run) room(n, size int) {
	if n > 0 && size > r.bytes/n {
		spent("the template makes too much text")
	}
	r.grow(n * size)
}

// enter goes one call or one value deeper; the result comes back up.
func (r *run) enter() func() {
	if r.depth--; r.depth < 0 {
		spent("the template calls itself too deep")
	}
	return func() { r.depth++ }
}

func (r *run) concat(parts ...Str) Str {
	n := 0
	for _, p := range parts {
		n += len(p.s) + 24*len(p.spans)
	}
	r.grow(n)
	return concat(parts...)
}

func (r *run) list(items []any) *List {
	r.grow(16*len(items) + 24)
	return &List{Items: items}
}

func (r *run) write(s Str) {
	r.grow(len(s.s) + 24*len(s.spans))
	r.out.add(s)
}

// capture gives what f writes.
func (r *run) capture(f func()) Str {
	was := r.out
	r.out = &builder{}
	f()
	s := r.out.str()
	r.out = was
	return s
}
