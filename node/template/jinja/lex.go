package jinja

import (
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"
)

// The kinds of token. An operator's kind is tokOp, its text what it is.
type tokKind int

const (
	tokEOF   tokKind = iota
	tokData          // text outside of tags
	tokOpen          // {{ or {%, by text
	tokClose         // }} or %}, by text
	tokName
	tokString
	tokInt
	tokFloat
	tokOp
)

type token struct {
	kind tokKind
	text string
	line int
}

// A lexer cuts a template into tokens as jinja2's lexer does with
// trim_blocks and lstrip_blocks.
type lexer struct {
	src       string
	at        int
	line      int
	lineStart bool // what was consumed last ended a line
	toks      []token
}

func lex(src string) []token {
	src = strings.ReplaceAll(src, "\r\n", "\n")
	src = strings.ReplaceAll(src, "\r", "\n")
	src = strings.TrimSuffix(src, "\n") // keep_trailing_newline is off
	l := &lexer{src: src, line: 1, lineStart: true}
	for l.at < len(l.src) {
		l.data()
	}
	l.emit(tokEOF, "")
	return l.toks
}

func (l *lexer) emit(k tokKind, s string) {
	l.toks = append(l.toks, token{k, s, l.line})
}

func (l *lexer) fail(format string, a ...any) {
	panic(&Error{Line: l.line, Text: fmt.Sprintf(format, a...)})
}

// skip consumes n bytes and counts their lines.
func (l *lexer) skip(n int) {
	s := l.src[l.at : l.at+n]
	l.line += strings.Count(s, "\n")
	l.at += n
	if n > 0 {
		l.lineStart = s[n-1] == '\n'
	}
}

// data reads text up to the next tag, and that tag.
func (l *lexer) data() {
	rest := l.src[l.at:]
	i := nextTag(rest)
	if i < 0 {
		l.emit(tokData, rest)
		l.skip(len(rest))
		return
	}
	text, open := rest[:i], rest[i:i+2]
	sign := byte(0)
	if i+2 < len(rest) && (rest[i+2] == '-' || rest[i+2] == '+') {
		sign = rest[i+2]
	}
	switch {
	case sign == '-':
		text = strings.TrimRightFunc(text, isSpace)
	case sign == 0 && open != "{{":
		// lstrip_blocks: white space alone on its line before a block goes.
		if k := strings.LastIndexByte(text, '\n') + 1; k > 0 || l.lineStart {
			if strings.TrimFunc(text[k:], isSpace) == "" {
				text = text[:k]
			}
		}
	}
	if text != "" {
		l.emit(tokData, text)
	}
	n := i + 2
	if sign != 0 {
		n++
	}
	l.skip(n)
	switch open {
	case "{#":
		j := strings.Index(l.src[l.at:], "#}")
		if j < 0 {
			l.fail("comment without end")
		}
		trim := j > 0 && l.src[l.at+j-1] == '-'
		keep := j > 0 && l.src[l.at+j-1] == '+'
		l.skip(j + 2)
		l.after(trim, !keep)
	case "{%":
		if l.raw() {
			return
		}
		l.emit(tokOpen, "{%")
		l.code("%}")
	default:
		l.emit(tokOpen, "{{")
		l.code("}}")
	}
}

func nextTag(s string) int {
	for at := 0; ; {
		i := strings.IndexByte(s[at:], '{')
		if i < 0 || at+i+1 >= len(s) {
			return -1
		}
		at += i
		switch s[at+1] {
		case '{', '%', '#':
			return at
		}
		at++
	}
}

// after handles what follows a tag: -%} eats white space, %} one newline.
func (l *lexer) after(trim, newline bool) {
	rest := l.src[l.at:]
	switch {
	case trim:
		l.skip(len(rest) - len(strings.TrimLeftFunc(rest, isSpace)))
	case newline && strings.HasPrefix(rest, "\n"):
		l.skip(1)
	}
}

// raw handles {% raw %}...{% endraw %}, whose opening was just consumed.
func (l *lexer) raw() bool {
	head, ok := blockWord(l.src[l.at:], "raw")
	if !ok {
		return false
	}
	l.skip(head)
	l.after(l.src[l.at-3] == '-', true)
	for k := l.at; ; {
		i := strings.Index(l.src[k:], "{%")
		if i < 0 {
			l.fail("raw without endraw")
		}
		k += i
		m, sign := k+2, byte(0)
		if m < len(l.src) && (l.src[m] == '-' || l.src[m] == '+') {
			sign = l.src[m]
			m++
		}
		n, ok := blockWord(l.src[m:], "endraw")
		if !ok {
			k += 2
			continue
		}
		text := l.src[l.at:k]
		if sign == '-' {
			text = strings.TrimRightFunc(text, isSpace)
		} else if j := strings.LastIndexByte(text, '\n') + 1; sign == 0 && strings.TrimFunc(text[j:], isSpace) == "" && (j > 0 || l.lineStart) {
			text = text[:j]
		}
		l.emit(tokData, text)
		l.skip(m + n - l.at)
		l.after(l.src[l.at-3] == '-', true)
		return true
	}
}

// blockWord says how long "word %}" is at the start of s.
func blockWord(s, word string) (int, bool) {
	t := strings.TrimLeftFunc(s, isSpace)
	if !strings.HasPrefix(t, word) {
		return 0, false
	}
	t = strings.TrimLeftFunc(t[len(word):], isSpace)
	if len(t) > 0 && (t[0] == '-' || t[0] == '+') {
		t = t[1:]
	}
	if !strings.HasPrefix(t, "%}") {
		return 0, false
	}
	return len(s) - len(t) + 2, true
}

var ops = []string{"**", "//", "==", "!=", "<=", ">=", "+", "-", "*", "/", "%", "~", "<", ">", "=", "(", ")", "[", "]", "{", "}", ",", ":", ".", "|", ";"}

// code reads the tokens of a tag up to its end.
func (l *lexer) code(end string) {
	depth := 0
	for {
		rest := l.src[l.at:]
		l.skip(len(rest) - len(strings.TrimLeftFunc(rest, isSpace)))
		rest = l.src[l.at:]
		if rest == "" {
			l.fail("tag without end, %s wanted", end)
		}
		if depth == 0 {
			sign := rest[0] == '-' || rest[0] == '+'
			if strings.HasPrefix(rest, end) || sign && strings.HasPrefix(rest[1:], end) {
				trim, keep := rest[0] == '-', rest[0] == '+'
				n := len(end)
				if sign {
					n++
				}
				l.emit(tokClose, end)
				l.skip(n)
				l.after(trim, end == "%}" && !keep)
				return
			}
		}
		c := rest[0]
		switch {
		case c == '"' || c == '\'':
			l.str(c)
		case c >= '0' && c <= '9':
			l.num(rest)
		case isWord(rest):
			n := 0
			for n < len(rest) {
				r, w := utf8.DecodeRuneInString(rest[n:])
				if r != '_' && !unicode.IsLetter(r) && !unicode.IsDigit(r) {
					break
				}
				n += w
			}
			l.emit(tokName, rest[:n])
			l.skip(n)
		default:
			depth += l.op(rest)
		}
	}
}

func isWord(s string) bool {
	r, _ := utf8.DecodeRuneInString(s)
	return r == '_' || unicode.IsLetter(r)
}

func (l *lexer) op(rest string) (depth int) {
	for _, o := range ops {
		if strings.HasPrefix(rest, o) {
			l.emit(tokOp, o)
			l.skip(len(o))
			switch o {
			case "(", "[", "{":
				return 1
			case ")", "]", "}":
				return -1
			}
			return 0
		}
	}
	r, _ := utf8.DecodeRuneInString(rest)
	l.fail("unexpected character %q", r)
	return 0
}

func (l *lexer) num(rest string) {
	n := 0
	digits := func() {
		for n < len(rest) && (rest[n] >= '0' && rest[n] <= '9' || rest[n] == '_') {
			n++
		}
	}
	digits()
	k := tokInt
	if n+1 < len(rest) && rest[n] == '.' && rest[n+1] >= '0' && rest[n+1] <= '9' {
		k = tokFloat
		n++
		digits()
	}
	if n < len(rest) && (rest[n] == 'e' || rest[n] == 'E') {
		m := n
		n++
		if n < len(rest) && (rest[n] == '+' || rest[n] == '-') {
			n++
		}
		if n < len(rest) && rest[n] >= '0' && rest[n] <= '9' {
			k = tokFloat
			digits()
		} else {
			n = m
		}
	}
	l.emit(k, strings.ReplaceAll(rest[:n], "_", ""))
	l.skip(n)
}

// str reads a string literal with Python's escapes.
func (l *lexer) str(quote byte) {
	var b strings.Builder
	i := l.at + 1
	for {
		if i >= len(l.src) {
			l.fail("string without end")
		}
		c := l.src[i]
		if c == quote {
			break
		}
		if c != '\\' {
			b.WriteByte(c)
			i++
			continue
		}
		if i+1 >= len(l.src) {
			l.fail("string without end")
		}
		n := 2
		switch e := l.src[i+1]; e {
		case 'n':
			b.WriteByte('\n')
		case 't':
			b.WriteByte('\t')
		case 'r':
			b.WriteByte('\r')
		case 'b':
			b.WriteByte('\b')
		case 'f':
			b.WriteByte('\f')
		case '\\', '\'', '"':
			b.WriteByte(e)
		case '\n':
		case 'x', 'u', 'U':
			w := map[byte]int{'x': 2, 'u': 4, 'U': 8}[e]
			v, ok := hex(l.src[i+2:], w)
			if !ok {
				l.fail("bad escape \\%c in a string", e)
			}
			b.WriteRune(v)
			n += w
		default:
			b.WriteByte('\\')
			b.WriteByte(e)
		}
		i += n
	}
	l.emit(tokString, b.String())
	l.skip(i + 1 - l.at)
}

func hex(s string, n int) (rune, bool) {
	if len(s) < n {
		return 0, false
	}
	v := 0
	for _, c := range []byte(s[:n]) {
		d := strings.IndexByte("0123456789abcdef", c|0x20)
		if d < 0 || c < '0' {
			return 0, false
		}
		v = v<<4 | d
	}
	return rune(v), true
}
