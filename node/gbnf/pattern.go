package gbnf

import (
	"errors"
	"fmt"
	"regexp"
	"regexp/syntax"
	"strings"
	"unicode"
)

// pattern turns a regular expression of a schema into the body of a rule for
// what stands between the quotes of a JSON string. What Go's regexp/syntax
// can read is supported, but for word boundaries, lines and case folding;
// that leaves out what only ECMA-262 has: looking around and going back.
func (c *converter) pattern(p string) (string, error) {
	p, err := fromECMA(p)
	if err != nil {
		return "", err
	}
	re, err := syntax.Parse(p, syntax.Perl)
	if err != nil {
		var e *syntax.Error
		if errors.As(err, &e) {
			return "", fmt.Errorf("%s", e.Code)
		}
		return "", err
	}
	re, start := anchor(re, syntax.OpBeginText)
	re, end := anchor(re, syntax.OpEndText)
	w := &patternWriter{}
	w.write(re)
	if w.err != nil {
		return "", w.err
	}
	body := w.b.String()
	if re.Op == syntax.OpAlternate {
		body = "(" + body + ")"
	}
	// Without anchors the pattern can stand anywhere in the string.
	if !start {
		body = c.use("char") + "* " + body
	}
	if !end {
		body += " " + c.use("char") + "*"
	}
	return body, nil
}

// ecmaSpace is what \s is in ECMA-262, for a class of Go's.
const ecmaSpace = `\s\v\x{a0}\x{feff}\x{2028}\x{2029}\p{Zs}`

// fromECMA writes the escapes of ECMA-262 as Go has them: \u0041, and the
// white space of Unicode for \s.
func fromECMA(p string) (string, error) {
	var b strings.Builder
	class := false
	for i := 0; i < len(p); i++ {
		switch {
		case p[i] == '[':
			class = true
		case p[i] == ']':
			class = false
		case p[i] == '\\' && i+1 < len(p):
			i++
			switch e := p[i]; {
			case e == 'u':
				m := ecmaUnicode.FindString(p[i:])
				if m == "" {
					return "", errors.New(`\u wants four hex digits`)
				}
				b.WriteString(`\x{` + strings.Trim(m, "u{}") + `}`)
				i += len(m) - 1
			case e == 's' && class:
				b.WriteString(ecmaSpace)
			case e == 's':
				b.WriteString(`[` + ecmaSpace + `]`)
			case e == 'S' && class:
				return "", errors.New(`\S in a class is not supported`)
			case e == 'S':
				b.WriteString(`[^` + ecmaSpace + `]`)
			default:
				b.WriteString(p[i-1 : i+1])
			}
			continue
		}
		b.WriteByte(p[i])
	}
	return b.String(), nil
}

var ecmaUnicode = regexp.MustCompile(`^u([0-9a-fA-F]{4}|\{[0-9a-fA-F]{1,6}\})`)

// anchor takes ^ or $ off re and says whether it was there.
func anchor(re *syntax.Regexp, op syntax.Op) (*syntax.Regexp, bool) {
	switch re.Op {
	case op:
		return &syntax.Regexp{Op: syntax.OpEmptyMatch}, true
	case syntax.OpCapture:
		return anchor(re.Sub[0], op)
	case syntax.OpConcat:
		i := 0
		if op == syntax.OpEndText {
			i = len(re.Sub) - 1
		}
		sub, ok := anchor(re.Sub[i], op)
		if !ok {
			return re, false
		}
		subs := append([]*syntax.Regexp(nil), re.Sub...)
		subs[i] = sub
		return &syntax.Regexp{Op: syntax.OpConcat, Sub: subs}, true
	case syntax.OpAlternate:
		// All of the alternates or none; write refuses an anchor left over.
		var subs []*syntax.Regexp
		for _, s := range re.Sub {
			sub, ok := anchor(s, op)
			if !ok {
				return re, false
			}
			subs = append(subs, sub)
		}
		return &syntax.Regexp{Op: syntax.OpAlternate, Sub: subs}, true
	}
	return re, false
}

type patternWriter struct {
	b   strings.Builder
	err error
}

func (w *patternWriter) fail(format string, a ...any) {
	if w.err == nil {
		w.err = fmt.Errorf(format, a...)
	}
}

func (w *patternWriter) write(re *syntax.Regexp) {
	switch re.Op {
	case syntax.OpEmptyMatch:
		w.b.WriteString(`""`)
	case syntax.OpLiteral:
		if re.Flags&syntax.FoldCase != 0 {
			w.fail("case folding is not supported")
		}
		w.b.WriteString(literal(jsonEscape(string(re.Rune))))
	case syntax.OpCharClass:
		w.class(re.Rune)
	case syntax.OpAnyCharNotNL:
		w.class([]rune{0, '\n' - 1, '\n' + 1, '\r' - 1, '\r' + 1, 0x2027, 0x202a, unicode.MaxRune})
	case syntax.OpAnyChar:
		w.class([]rune{0, unicode.MaxRune})
	case syntax.OpCapture:
		w.group(re.Sub[0])
	case syntax.OpStar:
		w.repeat(re.Sub[0], 0, -1)
	case syntax.OpPlus:
		w.repeat(re.Sub[0], 1, -1)
	case syntax.OpQuest:
		w.repeat(re.Sub[0], 0, 1)
	case syntax.OpRepeat:
		w.repeat(re.Sub[0], re.Min, re.Max)
	case syntax.OpConcat:
		for i, s := range re.Sub {
			if i > 0 {
				w.b.WriteByte(' ')
			}
			if s.Op == syntax.OpAlternate {
				w.group(s)
			} else {
				w.write(s)
			}
		}
	case syntax.OpAlternate:
		for i, s := range re.Sub {
			if i > 0 {
				w.b.WriteString(" | ")
			}
			w.write(s)
		}
	case syntax.OpBeginText, syntax.OpEndText, syntax.OpBeginLine, syntax.OpEndLine:
		w.fail("^ and $ are supported at the ends only")
	case syntax.OpNoMatch:
		w.fail("it holds for no string")
	default:
		w.fail("%s is not supported", re)
	}
}

func (w *patternWriter) group(re *syntax.Regexp) {
	w.b.WriteByte('(')
	w.write(re)
	w.b.WriteByte(')')
}

func (w *patternWriter) repeat(re *syntax.Regexp, lo, hi int) {
	if hi == 0 {
		w.b.WriteString(`""`)
		return
	}
	w.group(re)
	w.b.WriteString(times(lo, hi))
}

// class writes a set of characters, given as ranges: those that stand for
// themselves in a JSON string as a GBNF class, the others as their escapes.
func (w *patternWriter) class(ranges []rune) {
	var set strings.Builder
	var escaped []string
	plain := func(lo, hi rune) {
		if lo > hi {
			return
		}
		set.WriteString(classRune(lo))
		if hi > lo {
			set.WriteString("-" + classRune(hi))
		}
	}
	for i := 0; i+1 < len(ranges); i += 2 {
		lo, hi := ranges[i], ranges[i+1]
		for lo <= hi {
			switch {
			case lo < 0x20 || lo == '"' || lo == '\\' || lo == 0x7f:
				escaped = append(escaped, literal(jsonRune(lo)))
				lo++
			case lo >= 0xd800 && lo <= 0xdfff: // no characters
				lo = 0xe000
			default:
				end := hi
				for _, stop := range []rune{'"', '\\', 0x7f, 0xd800} {
					if lo < stop {
						end = min(end, stop-1)
					}
				}
				plain(lo, end)
				lo = end + 1
			}
		}
	}
	var alts []string
	if set.Len() > 0 {
		alts = append(alts, "["+set.String()+"]")
	}
	alts = append(alts, escaped...)
	switch len(alts) {
	case 0:
		w.fail("a class is empty")
	case 1:
		w.b.WriteString(alts[0])
	default:
		w.b.WriteString("(" + strings.Join(alts, " | ") + ")")
	}
}

// classRune writes r for a GBNF class.
func classRune(r rune) string {
	switch {
	case r < 0x80 && (isWord(byte(r)) && r != '-' || strings.ContainsRune(" !#$%&'()*+,./:;<=>?@_`{|}~", r)):
		return string(r)
	case r <= 0xff:
		return fmt.Sprintf(`\x%02X`, r)
	case r <= 0xffff:
		return fmt.Sprintf(`\u%04X`, r)
	}
	return fmt.Sprintf(`\U%08X`, r)
}
